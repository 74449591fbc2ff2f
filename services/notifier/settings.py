"""Everything the notifier is told by its environment."""

from datetime import timedelta

from pydantic import Field, SecretStr, model_validator

from services.notifier.couriers import Terms
from shared.kit.settings import DatabaseSettings, HttpSettings, TokenSettings


class Settings(HttpSettings, DatabaseSettings, TokenSettings):
    """HYPERCARE_* of the notifier."""

    link_key: SecretStr = Field(min_length=16)
    """Signs acknowledge links; the same on every replica and kept over restarts, else links that are out go dead."""
    claim_s: float = Field(default=30, gt=0, le=600)
    """After so long a send whose worker has died is taken up by another."""
    send_deadline_s: float = Field(default=10, gt=0, le=300)
    """A send's hard end; less than half of claim_s."""
    pool_size: int = Field(default=16, ge=2, le=64)
    """Connections to the database: claims, settling and the outbox of many pages at once."""
    intake_at_once: int = Field(default=4, ge=1, le=64)
    """Requests of pages taken from the bus at the same time."""
    email_at_once: int = Field(default=20, ge=1, le=500)
    sms_at_once: int = Field(default=20, ge=1, le=500)
    chat_at_once: int = Field(default=4, ge=1, le=500)
    webhook_at_once: int = Field(default=20, ge=1, le=500)

    @model_validator(mode="after")
    def _deadline_before_claim(self) -> "Settings":
        if self.send_deadline_s * 2 >= self.claim_s:
            raise ValueError("send_deadline_s must be less than half of claim_s")
        return self

    @property
    def terms(self) -> Terms:
        """How sends are made."""
        return Terms(
            instance=self.instance,
            claim_for=timedelta(seconds=self.claim_s),
            deadline=timedelta(seconds=self.send_deadline_s),
            at_once={
                "email": self.email_at_once,
                "sms": self.sms_at_once,
                "chat": self.chat_at_once,
                "webhook": self.webhook_at_once,
            },
        )
