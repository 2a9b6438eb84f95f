"""Decision whether the consumers of a secret have moved to a newer version, by what is known."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from app_integration.settings import Limits
from vault.declare import durations
from vault.rotation.consumers.consumer_log import ConsumerLog, TokenReads, VersionReads
from vault.rotation.consumers.evidence import Consumer, Evidence, Proof, describe_time
from vault.rotation.response_log import describe_skipped

_LIMITS: Final = Limits()
_STILL_CACHED: Final = (
    "a process whose token has ended may have logged in again, and use the value from its cache "
    "until then"
)


@dataclass(frozen=True, slots=True)
class Promotion:
    """The promotion of a new version of a secret, and of those that are derived from it.

    Attributes:
        time: When it was promoted, by the server's clock, which the log has, too.
        versions: API path → the version that consumers must read.
        created: When the first version was created; a log from before has all reads.
        render_interval: Seconds between two renderings by an agent.
        retire_after: Seconds for which the old value is valid after its last use.
        is_rendered: Whether an agent may have rendered the value into a file, which outlives the
            agent's token.
        local_time: When it was promoted, by the clock of the operator's machine; None for *time*.

    """

    time: datetime
    versions: Mapping[str, int]
    created: datetime
    render_interval: int
    retire_after: int
    is_rendered: bool = False
    local_time: datetime | None = None

    @property
    def lead(self) -> timedelta:
        """Return by how much the clock of the operator's machine is ahead, 0 if it is behind."""
        return max((self.local_time or self.time) - self.time, timedelta())

    @property
    def window(self) -> timedelta:
        """Return the longest time for which a consumer may use a value after it read it.

        A consumer with other limits than the defaults is one of those that this cannot prove.
        """
        return longest_use(self.render_interval)

    @property
    def grace(self) -> timedelta:
        """Return the declared grace period."""
        return timedelta(seconds=self.retire_after)

    @property
    def time_bound(self) -> datetime:
        """Return when the old value may end if not all of its consumers are known.

        Until the end of the window one of them may sign with it, and the grace period follows.
        """
        return self.end_of_grace(self.time + self.window)

    def end_of_grace(self, last_use: datetime) -> datetime:
        """Return when the old value may end if it was last used at *last_use*."""
        return last_use + self.lead + self.grace

    @property
    def window_text(self) -> str:
        """Return the window as a duration, for people."""
        return durations.render(int(self.window.total_seconds()))


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
    tokens of operators, such as that of the rotation itself, are none. The grace period begins when
    the last consumer has moved, because until then it signs with the old value. If a token has
    ended that its process did not close, the process may have logged in again and use the value
    from its cache, so that the grace period begins with the window's end after its last read.

    Args:
        promotion: The promotion.
        log: The reads.
        operators: Roles whose tokens are no consumers.
        now: The current time.

    """
    groups: dict[str, list[Consumer]] = {"moved": [], "ended": [], "waiting": []}
    last_move = last_use = promotion.time
    tokens = [token for token in log.tokens if token.role not in operators]
    for token in tokens:
        for path in _used_paths(promotion, token):
            group, detail = _judge(promotion, token, path, tokens, now)
            groups[group].append(Consumer(token.identity, detail))
            moved_at = token.first_read(path, promotion.versions[path], promotion.time)
            last_move = max(last_move, moved_at or last_move)
            if group == "ended" and not token.is_closed:
                last_use = max(last_use, _end_of_use(promotion, token, path))
    not_before, notes = _end_of_wait(
        promotion, last_move, last_use, is_covered=_covers(promotion, log)
    )
    moved, ended, waiting = (tuple(sorted(set(found), key=str)) for found in groups.values())
    notes += describe_skipped(log.source.files)
    return Evidence(Proof.AUDIT_LOG, moved, ended, waiting, not_before, notes=notes)


def _end_of_wait(
    promotion: Promotion, last_move: datetime, last_use: datetime, *, is_covered: bool
) -> tuple[datetime, tuple[str, ...]]:
    """Return when the old value may end, and what cannot be proved."""
    notes = ["the log proves that a value was read, and not that it is used"]
    not_before = promotion.end_of_grace(last_move)
    if not is_covered:
        notes.append(
            "the log does not have all reads before the promotion, so that the time bound applies "
            "too"
        )
        not_before = max(not_before, promotion.time_bound)
    if not_before < promotion.end_of_grace(last_use):
        notes.append(_STILL_CACHED)
        not_before = promotion.end_of_grace(last_use)
    return not_before, tuple(notes)


def evidence_by_time(promotion: Promotion) -> Evidence:
    """Return the time bound, if nothing else is known of the consumers."""
    note = (
        f"no consumer was observed: a cached or rendered value is used for {promotion.window_text} "
        "at most, with the default limits of the SDK"
    )
    return Evidence(Proof.TIME, not_before=promotion.time_bound, notes=(note,))


def readers_of_old_versions(versions: Mapping[str, int], log: ConsumerLog) -> Iterator[Consumer]:
    """Yield who has read each older version, operators too, in the whole log.

    Tokens of one role and host are one reader.

    Args:
        versions: API path → the version that is not old.
        log: The reads.

    """
    found: dict[tuple[str, str, int], VersionReads] = {}
    for token in log.tokens:
        for path, new in versions.items():
            for version, reads in token.versions.get(path, {}).items():
                if version < new:
                    key = (token.identity, path, version)
                    known = found.setdefault(key, VersionReads(reads.first, reads.last))
                    known.add(reads.first, reads.last, reads.addresses)
    for (identity, path, version), reads in sorted(found.items()):
        places = ", ".join(sorted(reads.addresses)) or "a socket"
        times = describe_time(reads.first)
        if reads.last != reads.first:
            times += f" to {describe_time(reads.last)}"
        yield Consumer(identity, f"read version {version} of {path} from {places}, {times}")


def _covers(promotion: Promotion, log: ConsumerLog) -> bool:
    start = max(promotion.time - promotion.window, promotion.created)
    # Without the lines up to the promotion, a reader of the old value may be missing.
    return log.source.covers(start, promotion.time)


def _used_paths(promotion: Promotion, token: TokenReads) -> Iterator[str]:
    """Yield the paths of which *token* read an older version within the window."""
    since = promotion.time - promotion.window
    for path, wanted in promotion.versions.items():
        reads = token.versions.get(path, {})
        if any(each.last >= since for version, each in reads.items() if version < wanted):
            yield path


def _end_of_use(promotion: Promotion, token: TokenReads, path: str) -> datetime:
    """Return when no process uses an older version that it read with *token*."""
    wanted, reads = promotion.versions[path], token.versions[path]
    return max(each.last for version, each in reads.items() if version < wanted) + promotion.window


def _judge(
    promotion: Promotion,
    token: TokenReads,
    path: str,
    tokens: Collection[TokenReads],
    now: datetime,
) -> tuple[str, str]:
    """Return the group of *token* for *path*, and what was seen of it."""
    wanted, reads = promotion.versions[path], token.versions[path]
    has_moved = token.first_read(path, wanted, promotion.time) is not None
    newest = max(version for version in reads if has_moved or version < wanted)
    detail = f"read version {newest} of {path} at {describe_time(reads[newest].last)}"
    if has_moved:
        return "moved", detail
    if not token.has_ended(now - promotion.lead):
        return "waiting", detail
    if promotion.is_rendered and token.role and not _is_replaced(promotion, token, path, tokens):
        note = "its token has ended, and a file that an agent rendered with it may have the value"
        return "waiting", f"{detail}; {note}"
    return "ended", detail


def _is_replaced(
    promotion: Promotion, token: TokenReads, path: str, tokens: Collection[TokenReads]
) -> bool:
    """Return whether another token of the same role and host has read the wanted version."""
    wanted, since = promotion.versions[path], promotion.time
    same = [other for other in tokens if other.identity == token.identity]
    return any(other.first_read(path, wanted, since) is not None for other in same)
