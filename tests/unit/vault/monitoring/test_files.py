"""Files of the monitoring: valid, without a secret, and those of the example as committed."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any, Final

import pytest
from ruamel.yaml import YAML

from app_integration.names import Environment
from tests.support.models.aws_declared import declare_on_aws
from tests.support.models.declared import declare
from tests.support.processes.command import run_command
from vault.declare.schema.monitoring import Application, Mail, Monitoring, Scraped
from vault.declare.schema.server import Server
from vault.monitoring.dashboard import build_dashboard, read_rows, select_labels
from vault.monitoring.files import DASHBOARD, ROUTES, RULES, SCRAPE, render_files
from vault.monitoring.targets import declared_targets, server_targets

ROOT: Final = Path(__file__).parents[4]
MAIL: Final = Mail(
    smarthost="mail:25",
    sender="s@example.com",
    page="page@example.com",
    ticket="ticket@example.com",
    username="strongroom",
    password_file="/etc/mail-password",
)
SCRAPED: Final = Scraped(
    servers=("vault-1:8200", "vault-2:8200"),
    server_token_file="/etc/vault-token",
    applications=(
        Application(service="shop", targets=("a:1",), labels={"colour": "blue"}),
        Application(service="shop", targets=("b:1",), token_file="/etc/shop"),
    ),
    hosts=("vault-1:9100",),
)


def tool(name: str) -> str:
    """Return the path of a program, or skip the test."""
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"needs {name}")
    return path


def files() -> dict[str, str]:
    targets = {"prod": server_targets(["https://vault:8200"], SCRAPED)}
    return render_files(Monitoring(mail=MAIL), targets)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with the files."""
    for name, text in files().items():
        (tmp_path / name).write_text(text)
    return tmp_path


def test_files_of_the_example_are_what_the_command_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run_command(monkeypatch, "monitoring", "build", "--out", str(tmp_path / "new")) == 0
    committed = {each.name: each.read_text() for each in (ROOT / "deploy/monitoring").iterdir()}
    assert {each.name: each.read_text() for each in (tmp_path / "new").iterdir()} == committed
    assert committed.keys() == {RULES, SCRAPE, ROUTES, DASHBOARD, ".strongroom-build"}


@pytest.mark.requires("prometheus")
def test_configuration_is_valid_for_prometheus_and_alertmanager(folder: Path) -> None:
    check = [tool("promtool"), "check", "config", "--syntax-only", str(folder / SCRAPE)]
    for command in (check, [tool("amtool"), "check-config", str(folder / ROUTES)]):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


@pytest.mark.requires("prometheus")
@pytest.mark.parametrize("severity", ["page", "ticket"])
def test_alert_is_mailed_to_the_receiver_of_its_severity(folder: Path, severity: str) -> None:
    command = [tool("amtool"), "config", "routes", "test", f"--config.file={folder / ROUTES}"]
    done = subprocess.run(
        [*command, f"severity={severity}"], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == severity
    receivers = {each["name"]: each for each in parse(files()[ROUTES])["receivers"]}
    (account,) = receivers[severity]["email_configs"]
    assert account["to"] == f"{severity}@example.com"
    assert account["auth_password_file"] == "/etc/mail-password"


@pytest.mark.requires("prometheus")
def test_queries_of_the_dashboard_are_valid(tmp_path: Path) -> None:
    queries = [text for _, text in dashboard_queries()]
    rules = [
        {"record": f"strongroom:panel:{number}", "expr": text.replace("$__rate_interval", "1m")}
        for number, text in enumerate(queries)
    ]
    file = tmp_path / "panels.yml"
    file.write_text(json.dumps({"groups": [{"name": "panels", "rules": rules}]}))
    command = [tool("promtool"), "check", "rules", "--lint-fatal", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def dashboard_queries() -> list[tuple[str, str]]:
    return [
        (panel.title, select_labels(text))
        for panels in read_rows().values()
        for panel in panels
        for text in panel.queries.values()
    ]


def test_each_query_selects_the_environments_that_the_reader_chose() -> None:
    assert [title for title, text in dashboard_queries() if "$environment" not in text] == []


def test_panels_have_an_id_and_a_place_of_their_own() -> None:
    panels = build_dashboard()["panels"]
    assert len({each["id"] for each in panels}) == len(panels)
    for one, other in combinations((each["gridPos"] for each in panels), 2):
        is_apart_x = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        is_apart_y = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert is_apart_x or is_apart_y, (one, other)


def parse(text: str) -> Any:
    return YAML(typ="safe", pure=True).load(text)


def test_targets_have_the_labels_that_alerts_use() -> None:
    jobs = parse(files()[SCRAPE])["scrape_configs"]
    groups = [(job, group) for job in jobs for group in job["static_configs"]]
    found = [(group["targets"], group["labels"]) for _, group in groups]
    prod = {"environment": "prod"}
    shop = {**prod, "component": "application", "service": "shop"}
    assert found == [
        (["vault-1:8200", "vault-2:8200"], {**prod, "component": "server"}),
        (["a:1"], {"colour": "blue", **shop}),
        (["b:1"], shop),
        (["vault-1:9100"], {**prod, "component": "host"}),
    ]
    credentials = [job.get("authorization") for job in jobs]
    files_there = ["/etc/vault-token", None, "/etc/shop", None]
    assert credentials == [each and {"credentials_file": each} for each in files_there]
    assert len({job["job_name"] for job in jobs}) == len(jobs)


def test_jobs_have_names_of_their_own_in_each_environment() -> None:
    targets = {
        environment: server_targets(
            ["https://vault:8200"],
            Scraped(applications=(Application(service=service, targets=("a:1",)),)),
        )
        for service, environment in (("shop", "eu-prod"), ("shop-eu", "prod"))
    }
    jobs = parse(render_files(Monitoring(), targets)[SCRAPE])["scrape_configs"]
    assert len({job["job_name"] for job in jobs}) == len(jobs)


def test_dashboard_shows_requests_and_responses_that_were_not_logged() -> None:
    queries = [text for title, text in dashboard_queries() if title.endswith("not logged")]
    for metric in ("vault_audit_log_request_failure", "vault_audit_log_response_failure"):
        # Each apart, because `or` drops a series that differs in its name only.
        assert sum(metric in text for text in queries) == 1
    assert len(queries) == 2


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("https://vault.example.com", "vault.example.com:443"),
        ("http://127.0.0.1:8200", "127.0.0.1:8200"),
        ("https://[::1]:8200", "[::1]:8200"),
    ],
)
def test_server_is_the_declared_one_by_default(address: str, expected: str) -> None:
    found = server_targets([address], Scraped())
    assert (found.servers, found.scheme) == ((expected,), address.partition(":")[0])


def test_each_declared_address_is_scraped_unless_the_team_names_servers(tmp_path: Path) -> None:
    vault = {"address": "https://vault-1", "extra_addresses": ("https://vault-2:8200",)}
    dev = declare(tmp_path)
    staging = dev.environment(Environment.DEV).model_copy(
        update={"vault": Server.model_validate(vault)}
    )
    declaration = replace(dev, environments={Environment("staging"): staging})
    servers = declared_targets(declaration, Monitoring())["staging"].servers
    assert servers == ("vault-1:443", "vault-2:8200")
    team = Monitoring(environments={Environment("staging"): SCRAPED})
    assert declared_targets(declaration, team)["staging"].servers == SCRAPED.servers


def test_environment_without_a_server_has_its_other_targets(tmp_path: Path) -> None:
    declaration = declare_on_aws(tmp_path)
    scraped = Scraped(applications=(Application(service="shop", targets=("a:1",)),))
    team = Monitoring(environments={Environment("cloud"): scraped})
    text = render_files(team, declared_targets(declaration, team))[SCRAPE]
    names = [each["job_name"] for each in parse(text)["scrape_configs"]]
    assert names == ["strongroom/cloud/shop/0"]


def test_without_mail_alerts_go_to_nobody() -> None:
    routes = parse(render_files(Monitoring(), {})[ROUTES])
    assert routes["receivers"] == [{"name": "nobody"}]
    assert routes["route"]["routes"] == []
