import pytest

from cli.runtime.installation import _is_setting


@pytest.mark.parametrize("name", ["HYPERCARE_CA_FILE", "HYPERCARE_MAX_IN_FLIGHT", "HYPERCARE_EMAIL_AT_ONCE"])
def test_what_is_set_for_a_service_reaches_it(name: str) -> None:
    assert _is_setting(name)


@pytest.mark.parametrize(
    "name",
    [
        "HYPERCARE_NATS_PASSWORD",
        "HYPERCARE_NATS_CA_FILE",
        "HYPERCARE_DATABASE_URL_FILE",
        "HYPERCARE_LINK_KEY",
        "HYPERCARE_TOKEN_KEY_FILE",
        "HYPERCARE_TOKEN",
        "TWILIO_TOKEN",
    ],
)
def test_nobody_s_key_or_login_reaches_every_service(name: str) -> None:
    assert not _is_setting(name)
