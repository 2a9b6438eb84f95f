"""What a client is told when something goes wrong: JSON, and nothing that leaks.

The reason goes to the log, which the SDK's filter keeps free of secrets; the answer names the part
that is away and no more.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from http import HTTPStatus
from typing import Final

from flask import Flask, Response, jsonify
from pydantic import ValidationError
from sqlalchemy import exc as database
from werkzeug.exceptions import HTTPException

from app_integration.errors import (
    AccessDenied,
    AuthenticationFailed,
    ConfigurationError,
    DecryptionFailed,
    KeyUnavailable,
    Sealed,
    ServerError,
    StrongroomError,
)
from examples.gaara_store.keys import GONE, Keys

log = logging.getLogger(__name__)

RETRY_AFTER: Final = 5  # seconds


class Unavailable(Exception):
    """A part of the store's own is away; *reason* is for the log and holds no secret."""

    def __init__(self, part: str, reason: str) -> None:
        super().__init__(reason)
        self.part = part


#: Exception → the part that it says is away.
PARTS: Final[dict[type[Exception], str]] = {
    ServerError: "the secrets server",
    AuthenticationFailed: "the secrets server",
    AccessDenied: "the secrets server",
    KeyUnavailable: "the encryption key",
    ConfigurationError: "the configuration",
    database.OperationalError: "the database",
    database.InterfaceError: "the database",
    database.TimeoutError: "the database",
}


#: What a server that lost its keys answers with, before and after it is set up again.
LOST_WITH_THE_KEYS: Final = (DecryptionFailed, KeyUnavailable, AuthenticationFailed, Sealed)


def handle_problems(app: Flask, keys: Keys) -> None:
    """Answer every error of *app* with JSON; *keys* tell why data doesn't open."""
    for kind, part in PARTS.items():
        app.register_error_handler(kind, _unavailable(part))
    for kind in LOST_WITH_THE_KEYS:
        app.register_error_handler(kind, _perhaps_gone(keys))
    app.register_error_handler(Unavailable, lambda error: _unavailable(error.part)(error))
    app.register_error_handler(ValidationError, _invalid)
    app.register_error_handler(HTTPException, _refused)


def _unavailable(part: str) -> Callable[[Exception], Response]:
    def answer(error: Exception) -> Response:
        log.warning("%s isn't available: %s", part, error)
        response = _problem(
            HTTPStatus.SERVICE_UNAVAILABLE, f"{part} isn't available now; try again later"
        )
        response.headers["Retry-After"] = str(RETRY_AFTER)
        return response

    return answer


def _perhaps_gone(keys: Keys) -> Callable[[StrongroomError], Response]:
    def answer(error: StrongroomError) -> Response:
        if keys.gone():
            log.error("%s (%s)", GONE, error)
            # Without Retry-After: it doesn't pass by itself.
            return _problem(HTTPStatus.SERVICE_UNAVAILABLE, GONE)
        if isinstance(error, DecryptionFailed):
            raise error
        return _unavailable(PARTS.get(type(error), "the secrets server"))(error)

    return answer


def _invalid(error: ValidationError) -> Response:
    """Names the fields, and never repeats what was in them."""
    fields = error.errors(include_url=False, include_context=False, include_input=False)
    words = (f"{'.'.join(map(str, each['loc'])) or 'body'}: {each['type']}" for each in fields)
    return _problem(HTTPStatus.BAD_REQUEST, "; ".join(words))


def _refused(error: HTTPException) -> Response:
    status = HTTPStatus(error.code or HTTPStatus.INTERNAL_SERVER_ERROR)
    response = _problem(status, error.description or status.phrase)
    for name, value in error.get_headers():
        if name.lower() not in {"content-type", "content-length"}:
            response.headers[name] = value
    return response


def _problem(status: HTTPStatus, message: str) -> Response:
    response = jsonify(error=status.phrase, message=message)
    response.status_code = status
    return response
