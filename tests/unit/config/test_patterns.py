import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.config.patterns import compile_pattern


def test_an_expression_that_explodes_elsewhere_is_answered_at_once() -> None:
    # Python's own engine takes 2**40 steps here: this test would not end.
    assert compile_pattern("^(a+)+$").search("a" * 40 + "!") is False


def test_what_needs_to_look_around_is_refused_with_words() -> None:
    with pytest.raises(ValueError, match=r"is not a regular expression \(RE2\): invalid perl operator: \(\?="):
        compile_pattern("(?=x)")


def test_an_expression_that_needs_too_much_memory_is_refused() -> None:
    with pytest.raises(ValueError, match="is not a regular expression"):
        compile_pattern("((a{100}){100}){100}")


def test_half_a_character_in_an_answer_is_no_fault_of_ours() -> None:
    assert compile_pattern("a.b").search("a\ud800b")


@given(st.text(max_size=40), st.text(max_size=200))
def test_any_text_is_an_expression_or_a_mistake_and_nothing_else(text: str, body: str) -> None:
    try:
        pattern = compile_pattern(text)
    except ValueError:
        return
    pattern.search(body)
