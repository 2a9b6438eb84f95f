"""View of leases: their number by the time until they end, and those that could not be revoked."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from app_integration.errors import RequestRefused
from app_integration.names import Environment
from console.page.sources.leases import MOST, Lease, Leases, RoleLeases, read_leases
from console.page.views.leases import build_failures, build_roles, build_tiles
from console.views.cells import BAD, GOOD, WARN, stack
from tests.support.table_cells import column
from vault.declare.load import load

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def role(
    name: str, *left: timedelta, failures: tuple[str, ...] = (), unread: int = 0
) -> RoleLeases:
    leases = tuple(Lease(NOW - HOUR, NOW + each) for each in left)
    return RoleLeases("shop", name, 3600, 86_400, len(left) + unread, leases, failures)


def test_leases_are_counted_by_the_time_until_they_end() -> None:
    shop = role("shop", timedelta(), timedelta(minutes=5), HOUR, 2 * HOUR, 48 * HOUR)
    table = build_roles(Leases((shop,), 0), NOW)
    counts = [column(table, each)[0] for each in ("within 5m", "within 1h", "within 1d", "later")]
    assert counts == [2, 1, 1, 1]
    series = ("series-3", "series-0", "series-1", "series-2")
    assert column(table, "Share") == [stack(zip(series, (2, 1, 1, 1), strict=True), 5)]
    assert column(table, "Next end") == [NOW]
    assert column(table, "Oldest issued") == [NOW - HOUR]
    assert column(table, "Declared TTL") == ["1h, at most 1d"]


def test_roles_with_failures_and_with_most_leases_are_first() -> None:
    found = Leases((role("few", HOUR), role("many", HOUR, HOUR), role("bad", failures=("x",))), 0)
    assert column(build_roles(found, NOW), "Role") == ["bad", "many", "few"]
    assert build_failures(found).rows == [("bad", "shop", "x")]


def test_tiles_tell_own_failures_from_those_of_others() -> None:
    tones = {
        (failures, others): build_tiles(Leases((role("r", failures=failures),), others), NOW)[
            -1
        ].tone
        for failures in ((), ("x",))
        for others in (0, 2)
    }
    assert tones == {((), 0): GOOD, ((), 2): WARN, (("x",), 0): BAD, (("x",), 2): BAD}


def test_leases_that_are_not_looked_up_are_said_to_be_so() -> None:
    _, (note,) = build_roles(Leases((role("r", HOUR, unread=7),), 0), NOW).rows
    assert str(note) == "Of r, 7 leases are counted, but not looked up."


def test_environment_without_a_role_has_no_lease() -> None:
    assert build_roles(Leases((), 0), NOW).rows == []


class Server:
    """A session that has *count* leases of one role, one of which has just ended."""

    def __init__(self, count: int, *failures: Mapping[str, str]) -> None:
        self.ids = [f"id-{number}" for number in range(count)]
        self.failures = failures

    def list(self, path: str) -> list[str]:
        return self.ids if path.endswith("/gaara-store-staging/") else []

    def get(self, path: str) -> dict[str, Any]:
        assert path == "sys/leases?type=irrevocable"
        return {"data": {"leases": list(self.failures)}}

    def post(self, path: str, body: Mapping[str, str]) -> dict[str, Any]:
        assert path == "sys/leases/lookup"
        if body["lease_id"].endswith("/id-0"):
            raise RequestRefused("invalid lease", status=400)
        expires = None if body["lease_id"].endswith("/id-1") else "2026-05-01T13:00:00Z"
        return {"data": {"issue_time": "2026-05-01T11:00:00Z", "expire_time": expires}}


def read(server: Server) -> Leases:
    return read_leases(server, load(), Environment("staging"))  # type: ignore[arg-type] # reads only


def test_lease_that_ends_meanwhile_or_never_is_counted_only() -> None:
    store = read(Server(4)).roles[0]
    assert (store.role, store.count) == ("gaara-store-staging", 4)
    assert set(store.leases) == {Lease(NOW - HOUR, NOW + HOUR)}
    assert len(store.leases) == 2


def test_no_more_than_a_part_of_many_leases_is_looked_up() -> None:
    store = read(Server(MOST + 10)).roles[0]
    assert (store.count, len(store.leases)) == (MOST + 10, MOST - 2)


def test_failures_are_those_of_declared_roles_and_others_are_counted() -> None:
    own = {"lease_id": "database/creds/gaara-store-staging/abc", "error": "no route"}
    other = {"lease_id": "database/creds/other/abc", "error": "no route"}
    foreign = {"lease_id": "aws/creds/gaara-store-staging/abc"}
    found = read(Server(0, own, other, foreign, {**own, "error": ""}))
    assert found.roles[0].failures == ("no route", "no reason is known")
    assert found.others == 2
