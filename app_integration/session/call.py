"""One request of a session, and the accounting of a lease whose response was lost."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from app_integration import permissions
from app_integration._internal.hidden_body import HiddenBody
from app_integration.errors import RateLimited, RequestRefused, ServerError, ServerFault
from app_integration.mounts import Mounts
from app_integration.observability import metrics

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Call:
    """Parameters of one request.

    Attributes:
        wrap_ttl: Seconds; requests a response-wrapped answer. None for a plain one.

    """

    method: str
    path: str
    body: HiddenBody | None = None
    wrap_ttl: int | None = None


def record_orphan_lease(path: str, error: ServerError, mounts: Mounts) -> None:
    """Count a lease that the server may have issued although its response was lost.

    The id of such a lease is lost, so it cannot be revoked and lives until its TTL ends.
    """
    if error.not_sent or isinstance(error, RateLimited | RequestRefused):
        return
    if path.startswith(permissions.lease_prefix(mounts)):
        # The error of a server that failed is raised, and an attempt may be repeated often.
        has_failed = isinstance(error, ServerFault)
        log.log(
            logging.INFO if has_failed else logging.WARNING,
            "%s: the %s; a lease may have been issued that stays until its TTL ends",
            path,
            "server has failed" if has_failed else "response was lost",
        )
        metrics.get_recorder().record_operation("orphan-lease", type(error).__name__)
