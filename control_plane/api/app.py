"""Builds the FastAPI application out of the use cases."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.responses import Response

from control_plane.api import schema
from control_plane.api.border import Border, BorderRules
from control_plane.api.conventions import Conventions
from control_plane.api.guard import Gate, Guard, guarded
from control_plane.api.problems import answer, faults_of, problem, problem_of, retry_after_s
from control_plane.api.route_groups import GROUPS, OPENAPI_PATH, MadeRoutes, RoutesWhenAsked, operations_of, router_of
from control_plane.api.services import ApiServices
from nexus.context import current
from nexus.errors import NexusError

_NOT_JSON = "The body is not JSON, or nests too deeply."
# FastAPI says 400 for one thing only: a body that cannot be decoded.
_CODE_OF_STATUS = {400: "message_not_json", 404: "route_not_found", 405: "method_not_allowed"}
_DETAIL_OF_STATUS = {
    400: _NOT_JSON,
    404: "There is nothing at this address; /v1/openapi.json lists what there is.",
    405: "This address does not take that method; the header Allow says which it takes.",
}


def build_app(services: ApiServices, *, lazily: bool = False, more: Iterable[APIRouter] = ()) -> FastAPI:
    """The API. Whoever serves it may add routes and mounts of its own; they stand behind the same border.

    Args:
        services: the use cases.
        lazily: routes are made when the first request for them comes (``route_groups``), not now.
        more: further routers behind the guard.
    """
    app = _routeless_app()
    made = MadeRoutes(app, more)
    app.state.services = services
    policy = services.policy
    # The last one added is met first: the border, then the guard, then whatever works for a known principal.
    app.add_middleware(Conventions, books=services.books)
    app.add_middleware(Guard, gate=Gate(services.authenticator, made.routes))
    if lazily:
        app.add_middleware(RoutesWhenAsked, made=made)
    else:
        made.need_all()
    app.add_middleware(Border, rules=BorderRules(policy.door, policy.new_request_id, policy.media_url, policy.sign_in_origins))
    return app


def operations() -> Iterator[APIRoute]:
    """Every route of the API."""
    return (route for group in GROUPS for route in operations_of(router_of(group)))


def bare_app() -> FastAPI:
    """Routes and error answers without the use cases: enough for the OpenAPI document."""
    app = _routeless_app()
    MadeRoutes(app).need_all()
    return app


def _routeless_app() -> FastAPI:
    # FastAPI's own documentation pages load scripts from other hosts, so they are off.
    app = FastAPI(
        title="Nexus Voice Engine",
        openapi_url=OPENAPI_PATH,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        dependencies=[Depends(guarded)],
    )
    app.add_exception_handler(NexusError, _on_nexus_error)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http_exception)
    schema.install(app)
    return app


async def _on_nexus_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, NexusError):
        raise error
    return answer(problem_of(error, current().request_id), wait_s=retry_after_s(error))


async def _on_invalid(request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    found = error.errors()
    if any(each["type"] == "json_invalid" for each in found):
        return answer(problem("message_not_json", _NOT_JSON, current().request_id))
    detail = "Something in the request must change; errors says what and where."
    return answer(problem("invalid_request", detail, current().request_id, errors=faults_of(found)))


async def _on_http_exception(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    code = _CODE_OF_STATUS.get(error.status_code, "message_invalid" if error.status_code < 500 else "internal_error")
    detail = _DETAIL_OF_STATUS.get(error.status_code, "The request cannot be read.")
    return answer(problem(code, detail, current().request_id), headers=error.headers)
