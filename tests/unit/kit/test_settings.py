from pathlib import Path

import pytest
from pydantic import Field, SecretStr

from shared.kit.errors import Unusable
from shared.kit.settings import DatabaseSettings, ServiceSettings, load_settings, misspelt, secret_value


class Settings(ServiceSettings):
    """A service's own."""

    link_key: SecretStr = Field(min_length=8)


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HYPERCARE_LINK_KEY", "HYPERCARE_LINK_KEY_FILE", "HYPERCARE_DATABASE_URL", "HYPERCARE_NATS_URL"):
        monkeypatch.delenv(name, raising=False)


def test_a_secret_may_stand_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("from-a-file\n")
    monkeypatch.setenv("HYPERCARE_LINK_KEY_FILE", str(tmp_path / "key"))
    assert load_settings(Settings).link_key.get_secret_value() == "from-a-file"


def test_giving_a_value_and_its_file_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("one-of-the-two")
    monkeypatch.setenv("HYPERCARE_LINK_KEY", "the-other-one")
    monkeypatch.setenv("HYPERCARE_LINK_KEY_FILE", str(tmp_path / "key"))
    with pytest.raises(Unusable, match="HYPERCARE_LINK_KEY and HYPERCARE_LINK_KEY_FILE are both set"):
        load_settings(Settings)


def test_a_file_that_cannot_be_read_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HYPERCARE_LINK_KEY_FILE", str(tmp_path / "nowhere"))
    with pytest.raises(Unusable, match=r"HYPERCARE_LINK_KEY_FILE: cannot read .*nowhere"):
        load_settings(Settings)


def test_all_mistakes_are_shown_at_once_and_no_value_with_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYPERCARE_LINK_KEY", "short")
    monkeypatch.setenv("HYPERCARE_OPS_PORT", "99999")
    with pytest.raises(Unusable) as refused:
        load_settings(Settings)
    words = str(refused.value)
    assert "HYPERCARE_LINK_KEY" in words
    assert "HYPERCARE_OPS_PORT" in words
    assert "short" not in words


def test_what_is_missing_is_named_by_its_variable() -> None:
    with pytest.raises(Unusable, match="HYPERCARE_DATABASE_URL"):
        load_settings(DatabaseSettings)


def test_no_secret_shows_in_a_repr(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYPERCARE_LINK_KEY", "a-secret-nobody-sees")
    monkeypatch.setenv("HYPERCARE_NATS_PASSWORD", "another-secret")
    settings = load_settings(Settings)
    assert "nobody-sees" not in repr(settings)
    assert "another-secret" not in repr(settings)


def test_several_buses_are_a_comma_separated_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYPERCARE_LINK_KEY", "long-enough")
    monkeypatch.setenv("HYPERCARE_NATS_URL", "nats://a:4222, nats://b:4222")
    assert load_settings(Settings).nats_urls == ["nats://a:4222", "nats://b:4222"]


def test_a_reference_to_a_missing_secret_names_the_reference(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("NOT_THERE", raising=False)
    with pytest.raises(Unusable, match="env:NOT_THERE"):
        secret_value("env:NOT_THERE")
    with pytest.raises(Unusable, match="file:"):
        secret_value(f"file:{tmp_path}/nowhere")
    with pytest.raises(Unusable, match="must be written as"):
        secret_value("plain-text-password")


def test_a_misspelt_setting_is_told_from_what_is_somebody_elses(monkeypatch: pytest.MonkeyPatch) -> None:
    others = ("HYPERCARE_URL", "HYPERCARE_SMTP_PASSWORD", "HYPERCARE_CRASH_FILE", "HYPERCARE_LINK_KEY_FILE", "LINK_KY")
    for name in ("HYPERCARE_LINK_KYE", "HYPERCARE_OPS_PROT", *others):
        monkeypatch.setenv(name, "x")
    assert misspelt(Settings) == {
        "HYPERCARE_LINK_KYE": "HYPERCARE_LINK_KEY",
        "HYPERCARE_OPS_PROT": "HYPERCARE_OPS_PORT",
    }
