"""Monitoring of a real deployment: an alert, its mail, and the queries of the dashboard."""

from __future__ import annotations

import email.policy
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from email.message import EmailMessage
from functools import reduce
from typing import Final

import pytest
import requests

from app_integration.testing.ports import free_ports
from local.monitoring import checks
from local.monitoring.local_monitoring import CHECKS, PROGRAMS, LocalMonitoring
from local.ports import MonitoringPorts
from tests.integration.test_rotate_by_metric import Application, running_application
from tests.support.polling import wait_until
from tests.support.processes.running_store import ROOT, RunningStore
from tests.support.servers.deployment import Deployment
from tests.support.servers.prometheus_server import query
from vault.declare.repository import open_repository
from vault.monitoring.dashboard import read_rows, select_labels

pytestmark = [pytest.mark.requires("embedded"), pytest.mark.requires("prometheus")]

#: Of the store, whose alert must not wait.
TEAM: Final = """
interval: 1s
environments:
  dev: {{applications: [{{service: gaara-store, targets: ["127.0.0.1:{store}", "{reader}"]}}]}}
alerts:
  StrongroomDeliveryRefused: {{pending: 0s}}
"""
PROCESSES: Final = (*PROGRAMS, CHECKS)
REFUSED: Final = "StrongroomDeliveryRefused"
#: Variable of the dashboard → its value.
VARIABLES: Final = {"$environment": ".*", "$service": ".*", "$__rate_interval": "30s"}


@dataclass
class Site:
    """The store on a deployment, with monitoring beside it."""

    deployment: Deployment
    store: RunningStore
    reader: Application
    prometheus: str
    alertmanager: str

    def put(self, name: str, value: str) -> None:
        """Write a new version of a secret of the store."""
        path = f"secret/data/gaara-store/dev/{name}"
        self.deployment.operator.post(path, {"data": {"value": value}})

    def alerts(self) -> set[str]:
        """Return the names of the alerts that Alertmanager has, after a request to the store.

        The store looks at its file at a request, such as those of a load balancer.
        """
        self.store.health()
        found = requests.get(f"{self.alertmanager}/api/v2/alerts", timeout=5).json()
        return {each["labels"]["alertname"] for each in found}

    def mails(self) -> list[EmailMessage]:
        """Return the mails about the refused delivery, the oldest first."""
        files = sorted(self.deployment.layout.mail.glob("*.eml"))
        texts = [path.read_bytes() for path in files]
        parsed = [email.message_from_bytes(each, policy=email.policy.default) for each in texts]
        return [each for each in parsed if REFUSED in str(each["Subject"])]


@pytest.fixture(scope="module")
def site(deployment: Deployment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Run two applications and the monitoring of a team whose alert does not wait."""
    if any(shutil.which(program) is None for program in PROGRAMS.values()):
        pytest.skip(f"needs {' and '.join(PROGRAMS.values())}")
    folder = tmp_path_factory.mktemp("monitoring")
    port, *numbers = free_ports(4)
    repository = open_repository(ROOT)
    declaration = folder / "declare"
    shutil.copytree(repository.declaration, declaration, ignore=shutil.ignore_patterns("*.py"))
    local = LocalMonitoring(deployment.layout, MonitoringPorts(*numbers))
    store = RunningStore({**os.environ, **deployment.variables}, port, folder / "store.log")
    with (
        deployment.token("gaara-store-dev") as token,
        running_application(
            deployment.variables["VAULT_ADDR"], token, "jwt-secret", "/nowhere"
        ) as reader,
    ):
        store.start()
        text = TEAM.format(store=port, reader=reader.target)
        (declaration / "monitoring.yaml").write_text(text)
        try:
            team = replace(repository, declaration=declaration)
            assert local.start(team) == PROCESSES
            assert local.start(team) == ()
            pages = local.pages()
            yield Site(deployment, store, reader, pages["Prometheus"], pages["Alertmanager"])
        finally:
            assert {*local.stop()} == {*PROCESSES}
            store.stop()


def test_alert_of_a_refused_delivery_fires_is_mailed_and_resolves(site: Site) -> None:
    path = "secret/data/gaara-store/dev/jwt-secret"
    valid = site.deployment.operator.get(path)["data"]["data"]["value"]
    site.put("jwt-secret", "too short")
    try:
        wait_until(lambda: REFUSED in site.alerts(), "the alert", 30)
        wait_until(lambda: len(site.mails()) == 1, "a mail about it", 30)
    finally:
        site.put("jwt-secret", valid)
    wait_until(lambda: REFUSED not in site.alerts(), "the end of the alert", 30)
    wait_until(lambda: len(site.mails()) == 2, "a mail about its end", 30)
    fired, resolved = site.mails()
    assert fired["Subject"] == f"[FIRING] {REFUSED} in dev"
    assert resolved["Subject"] == f"[RESOLVED] {REFUSED} in dev"
    body = fired.get_body(("plain",))
    assert body is not None
    text = body.get_content()
    assert "app.yaml of 127.0.0.1:" in text
    assert "docs/Runbook.md#a-config-is-rejected" in text


def test_each_query_of_the_dashboard_returns_a_series(site: Site) -> None:
    checks.run_checks(
        site.deployment.layout.root, site.deployment.layout.root / "monitoring" / "textfile"
    )
    queries = {
        f"{panel.title}: {legend}": select_labels(text)
        for panels in read_rows().values()
        for panel in panels
        for legend, text in panel.queries.items()
    }
    empty = {
        title: reduce(lambda found, each: found.replace(*each), VARIABLES.items(), text)
        for title, text in queries.items()
    }

    def all_return() -> bool:
        site.reader.refresh()
        for title in [each for each, text in empty.items() if query(site.prometheus, text)]:
            del empty[title]
        return not empty

    with suppress(AssertionError):  # the assertion below names the queries
        wait_until(all_return, "series", 30)
    assert list(empty) == []
