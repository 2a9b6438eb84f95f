"""View of the leases of database and Redis users, by role and by the time until they end."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from starlette.responses import Response

from console.page.page_request import PageRequest
from console.page.sources.leases import Lease, Leases, RoleLeases
from console.page.views.badge import BAD, GOOD, PLAIN, WARN
from console.page.views.overview import Tile
from console.page.views.stack import Part, build_stack
from vault.declare import durations

#: Most characters of a server's reason, which can be as long as the database's own error.
_MAX_REASON: Final = 300
#: Time until a lease ends → its name, and its series in the chart.
_BINS: Final = (
    (timedelta(minutes=5), "within 5m", "series-3"),
    (timedelta(hours=1), "within 1h", "series-0"),
    (timedelta(days=1), "within 1d", "series-1"),
    (timedelta.max, "later", "series-2"),
)


@dataclass(frozen=True, slots=True)
class RoleLine:
    """A role that leases users, as the view shows it.

    Attributes:
        ttl: Its declared times, such as ``1h, at most 24h``.
        unread: Number of its leases that were not looked up.
        bins: Its leases by the time until they end.
        oldest: When the oldest lease was issued, None without one; so is the next one.
        next_end: When the next one ends.

    """

    of: RoleLeases
    ttl: str
    unread: int
    bins: tuple[Part, ...]
    oldest: datetime | None
    next_end: datetime | None


@dataclass(frozen=True, slots=True)
class LeasesView:
    """What the view shows.

    Attributes:
        tiles: The numbers of the environment.
        legend: Name and series of each time.
        roles: The roles, those with failed leases and those with the most leases first.
        failures: Service, role and reason of each lease that the server could not revoke.
        commands: What to run and why.

    """

    tiles: tuple[Tile, ...]
    legend: tuple[tuple[str, str], ...]
    roles: tuple[RoleLine, ...]
    failures: tuple[tuple[str, str, str], ...]
    commands: tuple[tuple[str, str], ...]


def build_leases(found: Leases, now: datetime) -> LeasesView:
    """Return what the view shows.

    Args:
        found: The leases of an environment.
        now: The current time.

    """
    order = sorted(found.roles, key=lambda role: (-len(role.failures), -role.count, role.role))
    top = max((role.count for role in found.roles), default=0)
    failures = tuple(
        (role.service, role.role, reason[:_MAX_REASON])
        for role in order
        for reason in role.failures
    )
    return LeasesView(
        _tiles(found, now),
        tuple((name, series) for _, name, series in _BINS),
        tuple(_line(role, top, now) for role in order),
        failures,
        _commands() if failures else (),
    )


def show_leases(request: PageRequest) -> Response:
    """Return the view of one environment."""
    environment = request.environment()
    request.use(environment.leases)
    reading = environment.leases.get()
    return request.render(
        "leases.html.j2",
        "Leases",
        environment=environment,
        leases=None if reading.value is None else build_leases(reading.value, request.now),
    )


def _tiles(found: Leases, now: datetime) -> tuple[Tile, ...]:
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


def _line(role: RoleLeases, top: int, now: datetime) -> RoleLine:
    ttl = f"{durations.render(role.ttl)}, at most {durations.render(role.max_ttl)}"
    series = (each for _, _, each in _BINS)
    return RoleLine(
        role,
        ttl,
        role.count - len(role.leases),
        build_stack(zip(series, _count(role.leases, now), strict=True), top),
        min((lease.issued for lease in role.leases), default=None),
        min((lease.expires for lease in role.leases), default=None),
    )


def _count(leases: Iterable[Lease], now: datetime) -> list[int]:
    counts = [0] * len(_BINS)
    for lease in leases:
        left = lease.expires - now
        counts[next(index for index, (most, *_) in enumerate(_BINS) if left <= most)] += 1
    return counts


def _commands() -> tuple[tuple[str, str], ...]:
    return (
        (
            "bao read sys/leases type=irrevocable",
            "List them with their ids, with the credential of apply",
        ),
        (
            "bao lease revoke -sync LEASE",
            "When the database or Redis is reachable, revoke each of them",
        ),
    )
