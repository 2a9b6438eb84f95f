"""Agent and mail worker in containers that ``agent build`` describes, through three faults.

Their servers run on this machine, and the containers share its network, because the worker accepts
SMTP and PostgreSQL without TLS on the loopback only. The secrets server uses TLS.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from agent.targets.compose import AGENT, READERS
from app_integration._internal.private_file import replace_file
from local.docker.engine import run_compose
from tests.support.polling import wait_until
from tests.support.processes.running_store import ROOT
from tests.support.servers.deployment import require_images
from tests.support.servers.mail_site import WORKER, MailSite, mail_site
from vault.declare.server_names import APPLY_JOB
from vault.reconcile.credentials import issue_credential

pytestmark = [pytest.mark.requires("docker"), pytest.mark.timeout(300)]

PAGE: Final = ROOT / "docs" / "howto" / "Compose.md"
APPLICATION, AGENT_SERVICE = "orders-mail", "strongroom-orders-mail-agent"
MOUNTED: Final = ("role-id", "secret-id", "vault-ca.pem")
WAIT: Final = 30.0  # seconds from an order to its mail, also during a fault
STAGING: Final = "/run/strongroom-config"
LIVE: Final = "/run/orders-mail/config/worker.toml"


@dataclass
class Project:
    """Project of compose, in the home folder of whoever deploys."""

    site: MailSite
    home: Path

    def run(self, commands: str) -> str:
        """Run shell commands as the page's reader, and return what they printed."""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", commands],  # noqa: S607
            cwd=self.home,
            env=self._variables(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def inspect(self, service: str) -> dict[str, Any]:
        """Return the output of ``docker inspect``."""
        name = self.run(f"docker compose ps --all --quiet {service}").strip()
        found: dict[str, Any] = json.loads(self.run(f"docker inspect {name}"))[0]
        return found

    def log(self, service: str) -> str:
        return self.run(f"docker compose logs --no-color {service} 2>&1")

    def execute(self, command: str) -> str:
        """Run a command in the application's container."""
        return self.run(f"docker compose exec -T {APPLICATION} sh -c {shlex.quote(command)}")

    def live(self) -> dict[str, Any]:
        """Return the config that the application reads."""
        return tomllib.loads(self.execute(f"cat {LIVE}"))

    @property
    def credential(self) -> Path:
        """Return the folder of the agent's credential."""
        return self.home / "services" / str(WORKER)

    def replace_secret_id(self) -> None:
        """Replace the file of the secret-id, and destroy the one that was in it."""
        file, role = self.credential / "secret-id", f"auth/approle/role/{WORKER}"
        before = file.read_text()
        issued = self.site.root.post(f"{role}/secret-id")["data"]["secret_id"]
        replace_file(file, issued.encode(), mode=0o444)
        self.site.root.post(f"{role}/secret-id/destroy", {"secret_id": before})

    def _variables(self) -> dict[str, str]:
        given = {"DOCKER_HOST", "DOCKER_CONTEXT", "VAULT_IMAGE", "VAULT_BINARY"}
        operator = self.home / "operator"
        return {
            **{name: text for name, text in os.environ.items() if name in given},
            "HOME": str(self.home),
            "DOCKER_CONFIG": os.environ.get("DOCKER_CONFIG", str(Path.home() / ".docker")),
            "PATH": f"{self.home / 'bin'}:{os.environ['PATH']}",
            "STRONGROOM_DECLARATION": str(self.site.declaration),
            "STRONGROOM_OPERATOR_ROLE_ID_FILE": str(operator / "role-id"),
            "STRONGROOM_OPERATOR_SECRET_ID_FILE": str(operator / "secret-id"),
            "VAULT_CACERT": str(self.site.vault.cacert),
        }


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """Follow the page, for the mail worker."""
    require_images()
    run_compose("the image", "build", "--quiet", "apply", folder=ROOT)
    with mail_site(tmp_path_factory.mktemp("site")) as site:
        project = Project(site, tmp_path_factory.mktemp("home"))
        prepare_home(project)
        (variables,) = blocks("")
        (project.home / ".env").write_text(variables)
        *start, _ = blocks("sh")
        try:
            project.run("\n".join(start))
            wait_until(lambda: "waiting for orders" in project.log(APPLICATION), "the worker")
            yield project
        finally:
            project.run("docker compose down --volumes --timeout 5")


def blocks(kind: str) -> list[str]:
    """Return the page's blocks of one kind, for the mail worker instead of its example."""
    text = PAGE.read_text(encoding="utf-8").replace("-m tracking", "-m examples.orders_mail")
    text = text.replace("tracking", APPLICATION).replace("TRACKING", "ORDERS_MAIL")
    found = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [block for language, block in found if language == kind]


def prepare_home(project: Project) -> None:
    """Write what the page takes for granted: tool, operator's credential, the team's own file."""
    site, home = project.site, project.home
    (home / "bin").mkdir()
    tool = home / "bin" / "strongroom"
    tool.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -P -m console "$@"\n')
    tool.chmod(0o755)
    (home / "vault-ca.pem").write_bytes((site.vault.home / "vault-ca.pem").read_bytes())
    issue_credential(site.root, APPLY_JOB, home / "operator")
    own = home / "own"
    issue_credential(site.root, str(WORKER), own)
    (own / "vault-ca.pem").write_bytes((site.vault.home / "vault-ca.pem").read_bytes())
    for name in MOUNTED:
        (own / name).chmod(0o444)
    (home / "compose.yaml").write_text(yaml.safe_dump(own_file(site, own)))


def own_file(site: MailSite, own: Path) -> dict[str, Any]:
    """Return the team's compose file. The worker leases database users with its own login."""
    worker = {
        "image": "strongroom:local",
        "network_mode": "host",
        "environment": {
            "VAULT_ADDR": site.vault.address,
            "VAULT_CACERT": "/run/secrets/vault-ca.pem",
            "ENVIRONMENT": "staging",
            "STRONGROOM_SERVICE": APPLICATION,
            "STRONGROOM_ROLE_ID_FILE": "/run/secrets/role-id",
            "STRONGROOM_SECRET_ID_FILE": "/run/secrets/secret-id",
        },
        "secrets": list(MOUNTED),
    }
    return {
        "name": f"orders-mail-{secrets.token_hex(4)}",
        "services": {APPLICATION: worker, AGENT_SERVICE: {"network_mode": "host"}},
        "secrets": {name: {"file": str(own / name)} for name in MOUNTED},
    }


def test_agent_and_application_are_two_users_with_one_group(project: Project) -> None:
    agent, worker = project.inspect(AGENT_SERVICE), project.inspect(APPLICATION)
    host = agent["HostConfig"]
    confined = (agent["Config"]["User"], host["ReadonlyRootfs"], host["CapDrop"])
    assert confined == (f"{AGENT}:{READERS}", True, ["ALL"])
    assert worker["Config"]["User"] == "10001:10001"
    found = project.execute(f"stat -c '%a %u %g' {STAGING} {STAGING}/worker.toml {LIVE}")
    assert found.splitlines() == [
        f"2750 {AGENT} {READERS}",
        f"640 {AGENT} {READERS}",
        "600 10001 10001",
    ]
    kinds = project.execute(f"stat -f -c %T {STAGING} {Path(LIVE).parent}")
    assert kinds.split() == ["tmpfs", "tmpfs"]
    assert project.execute(f"touch {STAGING}/x 2>/dev/null || echo refused") == "refused\n"


def test_application_starts_in_another_container_without_agent(project: Project) -> None:
    inodes = project.execute(f"stat -c %i {STAGING}/worker.toml {LIVE}")
    project.run(f"docker compose stop {AGENT_SERVICE} {APPLICATION}")
    project.run(f"docker compose up -d --no-deps --force-recreate {APPLICATION}")
    wait_until(lambda: "waiting for orders" in project.log(APPLICATION), "the worker")
    assert project.execute(f"stat -c %i {STAGING}/worker.toml {LIVE}") == inodes
    project.run(f"docker compose start {AGENT_SERVICE}")


def test_renewal_recreates_the_agent_only(project: Project) -> None:
    before = {name: project.inspect(name)["Id"] for name in (AGENT_SERVICE, APPLICATION)}
    secret_id = (project.credential / "secret-id").read_text()
    project.run(blocks("sh")[-1])
    same = {name for name, found in before.items() if project.inspect(name)["Id"] == found}
    assert same == {APPLICATION}
    assert (project.credential / "secret-id").read_text() != secret_id


def test_restart_of_the_server_fails_no_order(project: Project) -> None:
    with project.site.orders() as orders:
        orders.wait_for_more()
        project.site.vault.stop()
        orders.wait_for_more()
        project.site.vault.start()
        wait_until(project.site.vault.is_leader, "an active server")
        orders.wait_for_more()
    assert orders.failed == []
    assert orders.longest_wait < WAIT


def test_revoked_token_is_replaced_with_the_credential_that_is_there_now(project: Project) -> None:
    before = project.inspect(AGENT_SERVICE)["RestartCount"]
    with project.site.orders() as orders:
        project.replace_secret_id()
        project.site.root.post("sys/leases/revoke-prefix/auth/approle/login")
        wait_until(
            lambda: project.inspect(AGENT_SERVICE)["RestartCount"] > before, "the agent's restart"
        )
        orders.wait_for_more()
    assert orders.failed == []
    assert orders.longest_wait < WAIT


def test_rotated_secret_arrives(project: Project) -> None:
    site = project.site
    first, rotated = site.queue_url, secrets.token_hex(16)
    url = re.sub(r":[^:@]*@", f":{rotated}@", first)
    with site.redis() as client:
        with site.orders() as orders:
            client.execute_command("ACL", "SETUSER", "default", f">{rotated}")
            site.root.post(f"secret/data/{WORKER.secret('redis-url')}", {"data": {"value": url}})
            wait_until(lambda: project.live()["queue"]["url"] == url, "the new URL")
            orders.wait_for_more()
        password = first.partition("://:")[2].partition("@")[0]
        client.execute_command("ACL", "SETUSER", "default", f"<{password}")
        client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    site.queue_url = url
    with site.orders() as later:
        later.wait_for_more()
    assert orders.failed + later.failed == []
    assert max(orders.longest_wait, later.longest_wait) < WAIT


def test_logs_and_containers_show_no_secret(project: Project) -> None:
    shown = project.log(AGENT_SERVICE) + project.log(APPLICATION)
    shown += json.dumps([project.inspect(AGENT_SERVICE), project.inspect(APPLICATION)])
    config = project.live()
    hidden = [config["queue"]["url"], config["smtp"]["password"]]
    hidden += [(project.credential / name).read_text() for name in ("role-id", "secret-id")]
    assert [text for text in hidden if text in shown] == []
    assert "authentication successful" in shown
