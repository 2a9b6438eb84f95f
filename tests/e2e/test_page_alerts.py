"""Alerts of a real Alertmanager on the operator's page, in a browser."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from local.monitoring.local_monitoring import PROGRAMS
from tests.e2e.conftest import visit
from tests.support.page_browser import PageBrowser
from tests.support.polling import wait_until
from tests.support.servers.prometheus_server import monitoring_program
from vault.monitoring.alerts import built_in
from vault.monitoring.routes_file import SERVER_CAUSE, build_routes_file
from vault.prometheus.alertmanager import read_alerts

pytestmark = [pytest.mark.requires("prometheus"), pytest.mark.requires("chromium")]

#: Names of some of the tool's alerts, and labels and annotations of somebody else.
NAMES = (SERVER_CAUSE, "StrongroomLoginFailing", "StrongroomRotationDue", "StrongroomLatency")
HOSTILE = "<script>document.title='x'</script>\u202e\x1b[31m" + "W" * 120


def alert(
    name: str, runbook: str = "https://runbooks.example.com/Runbook", **labels: str
) -> object:
    """Return one of the tool's alerts, in the form that Prometheus sends."""
    known = built_in().get(name)
    annotations = {"summary": HOSTILE, "description": "Read it."}
    own = {"alertname": name, "environment": "dev", **labels}
    if known is not None:
        annotations = {"summary": known.summary, "description": known.action}
        own |= {"severity": known.severity, **({"needs": known.needs} if known.needs else {})}
    begun = datetime.now(UTC) - timedelta(hours=2)
    url = f"{runbook}#{known.runbook if known else ''}"
    return {
        "labels": own,
        "annotations": {**annotations, "runbook_url": url},
        "startsAt": begun.isoformat(),
    }


def post(address: str, path: str, document: Mapping[str, Any] | list[Any]) -> None:
    response = requests.post(f"{address}/api/v2/{path}", json=document, timeout=5)
    response.raise_for_status()


def _is_ready(address: str) -> bool:
    try:
        return requests.get(f"{address}/-/ready", timeout=5).ok
    except requests.RequestException:
        return False


@pytest.fixture(scope="module")
def alertmanager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run Alertmanager with alerts of two environments, one of them silenced."""
    folder = tmp_path_factory.mktemp("alertmanager")
    file = folder / "alertmanager.yml"
    # JSON is YAML. It sends nothing to anybody.
    file.write_text(json.dumps(build_routes_file(None)))
    options = (f"--config.file={file}", f"--storage.path={folder / 'data'}")
    with monitoring_program(
        PROGRAMS["alertmanager"], *options, "--cluster.listen-address="
    ) as address:
        wait_until(lambda: _is_ready(address), "Alertmanager")
        now = datetime.now(UTC)
        matcher = {"name": "alertname", "value": NAMES[-1], "isRegex": False, "isEqual": True}
        times = {"startsAt": now.isoformat(), "endsAt": (now + timedelta(days=1)).isoformat()}
        silence = {"matchers": [matcher], "createdBy": "gaara", "comment": "Load test.", **times}
        post(address, "silences", silence)
        alerts = [alert(name, service="shop", instance="shop-1:8080") for name in NAMES]
        hostile = alert("Hostile", "javascript:alert(1)", größe=HOSTILE, severity=HOSTILE)
        elsewhere = alert("Elsewhere", environment="prod")
        post(address, "alerts", [*alerts, hostile, elsewhere])
        wait_until(lambda: len(read_alerts(address, "dev")) == 5, "the alerts")
        yield address


@pytest.fixture(scope="module")
def page(
    alertmanager: str, pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[PageBrowser]:
    """Yield a browser that has opened the page of a deployment that does not run."""
    root = tmp_path_factory.mktemp("deployment")
    with visit(pytestconfig, root, alertmanager=alertmanager) as visitor:
        yield visitor


def test_operator_finds_an_alert_what_to_do_and_why_another_is_silent(page: PageBrowser) -> None:
    with page.open("/") as view:
        view.locator(".totals div", has_text="Alerts").get_by_role("link").click()
        view.wait_for_url("**/alerts?env=dev&state=firing")
        view.get_by_role("link", name="Clear").click()
        cause = view.get_by_role("article", name=SERVER_CAUSE)
        assert built_in()[SERVER_CAUSE].action in cause.inner_text()
        runbook = cause.get_by_role("link", name="Runbook")
        anchor = built_in()[SERVER_CAUSE].runbook
        expected = f"https://runbooks.example.com/Runbook#{anchor}"
        assert runbook.get_attribute("href") == expected
        assert runbook.get_attribute("rel") == "noreferrer"
        silenced = view.get_by_role("region", name="Silenced").inner_text()
        assert "by gaara: Load test." in silenced
        inhibited = view.get_by_role("region", name="Inhibited").inner_text()
        assert f"Inhibited by {SERVER_CAUSE}" in inhibited


def test_alert_of_somebody_else_is_text(page: PageBrowser) -> None:
    with page.open("/alerts?q=Hostile") as view:
        text = view.get_by_role("article").inner_text()
        assert HOSTILE.replace("\u202e", "\\u202e").replace("\x1b", "\\x1b") in text
        assert view.get_by_role("article").get_by_role("link").count() == 0
        assert view.title() == "Alerts · dev · Strongroom"


def test_view_has_no_fault_in_both_themes_and_widths(page: PageBrowser) -> None:
    page.check("/alerts", "alerts")
    assert len(list(page.pictures.glob("alerts-[ld]*.png"))) == 4
