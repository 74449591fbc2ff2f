"""The acknowledge link's token."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from services.notifier.domain.link import VALID_FOR, is_ours, read_token, write_token
from shared.contracts.pages import delivery_id
from shared.values import PageId, stable_id

NOW = datetime(2026, 2, 20, 8, tzinfo=UTC)
KEY, PAGE = b"key", PageId(stable_id("page"))
DELIVERY = delivery_id(PAGE, "email:ana@example.org")


def token(key: bytes = KEY, page: PageId = PAGE, who: str = "ana") -> str:
    return write_token(key, DELIVERY, page, who, NOW)


def test_a_token_names_its_delivery_and_its_end() -> None:
    claimed = read_token(token())
    assert claimed is not None
    assert (claimed.delivery, claimed.expires_at) == (DELIVERY, NOW + VALID_FOR)
    assert is_ours(KEY, claimed, PAGE, "ana")


def test_a_token_is_short_and_the_same_for_every_attempt() -> None:
    assert len(token()) == 48
    assert token() == token()


def test_another_key_page_or_person_is_a_forgery() -> None:
    claimed = read_token(token())
    assert claimed is not None
    assert not is_ours(b"other", claimed, PAGE, "ana")
    assert not is_ours(KEY, claimed, PageId(stable_id("other")), "ana")
    assert not is_ours(KEY, claimed, PAGE, "joao")


@given(st.integers(0, 47), st.sampled_from("ABCDEFabcdef0123456789-_"))
def test_no_changed_character_passes(at: int, char: str) -> None:
    good = token()
    changed = good[:at] + char + good[at + 1 :]
    claimed = read_token(changed)
    if changed != good and claimed is not None:
        assert not (claimed.delivery == DELIVERY and is_ours(KEY, claimed, PAGE, "ana"))


@given(st.text(max_size=80))
def test_any_text_is_read_without_an_error(text: str) -> None:
    read_token(text)
