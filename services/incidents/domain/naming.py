"""What people call an incident: `2026-02-20-erp-down`."""

import re
from collections.abc import Collection
from datetime import datetime
from zoneinfo import ZoneInfo

from services.incidents.domain.scope import Scope

LONGEST_SLUG = 80


def slug(text: str) -> str:
    """Lower-case letters, digits and single hyphens; what is left of nothing is `incident`."""
    words = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    return words[:LONGEST_SLUG].strip("-") or "incident"


def base_name(opened_at: datetime, timezone: str, scope: Scope, symptom: str, rule: str) -> str:
    """Name by the date in the programme's zone (not in UTC: after midnight in Berlin it is already tomorrow).

    A rule's own name says enough (`2026-02-20-web-down`); a symptom in other words is put after its service, and a
    silent location after its symptom (`2026-02-20-prober-down-fra`).
    """
    day = opened_at.astimezone(ZoneInfo(timezone)).date()
    if scope.location:
        what = f"{symptom} {scope.location}"
    else:
        what = symptom if symptom == rule else f"{scope.service} {symptom}"
    return f"{day.isoformat()}-{slug(what)}"


def free_name(base: str, taken: Collection[str]) -> str:
    """The base itself, else the first free one of `-2`, `-3` and so on."""
    if base not in taken:
        return base
    number = 2
    while f"{base}-{number}" in taken:
        number += 1
    return f"{base}-{number}"
