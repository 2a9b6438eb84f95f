"""Error responses of the store: JSON that leaks nothing.

The reason goes to the log, which the SDK's filter keeps free of secrets. The response names only
the part that is unavailable.
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
from examples.gaara_store.keys import KEYS_LOST, Keys

log = logging.getLogger(__name__)

RETRY_AFTER: Final = 5  # seconds


class Unavailable(Exception):
    """A part of the store is unavailable.

    The response names *part*; *reason* is for the log, without secrets.
    """

    def __init__(self, part: str, reason: str) -> None:
        super().__init__(reason)
        self.part = part


#: Exception → the part that is unavailable.
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


#: Errors of a server that lost its keys, before and after it is set up again.
SIGNS_OF_LOST_KEYS: Final = (DecryptionFailed, KeyUnavailable, AuthenticationFailed, Sealed)


def register_error_handlers(app: Flask, keys: Keys) -> None:
    """Answer every error of *app* with JSON."""
    for kind, part in PARTS.items():
        app.register_error_handler(kind, _unavailable(part))
    for kind in SIGNS_OF_LOST_KEYS:
        app.register_error_handler(kind, _lost_keys_or_unavailable(keys))
    app.register_error_handler(Unavailable, lambda error: _unavailable(error.part)(error))
    app.register_error_handler(ValidationError, _invalid)
    app.register_error_handler(HTTPException, _http_error)


def _unavailable(part: str) -> Callable[[Exception], Response]:
    def answer(error: Exception) -> Response:
        log.warning("%s is not available: %s", part, error)
        response = _problem(
            HTTPStatus.SERVICE_UNAVAILABLE, f"{part} is not available now; try again later"
        )
        response.headers["Retry-After"] = str(RETRY_AFTER)
        return response

    return answer


def _lost_keys_or_unavailable(keys: Keys) -> Callable[[StrongroomError], Response]:
    def answer(error: StrongroomError) -> Response:
        if keys.are_lost():
            log.error("%s (%s)", KEYS_LOST, error)
            # Without Retry-After, because waiting does not bring the keys back.
            return _problem(HTTPStatus.SERVICE_UNAVAILABLE, KEYS_LOST)
        if isinstance(error, DecryptionFailed):
            raise error
        return _unavailable(PARTS.get(type(error), "the secrets server"))(error)

    return answer


def _invalid(error: ValidationError) -> Response:
    """Return a response that names the invalid fields and never repeats their values."""
    fields = error.errors(include_url=False, include_context=False, include_input=False)
    messages = (f"{'.'.join(map(str, each['loc'])) or 'body'}: {each['type']}" for each in fields)
    return _problem(HTTPStatus.BAD_REQUEST, "; ".join(messages))


def _http_error(error: HTTPException) -> Response:
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
