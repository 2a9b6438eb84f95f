"""Rules that every history keeps, each a function that returns what breaks it.

An event is before another one only if it ended before the other began. Of concurrent ones neither
is, so that they break no rule.

``python -m tests.histories.validators FILE`` judges a stored history again.
"""

from __future__ import annotations

import math
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

from tests.histories.history import (
    CURRENT,
    DECRYPT,
    DENIED,
    ENCRYPT,
    HIT,
    LOST,
    MISS,
    ONCE,
    READ_ANEW,
    READ_VERSION,
    STALE,
    VALUE,
    Call,
    Fault,
    History,
    Request,
)

#: Errors of requests that the server did not carry out: the token was not valid, or the server had
#: just started as a standby, which hands a write on to itself as another request.
_NOT_CARRIED_OUT: Final = ("permission denied", "invalid token", "cannot write to readonly storage")
#: Seconds within which a response arrives.
_LATE: Final = 0.1
_LEASES: Final = "database/creds/"


def find_repeated_calls(history: History) -> list[str]:
    """Return the calls that may not be repeated, and that the server carried out twice."""
    carried_out = defaultdict(list)
    for request in history.requests:
        if not any(each in request.error for each in _NOT_CARRIED_OUT):
            carried_out[request.path].append(request)
    return [
        f"{_describe(call)} was sent {len(found)} times: {', '.join(map(_name, found))}"
        for call in history.calls
        if call.operation in ONCE and len(found := carried_out[call.path]) > 1
    ]


def find_values_after_denials(history: History) -> list[str]:
    """Return the calls that got a value of a secret after another call was told of its denial."""
    return [
        f"{_describe(served)} got a value, after {_describe(denied)} was denied"
        for fault in history.faults
        if fault.kind == DENIED
        for path, calls in _reads_by_path(history, (*CURRENT, READ_VERSION)).items()
        if (denied := _first_denied(calls, fault)) is not None
        for served in calls
        if served.outcome == VALUE and denied.ended < served.begun and served.ended < fault.ended
    ]


def _first_denied(calls: Iterable[Call], fault: Fault) -> Call | None:
    denied = (each for each in calls if each.outcome == "AccessDenied" and each.begun > fault.begun)
    return min(denied, key=lambda each: each.ended, default=None)


def find_data_keys_kept_too_long(history: History) -> list[str]:
    """Return the calls that used a data key longer than its age after its key was denied.

    The response to a request from before the denial arrives within a deadline.
    """
    limit = history.deadline + history.data_key_age
    return [
        f"{_describe(call)} used a data key {call.begun - fault.begun:.3f} s after the denial, at "
        f"most {limit} s are allowed"
        for fault in history.faults
        if fault.kind == DENIED
        for call in history.calls
        if call.operation in (ENCRYPT, DECRYPT) and call.outcome == VALUE
        if fault.begun + limit < call.begun and call.ended < fault.ended
    ]


def find_versions_going_back(history: History) -> list[str]:
    """Return the calls that got an older version than an earlier call, or a value of another one.

    A call that asked for a new answer may not get an older one than was written before it, either.
    It may share the request of another call, which began a deadline before it at the earliest.
    """
    return [
        violation
        for path, calls in _reads_by_path(history, CURRENT).items()
        for violation in (*_older_versions(history, path, calls), *_wrong_values(history, calls))
    ]


def _older_versions(history: History, path: str, calls: Iterable[Call]) -> Iterator[str]:
    served = [each for each in calls if each.outcome == VALUE]
    written = [each for each in history.writes if each.path == path]
    seen = sorted((each.ended, each.version or 0, _describe(each)) for each in served)
    acknowledged = sorted(
        (each.ended, each.version, f"the write of version {each.version}") for each in written
    )
    for call in sorted(served, key=lambda each: each.begun):
        known = [*_newest(seen, call.begun)]
        if call.operation == READ_ANEW and call.served == MISS:
            known += _newest(acknowledged, call.begun - history.deadline)
        for _, version, what in known:
            if version > (call.version or 0):
                yield f"{_describe(call)} is older than {what}, version {version}"


def _newest(
    events: list[tuple[float, int, str]], moment: float
) -> Iterator[tuple[float, int, str]]:
    """Yield the event with the highest version that ended before *moment*, if there is one."""
    before = [each for each in events if each[0] < moment]
    if before:
        yield max(before, key=lambda each: each[1])


def _wrong_values(history: History, calls: Iterable[Call]) -> Iterator[str]:
    values = {(each.path, each.version): each.value for each in history.writes}
    for call in calls:
        written = values.get((call.path, call.version or 0))
        if call.outcome == VALUE and written not in {None, call.value}:
            yield f"{_describe(call)} has the value {call.value}, and {written} was written"


def find_values_kept_too_long(history: History) -> list[str]:
    """Return the calls whose value was fetched longer ago than the limit of how it was served."""
    limits = {HIT: history.cache_ttl, STALE: history.stale_limit}
    losses = [each for each in history.faults if each.kind in LOST]
    answered = {
        path: [each for each in requests if not _is_lost(each, losses)]
        for path, requests in _answered_reads(history).items()
    }
    return [
        f"{_describe(call)} was fetched {call.begun - latest:.3f} s before, at most "
        f"{limits[call.served]} s are allowed"
        for call in history.calls
        if call.operation in CURRENT and call.outcome == VALUE and call.served in limits
        if (latest := _latest(answered.get(call.path, []), call)) + limits[call.served]
        <= call.begun
    ]


def _answered_reads(history: History) -> dict[str, list[Request]]:
    found = defaultdict(list)
    for request in history.requests:
        is_current = request.operation == "read" and not request.has_parameters
        if is_current and not request.error and request.ended is not None:
            found[request.path].append(request)
    return found


def _is_lost(request: Request, losses: Iterable[Fault]) -> bool:
    """Return whether the response to *request* surely did not arrive."""
    return any(each.begun < request.at < each.ended - _LATE for each in losses)


def _latest(requests: Iterable[Request], call: Call) -> float:
    """Return when the value of *call* was fetched at the latest.

    The access record names the request of a fresh value. Of a stale one it names none, so that any
    request before it may have fetched it.
    """
    if call.request_id is not None:
        named = [each.at for each in requests if each.request_id == call.request_id]
        if named:
            return named[0]
    return max((each.at for each in requests if each.at < call.ended), default=0.0)


def find_unseen_orphans(history: History) -> list[str]:
    """Return the leases that were issued, but that neither the SDK nor a caller knows of.

    A lease is known if a caller got it, its user logged in to the database, or it was renewed or
    revoked. Each report of the SDK accounts for one more lease of its path. A lease that comes
    while the SDK closes is revoked with its token.
    """
    unknown = defaultdict(list)
    closing = max((each.ended for each in history.calls), default=math.inf) - _LATE
    known = {each.lease_id for each in history.calls} | {
        each.named_lease for each in history.requests
    }
    users = {each.username for each in history.logins}
    for request in history.requests:
        is_lease = request.lease_id is not None and request.path.startswith(_LEASES)
        is_lease &= request.ended is None or request.ended < closing
        if is_lease and request.lease_id not in known and request.username not in users:
            unknown[request.path].append(request)
    reported = Counter(each.path for each in history.reports)
    return [
        f"{len(leases)} unknown leases of {path}, {reported[path]} of them reported: "
        f"{', '.join(map(_name, leases))}"
        for path, leases in unknown.items()
        if len(leases) > reported[path]
    ]


def _reads_by_path(history: History, operations: Iterable[str]) -> dict[str, list[Call]]:
    found = defaultdict(list)
    for call in history.calls:
        if call.operation in operations:
            found[call.path].append(call)
    return found


def _describe(call: Call) -> str:
    version = "" if call.version is None else f" version {call.version}"
    served = "" if call.served is None else f" {call.served}"
    return (
        f"call {call.number} ({call.operation} {call.path}{version}{served}, "
        f"{call.begun:.3f} to {call.ended:.3f})"
    )


def _name(request: Request) -> str:
    return f"request {request.request_id} at {request.at:.3f}"


VALIDATORS: Final[tuple[Callable[[History], list[str]], ...]] = (
    find_repeated_calls,
    find_values_after_denials,
    find_data_keys_kept_too_long,
    find_versions_going_back,
    find_values_kept_too_long,
    find_unseen_orphans,
)


def violations(history: History) -> list[str]:
    """Return what breaks a rule in *history*."""
    return [each for validate in VALIDATORS for each in validate(history)]


if __name__ == "__main__":
    print(*violations(History.from_json(Path(sys.argv[1]).read_text("utf-8"))), sep="\n")  # noqa: T201
