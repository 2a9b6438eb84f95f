"""One call of a session, and what is left when its answer is lost."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from app_integration import permissions
from app_integration.errors import RateLimited, RequestRefused, ServerError
from app_integration.observability import metrics
from app_integration.transport.http import Hidden

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Call:
    """What a caller asks for; *wrap_ttl* in seconds."""

    method: str
    path: str
    body: Hidden | None = None
    wrap_ttl: int | None = None


def count_orphan(call: Call, error: ServerError) -> None:
    """Count a lease that may have been issued whose answer was lost; it lives to its end."""
    if error.not_sent or isinstance(error, RateLimited | RequestRefused):
        return
    if call.path.startswith(permissions.LEASING):
        log.warning("%s: an answer was lost, and perhaps a lease with it, until its TTL", call.path)
        metrics.current().record_operation("orphan-lease", type(error).__name__)
