"""A month of two teams on a cluster of three nodes: nothing in it is unusual.

The lines have the forms that three nodes of a real cluster wrote, through elections too.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, Final

import pytest

from app_integration.mounts import Mounts
from tests.support.models.audit_lines import SALT, line, program, secret, write_store
from vault.audit.anomalies.backtest import backtest
from vault.audit.anomalies.detection import find_anomalies
from vault.audit.anomalies.patterns import build_names
from vault.audit.anomalies.queries import RuleContext
from vault.audit.anomalies.requests import create_requests
from vault.audit.anomalies.rules_reader import built_in
from vault.audit.store import open_store

START: Final = datetime(2026, 5, 1, tzinfo=UTC)
DAYS: Final = 30
NODES: Final = 3
LOGIN: Final = "auth/approle/login"
HASHED: Final = {"data": {"error": f"{SALT}reason"}}
#: Errors of logins that the standbys of a real cluster wrote while it had no leader.
NO_LEADER: Final = (
    "internal error",
    "failed to persist packed storage entry: node is not the leader",
    "1 error occurred:\n\t* leadership lost while committing log\n\n",
    "local node not active but active cluster node not found",
)
PASSED_ON: Final[tuple[dict[str, Any], ...]] = (
    {"error": "failed to persist packed storage entry: cannot write to readonly storage"},
    {"error": "invalid request", "response": HASHED},
)
TEAMS: Final = (("strongroom", "shop-dev"), ("quarry", "mail-dev"))
CONTEXT: Final = RuleContext(
    built_in(), build_names("dev", "strongroom", Mounts()), "", date(2026, 6, 1), TEAMS[0]
)


class Month:
    """Lines of the nodes, of which the first is the leader."""

    def __init__(self) -> None:
        self.logs: list[list[dict[str, Any]]] = [[] for _ in range(NODES)]
        self._numbers = Random(40)  # noqa: S311 (reproducible)

    def add(
        self, at: datetime, path: str, operation: str = "read", node: int = 0, **more: Any
    ) -> None:
        """Add a request, some seconds after *at*."""
        time = at + timedelta(seconds=self._numbers.uniform(0, 50))
        self.logs[node].append(line(path, operation, time=f"{time:%Y-%m-%dT%H:%M:%S.%fZ}", **more))

    def log_in(self, at: datetime, role: str, host: str | None, address: str, day: int) -> None:
        """Log in at a standby, which passes that on to the leader."""
        node = 1 + day % (NODES - 1)
        login = partial(self.add, at, LOGIN, "update", mount_type="approle", remote_address=address)
        login(node, **PASSED_ON[self._numbers.randrange(2)])
        login(auth=program(role, host), response={"auth": {"accessor": f"{SALT}new"}})

    def fail(self, at: datetime, path: str, mount_type: str, address: str, count: int) -> None:
        """Fail to log in while there is no leader."""
        for number in range(count):
            error: dict[str, Any] = {"error": NO_LEADER[number % len(NO_LEADER)]}
            found = PASSED_ON[number % 2] if number % 3 == 0 else error
            node = 1 + number % (NODES - 1)
            more = {"mount_type": mount_type, "remote_address": address}
            self.add(at, path, "update", node, **found, **more)


def run_services(month: Month, at: datetime, day: int) -> None:
    """Log in and read, as the agents of three hosts do each four hours, and at a deploy."""
    for deployment, role in TEAMS:
        service, _, environment = role.partition("-")
        for host in range(NODES):
            address = f"10.0.{len(deployment)}.{host}"
            month.log_in(at, role, f"{service}-{host}", address, day)
            for name in range(12):
                path = f"secret/data/{service}/{environment}/secret-{name}"
                auth = program(role, f"{service}-{host}", f"{role}-{host}")
                read: dict[str, Any] = {
                    "auth": auth,
                    "remote_address": address,
                    "response": secret(3),
                }
                month.add(at, path, node=host, **read)


def run_job(month: Month, at: datetime, day: int, deployment: str, job: str, role: str) -> None:
    """Read what a plan compares; apply and the rotator write it, too."""
    address = f"10.1.{len(deployment)}.1"
    name, auth = f"{deployment}-{job}", program(f"{deployment}-{job}", None, f"{deployment}-{job}")
    request = partial(month.add, at, auth=auth, remote_address=address)
    month.log_in(at, name, None, address, day)
    service, _, environment = role.partition("-")
    marks = f"secret/metadata/_strongroom/{environment}"
    request(f"{marks}/policy", "list", response={"data": {"keys": [role]}})
    for number in range(14):
        path = f"secret/metadata/{service}/{environment}/secret-{number}"
        request(path, node=number % NODES, response={"data": {"current_version": 3}})
    for path in (
        f"sys/policies/acl/{role}",
        f"auth/approle/role/{role}",
        f"transit/keys/{role}-pii",
    ):
        request(path, response={"data": {"name": role}})
        if job == "apply":
            request(path, "update", response={})
            request(f"{marks}/policy/{role}", "update", response={})
    if job == "rotator":
        request(f"secret/data/{service}/{environment}/secret-1", "update", response=secret(4))
        request(f"auth/approle/role/{role}/secret-id", "update", response={"data": {}})


def ordinary_month() -> Month:
    """Return the month: runs of services each four hours, jobs each day, an election each week."""
    month = Month()
    for day in range(DAYS):
        noon = START + timedelta(days=day, hours=12)
        for hour in range(0, 24, 4):
            run_services(month, noon + timedelta(hours=hour - 12), day)
        for deployment, role in TEAMS:
            for job in ("plan", "plan", "apply", "rotator", "auditor"):
                run_job(month, noon, day, deployment, job, role)
        month.add(noon, "auth/userpass/login/alice", "update", auth={"display_name": "alice"})
        if day % 7 == 3:
            for host in range(NODES):
                month.fail(noon, LOGIN, "approle", f"10.0.6.{host}", 30)
                month.fail(noon, "auth/userpass/login/alice", "userpass", "10.2.0.1", 30)
    return month


def stored(month: Month, folder: Path) -> Path:
    for number, lines in enumerate(month.logs):
        write_store(folder, lines, f"node-{number}")
    return folder


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stored(ordinary_month(), tmp_path_factory.mktemp("month"))


def test_ordinary_month_of_two_teams_on_three_nodes_raises_nothing(store: Path) -> None:
    since = START.replace(tzinfo=None)
    with open_store(store) as connection:
        span = create_requests(connection, CONTEXT)
        found = find_anomalies(connection, CONTEXT, since)
        trials = [*backtest(connection, CONTEXT, span, since)]
    assert span.count > 10_000
    assert found == []
    current = {each.rule: each.findings for each in trials if each.is_current and each.is_enabled}
    assert current == dict.fromkeys(current, 0)


AT: Final = START + timedelta(hours=1)
STOLEN: Final = program("mail-dev", "mail-0", "stolen")
OTHER_APPLY: Final = program("quarry-apply", None, "stolen")


def guess(month: Month) -> None:
    for _ in range(12):
        month.add(
            *(AT, LOGIN, "update"),
            error="invalid credentials",
            response=HASHED,
            mount_type="approle",
            remote_address="10.9.9.9",
        )


def enumerate_secrets(month: Month) -> None:
    before = AT - timedelta(minutes=1)
    month.add(before, "secret/metadata/shop", "list", auth=STOLEN, response={"data": {"keys": []}})
    for number in range(12):
        month.add(AT, f"secret/data/shop/dev/s-{number}", auth=STOLEN, response=secret(1))


def change_policy(month: Month) -> None:
    month.add(AT, "sys/policies/acl/shop-dev", "update", auth=OTHER_APPLY, response={})


def change_mark(month: Month) -> None:
    path = "secret/metadata/_strongroom/dev/secret/shop/dev/token"
    month.add(AT, path, "update", auth=OTHER_APPLY, response={})


def change_server(month: Month) -> None:
    month.add(AT, "sys/audit/node", "delete", auth=OTHER_APPLY, response={})


@pytest.mark.parametrize(
    ("attack", "rule"),
    [
        (guess, "denied_spike"),
        (enumerate_secrets, "enumeration"),
        (change_policy, "outside_apply"),
        (change_mark, "outside_apply"),
        (change_server, "outside_apply"),
    ],
)
def test_attack_is_found(tmp_path: Path, attack: Callable[[Month], None], rule: str) -> None:
    month = Month()
    attack(month)
    with open_store(stored(month, tmp_path)) as connection:
        create_requests(connection, CONTEXT)
        found = find_anomalies(connection, CONTEXT, START.replace(tzinfo=None))
    assert [each.rule for each in found] == [rule]
