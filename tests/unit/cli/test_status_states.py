"""The one word `hypercare status` has for a replica."""

from cli.status import _state


def test_a_replica_with_problems_may_be_ready_all_the_same() -> None:
    said = {"channel:email-0": "535 bad credentials"}
    assert _state(None, said, is_ready=True) == "ready, with problems"
    assert _state(None, said, is_ready=False) == "not ready"
    assert _state(None, {}, is_ready=True) == "ready"
