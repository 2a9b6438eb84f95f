"""Decision whether the consumers of a secret have moved to a newer version, by what is known."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from app_integration.settings import Limits
from vault.declare import durations
from vault.rotation.consumer_log import ConsumerLog, TokenReads
from vault.rotation.evidence import Consumer, Evidence, Proof

_LIMITS: Final = Limits()


@dataclass(frozen=True, slots=True)
class Promotion:
    """The promotion of a new version of a secret, and of those that are derived from it.

    Attributes:
        time: When it was promoted.
        versions: API path → the version that consumers must read.
        created: When the first version was created; a log from before has all reads.
        render_interval: Seconds between two renderings by an agent.
        retire_after: Seconds after the promotion for which the old value is valid in any case.

    """

    time: datetime
    versions: Mapping[str, int]
    created: datetime
    render_interval: int
    retire_after: int

    @property
    def window(self) -> timedelta:
        """Return the longest time for which a consumer may use a value after it read it.

        A consumer with other limits than the defaults is one of those that this cannot prove.
        """
        return longest_use(self.render_interval)

    @property
    def grace_end(self) -> datetime:
        """Return the end of the declared grace period."""
        return self.time + timedelta(seconds=self.retire_after)


def longest_use(render_interval: int) -> timedelta:
    """Return the longest time for which a consumer may use a value after it read it.

    Args:
        render_interval: Seconds between two renderings by an agent.

    """
    return timedelta(seconds=_LIMITS.cache_ttl + _LIMITS.stale_limit + render_interval)


def evidence_by_log(
    promotion: Promotion, log: ConsumerLog, operators: Collection[str], now: datetime
) -> Evidence:
    """Return which tokens have read the new versions.

    A consumer is a token that read an older version since the window before the promotion. The
    tokens of operators, such as that of the rotation itself, are none.

    Args:
        promotion: The promotion.
        log: The reads.
        operators: Roles whose tokens are no consumers.
        now: The current time.

    """
    groups: dict[str, list[Consumer]] = {"moved": [], "ended": [], "waiting": []}
    for token in log.tokens.values():
        if token.role not in operators:
            for group, consumer in _judge(promotion, token, now):
                groups[group].append(consumer)
    notes = ["the log proves that a value was read, and not that it is used"]
    not_before = promotion.grace_end
    if not _covers(promotion, log):
        notes.append("the log does not reach back far enough, so that the time bound applies too")
        not_before = max(not_before, promotion.time + promotion.window)
    return Evidence(
        Proof.AUDIT_LOG,
        **{group: tuple(sorted(set(found), key=str)) for group, found in groups.items()},
        not_before=not_before,
        notes=tuple(notes),
    )


def evidence_by_time(promotion: Promotion) -> Evidence:
    """Return the time bound, if nothing else is known of the consumers."""
    bound = promotion.time + promotion.window
    window = durations.render(int(promotion.window.total_seconds()))
    note = (
        f"no consumer was observed: a cached or rendered value is used for {window} at most, with "
        "the default limits of the SDK"
    )
    return Evidence(Proof.TIME, not_before=max(bound, promotion.grace_end), notes=(note,))


def _covers(promotion: Promotion, log: ConsumerLog) -> bool:
    start = max(promotion.time - promotion.window, promotion.created)
    return log.first is not None and log.first <= start


def _judge(
    promotion: Promotion, token: TokenReads, now: datetime
) -> Iterator[tuple[str, Consumer]]:
    """Yield the group of *token* for each path of which it read an older version."""
    since = promotion.time - promotion.window
    for path, wanted in promotion.versions.items():
        reads = token.versions.get(path, {})
        old = {version: time for version, time in reads.items() if version < wanted}
        if not old or max(old.values()) < since:
            continue
        newest = max(reads)
        detail = f"read version {newest} of {path} at {reads[newest]:%Y-%m-%d %H:%M:%S}Z"
        group = "moved" if newest >= wanted else "ended" if token.has_ended(now) else "waiting"
        yield group, Consumer(token.identity, detail)
