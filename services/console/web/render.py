"""Templates and static files, read once."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from services.console.live import Live
from services.console.model import ReadModel
from services.console.model.read_model import BREACHES, CHECKS, HEADLINE, INCIDENTS
from services.console.web.views import Views
from services.console.web.words import millis
from shared.kit.tokens import Identity, Role
from shared.values import IncidentId, ServiceId

_HERE: Final = Path(__file__).parent
_TYPES: Final = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}


@dataclass(frozen=True)
class Static:
    """A file we serve, with a digest that makes its address good for ever."""

    body: bytes
    media_type: str
    digest: str


def read_static() -> dict[str, Static]:
    """Every file of `static/` by its name."""
    found = {}
    for path in sorted((_HERE / "static").iterdir()):
        body = path.read_bytes()
        found[path.name] = Static(body, _TYPES[path.suffix], hashlib.sha256(body).hexdigest()[:12])
    return found


class Renderer:
    """HTML out of the read model."""

    def __init__(self, model: ReadModel, views: Callable[[], Views], live: Live, static: dict[str, Static]) -> None:
        self._model = model
        self._live = live
        self._views = views
        self._env = Environment(
            loader=FileSystemLoader(_HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._env.globals["static"] = {name: f"/static/{name}?v={one.digest}" for name, one in static.items()}

    def template(self, name: str, **values: object) -> str:
        """Any template by its file name."""
        return self._env.get_template(name).render(**values)

    def fragment(self, name: str, **values: object) -> Markup:
        """A piece of a page, safe to put into another template."""
        return Markup(self.template(name, **values))  # noqa: S704  # what a template of ours made has been escaped

    def page(self, who: Identity, now: datetime, **more: object) -> str:
        """The whole page at `/`."""
        return self.template("page.html", **self._frame(who, now), **self._main(now), **more)

    def main(self, who: Identity, now: datetime) -> str:
        """The inside of the page, when everything is to be drawn anew."""
        return self.template("main.html", **self._frame(who, now), **self._main(now))

    def _frame(self, who: Identity, now: datetime) -> dict[str, object]:
        views = self._views()
        return {
            "views": views,
            "programme": views.programme,
            "who": who,
            "can_act": may_act(who),
            "can_override": who.role.includes(Role.MANAGER),
            "position": self._live.position,
            "now_ms": millis(now),
            "news_ms": None if self._model.last_news_at is None else millis(self._model.last_news_at),
            "is_deaf": self._model.is_deaf,
            "is_loaded": self._model.is_loaded,
            "headline": self._model.headline(now),
        }

    def _main(self, now: datetime) -> dict[str, object]:
        views = self._views()
        return {
            "running": views.running(now),
            "over": views.over(now),
            "breaches": views.breaches(now),
            "breach_count": len(self._model.breaches.open()),
            "services": views.services(now),
        }

    def incident_page(self, who: Identity, incident: IncidentId, now: datetime, **more: object) -> str | None:
        """One incident on a page of its own, or None when it is not known."""
        view = self._views().incident(incident, now)
        if view is None:
            return None
        return self.template("incident.html", **self._frame(who, now), one=view, **more)

    def part(self, part: str, who: Identity, now: datetime) -> str | None:
        """One part of the page as it looks now; None when it is not on this viewer's page."""
        kind, _, name = part.partition(".")
        views = self._views()
        match kind:
            case "check":
                return self._row(name, views, now)
            case "service":
                return self.template("parts/service.html", service=views.service(ServiceId(name), now))
            case "incident":
                one = views.incident(IncidentId(name), now)
                if one is None:
                    return None
                return self.template("parts/incident_live.html", **self._frame(who, now), one=one)
            case _:
                return self._section(kind, who, now)

    def _section(self, kind: str, who: Identity, now: datetime) -> str | None:
        if kind not in {HEADLINE, INCIDENTS, BREACHES, CHECKS}:
            return None
        values = self._frame(who, now) if kind == HEADLINE else {**self._frame(who, now), **self._main(now)}
        return self.template(f"parts/{kind}.html", **values)

    def _row(self, name: str, views: Views, now: datetime) -> str | None:
        check, _, location = name.partition(".")
        one = self._model.find(check, location)
        return None if one is None else self.template("parts/row.html", row=views.row(one, now))

    def rows(self, service: ServiceId, now: datetime) -> str:
        """All rows of one service, on demand."""
        return self.template("parts/rows.html", rows=self._views().all_rows(service, now))


def may_act(who: Identity) -> bool:
    """Whether this person sees the actions; the incidents service decides for itself."""
    return who.role.includes(Role.RESPONDER)
