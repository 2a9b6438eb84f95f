"""Alerts on series that fire them and on near misses, and the file that changes them.

Time begins at 0, so that a timestamp is the seconds since the start of the test. Series are in the
notation of promtool, with one sample a minute: ``0x10`` is 0 eleven times, ``_`` is none.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from vault.declare.errors import DeclarationError
from vault.declare.load import load
from vault.declare.schema.monitoring import Monitoring
from vault.monitoring.alerts import built_in, read_monitoring, select_alerts
from vault.monitoring.files import build_rules

Series = Mapping[str, str]
DAY: Final = 86_400
HOUR: Final = 3600
_SERVER: Final = 'environment="prod",instance="a",component="server"'
_APP: Final = 'environment="prod",service="shop",instance="b"'
_ROTATION: Final = 'environment="prod",service="shop",kind="secret",name="jwt"'


@dataclass(frozen=True, slots=True)
class Case:
    """Series, and whether an alert fires on them."""

    alert: str
    why: str
    fires: bool
    series: Series
    at: int = 20


def _pair(alert: str, fires: Series, quiet: Series, at: int = 20) -> list[Case]:
    """Return a case on which the alert fires, and a near miss."""
    name = f"Strongroom{alert}"
    return [Case(name, "fires", True, fires, at), Case(name, "near miss", False, quiet, at)]


def _counter(alert: str, counter: str, at: int = 12, high: int = 1) -> list[Case]:
    """Return the cases of an alert on the increase of a counter, with its traps."""
    name, window = f"Strongroom{alert}", at - 2
    cases = [
        ("rises", True, f"1x{window} {1 + high}x9", at + 1),
        ("does not rise", False, f"{high}x{at + 60}", at + 60),
        ("is born above zero", True, f"_x{window} {high}x9", at + 1),
        (
            "was idle, vanished, and is back with another failure",
            True,
            f"1x0 stale _x{window - 1} {1 + high}x9",
            at + 1,
        ),
        ("was idle and has vanished", False, "1x0 stale", at + 1),
        (
            "does not rise, and two scrapes failed when the window begins",
            False,
            f"{high}x60 stale _x1 {high}x{at}",
            62 + window,
        ),
    ]
    return [Case(name, why, fires, {counter: values}, when) for why, fires, values, when in cases]


def _accesses(outcome: str) -> str:
    return f'strongroom_secret_access_total{{{_APP},secret="jwt",outcome="{outcome}"}}'


def _unchecked(alert: str, metric: str, minutes: int) -> list[Case]:
    """Return the cases of an alert on a check that was last made so many minutes ago."""
    series, at = f'{metric}{{environment="prod",instance="a"}}', minutes + 10
    return _pair(alert, {series: f"0x{at}"}, {series: f"{11 * 60}x{at}"}, at)


def _timestamp(alert: str, series: str, threshold: int, at: int) -> list[Case]:
    """Return the cases of an alert on a time that is near; it holds for *at* minutes at most."""
    late = threshold + 60 * at
    return _pair(alert, {series: f"{threshold}x{at}"}, {series: f"{late + 60}x{at}"}, at)


_SECONDS: Final = f"strongroom_request_duration_seconds_sum{{{_APP}}}"
_COUNT: Final = f"strongroom_request_duration_seconds_count{{{_APP}}}"
_EXPIRES: Final = f'strongroom_lease_expires_timestamp_seconds{{{_APP},holder="token"}}'
_UP: Final = f"up{{{_SERVER}}}"
_UNSEALED: Final = f'vault_core_unsealed{{{_SERVER},cluster="c"}}'
_UNSEALED_EARLY: Final = f'vault_core_unsealed{{{_SERVER},cluster=""}}'
_ACTIVE: Final = f'vault_core_active{{{_SERVER},cluster="c"}}'
_HEALTHY: Final = 'strongroom_audit_device_healthy{environment="prod",instance="a",file="1.log"}'
_FINDINGS: Final = 'strongroom_audit_findings{environment="prod",instance="a"}'
_FREE: Final = 'strongroom_audit_device_free_bytes{environment="prod",instance="a",file="1.log"}'
_HIGH, _LOW = (
    f'strongroom_audit_anomalies{{environment="prod",rule="r",severity="{each}"}}'
    for each in ("high", "low")
)
_RAN, _LAST = (
    f'strongroom_audit_{each}_timestamp_seconds{{environment="prod"}}'
    for each in ("anomalies_checked", "last_request")
)
_DUE: Final = f"strongroom_rotation_due_timestamp_seconds{{{_ROTATION}}}"
_DELETED: Final = f"strongroom_rotation_value_deleted{{{_ROTATION}}}"
_OVERDUE: Final = f"strongroom_rotation_overdue{{{_ROTATION}}}"
_WAITING: Final = f"strongroom_rotation_waiting_timestamp_seconds{{{_ROTATION}}}"
_SECRET_ID: Final = _ROTATION.replace('"secret"', '"secret-id"')
_STALE: Final = f'strongroom_secret_stale_seconds{{{_APP},secret="jwt"}}'
_UNIT: Final = 'environment="prod",instance="a",unit="shop-prod"'

CASES: Final[tuple[Case, ...]] = (
    *_pair("ServerDown", {_UP: "1x9 0x20"}, {_UP: "1x18 0x0 1x9"}),
    *_pair("ServerSealed", {_UNSEALED: "1x9 0x20"}, {_UNSEALED: "1x30"}),
    Case(
        "StrongroomServerSealed",
        "the series from before the seal stays at 1",
        fires=True,
        series={_UNSEALED_EARLY: "1x30", _UNSEALED: "1x9 0x20"},
    ),
    Case(
        "StrongroomServerSealed",
        "the series from before it was unsealed stays at 0",
        fires=False,
        series={_UNSEALED_EARLY: "0x30", _UNSEALED: "_x5 1x30"},
    ),
    Case("StrongroomServerSealed", "was never unsealed", True, {_UNSEALED_EARLY: "0x30"}),
    *_pair(
        "NoLeader",
        {_UP: "1x30", _ACTIVE: "1x9 0x30"},
        {_UP: "0x30", _UP.replace('"a"', '"c"'): "1x30", _ACTIVE.replace('"a"', '"c"'): "1x30"},
    ),
    Case("StrongroomNoLeader", "all are down", True, {_UP: "0x30", _ACTIVE: "1x9 stale"}),
    *_pair(
        "IrrevocableLeases",
        {'vault_expire_num_irrevocable_leases{environment="prod"}': "1x30"},
        {'vault_expire_num_irrevocable_leases{environment="prod"}': "0x30"},
    ),
    *_timestamp(
        "CertificateExpires",
        'strongroom_server_certificate_expires_timestamp_seconds{environment="prod",server="v:1"}',
        14 * DAY,
        90,
    ),
    *_counter("AuditLogFailing", f"vault_audit_log_request_failure{{{_SERVER}}}"),
    *_counter("AuditLogFailing", f"vault_audit_log_response_failure{{{_SERVER}}}"),
    *_pair("AuditDeviceFaulty", {_HEALTHY: "0x30"}, {_HEALTHY: "1x16 0x3 1x9", _FINDINGS: "0x30"}),
    Case(
        "StrongroomAuditDeviceFaulty",
        "the server lists another device",
        fires=True,
        series={_HEALTHY: "1x30", _FINDINGS: "1x30"},
    ),
    *_pair("AuditDiskFull", {_FREE: "1000000-1000x600"}, {_FREE: "1000000-100x600"}, 420),
    *_unchecked("AuditDevicesUnchecked", "strongroom_audit_devices_checked_timestamp_seconds", 10),
    *_pair("AuditLogSilent", {_RAN: "3700x30", _LAST: "60x30"}, {_RAN: "3700x30", _LAST: "120x30"}),
    *_pair("AnomalyHigh", {_HIGH: "1x30"}, {_HIGH: "0x30", _LOW: "1x30"}),
    *_pair("Anomaly", {_LOW: "1x30"}, {_LOW: "0x30", _HIGH: "1x30"}),
    *_unchecked("AnomaliesUnchecked", "strongroom_audit_anomalies_checked_timestamp_seconds", 120),
    *_timestamp("RotationDue", _DUE, 7 * DAY, 90),
    Case(
        "StrongroomRotationDue",
        "another alert says that it is overdue",
        fires=False,
        series={_DUE: "60x90", _OVERDUE: "1x90"},
        at=90,
    ),
    Case(
        "StrongroomRotationDue",
        "a secret-id",
        False,
        {_DUE.replace(_ROTATION, _SECRET_ID): "1x90"},
        90,
    ),
    *_pair("RotationOverdue", {_OVERDUE: "1x90"}, {_OVERDUE: "0x90"}, 90),
    *_pair("ValueDeleted", {_DELETED: "1x30"}, {_DELETED: "0x30"}),
    *_pair("RotationStuck", {_WAITING: "0x4500"}, {_WAITING: f"{2 * HOUR}x4500"}, 3 * 1440 + 70),
    *_timestamp("SecretIdExpires", _DUE.replace(_ROTATION, _SECRET_ID), 3 * DAY, 90),
    *_unchecked("LedgerUnchecked", "strongroom_rotation_checked_timestamp_seconds", 2 * 1440),
    *_pair(
        "TargetDown",
        {f'up{{{_APP},component="application"}}': "0x30"},
        {f'up{{{_APP},component="application"}}': "1x16 0x3 1x9", 'up{job="other"}': "0x30"},
    ),
    *_pair(
        "AccessFailures",
        {_accesses("hit"): "0+94x30", _accesses("AccessDenied"): "0+6x30"},
        {_accesses("hit"): "0+96x30", _accesses("AccessDenied"): "0+4x30"},
    ),
    Case(
        "StrongroomAccessFailures",
        "failures are born above zero, beside accesses that go on",
        fires=True,
        series={_accesses("hit"): "0+10x30", _accesses("Sealed"): "_x12 20x20"},
    ),
    Case(
        "StrongroomAccessFailures",
        "no access any more",
        fires=False,
        series={_accesses("hit"): "5x60", _accesses("Sealed"): "5x60"},
        at=40,
    ),
    *_counter("AccessDenied", _accesses("AccessDenied")),
    *_counter("AccessRecordsFail", _accesses("AuditFailed")),
    *_pair("StaleSecret", {_STALE: "601x30"}, {_STALE: "600x30"}),
    *_pair("LeaseExpires", {_EXPIRES: "1130x30"}, {_EXPIRES: "1260x30"}),
    Case("StrongroomLeaseExpires", "an idle application let it end", False, {_EXPIRES: "0x90"}, 70),
    *_counter("LoginFailing", f'strongroom_logins_total{{{_APP},outcome="Unreachable"}}'),
    *_counter(
        "CredentialStolen", f'strongroom_unwrappings_total{{{_APP},outcome="CredentialStolen"}}'
    ),
    *_counter("DataKeyLost", f'strongroom_data_key_checks_total{{{_APP},outcome="KeyLost"}}'),
    *_counter("OrphanLeases", f'strongroom_orphan_leases_total{{{_APP},outcome="ok"}}', 62, 20),
    *_pair(
        "Latency",
        {_COUNT: "0+60x1600", _SECONDS: "0+0.6x1440 865+0.75x160"},
        {_COUNT: "0+60x1600", _SECONDS: "0+0.6x1440 865+0.7x160"},
        1500,
    ),
    Case(
        "StrongroomLatency",
        "nothing was measured a day ago",
        fires=False,
        series={_COUNT: "_x1400 0+60x200", _SECONDS: "_x1400 0+6x200"},
        at=1500,
    ),
    *_pair(
        "DeliveryRefused",
        {f'strongroom_delivery_live{{{_APP},file="app.yaml"}}': "0x30"},
        {f'strongroom_delivery_live{{{_APP},file="app.yaml"}}': "1x16 0x3 1x9"},
    ),
    *_pair(
        "AgentDown",
        {f"strongroom_agent_running{{{_UNIT}}}": "0x30"},
        {f"strongroom_agent_running{{{_UNIT}}}": "1x16 0x3 1x9"},
    ),
    *_pair(
        "AgentUndelivered",
        {f"strongroom_agent_delivered{{{_UNIT}}}": "0x30"},
        {f"strongroom_agent_delivered{{{_UNIT}}}": "1x16 0x3 1x9"},
    ),
    *_unchecked("AgentsUnchecked", "strongroom_agent_checked_timestamp_seconds", 10),
)


#: Minutes from which an alert is evaluated each ten minutes only, which takes a tenth of the time.
LONG: Final = 300
ROOT: Final = Path(__file__).parents[4]
MAIL: Final = "smarthost: a:25, sender: a@b, page: a@b, ticket: a@b"
APPLICATION: Final = "{service: gaara-store, targets: [a:1], labels: {%s: x}}"


def _as_test(case: Case) -> dict[str, Any]:
    """Return *case* as promtool reads it."""
    expected = [{"labels": "{}", "value": 1}] if case.fires else []
    query = f'group(ALERTS{{alertname="{case.alert}", alertstate="firing"}})'
    return {
        "interval": "1m",
        "name": f"{case.alert}: {case.why}",
        "input_series": [
            {"series": each, "values": values} for each, values in case.series.items()
        ],
        "promql_expr_test": [{"expr": query, "eval_time": f"{case.at}m", "exp_samples": expected}],
    }


@pytest.mark.requires("prometheus")
def test_alerts_fire_on_their_series_and_on_no_near_miss(tmp_path: Path) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("needs promtool")
    for name, alert in built_in().items():
        # Apart from the other alerts, because each is evaluated for the longest time of a file.
        rules = tmp_path / f"{name}.rules"
        rules.write_text(json.dumps(build_rules({name: alert}, "x")))  # JSON is YAML
        cases = [case for case in CASES if case.alert == name]
        document = {
            "rule_files": [rules.name],
            "evaluation_interval": "10m" if max(case.at for case in cases) > LONG else "1m",
            "tests": [_as_test(case) for case in cases],
        }
        (tmp_path / f"{name}.yml").write_text(json.dumps(document))
    done = subprocess.run(
        [promtool, "test", "rules", *(f"{name}.yml" for name in built_in())],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_each_alert_has_a_case_that_fires_and_a_near_miss() -> None:
    for fires in (True, False):
        assert {case.alert for case in CASES if case.fires is fires} == {*built_in()}


def test_each_alert_links_a_section_of_the_runbook() -> None:
    text = (ROOT / "docs" / "Runbook.md").read_text(encoding="utf-8")
    headings = re.findall(r"^##+ (.*)$", text, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", each).lower().replace(" ", "-") for each in headings}
    assert {alert.runbook for alert in built_in().values()} <= anchors


def test_each_alert_is_documented() -> None:
    text = (ROOT / "docs" / "howto" / "Monitoring.md").read_text(encoding="utf-8")
    assert {*re.findall(r"`(Strongroom\w+)`", text)} == {*built_in()}


def test_keys_of_a_team_replace_those_of_an_alert(tmp_path: Path) -> None:
    (tmp_path / "monitoring.yaml").write_text(
        "alerts:\n"
        "  StrongroomRotationDue: {threshold: 14d, pending: 5m, severity: page, runbook: own}\n"
        "  StrongroomLatency: {threshold: 0.5}\n"
        "  StrongroomAnomaly: {enabled: false}\n"
    )
    found = select_alerts(read_monitoring(tmp_path, load()))
    due, latency = found["StrongroomRotationDue"], found["StrongroomLatency"]
    assert "< 1209600" in due.rendered_expr
    assert (due.pending, due.severity, due.runbook) == (300, "page", "own")
    assert "(1 + 0.5)" in latency.rendered_expr
    assert built_in().keys() - found.keys() == {"StrongroomAnomaly"}
    unchanged = built_in()["StrongroomLatency"]
    assert (latency.pending, latency.summary) == (unchanged.pending, unchanged.summary)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "alerts: {StrongroomLatncy: {}}",
            "alerts.StrongroomLatncy is no alert .*StrongroomLatency",
        ),
        ("alerts: {StrongroomLatency: {threshold: 1h}}", "is 1h .expected a number, as 0.2"),
        ("alerts: {StrongroomRotationDue: {threshold: 7}}", "is 7 .expected a duration, as 7d"),
        ("alerts: {StrongroomServerDown: {threshold: 7}}", "does not have"),
        (
            "alerts: {StrongroomLatency: {threshold: [7]}}",
            "expected a number from 0, or a duration",
        ),
        ("alerts: {StrongroomLatency: {severity: high}}", "page or ticket"),
        ("alerts: {StrongroomAnomaly: {threshold: -1}}", "is -1 .expected a number from 0"),
        ("alerts: {StrongroomAnomaly: {runbook: 'a {{ b }}'}}", "expected an anchor"),
        (
            f"environments: {{prod: {{applications: [{APPLICATION % 'environment'}]}}}}",
            "the name of",
        ),
        (
            f"environments: {{prod: {{applications: [{APPLICATION % '__address__'}]}}}}",
            "the name of",
        ),
        ("environments: {qa: {}}", "environments.qa is not declared"),
        (
            "environments: {prod: {applications: [{service: no, targets: [a:1]}]}}",
            "service is 'no'",
        ),
        ("environments: {prod: {servers: [a]}}", "host:port"),
        ("runbook: 'https://a/b#c'", "without its anchor"),
        ("runbook: 'https://a/{{b'", "address of a runbook"),
        ("mail: {smarthost: a:25, sender: a@b, page: a@b}", "ticket"),
        (f"mail: {{{MAIL}, password_file: /a}}", "password_file is set .*together with"),
        (f"mail: {{{MAIL}, username: a}}", "password_file is not set .*together with"),
    ],
)
def test_wrong_key_is_refused_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "monitoring.yaml").write_text(f"interval: 5s\n{text}\n")
    with pytest.raises(DeclarationError) as caught:
        read_monitoring(tmp_path, load())
    (error,) = caught.value.errors
    assert re.search(message, str(error)), str(error)
    assert ":2:" in str(error)


def test_declaration_without_the_file_has_the_defaults(tmp_path: Path) -> None:
    assert read_monitoring(tmp_path, load()) == Monitoring()
    (tmp_path / "monitoring.yaml").symlink_to(tmp_path / "nowhere")
    with pytest.raises(DeclarationError, match="cannot be read"):
        read_monitoring(tmp_path, load())
