"""What all routes share: where they stand, and who asks."""

from fastapi import APIRouter, Security
from fastapi.security import HTTPBearer

from shared.kit.tokens import Identity

SCHEME = HTTPBearer(auto_error=False, description="An API token: `hypercare token create`.")


def incidents_router() -> APIRouter:
    """Routes below /api/v1/incidents, for bearers of a token."""
    return APIRouter(prefix="/api/v1/incidents", tags=["incidents"], dependencies=[Security(SCHEME)])


def identity_of(who: object) -> Identity:
    """The caller as the token check found him; to mypy the annotation that FastAPI reads is no type."""
    if not isinstance(who, Identity):
        raise TypeError("the token check gives an Identity")
    return who


def name_of(who: object) -> str:
    """The caller's name, for the timeline."""
    return identity_of(who).name
