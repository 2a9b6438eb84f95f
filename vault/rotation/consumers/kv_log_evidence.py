"""Decision whether the consumers of a secret have moved to a newer version, by what is known."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Final

from vault.rotation.consumers.consumer_log import ConsumerLog, TokenReads, VersionReads
from vault.rotation.consumers.evidence_type import (
    Consumer,
    Evidence,
    Proof,
    describe_time,
    merge_tokens,
)
from vault.rotation.consumers.promotion import Promotion
from vault.rotation.response_log import describe_skipped

_STILL_CACHED: Final = (
    "a process without a valid token may have logged in again, and use the value from its cache "
    "until then"
)


_RENDERED: Final = (
    "its token is no longer valid, and a file that an agent rendered with it may have the value"
)
#: Number of a further part of a policy.
_PART: Final = re.compile(r"-\d+\Z", re.ASCII)
#: The role of a token, None if it has none, and when it was issued, in seconds since the epoch.
Issue = tuple[str | None, int]


class _State(IntEnum):
    """What a consumer does. Of its tokens, the one with the highest counts."""

    ENDED = 0
    MOVED = 1
    WAITING = 2


@dataclass(frozen=True, slots=True)
class _Sight:
    """What was seen of one token and one path, and the time of the last read that shows it."""

    token: TokenReads
    path: str
    state: _State
    time: datetime
    detail: str


def evidence_by_log(
    promotion: Promotion,
    log: ConsumerLog,
    operators: Collection[str],
    now: datetime,
    live: Collection[Issue] | None = None,
) -> Evidence:
    """Return who has read the new versions: each role and host once, whatever tokens it has.

    A consumer is a token that read an older version since the window before the promotion, unless
    it is of *operators* or that version is destroyed. The grace period begins when the last one has
    moved; after an expired token that its process did not close, with the window's end after its
    last read, because the process may use the value from its cache. Without *live*, it is not known
    which tokens the server still has.
    """
    tokens = [token for token in log.tokens if not _is_of_operator(token, operators)]
    for token in tokens:
        token.is_revoked |= _is_unknown(token, live)
    seen = [
        _judge(promotion, token, path, tokens, now)
        for token in tokens
        for path in _used_paths(promotion, token)
    ]
    moves = (
        each.token.first_read(each.path, promotion.versions[each.path], promotion.time)
        for each in seen
    )
    uses = (_end_of_use(promotion, each) for each in seen)
    not_before, notes = _end_of_wait(
        promotion,
        max(filter(None, moves), default=promotion.time),
        max(filter(None, uses), default=promotion.time),
        is_covered=_covers(promotion, log),
    )
    moved, ended, waiting = _group(seen)
    notes += describe_skipped(log.source.files)
    return Evidence(Proof.AUDIT_LOG, moved, ended, waiting, not_before, notes=notes)


def _group(seen: Collection[_Sight]) -> tuple[tuple[Consumer, ...], ...]:
    """Return the consumers that have moved, ended and wait, each once."""
    of_tokens: dict[int, _Sight] = {}
    states: dict[str, _State] = {}
    for each in sorted(seen, key=lambda sight: (sight.state, sight.time)):
        of_tokens[id(each.token)] = each
        states[each.token.identity] = each.state
    in_time = sorted(of_tokens.values(), key=lambda sight: sight.time)
    return tuple(
        merge_tokens(
            [
                Consumer(each.token.identity, each.detail)
                for each in in_time
                if each.state is wanted is states[each.token.identity]
            ]
        )
        for wanted in (_State.MOVED, _State.ENDED, _State.WAITING)
    )


def _is_of_operator(token: TokenReads, operators: Collection[str]) -> bool:
    """Return whether a job, or a person with the policies of jobs only, has the token."""
    rights = {_PART.sub("", policy) for policy in token.policies if policy != "default"}
    return token.role in operators or (bool(rights) and rights.issubset(operators))


def _is_unknown(token: TokenReads, live: Collection[Issue] | None) -> bool:
    """Return whether the server knows no token that this one can be.

    The log has an HMAC of its accessor only, so that one of its role and second counts as it.
    """
    if live is None or token.is_batch or token.issued is None:
        return False
    second = int(token.issued.timestamp())
    return not any(second == at and token.role in {None, role} for role, at in live)


def _end_of_wait(
    promotion: Promotion, last_move: datetime, last_use: datetime, *, is_covered: bool
) -> tuple[datetime, tuple[str, ...]]:
    """Return when the old value may be retired, and what cannot be proved."""
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
    """Yield the paths whose older version *token* read within the window."""
    since = promotion.time - promotion.window
    for path in promotion.versions:
        reads = token.versions.get(path, {})
        if any(
            each.last >= since for version, each in reads.items() if promotion.is_old(path, version)
        ):
            yield path


def _end_of_use(promotion: Promotion, sight: _Sight) -> datetime | None:
    """Return when no process uses an older version that it read with an invalid token.

    A process that has closed its session uses none any more.
    """
    token, path = sight.token, sight.path
    if sight.state is not _State.ENDED or token.is_closed:
        return None
    reads = token.versions[path].items()
    last = max(each.last for version, each in reads if promotion.is_old(path, version))
    return last + promotion.window


def _judge(
    promotion: Promotion,
    token: TokenReads,
    path: str,
    tokens: Collection[TokenReads],
    now: datetime,
) -> _Sight:
    """Return what was seen of *token* for *path*."""
    wanted, reads = promotion.versions[path], token.versions[path]
    has_moved = token.first_read(path, wanted, promotion.time) is not None
    newest = max(version for version in reads if has_moved or promotion.is_old(path, version))
    last = reads[newest].last
    detail = f"read version {newest} of {path} at {describe_time(last)}"
    state = _State.MOVED if has_moved else _State.WAITING
    if not has_moved and token.has_ended(now - promotion.lead):
        state = _State.ENDED
        # An agent does not revoke its token when it stops.
        may_render = promotion.is_rendered and token.role and not token.is_closed
        if may_render and not _is_replaced(promotion, token, path, tokens):
            state = _State.WAITING
            detail += f"; {_RENDERED}"
    return _Sight(token, path, state, last, detail)


def _is_replaced(
    promotion: Promotion, token: TokenReads, path: str, tokens: Collection[TokenReads]
) -> bool:
    """Return whether another token of the same role and host has read the wanted version."""
    wanted, since = promotion.versions[path], promotion.time
    same = [other for other in tokens if other.identity == token.identity]
    return any(other.first_read(path, wanted, since) is not None for other in same)
