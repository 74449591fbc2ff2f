"""What the console needs to know."""

from pydantic import Field

from shared.kit.settings import HttpSettings, ServiceSettings, TokenSettings


class Settings(ServiceSettings, HttpSettings, TokenSettings):
    """The console keeps nothing, so there is little to set."""

    incidents_url: str = "http://127.0.0.1:8801"
    """Where the incidents service answers, without `/api/v1`."""
    console_origin: str | None = None
    """The address people see when a proxy changes the Host header: `https://console.example.org`."""
    console_secure_cookie: bool = False
    """Send the cookie over TLS only; set it where the console is behind TLS."""
    console_recheck_s: float = Field(default=30.0, gt=0, le=3600)
    """How often an open page's token is checked again."""
    neighbour_timeout_s: float = Field(default=5.0, gt=0, le=60)
    """How long an action may take before the person is told that it did not come through."""
