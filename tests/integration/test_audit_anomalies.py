"""Rules over the audit log: a firing case and a near miss of each, on the lines of a real server.

Only what time alone can make is shifted: weeks of history, and nights.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from duckdb import DuckDBPyConnection

from app_integration.auth.methods import StaticToken
from app_integration.client import Client
from app_integration.mounts import Mounts
from app_integration.session.session import Session
from console.target.environment_plan import build_readable_plan
from console.target.target import Target, open_target
from tests.support.processes.command import CommandLine, run_command
from tests.support.servers.audit_driver import Driver, Line, shifted, write_store
from tests.support.servers.audited_server import ROOT_TOKEN, audited_server
from tests.support.servers.deployment import Deployment
from vault.audit.anomalies.backtest import backtest
from vault.audit.anomalies.detection import find_anomalies
from vault.audit.anomalies.finding import Finding
from vault.audit.anomalies.patterns import build_names
from vault.audit.anomalies.queries import RuleContext
from vault.audit.anomalies.requests import Span, create_requests
from vault.audit.anomalies.rules_reader import NAMES as RULES
from vault.audit.anomalies.rules_reader import built_in, read_rules
from vault.audit.store import open_store
from vault.declare.schema.anomalies import AnomalyRules
from vault.declare.server_names import BREAK_GLASS

pytestmark = pytest.mark.requires("embedded")

DAY: Final = timedelta(days=1)
BEGIN: Final = datetime(2000, 1, 1)  # noqa: DTZ001 (the table has UTC without a zone)
NAMES: Final = build_names("dev", "strongroom", Mounts())
READ: Final = 'path "secret/*" { capabilities = ["read", "list"] }'
WRITE: Final = 'path "*" { capabilities = ["create", "read", "update", "list", "sudo"] }'


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    with audited_server(tmp_path_factory.mktemp("server")) as started:
        driver = Driver(started)
        for name, policy in (
            ("reader", READ),
            ("writer", WRITE),
            ("break-glass-dev", READ),
            (BREAK_GLASS, READ),
        ):
            driver.send("POST", f"sys/policies/acl/{name}", ROOT_TOKEN, {"policy": policy})
        for number in range(12):
            value = {"data": {"value": "x"}}
            driver.send("POST", f"secret/data/app/{number}", ROOT_TOKEN, value)
        yield driver


@pytest.fixture
def driver(server: Driver) -> Driver:
    """Return the driver, whose lines begin with the test."""
    server.lines()
    return server


class Case:
    """A store of lines, asked with rules."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._asked = 0
        self.rules = built_in()

    def find(self, *devices: Iterable[Line], since: datetime = BEGIN) -> list[Finding]:
        """Return the findings in the lines of *devices*."""
        with self.open(*devices) as (connection, context, _):
            return find_anomalies(connection, context, since)

    @contextmanager
    def open(
        self, *devices: Iterable[Line]
    ) -> Iterator[tuple[DuckDBPyConnection, RuleContext, Span]]:
        """Yield a connection to the lines of *devices*, and what to ask it."""
        self._asked += 1
        store = write_store(self.folder / f"asked-{self._asked}", *devices)
        context = RuleContext(self.rules, NAMES, "", date(2026, 5, 1))
        with open_store(store) as connection:
            yield connection, context, create_requests(connection, context)

    def rules_of(self, text: str) -> AnomalyRules:
        """Use the rules of a team's file with *text*."""
        file = self.folder / "anomalies.yaml"
        file.write_text(text, encoding="utf-8")
        self.rules = read_rules(file)
        return self.rules


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path)


def of(findings: Iterable[Finding], rule: str) -> list[Finding]:
    return [each for each in findings if each.rule == rule]


def names(findings: Iterable[Finding], rule: str) -> list[tuple[str, str | None, str, int]]:
    return [(each.actor, each.host, each.subject, each.count) for each in of(findings, rule)]


def reads(driver: Driver, token: str, numbers: Iterable[int]) -> list[Line]:
    for number in numbers:
        driver.send("GET", f"secret/data/app/{number}", token)
    return driver.lines()


def test_first_use_of_path_after_learning_is_found_by_each_actor(
    driver: Driver, case: Case
) -> None:
    token = driver.login("shop-dev", token_policies="reader")
    other = driver.login("mail-dev", token_policies="reader")
    driver.lines()
    known = [*reads(driver, token, [0]), *reads(driver, other, [1])]
    today = [*reads(driver, token, [0, 1]), *reads(driver, other, [2])]
    found = case.find([*shifted(known[:2], -15 * DAY), *shifted(known[2:], -13 * DAY), *today])
    assert names(found, "first_time") == [("shop-dev", None, "secret/data/app/1", 1)]
    assert [each.operation for each in of(found, "first_time")[0].evidence] == ["read"]


def test_new_address_of_a_host_is_found_although_another_host_of_the_role_has_it(
    driver: Driver, case: Case
) -> None:
    one, two = (driver.login("shop-dev", host, token_policies="reader") for host in ("a", "b"))
    driver.lines()
    driver.send("GET", "secret/data/app/0", one, address="127.0.0.1")
    driver.send("GET", "secret/data/app/0", two, address="127.0.0.2")
    known = driver.lines()
    case.rules_of("rules: {new_address: {known: []}}")
    assert of(case.find([*shifted(known, -15 * DAY), *known]), "new_address") == []
    driver.send("GET", "secret/data/app/0", one, address="127.0.0.2")
    today = driver.lines()
    found = case.find([*shifted(known, -15 * DAY), *known, *today])
    assert names(found, "new_address") == [("shop-dev", "a", "127.0.0.2", 1)]
    case.rules_of("rules: {new_address: {known: [127.0.0.2/32]}}")
    assert of(case.find([*shifted(known, -15 * DAY), *today]), "new_address") == []


@pytest.mark.parametrize(("reads_in_the_hour", "is_found"), [(100, True), (99, False)])
def test_burst_is_found_against_the_own_baseline(
    driver: Driver, case: Case, reads_in_the_hour: int, is_found: bool
) -> None:
    token = driver.login("shop-dev", "a", token_policies="reader")
    busy = driver.login("shop-dev", "b", token_policies="reader")
    driver.lines()
    line, of_busy = reads(driver, token, [0]), reads(driver, busy, [0])
    hours = [-each * timedelta(hours=1) for each in range(1, 26)]
    # The other host has the same number in each hour.
    usual = [
        *(moved for hour in hours for moved in shifted(line, hour)),
        *(
            each
            for hour in [*hours, 0 * DAY]
            for _ in range(100)
            for each in shifted(of_busy, hour)
        ),
    ]
    now = [each for _ in range(reads_in_the_hour) for each in shifted(line, 0 * DAY)]
    expected = [("shop-dev", "a", "", 100)] if is_found else []
    found = case.find([*usual, *now])
    assert names(found, "burst") == expected
    assert [each.usual for each in of(found, "burst")] == [1.0] * is_found


def test_person_out_of_hours_is_found_in_the_declared_time_zone(driver: Driver, case: Case) -> None:
    token = driver.person("alice", "reader")
    program = driver.login("shop-dev", token_policies="reader")
    driver.lines()
    lines = [*reads(driver, token, [0]), *reads(driver, program, [0])]
    sent = datetime.fromisoformat(lines[0]["time"][:19])
    # 06:59 and 07:00 in Berlin on a Monday in summer, and 07:00 on the Sunday before.
    times = [datetime(2026, 6, 15, 4, 59), datetime(2026, 6, 15, 5), datetime(2026, 6, 14, 5)]  # noqa: DTZ001
    log = [each for time in times for each in shifted(lines, time - sent)]
    assert of(case.find(log), "out_of_hours") == []
    case.rules_of("rules: {out_of_hours: {enabled: true, time_zone: Europe/Berlin}}")
    found = of(case.find(log), "out_of_hours")
    assert [(each.actor, each.is_person, each.count) for each in found] == [("alice", True, 1)] * 2
    assert [each.first.hour for each in found] == [5, 4]


def test_denials_of_one_host_within_minutes_are_found(driver: Driver, case: Case) -> None:
    one, two = (driver.login("shop-dev", host, token_policies="reader") for host in ("a", "b"))
    driver.lines()
    for token, count in ((one, 10), (two, 9)):
        for _ in range(count):
            driver.send("POST", "secret/data/app/0", token, {"data": {"value": "y"}})
    lines = driver.lines()
    assert names(case.find(lines), "denied_spike") == [("shop-dev", "a", "", 10)]
    spread = [
        each
        for number in range(0, len(lines), 2)
        for each in shifted(lines[number : number + 2], number * timedelta(minutes=1))
    ]
    assert of(case.find(spread), "denied_spike") == []


def test_failed_logins_of_one_address_are_found(driver: Driver, case: Case) -> None:
    wrong = {"role_id": "invented", "secret_id": "invented"}
    for address, count in (("127.0.0.3", 10), ("127.0.0.4", 9)):
        for _ in range(count):
            driver.send("POST", "auth/approle/login", "", wrong, address=address)
    found = case.find(driver.lines())
    assert names(found, "denied_spike") == [("(no token)", None, "127.0.0.3", 10)]


def test_list_and_many_reads_are_found(driver: Driver, case: Case) -> None:
    many, few, no_list = (driver.person(each, "reader") for each in ("mallory", "alice", "carol"))
    job = driver.login("strongroom-apply", token_policies="reader")
    person = driver.person("strongroom-apply", "reader")
    driver.lines()
    for token, count in ((many, 10), (few, 9), (job, 10), (person, 10)):
        driver.send("LIST", "secret/metadata/app", token)
        for number in range(count):
            driver.send("GET", f"secret/metadata/app/{number}", token)
            driver.send("GET", f"secret/data/app/{number}", token)
    lines = [*driver.lines(), *reads(driver, no_list, range(12))]
    found = of(case.find(lines), "enumeration")
    assert [(each.actor, each.is_person, each.count) for each in found] == [
        ("mallory", True, 10),
        ("strongroom-apply", True, 10),
    ]


def wrap(driver: Driver) -> str:
    """Return the wrapping token of a secret-id."""
    driver.send("POST", "auth/approle/role/shop-dev", ROOT_TOKEN, {})
    path = "auth/approle/role/shop-dev/secret-id"
    wrapped = driver.send("POST", path, ROOT_TOKEN, {}, X_Vault_Wrap_TTL="60s")
    return str(wrapped["wrap_info"]["token"])


def test_wrapped_secret_id_that_was_opened_before_is_found_with_its_opener(
    driver: Driver, case: Case
) -> None:
    stolen, intact = wrap(driver), wrap(driver)
    driver.lines()
    driver.send("POST", "sys/wrapping/unwrap", intact)
    driver.send("POST", "sys/wrapping/unwrap", stolen, address="127.0.0.5")
    opened = driver.lines()
    assert of(case.find(opened), "unwrap_failure") == []
    driver.send("GET", "sys/wrapping/lookup", stolen)
    driver.send("POST", "sys/wrapping/unwrap", stolen)
    (found,) = of(case.find([*opened, *driver.lines()]), "unwrap_failure")
    assert found.count == 2
    assert [each.address for each in found.evidence] == ["127.0.0.5", "127.0.0.1", "127.0.0.1"]


def test_root_token_is_found_and_a_person_of_that_name_is_not(driver: Driver, case: Case) -> None:
    token = driver.person("root", "reader")
    driver.lines()
    lines = reads(driver, token, [0])
    assert of(case.find(lines), "root_token") == []
    found = of(case.find([*lines, *reads(driver, ROOT_TOKEN, [0])]), "root_token")
    assert [(each.is_person, each.count) for each in found] == [(False, 1)]


def test_policy_for_emergencies_is_found(driver: Driver, case: Case) -> None:
    token = driver.person("alice", "break-glass-dev,reader")
    other = driver.person("bob", "reader,glass")
    driver.lines()
    lines = [*reads(driver, token, [0]), *reads(driver, other, [0])]
    assert names(case.find(lines), "break_glass") == [("alice", None, "", 1)]


def test_change_by_another_actor_than_the_apply_job_is_found(driver: Driver, case: Case) -> None:
    job = driver.login("strongroom-apply", token_policies="writer")
    other = driver.login("intruder-apply", token_policies="writer")
    person = driver.person("strongroom-apply", "writer")
    driver.lines()
    paths = ("sys/policies/acl/shop-dev", "secret/metadata/_strongroom/dev/policy/shop-dev")
    bodies: tuple[dict[str, Any], ...] = ({"policy": READ}, {"custom_metadata": {"owner": "x"}})
    for token in (job, other, person):
        for path, body in zip(paths, bodies, strict=True):
            driver.send("POST", path, token, body)
            driver.send("GET", path, token)
        driver.send("POST", "secret/metadata/app/0", token, {"max_versions": 5})
    found = of(case.find(driver.lines()), "outside_apply")
    assert [(each.actor, each.is_person, each.count) for each in found] == [
        ("intruder-apply", False, 2),
        ("strongroom-apply", True, 2),
    ]


def test_event_of_two_devices_and_lines_in_any_order_count_once(driver: Driver, case: Case) -> None:
    token = driver.login("shop-dev", token_policies="reader")
    driver.lines()
    for _ in range(10):
        driver.send("POST", "secret/data/app/0", token, {"data": {"value": "y"}})
    lines = driver.lines()
    found = case.find(lines[::-1], lines)
    assert names(found, "denied_spike") == [("shop-dev", None, "", 10)]
    assert case.find(lines[:-2], lines[2:]) == found


def test_repeated_run_names_a_finding_the_same(driver: Driver, case: Case) -> None:
    token = driver.person("alice", BREAK_GLASS)
    driver.lines()
    line = reads(driver, token, [0])
    noon = datetime(2026, 5, 1, 12) - datetime.fromisoformat(line[0]["time"][:19])  # noqa: DTZ001
    first, second, later = (
        shifted(line, noon + timedelta(minutes=minutes)) for minutes in (0, 58, 61)
    )
    (before,) = of(case.find(first), "break_glass")
    (after,) = of(case.find([*first, *second]), "break_glass")
    assert (before.id, before.count, after.count) == (after.id, 1, 2)
    both = of(case.find([*first, *later]), "break_glass")
    assert [each.id == before.id for each in both] == [True, False]


def test_ignored_requests_are_not_found_until_the_date(driver: Driver, case: Case) -> None:
    token = driver.person("alice", "break-glass-dev")
    driver.lines()
    lines = reads(driver, token, [0, 1])
    entry = "{rule: break_glass, actor: 'ali*', path: '*/app/0', reason: Drill., until: %s}"
    case.rules_of(f"ignore: [{entry % '2026-05-01'}]")
    assert [each.count for each in of(case.find(lines), "break_glass")] == [1]
    case.rules_of(f"ignore: [{entry % '2026-04-30'}]")
    assert [each.count for each in of(case.find(lines), "break_glass")] == [2]


def test_name_with_any_characters_is_found_and_ignored(driver: Driver, case: Case) -> None:
    actors = [
        "oidc-o'brien",
        "oidc-a;drop table requests",
        'oidc-q"\\',
        "oidc-ünïcode *",
        "oidc-a{b}c",
    ]
    body = {"policies": ["break-glass-dev"], "ttl": "5m"}
    created = driver.send("POST", "auth/token/create", ROOT_TOKEN, body)
    driver.lines()
    lines = [line for _ in actors for line in reads(driver, created["auth"]["client_token"], [0])]
    # The server replaces what is no letter, so the log is given the name as an OIDC login has it.
    for number, line in enumerate(lines):
        line["auth"]["display_name"] = actors[number * len(actors) // len(lines)]
    found = of(case.find(lines), "break_glass")
    assert sorted((each.actor, each.is_person) for each in found) == [
        (actor, True) for actor in sorted(actors)
    ]
    for actor in actors:
        quoted = actor.replace("'", "''")
        entry = f"{{rule: break_glass, actor: '{quoted}', reason: R., until: 2027-01-01}}"
        case.rules_of(f"ignore: [{entry}]")
        found = of(case.find(lines), "break_glass")
        assert {each.actor for each in found} == {*actors} - {actor}


def test_since_leaves_history_out(driver: Driver, case: Case) -> None:
    token = driver.person("alice", "break-glass-dev")
    driver.lines()
    lines = reads(driver, token, [0])
    now = datetime.now(UTC).replace(tzinfo=None)
    old = shifted(lines, -2 * DAY)
    assert len(of(case.find([*old, *lines]), "break_glass")) == 2
    assert len(of(case.find([*old, *lines], since=now - DAY), "break_glass")) == 1


def test_backtest_counts_findings_at_each_threshold(driver: Driver, case: Case) -> None:
    tokens = [driver.login("shop-dev", host, token_policies="reader") for host in ("a", "b", "c")]
    driver.lines()
    for token, count in zip(tokens, (5, 10, 20), strict=True):
        for _ in range(count):
            driver.send("POST", "secret/data/app/0", token, {"data": {"value": "y"}})
    lines = driver.lines()
    log = [*lines, *shifted(lines, -7 * DAY), *shifted(lines, -14 * DAY)]
    with case.open(log) as (connection, context, span):
        trials = [*backtest(connection, context, span, BEGIN)]
    of_rule = [each for each in trials if each.rule == "denied_spike"]
    assert [(each.value, each.findings, each.is_current) for each in of_rule] == [
        (5, 9, False),
        (10, 6, True),
        (20, 3, False),
    ]
    assert [each.busiest_day for each in of_rule] == [3, 2, 1]
    assert [round(each.per_week, 1) for each in of_rule] == [4.5, 3.0, 1.5]
    assert {each.actors for each in of_rule} == {(("shop-dev", n),) for n in (9, 6, 3)}
    assert [each.rule for each in trials if each.findings] == ["denied_spike"] * 3


def command(case: Case, *lines: Line, arguments: Iterable[str] = ()) -> list[str]:
    """Return the arguments of a command that reads *lines*, without the name of the command."""
    log = case.folder / "audit-1.log"
    log.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    files = ("--audit-log", str(log), "--store", str(case.folder / "store"))
    return ["--env", "dev", *files, *arguments]


def test_command_prints_findings_and_exits_2(
    driver: Driver, case: Case, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    token = driver.person("alice", "break-glass-dev")
    driver.lines()
    lines = reads(driver, token, [0])
    metrics = case.folder / "audit.prom"
    arguments = command(case, *lines, arguments=["--metrics", str(metrics)])
    assert run_command(monkeypatch, "audit", "anomalies", *arguments) == 2
    printed = capsys.readouterr().out
    assert "break_glass (high): A token with a policy for emergencies was used." in printed
    assert "alice (person)" in printed
    assert "Too short, so that they find nothing yet: first_time, new_address, burst." in printed
    assert 'rule="break_glass",severity="high"} 1.0' in metrics.read_text(encoding="utf-8")
    assert run_command(monkeypatch, "audit", "anomalies", *arguments, "--json") == 2
    document = json.loads(capsys.readouterr().out)
    assert [(each["rule"], each["actor"]) for each in document["findings"]] == [
        ("break_glass", "alice")
    ]
    assert document["findings"][0]["id"] in printed


def test_command_without_a_finding_exits_0(
    driver: Driver, case: Case, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    token = driver.person("alice", "reader")
    driver.lines()
    arguments = command(case, *reads(driver, token, [0]))
    with (case.folder / "audit-1.log").open("a", encoding="utf-8") as log:
        log.write('{"time":"2026-05-01T12:00:00Z","type":"resp\n')
    assert run_command(monkeypatch, "audit", "anomalies", *arguments) == 0
    printed = capsys.readouterr()
    assert "0 findings since" in printed.out
    assert re.search(r"^.*audit-1\.log: line 3 .*: torn$", printed.err, re.MULTILINE)
    assert run_command(monkeypatch, "audit", "backtest", *arguments) == 0
    assert "denied_spike        count 10 *" in capsys.readouterr().out
    assert run_command(monkeypatch, "audit", "backtest", *arguments, "--json") == 0
    trials = json.loads(capsys.readouterr().out)["trials"]
    assert [each["rule"] for each in trials if each["is_current"]] == list(RULES)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--rules", "/nowhere/rules.yaml"], 1, "cannot be read: No such file"),
        (["--since", "1y"], 64, "--since '1y' is no duration and no time"),
        (["--metrics", "x.txt"], 64, "does not end in .prom"),
        (["--metrics", "{folder}/x.prom"], 64, "x.prom is a folder; name a file in it"),
        (["--env", "nowhere"], 1, "no environment 'nowhere' is declared"),
    ],
)
def test_wrong_option_is_rejected_before_anything_is_written(
    case: Case, command_line: CommandLine, arguments: list[str], code: int, message: str
) -> None:
    (case.folder / "x.prom").mkdir()
    words = command(case, arguments=[each.format(folder=case.folder) for each in arguments])
    command_line.assert_rejected(code, message, "audit", "anomalies", *words)
    assert not (case.folder / "store").exists()


def test_log_of_another_namespace_is_an_error_and_not_the_absence_of_findings(
    driver: Driver, case: Case, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = reads(driver, ROOT_TOKEN, [0])
    for line in lines:
        line["request"]["namespace"] = {"id": "x", "path": "team/"}
    assert run_command(monkeypatch, "audit", "anomalies", *command(case, *lines)) == 1
    assert "has no request of this environment's namespace" in capsys.readouterr().err


def test_plan_view_of_the_auditor_is_denied_nothing(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Target, "local_deployment", lambda *_, **__: deployment.local)
    log = deployment.layout.audit_logs[0]
    address = deployment.ports.vault_address
    deployment.refresh("vault/audit")
    before = log.stat().st_size
    with (
        deployment.token("strongroom-auditor") as token,
        Session(address, StaticToken(token)) as session,
    ):
        found = build_readable_plan(open_target(root=deployment.layout.root), session)
    deployment.refresh("vault/audit")
    after = log.read_bytes()[before:]
    assert after.count(b'"type":"response"') > 20
    assert b"permission denied" not in after
    assert found.plan.unchanged > 0
    assert "database-connection" in {each.kind for each in found.denied}


def test_ordinary_use_of_a_deployment_that_was_learned_is_no_finding(
    deployment: Deployment,
    service: Client,
    case: Case,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Target, "local_deployment", lambda *_, **__: deployment.local)
    root = ("--root", str(deployment.layout.root))
    log = deployment.layout.audit_logs[0]
    deployment.refresh("vault/audit")
    before = log.read_bytes().splitlines()
    for name in ("database-url", "jwt-secret", "redis-url", "smtp-password"):
        service.secrets.get(name, force_refresh=True)
    assert run_command(monkeypatch, "plan", "--env", "dev", *root) == 0
    assert run_command(monkeypatch, "apply", "--env", "dev", *root) == 0
    assert run_command(monkeypatch, "ledger", "--env", "dev", *root) == 0
    deployment.refresh("vault/audit")
    after = log.read_bytes().splitlines()[len(before) :]
    assert len(after) > 100
    history = shifted(map(json.loads, before), -15 * DAY)
    since = datetime.now(UTC).replace(tzinfo=None) - DAY
    assert case.find([*history, *map(json.loads, after)], since=since) == []
