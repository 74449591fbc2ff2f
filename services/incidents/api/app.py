"""The API: look at incidents, and take them through their stages."""

from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from services.incidents.acts import Acts, Unknown
from services.incidents.api.moving import moving
from services.incidents.api.reading import reading
from services.incidents.api.writing import writing
from services.incidents.ports import CurrentPlan, IncidentStore
from shared.kit.http import new_api, problem
from shared.kit.tokens import Tokens


def build_app(store: IncidentStore, acts: Acts, plan: CurrentPlan, tokens: Tokens) -> FastAPI:
    """The whole application, with its OpenAPI document at /api/v1/openapi.json."""
    app = new_api("Hypercare incidents")

    @app.exception_handler(Unknown)
    async def unknown(_: Request, error: Unknown) -> JSONResponse:
        return problem(HTTPStatus.NOT_FOUND, "Not found", error.reason, code=error.code)

    app.include_router(reading(store, plan, tokens))
    app.include_router(moving(acts, plan, tokens))
    app.include_router(writing(acts, plan, tokens))
    return app
