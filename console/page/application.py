"""Application of the page: each view by its address, and its errors as pages."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from console.page.page_request import PageParts, PageRequest
from console.page.sources.sources import Clock, Sources
from console.page.views.alerts import show_alerts
from console.page.views.anomalies import show_anomalies
from console.page.views.compare import show_comparison
from console.page.views.leases import show_leases
from console.page.views.migrations import show_migrations
from console.page.views.overview import show_overview
from console.page.views.plan import show_plan
from console.page.views.reads import show_reads
from console.page.views.rotations import show_rotations
from console.page.views.value import show_value
from console.page.views.value_list import show_values
from console.views.web import create_environment, read_theme

_FOLDER: Final = Path(__file__).parent
_ICON: Final = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><rect x="1" y="2" width="14" '
    'height="12" rx="2" fill="#0969da"/><circle cx="8" cy="8" r="3" fill="#ffffff"/></svg>'
)
#: Address → its view.
VIEWS: Final[dict[str, Callable[[PageRequest], Response]]] = {
    "/": show_overview,
    "/values": show_values,
    "/reads": show_reads,
    "/anomalies": show_anomalies,
    "/rotations": show_rotations,
    "/leases": show_leases,
    "/migrations": show_migrations,
    "/plan": show_plan,
    "/compare": show_comparison,
    "/alerts": show_alerts,
    "/value/{kind}/{service}/{name:path}": show_value,
}


def build_application(sources: Sources, clock: Clock) -> Starlette:
    """Return the application."""
    parts = PageParts(sources, clock, create_environment(_FOLDER / "templates"))
    style = read_theme() + (_FOLDER / "page.css").read_text(encoding="utf-8")
    routes = [Route(path, _build_endpoint(view, parts)) for path, view in VIEWS.items()]
    routes += [_file("/style.css", style, "text/css"), _file("/icon.svg", _ICON, "image/svg+xml")]

    def show_error(request: Request, error: Exception) -> Response:
        return _show_error(PageRequest(request, parts), error)

    return Starlette(
        routes=routes,
        exception_handlers={HTTPException: show_error, Exception: show_error},
    )


def _file(path: str, text: str, media_type: str) -> Route:
    def endpoint(_request: Request) -> Response:
        return Response(text, media_type=media_type)

    return Route(path, endpoint)


def _build_endpoint(
    view: Callable[[PageRequest], Response], parts: PageParts
) -> Callable[[Request], Response]:
    """Return the endpoint of a view, which runs in a thread because it is no coroutine."""

    def endpoint(request: Request) -> Response:
        return view(PageRequest(request, parts))

    return endpoint


def _show_error(request: PageRequest, error: Exception) -> Response:
    """Return the page of an error, which shows no text of an unknown one."""
    if isinstance(error, HTTPException):
        status = HTTPStatus(error.status_code)
        reason = error.detail if error.detail != status.phrase else "There is nothing here."
    else:
        status = HTTPStatus.INTERNAL_SERVER_ERROR
        reason = f"This view failed with {type(error).__name__}. Reload, and report it if it stays."
    return request.render("error.html.j2", status.phrase, status=status, reason=reason)
