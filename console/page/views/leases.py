"""View of the leases of database and Redis users, by role and by the time until they end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Final

from starlette.responses import Response

from console.page.page_request import PageRequest
from console.page.sources.leases import Lease, Leases, RoleLeases
from console.page.views.overview import Tile
from console.views.cells import BAD, GOOD, PLAIN, WARN, Cell, Note, stack
from console.views.table import Table, columns
from vault.declare import durations

#: Most characters of a server's reason, which can be as long as the database's own error.
_MAX_REASON: Final = 300
#: Time until a lease expires → its name, and its series in the chart.
_BINS: Final = (
    (timedelta(minutes=5), "within 5m", "series-3"),
    (timedelta(hours=1), "within 1h", "series-0"),
    (timedelta(days=1), "within 1d", "series-1"),
    (timedelta.max, "later", "series-2"),
)
#: What to run if leases could not be revoked, and why.
_COMMANDS: Final = (
    (
        "bao read sys/leases type=irrevocable",
        "List them with their ids, with the credential of apply",
    ),
    (
        "bao lease revoke -sync LEASE",
        "When the database or Redis is reachable, revoke each of them",
    ),
)


def build_failures(found: Leases) -> Table:
    """Return the leases that the server could not revoke."""
    rows = [
        (role.role, role.service, reason[:_MAX_REASON])
        for role in _order(found)
        for reason in role.failures
    ]
    headings = columns("name Role, text Service, reason Reason")
    return Table("Leases that could not be revoked", headings, rows)


def build_roles(found: Leases, now: datetime) -> Table:
    """Return the roles, those with failed leases and those with the most leases first."""
    top = max((role.count for role in found.roles), default=0)
    bins = ", ".join(f"number {name}" for _, name, _ in _BINS)
    headings = columns(
        f"name Role, number Leases, bar Share, {bins}, time Next end, time Oldest issued, "
        "time Declared TTL, text Service"
    )
    rows = [row for role in _order(found) for row in _rows(role, top, now)]
    return Table("Leases by role", headings, rows, "shares")


def show_leases(request: PageRequest) -> Response:
    """Return the view of one environment."""
    environment = request.environment()
    request.use(environment.leases)
    read = environment.leases.get().value
    found = read or Leases((), 0)
    return request.render(
        "leases.html.j2",
        "Leases",
        environment=environment,
        is_read=read is not None,
        tiles=build_tiles(found, request.now),
        roles=build_roles(found, request.now),
        legend=[(name, series) for _, name, series in _BINS],
        failures=build_failures(found),
        commands=_COMMANDS,
    )


def build_tiles(found: Leases, now: datetime) -> tuple[Tile, ...]:
    """Return the numbers of the environment."""
    count = sum(role.count for role in found.roles)
    failed = sum(len(role.failures) for role in found.roles)
    soon = sum(lease.expires - now <= _BINS[0][0] for role in found.roles for lease in role.leases)
    note = f"{found.others} more of other mounts or deployments" if found.others else ""
    return (
        Tile("Roles", f"{len(found.roles):,}"),
        Tile("Leases", f"{count:,}"),
        Tile("End within 5m", f"{soon:,}", PLAIN, "unless renewed" if soon else ""),
        Tile("Not revocable", f"{failed:,}", BAD if failed else WARN if note else GOOD, note),
    )


def _order(found: Leases) -> list[RoleLeases]:
    return sorted(found.roles, key=lambda role: (-len(role.failures), -role.count, role.role))


def _rows(role: RoleLeases, top: int, now: datetime) -> Iterator[tuple[Cell, ...]]:
    counts = _count(role.leases, now)
    yield (
        *(role.role, role.count),
        stack(zip((series for *_, series in _BINS), counts, strict=True), top),
        *(each or None for each in counts),
        min((lease.expires for lease in role.leases), default=Note("no lease")),
        min((lease.issued for lease in role.leases), default=None),
        f"{durations.render(role.ttl)}, at most {durations.render(role.max_ttl)}",
        role.service,
    )
    if unread := role.count - len(role.leases):
        yield (Note(f"Of {role.role}, {unread:,} leases are counted, but not looked up."),)


def _count(leases: Iterable[Lease], now: datetime) -> list[int]:
    counts = [0] * len(_BINS)
    for lease in leases:
        left = lease.expires - now
        counts[next(index for index, (most, *_) in enumerate(_BINS) if left <= most)] += 1
    return counts
