"""An ordered chain of secret sources with fallback."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

from app_integration._internal.tracing import span
from app_integration.errors import OUTAGE, AccessDenied, SecretNotFound, StrongroomError
from app_integration.sources import BatchSource, FetchedSecret, Source, Version
from app_integration.sources.outage import Outage


class Chain:
    """Several sources in order; a later one is tried if the earlier ones cannot answer.

    If a source is unavailable, the next one is tried. After a negative result (absent or denied)
    the next one is tried in development, or if the source is not authoritative
    (:attr:`Source.is_authoritative`).
    """

    def __init__(
        self, sources: Sequence[Source], outages: Sequence[Outage], *, development: bool
    ) -> None:
        self._sources = sources
        self._outages = outages
        self._development = development

    @property
    def is_unavailable(self) -> bool:
        """Return whether an outage of any source is known."""
        return any(outage.is_known for outage in self._outages)

    @property
    def retry_at(self) -> float:
        """Return the time of the next attempt in a known outage; otherwise minus infinity."""
        return max((outage.retry_at for outage in self._outages), default=-math.inf)

    def failed_at(self, name: str) -> float:
        """Return when the last request for *name* failed; minus infinity if it was answered."""
        latest = -math.inf
        for outage in self._outages:
            if failing := outage.failing.get(name):
                latest = max(latest, failing.failed_at)
        return latest

    def get_error(self, name: str) -> StrongroomError | None:
        """Return the error of *name* if the outage of every source is known; otherwise None."""
        first = None
        for outage in self._outages:
            if (error := outage.get_error(name)) is None:
                return None
            first = first or error
        return first

    @property
    def has_fallback(self) -> bool:
        """Return whether a further source is tried for a name that the server denies."""
        return self._development and len(self._sources) > 1

    def fetch(
        self,
        name: str,
        version: Version,
        field: str | None,
        *,
        is_final: Callable[[StrongroomError], bool],
        is_attempt: bool,
    ) -> tuple[FetchedSecret, StrongroomError | None]:
        """Return the value, and the error that makes it only a fallback, None if it is none.

        No further source is tried after an error that *is_final* accepts. Without *is_attempt* a
        source whose outage is known is not requested, and has the error of the last attempt.
        """
        reason = last = None
        with span("read_secret", secret=name) as seen:
            for source, outage in zip(self._sources, self._outages, strict=True):
                try:
                    send = partial(source.fetch, name, version, field)
                    found = outage.observe(send, name, is_attempt=is_attempt)
                except StrongroomError as error:
                    may_try_next = self._may_try_next(error, source)
                    if reason is None and not (may_try_next and _is_plain_miss(error, source)):
                        reason = error
                    last = error
                    if not may_try_next or is_final(error):
                        break
                else:
                    seen.update(
                        source=found.source, version=found.version, request_id=found.request_id
                    )
                    return found, reason
            raise reason or last or _no_source(name)

    def fetch_many(self, names: Sequence[str]) -> dict[str, FetchedSecret]:
        """Return the values of those *names* that the first source returns in few requests.

        Any other name is to be requested singly, so that it has an error of its own.
        """
        first = self._sources[0] if self._sources else None
        if not isinstance(first, BatchSource):
            return {}
        try:
            with span("read_secrets", secrets=len(names)):
                if known := self._outages[0].get_error(", ".join(names)):
                    raise known
                return self._outages[0].observe(partial(first.fetch_many, names), None)
        except OUTAGE:
            if len(self._sources) == 1:
                raise
            return {}

    def _may_try_next(self, error: StrongroomError, source: Source) -> bool:
        if isinstance(error, OUTAGE):
            return True
        return isinstance(error, (SecretNotFound, AccessDenied)) and (
            self._development or not source.is_authoritative
        )


def _is_plain_miss(error: StrongroomError, source: Source) -> bool:
    """Return whether *error* says only that a source that is not authoritative lacks the name."""
    return isinstance(error, SecretNotFound) and not source.is_authoritative


def _no_source(name: str) -> SecretNotFound:
    return SecretNotFound(
        f"no source is configured for {name}; set STRONGROOM_SOURCES or VAULT_ADDR"
    )
