"""A server's answer, or the error that it stands for.

hvac's own exceptions are never raised: their text is the response body, which for a Transit batch
holds other items' plaintexts. For the same reason an error is raised here from where nothing but
the error is in sight: a traceback may be shown with the local variables of each frame.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

from app_integration import permissions
from app_integration.errors import (
    AccessDenied,
    RateLimited,
    RequestRefused,
    Sealed,
    ServerFault,
    StrongroomError,
    UnexpectedAnswer,
)

_ELSEWHERE: Final = {472, 473}  # standbys that don't forward
_SEALED: Final = {501, 503}
#: Below these paths an answer's words may repeat what was sent or stored.
_SILENT: Final = ("transit/", "secret/", "cubbyhole/", "database/creds/", "sys/wrapping/")
_MAX_EXPLANATION: Final = 300  # characters of the server's own words in an error


@dataclass(frozen=True, slots=True)
class Response:
    """An answer read whole.

    Attributes:
        location: where a redirect leads.
        retry_after: seconds that the server asks to wait; None when it doesn't.

    """

    status: int
    content: bytes = field(repr=False)
    location: str = ""
    retry_after: float | None = None

    @property
    def ok(self) -> bool:
        """Whether the request succeeded, as hvac's adapter asks."""
        return self.status < HTTPStatus.BAD_REQUEST


def decode(method: str, path: str, answer: Response) -> dict[str, Any]:
    """The object in *answer* to *method* on *path*.

    Raises:
        AccessDenied: 403.
        RequestRefused: another 4xx.
        ServerError: any of its kinds.

    """
    outcome = _outcome(method, path, answer)
    if isinstance(outcome, StrongroomError):
        raise outcome
    return outcome


def _outcome(method: str, path: str, answer: Response) -> dict[str, Any] | StrongroomError:
    try:
        body = _json(answer.content)
        if answer.status >= HTTPStatus.BAD_REQUEST:
            return _failure(method, path, answer, body or {})
    except RecursionError:  # of the decoder, or of what shows the server's words
        body = None
    if body is None or not HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
        return UnexpectedAnswer(f"{method} {path}: no answer of a Vault server; check VAULT_ADDR")
    return body


def _json(content: bytes) -> dict[str, Any] | None:
    """The object in *content*, ``{}`` for nothing; None for anything else."""
    if not content:
        return {}
    try:
        body = json.loads(content)
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def _failure(method: str, path: str, answer: Response, body: Mapping[str, Any]) -> StrongroomError:
    where, status = f"{method} {path}", answer.status
    if status == HTTPStatus.FORBIDDEN:
        rule = permissions.policy_rule(method, path)
        return AccessDenied(f"{where}: denied or absent; if it should be allowed, add {rule}")
    if status in _SEALED:
        return Sealed(f"{where}: the server is sealed or not initialised")
    words = f"{where}: status {status}{_explanation(path, body)}"
    if status in _ELSEWHERE:
        return RateLimited(words, not_sent=True)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return RateLimited(words, retry_after=answer.retry_after)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return ServerFault(words)
    return RequestRefused(words, status=status, data=_harmless(status, body.get("data")))


def _harmless(status: int, data: object) -> dict[str, Any] | None:
    """What an error may keep of an answer's *data*.

    KV says with a 404 which version was deleted. A batch says which items failed; those that
    didn't are plaintexts.
    """
    if not isinstance(data, Mapping):
        return None
    if status == HTTPStatus.NOT_FOUND:
        return dict(data)
    results = data.get("batch_results")
    if not isinstance(results, list):
        return {}
    return {
        "batch_results": [
            {"error": each["error"]} if isinstance(each, Mapping) and each.get("error") else {}
            for each in results
        ]
    }


def _explanation(path: str, body: Mapping[str, Any]) -> str:
    errors = body.get("errors")
    if path.startswith(_SILENT) or not isinstance(errors, list) or not errors:
        return ""
    return f": {' '.join('; '.join(map(str, errors)).split())[:_MAX_EXPLANATION]}"
