"""Commands of the local deployment: `up`, `status`, `plan`, `down` and `reset`."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import requests

from app_integration.names import KV_MOUNT
from local.processes.processes import ProcessManager
from tests.support.processes.shell import Shell
from tests.support.servers.deployment import Deployment

pytestmark = pytest.mark.requires("embedded")

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    shell = Shell(tmp_path_factory.mktemp("shell") / ".strongroom")
    yield shell
    shell("reset", "--yes")


def test_up_twice_starts_once_and_then_changes_nothing(shell: Shell) -> None:
    first = shell("up")
    assert first.returncode == 0, first.stderr
    for words in (
        f"http://127.0.0.1:{shell.ports.vault}/ui/",
        "developer, method Username",
        "get_secret('jwt-secret')  →  [REDACTED]  (version 1)",
        "decrypt_field(…)  →  'ada@example.com'",
        "logged in to PostgreSQL: v-approle-",
        "redis_client()  →  logged in to Redis: V_APPROLE_GAARA-STORE-DEV-REDIS_",
        "password: '[REDACTED]'",
    ):
        assert words in first.stdout
    pids = {
        name: ProcessManager(shell.layout).find(name) for name in ("vault", "database", "agent")
    }
    second = shell("up")
    assert second.returncode == 0, second.stderr
    assert "nothing was changed" in second.stdout
    assert pids == {name: ProcessManager(shell.layout).find(name) for name in pids}
    assert None not in pids.values()


def test_plan_after_up_is_empty_and_status_is_running(shell: Shell) -> None:
    planned = shell("plan", "--env", "dev")
    assert (planned.returncode, planned.stderr) == (0, "")
    assert "0 to create, 0 to change" in planned.stdout
    assert shell("status").returncode == 0


def test_output_logs_and_arguments_contain_no_secret(shell: Shell) -> None:
    config = shell.layout.config("gaara-store")
    secrets = [
        line.partition(":")[2].strip().strip('"')
        for line in config.read_text().splitlines()
        if line.strip().startswith(("url:", "secret:", "password:"))
    ]
    assert len(secrets) == 4
    texts = {path: path.read_text(errors="replace") for path in shell.layout.logs.iterdir()}
    texts[shell.layout.dev_env] = shell.layout.dev_env.read_text()
    texts[Path("shown")] = shell("up").stdout
    texts[Path("argv")] = "\n".join(shell.processes())
    for agent in shell.layout.agents.rglob("*"):
        if agent.is_file():
            texts[agent] = agent.read_text()
    for path, text in texts.items():
        assert not [secret for secret in secrets if secret in text], path


def test_all_files_are_private(shell: Shell) -> None:
    assert shell.layout.root.stat().st_mode & 0o777 == 0o700
    assert shell.layout.dev_env.stat().st_mode & 0o777 == 0o600
    wide = [
        path
        for path in shell.layout.root.rglob("*")
        if not path.is_symlink() and path.stat().st_mode & 0o077
    ]
    assert wide == []


def test_dev_env_configures_the_sdk_in_any_shell(shell: Shell, tmp_path: Path) -> None:
    line = (
        f"set -a; . {shell.layout.dev_env}; set +a; {sys.executable} -c "
        "'from app_integration import get_secret; print(get_secret(\"jwt-secret\"))'"
    )
    run = subprocess.run(
        ["/bin/sh", "-c", line], cwd=tmp_path, env={}, capture_output=True, text=True, check=False
    )
    assert (run.stdout, run.stderr, run.returncode) == ("[REDACTED]\n", "", 0)


def test_up_after_a_killed_server_restores_its_keys(shell: Shell) -> None:
    vault = ProcessManager(shell.layout).find("vault")
    assert vault is not None
    psutil.Process(vault.pid).kill()
    assert states(shell)["OpenBao"] == "not"
    assert "nothing was changed" not in shell("up").stdout
    assert shell("status").returncode == 0


def test_status_shows_that_the_agents_were_killed(shell: Shell) -> None:
    supervisor = ProcessManager(shell.layout).find("agent")
    assert supervisor is not None
    assert states(shell)["Agents"] == "running"
    psutil.Process(supervisor.pid).kill()
    assert states(shell) == {**dict.fromkeys(states(shell), "running"), "Agents": "not"}
    assert shell("up").returncode == 0
    assert states(shell)["Agents"] == "running"


def test_status_shows_what_was_started_until_the_next_up(shell: Shell, tmp_path: Path) -> None:
    declared = tmp_path / "declaration"
    shutil.copytree(ROOT / "vault/declare/environments", declared / "environments")
    edited = shell.another()
    edited.variables = {"STRONGROOM_DECLARATION": str(declared)}  # its services have no file there
    assert (edited("status").returncode, edited("plan", "--env", "dev").returncode) == (0, 1)
    assert edited("status").stdout == shell("status").stdout


def states(shell: Shell) -> dict[str, str]:
    """Return the first word of the state of each part, by the first word of its title."""
    status = shell("status")
    parts = re.findall(r"^(\w+).*?  +(running|not)\b", status.stdout, re.MULTILINE)
    assert status.returncode == (2 if "not" in dict(parts).values() else 0)
    return dict(parts)


def test_down_leaves_no_process_no_port_and_no_socket(shell: Shell) -> None:
    assert shell.processes()
    down = shell("down")
    assert down.returncode == 0, down.stderr
    assert shell.processes() == []
    assert not [path for path in shell.layout.root.rglob("*") if path.is_socket()]
    listening = {
        connection.laddr.port
        for connection in psutil.net_connections("tcp")
        if connection.laddr and connection.status == psutil.CONN_LISTEN
    }
    assert not listening & set(shell.ports.by_name().values())


def test_up_on_a_taken_port_names_setting_and_process_and_starts_nothing(shell: Shell) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", shell.ports.redis))
        taken.listen()
        rejected = shell("up")
    assert rejected.returncode == 1
    assert f"port {shell.ports.redis} is taken by process {os.getpid()}" in rejected.stderr
    assert "STRONGROOM_REDIS_PORT" in rejected.stderr
    assert shell.processes() == []


def test_failed_up_stops_its_processes_and_shows_the_log(shell: Shell) -> None:
    key = shell.layout.vault / "seal-key"
    good = key.read_text()
    key.write_text("not a key")
    failed = shell("up")
    key.write_text(good)
    assert failed.returncode == 1
    assert "vault" in failed.stderr
    assert "see the end of its log:" in failed.stderr
    assert shell.processes() == []


def test_reset_asks_for_confirmation(shell: Shell) -> None:
    kept = shell("reset", typed="n\n")
    assert kept.returncode == 1
    assert shell.layout.root.exists()
    assert shell("reset", typed="y\n").returncode == 0
    assert not shell.layout.root.exists()


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("bogus",), 64, "No such command"),
        (("plan", "--env", "qa"), 1, "no environment 'qa' is declared"),
    ],
)
def test_wrong_command_is_an_error_without_a_traceback(
    tmp_path: Path, arguments: tuple[str, ...], code: int, words: str
) -> None:
    run = Shell(tmp_path / ".strongroom")(*arguments)
    assert run.returncode == code, run.stderr
    assert words in run.stderr
    assert "Traceback" not in run.stderr


def test_no_token_with_root_policy_exists(deployment: Deployment) -> None:
    accessors = deployment.operator.list("auth/token/accessors")
    policies = [
        deployment.operator.post("auth/token/lookup-accessor", {"accessor": accessor})["data"]
        for accessor in accessors
    ]
    assert policies
    assert not [data for data in policies if "root" in data["policies"]]


def test_developer_logs_in_and_reads_the_dev_secrets(deployment: Deployment) -> None:
    address = deployment.variables["VAULT_ADDR"]
    password = deployment.local.person_password("developer").read_text().strip()
    login = requests.post(
        f"{address}/v1/auth/userpass/login/developer", json={"password": password}, timeout=10
    )
    token = login.json()["auth"]["client_token"]
    read = requests.get(
        f"{address}/v1/{KV_MOUNT}/data/gaara-store/dev/jwt-secret",
        headers={"X-Vault-Token": token},
        timeout=10,
    )
    assert read.status_code == 200
    page = requests.get(f"{address}/ui/", timeout=10)
    assert "<html" in page.text
