from hypothesis import given
from hypothesis import strategies as st

from services.prober.domain.safe_text import REASON_LIMIT, safe_text
from shared.kit.signing import is_ping_token, ping_token


@given(st.text())
def test_any_text_becomes_one_short_printable_line(text: str) -> None:
    line = safe_text(text)
    assert len(line) <= REASON_LIMIT
    assert line.isprintable()
    line.encode()


def test_terminal_tricks_and_text_that_runs_backwards_are_taken_out() -> None:
    assert safe_text("a\x1b[31mred\u202egnp.exe\r\n\tb") == "a [31mred gnp.exe b"


def test_a_secret_is_masked_before_the_text_is_cut() -> None:
    secret = "s3cret-value"
    shown = safe_text("x" * (REASON_LIMIT - 5) + secret, secrets=[secret])
    assert shown.endswith("***")


def test_a_ping_token_is_the_same_for_ever_and_differs_by_check_and_key() -> None:
    token = ping_token("a-key", "nightly-backup")
    assert token == "48e1e9ea3d5e7d0903935ac87976146c"
    assert is_ping_token("a-key", "nightly-backup", token)
    assert not is_ping_token("a-key", "other", token)
    assert not is_ping_token("b-key", "nightly-backup", token)
