"""Substitute for ``requests.Session`` in hvac's adapters, which sends through a session."""

from __future__ import annotations

import io
import json as json_module
from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import requests
import urllib3

from app_integration.errors import AuthenticationFailed, ConfigurationError, StrongroomError
from app_integration.hvac_adapter.errors import hvac_error
from app_integration.hvac_adapter.released_values import secret_texts
from app_integration.observability import redaction
from app_integration.secret import Secret
from app_integration.session.session import Session
from app_integration.transport.request import Request, Response
from app_integration.transport.responses import redact_body

_API: Final = "/v1/"
_TOKEN_HEADER: Final = "X-Vault-Token"  # noqa: S105 (the name of a header)
#: A process revokes its token by ``close()``; hvac's ``logout(revoke_token=True)`` does not.
_REVOKE_SELF: Final = "auth/token/revoke-self"
#: Paths that revoke the token in the body.
_REVOKES: Final = {"auth/token/revoke", "auth/token/revoke-orphan"}
_NO_CONTENT: Final = Response(204, b"")


class SessionSender:
    """Sender of hvac's requests through a :class:`.session.Session`. Thread-safe.

    hvac's adapters read the attributes and call :meth:`request`, as of a ``requests.Session``.
    """

    verify = cert = proxies = None

    def __init__(self, session: Session) -> None:
        """Send nothing yet."""
        self._session = session
        self.base_url = _base_url(session.address)

    def token(self) -> str | None:
        """Return the session's token, after a login if there is none; None if that is rejected."""
        try:
            token = self._session.requests.token()
        except AuthenticationFailed:
            return None
        except StrongroomError as error:
            failure = hvac_error(error, "POST", self.base_url)
        else:
            if token is not None:
                redaction.live.add(token)
            return None if token is None else token.reveal()
        raise failure  # outside of the block, so that it has no cause

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        *,
        params: Any = None,
        data: Any = None,
        json: Any = None,
        timeout: Any = None,
        **_: Any,
    ) -> requests.Response:
        """Send one request and return its response, whose body is read completely."""
        self._require_own(url)
        request = requests.Request(method.upper(), url, headers, None, data, params, json=json)
        prepared = request.prepare()
        del request, data, json, headers  # because a traceback may show local variables
        call = self._call(prepared)
        outcome = self._send(call, timeout if isinstance(timeout, int | float) else None)
        if isinstance(outcome, StrongroomError):
            raise hvac_error(outcome, call.method, f"{self.base_url}{_API}{call.path}")
        return _build_response(prepared, self._release(call, outcome))

    def close(self) -> None:
        """Do nothing, because the session belongs to the SDK's client."""

    def _require_own(self, url: str) -> None:
        """Raise an error if *url* is of another server; a prepared URL has another spelling."""
        if not url.startswith(f"{self.base_url}{_API}"):
            raise ConfigurationError(
                f"this client's server is {self.base_url}; create a plain hvac.Client for another"
            )

    def _call(self, prepared: requests.PreparedRequest) -> Request:
        headers = dict(prepared.headers)
        headers.pop("Content-Length", None)
        token = headers.pop(_TOKEN_HEADER, None)
        if token is not None and self._session.requests.is_session_token(token):
            token = None
        return Request(
            str(prepared.method),
            prepared.path_url.removeprefix(_API),
            headers,
            _read(prepared.body),
            None if token is None else Secret(token),
        )

    def _send(self, call: Request, timeout: float | None) -> Response | StrongroomError:
        if self._would_revoke(call):
            return _NO_CONTENT
        try:
            return self._session.requests.answer(call, timeout)
        except StrongroomError as error:
            return error

    def _would_revoke(self, call: Request) -> bool:
        """Return whether *call* would revoke the session's token."""
        if call.path == _REVOKE_SELF:
            return call.token is None
        return call.path in _REVOKES and self._session.requests.is_session_token(
            _token_in(call.body)
        )

    def _release(self, call: Request, response: Response) -> Response:
        """Return *response* without secrets if it is an error; else register its secrets."""
        if not response.ok and not call.reports_status:
            body = redact_body(call.path, response, self._session.mounts)
            return Response(
                response.status, json_module.dumps(body).encode(), headers=response.headers
            )
        for text in secret_texts(call.method, call.target, response.content):
            redaction.live.add(text)
        return response


def _token_in(body: bytes | None) -> str:
    """Return the token that a request revokes; "" if its body has none."""
    try:
        found = json_module.loads(body or b"{}")
    except ValueError:
        return ""
    return str(found.get("token", "")) if isinstance(found, dict) else ""


def _base_url(address: str) -> str:
    """Return the URL with which hvac's paths begin; that of a socket needs a made-up host."""
    parts = urlsplit(address)
    scheme = parts.scheme if parts.scheme in {"http", "https"} else "http"
    return f"{scheme}://{parts.netloc or 'localhost'}"


def _read(body: Any) -> bytes | None:
    """Return the bytes of the body of a prepared request, which may be a file or pieces."""
    if body is None or isinstance(body, bytes):
        return body
    if isinstance(body, str):
        return body.encode()
    if hasattr(body, "read"):
        return bytes(body.read())
    pieces: Iterable[bytes] = body
    return b"".join(pieces)


def _build_response(prepared: requests.PreparedRequest, response: Response) -> requests.Response:
    found = requests.Response()
    found.status_code = response.status
    found.url = prepared.url or ""
    found.headers.update(response.headers)
    found.encoding = requests.utils.get_encoding_from_headers(found.headers)
    # Without headers, because the content is decoded already.
    found.raw = urllib3.HTTPResponse(io.BytesIO(response.content), preload_content=False)
    return found
