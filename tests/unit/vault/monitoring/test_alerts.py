"""Alerts on series that fire them and on near misses, and the file that changes them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support.models.alert_cases import CASES, Case
from vault.declare.errors import DeclarationError
from vault.declare.load import load
from vault.declare.schema.monitoring import Monitoring
from vault.monitoring.alerts import built_in, read_monitoring, select_alerts
from vault.monitoring.files import build_rules

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
