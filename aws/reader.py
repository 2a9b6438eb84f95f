"""Reader of AWS for one plan: one request per object, one hash over all responses."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from app_integration.aws.connection import AwsConnection
from app_integration.aws.request import AwsRequest
from app_integration.errors import ConfigurationError, RequestRefused
from vault.reconcile.planning.response_cache import CachedResponse, ResponseCache

#: Codes for an object that does not exist: of Secrets Manager and logs, of KMS, of IAM, of
#: dashboards, of topics, of trails.
_ABSENT: Final = {
    "ResourceNotFoundException",
    "NotFoundException",
    "NoSuchEntity",
    "ResourceNotFound",
    "NotFound",
    "TrailNotFoundException",
}
#: Parts of a response that change although the object does not: when a secret was read, what a log
#: group has, and what an alarm found.
_VOLATILE: Final = {
    "ResponseMetadata",
    "LastAccessedDate",
    "storedBytes",
    "StateValue",
    "StateReason",
    "StateReasonData",
    "StateUpdatedTimestamp",
    "StateTransitionedTimestamp",
    "EvaluationState",
}
#: Begins of the names of what a trail has delivered last, and of the counts of a topic.
_COUNTED: Final = ("Latest", "Subscriptions")


class AwsReader:
    """A reader that sends each request once and caches the response. Thread-safe."""

    def __init__(self, connection: AwsConnection) -> None:
        self._connection = connection
        self._cache = ResponseCache()

    def get(
        self, service: str, operation: str, name: str, *required: str, **parameters: Any
    ) -> dict[str, Any] | None:
        """Return the response to a request that reads, None if there is no such object.

        *name* is the object, for errors; *required* are keys that the response must have.
        """
        key = json.dumps([service, operation, parameters], sort_keys=True)
        request = AwsRequest(service, operation, name, parameters, required)
        found: dict[str, Any] | None = self._cache.fetch(key, lambda: self._send(request))
        return found

    def get_part(
        self, service: str, operation: str, name: str, *required: str, **parameters: Any
    ) -> dict[str, Any]:
        """Return the response about an object that was found before. See :meth:`get`."""
        found = self.get(service, operation, name, *required, **parameters)
        if found is None:
            raise ConfigurationError(f"{name} was deleted while it was read; make another plan")
        return found

    def digest(self) -> str:
        """Return a hash over every request and the part of its response that repeats."""
        return self._cache.digest(_comparable)

    def _send(self, request: AwsRequest) -> dict[str, Any] | None:
        try:
            return self._connection.call(request)
        except RequestRefused as refused:
            if (refused.data or {}).get("code") in _ABSENT:
                return None
            raise


def _comparable(response: CachedResponse) -> str:
    """Return the part of a response that repeats."""
    return json.dumps(_stable(response.value or {}), sort_keys=True, default=str)


def _stable(part: Any) -> Any:
    """Return *part* without what changes although the object does not."""
    if isinstance(part, Mapping):
        return {
            name: _stable(each)
            for name, each in part.items()
            if name not in _VOLATILE and not name.startswith(_COUNTED)
        }
    return [_stable(each) for each in part] if isinstance(part, list) else part
