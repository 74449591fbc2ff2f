"""The public HTTP application: links people press, callbacks providers make, the ledger for holders of a token."""

from dataclasses import dataclass

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from services.notifier.adapters.directory import SliceDirectory
from services.notifier.api.callbacks import callback_routes
from services.notifier.api.links import link_routes
from services.notifier.api.pages import page_routes
from services.notifier.handlers import Desk
from shared.kit.http import new_api
from shared.kit.tokens import Tokens


@dataclass(frozen=True)
class Doors:
    """What the routes work with."""

    desk: Desk
    directory: SliceDirectory
    tokens: Tokens


def build_app(doors: Doors) -> FastAPI:
    """Return the application with all its routes."""
    app = new_api("Hypercare notifier")

    async def root(_: Request) -> Response:
        return PlainTextResponse("Hypercare delivers pages from here. People come by the link in their page.\n")

    app.add_route("/", root, methods=["GET"], include_in_schema=False)
    app.include_router(link_routes(doors.desk))
    app.include_router(callback_routes(doors.desk, doors.directory))
    app.include_router(page_routes(doors.desk.ledger, doors.tokens))
    return app
