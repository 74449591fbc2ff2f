from cli.runtime.keeper import restart_wait_s


def test_the_first_restart_comes_after_a_fifth_of_a_second() -> None:
    assert restart_wait_s(1, jitter=0) == 0.2


def test_each_further_failure_doubles_the_wait_up_to_ten_seconds() -> None:
    assert [restart_wait_s(failures, jitter=0) for failures in (2, 3, 6, 7, 500)] == [0.4, 0.8, 6.4, 10.0, 10.0]


def test_jitter_only_shortens_and_by_a_fifth_at_most() -> None:
    assert restart_wait_s(7, jitter=1) == 8.0
