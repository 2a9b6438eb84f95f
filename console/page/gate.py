"""Gate before the page: it lets the one visitor through, and tells everybody else nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from http import HTTPStatus
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from console.page.admission import Access

METHODS: Final = ("GET", "HEAD")
#: Values of ``Sec-Fetch-Site`` of this page's own links, and of an address that a person entered.
#: A page of another port of this machine is ``same-site``.
_OWN_SITES: Final = frozenset({b"same-origin", b"none"})

#: Headers of a request, the names in lower case.
Headers = Iterable[tuple[bytes, bytes]]


def find_refusal(
    method: str, path: str, headers: Headers, hosts: Collection[str]
) -> HTTPStatus | None:
    """Return the status that rejects a request, None if it may be answered.

    A page of another site can point a name of its own at this machine, but the header ``Host`` has
    that name then, which is not among *hosts*.
    """
    if method not in METHODS:
        return HTTPStatus.METHOD_NOT_ALLOWED
    found = list(headers)
    named = [value.decode("latin-1").lower() for name, value in found if name == b"host"]
    is_own = len(named) == 1 and named[0] in hosts
    sites = {value for name, value in found if name == b"sec-fetch-site"}
    # A target may be a whole URL, whose host counts more than the header.
    if not is_own or not path.startswith("/") or not sites <= _OWN_SITES:
        return HTTPStatus.FORBIDDEN
    return None


def is_prefetch(headers: Headers) -> bool:
    """Return whether a browser fetches the page before a person asks for it."""
    return any(name in {b"sec-purpose", b"purpose"} for name, _ in headers)


#: Path below which the token of the one-time URL stands.
OPEN: Final = "/open/"
#: Headers of each response.
HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'none'; style-src 'self'; "
    "img-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_REFUSED: Final = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8">'
    '<meta name="color-scheme" content="light dark"><title>{title}</title></head>'
    "<body><main><h1>{title}</h1></main></body></html>"
)


class Gate:
    """The application *app*, for requests of the session only."""

    def __init__(self, app: ASGIApp, access: Access, port: int) -> None:
        self._app = app
        self._access = access
        self._hosts = frozenset({f"127.0.0.1:{port}", f"localhost:{port}"})
        # Cookies do not know ports, so that two pages on one machine have two names.
        self._cookie = f"strongroom-{port}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, with the headers of every response."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        app = self._find_refusal(scope) or self._find_opened(scope) or self._app
        await app(scope, receive, send_with_headers)

    def _find_refusal(self, scope: Scope) -> Response | None:
        headers = scope["headers"]
        status = find_refusal(scope["method"], scope["path"], headers, self._hosts)
        is_opening = scope["path"].startswith(OPEN)
        if status is None and not is_opening and not self._access.admit(self._read_cookie(scope)):
            status = HTTPStatus.FORBIDDEN
        return None if status is None else _refuse(status)

    def _find_opened(self, scope: Scope) -> Response | None:
        """Return the response to the one-time URL, None if the request is for another."""
        if not scope["path"].startswith(OPEN):
            return None
        # The terminal's or a browser's look ahead must not use the token up.
        is_person = scope["method"] == "GET" and not is_prefetch(scope["headers"])
        session = self._access.open(scope["path"].removeprefix(OPEN)) if is_person else None
        if session is None:
            return _refuse(HTTPStatus.FORBIDDEN)
        response = RedirectResponse("/", HTTPStatus.SEE_OTHER)
        response.set_cookie(self._cookie, session, httponly=True, samesite="strict")
        return response

    def _read_cookie(self, scope: Scope) -> str:
        lines = [value.decode("latin-1") for name, value in scope["headers"] if name == b"cookie"]
        return cookie_parser("; ".join(lines)).get(self._cookie, "")


def _refuse(status: HTTPStatus) -> Response:
    response = HTMLResponse(_REFUSED.format(title=status.phrase), status)
    if status is HTTPStatus.METHOD_NOT_ALLOWED:
        response.headers["Allow"] = ", ".join(METHODS)
    return response
