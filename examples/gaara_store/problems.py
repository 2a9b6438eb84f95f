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
    KeyUnavailable,
    ServerError,
)

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


def handle_problems(app: Flask) -> None:
    """Answer every error of *app* with JSON."""
    for kind, part in PARTS.items():
        app.register_error_handler(kind, _unavailable(part))
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
