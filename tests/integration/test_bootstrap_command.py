"""Command ``bootstrap``, and the page that uses it, on a server that stands for staging."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from app_integration.errors import RequestRefused
from tests.support.servers.audited_server import AuditedServer
from tests.support.servers.issuer import new_key, public

pytestmark = pytest.mark.requires("embedded")

CHANGE = Path(__file__).parents[2] / "docs" / "howto" / "Change.md"
PAGE = Path(__file__).parents[2] / "docs" / "Deploy.md"
ADDRESS = "https://vault.staging.example.com:8200"
#: GitHub's own key set is out of reach, and another deployment on the server has such names.
EDIT = "s|jwks: .*|keys: [ci.pem]|; /^quotas:/,+1d; /^password_policies:/,+1d"
ELSEWHERE = "http://127.0.0.1:9"
SECRET = "tok_of_the_carrier"
#: What the application does with the variables of the page.
READ = f"""
{sys.executable} -P -c '
import os
from app_integration import get_secret
assert get_secret("carrier-token") == os.environ["CARRIER_TOKEN"]
print("The application read its secret.")'
"""


@pytest.fixture(scope="module")
def token(tls_server: AuditedServer) -> tuple[str, str]:
    """Return a root token and its accessor."""
    body = {"policies": ["root"], "no_parent": True}
    auth = tls_server.root.post("auth/token/create", body)["auth"]
    return auth["client_token"], auth["accessor"]


@pytest.fixture(scope="module")
def home(
    tmp_path_factory: pytest.TempPathFactory, tls_server: AuditedServer, token: tuple[str, str]
) -> Path:
    """Return a home folder with the token, the authority's certificate, and the tool."""
    folder = tmp_path_factory.mktemp("home")
    assert tls_server.cacert is not None
    (folder / "vault-ca.pem").write_bytes(tls_server.cacert.read_bytes())
    (folder / "admin-token").write_text(f"{token[0]}\n")
    (folder / "bin").mkdir()
    tool = folder / "bin" / "strongroom"
    tool.write_text(f'#!/bin/sh\nexec {sys.executable} -P -m console "$@"\n')
    tool.chmod(0o755)
    return folder


def run(home: Path, commands: str, typed: str = "") -> subprocess.CompletedProcess[str]:
    variables = {
        "HOME": str(home),
        "PATH": f"{home / 'bin'}:{os.environ['PATH']}",
        "CARRIER_TOKEN": SECRET,
    }
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],  # noqa: S607
        cwd=home,
        env=variables,
        input=typed,
        capture_output=True,
        text=True,
        check=False,
    )


def test_page_leads_from_a_new_server_to_an_empty_plan(
    tls_server: AuditedServer, home: Path, token: tuple[str, str]
) -> None:
    blocks = re.findall(r"^```sh\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert len(blocks) == 7
    commands = "\n".join([*blocks, READ]).replace(ADDRESS, tls_server.address)
    # A shell may have the address of some local server, which gets no administrator's token.
    commands = commands.replace(
        "strongroom bootstrap", f"VAULT_ADDR={ELSEWHERE} strongroom bootstrap"
    )
    done = run(home, commands)
    assert done.returncode == 0, done.stdout + done.stderr
    printed = " ".join(done.stdout.split())
    assert "parcels-plan: " in printed
    assert "tracking-staging: 16 of 16 rows hold" in printed
    assert "0 to create, 0 to change, 0 to delete" in printed
    assert "--env staging --role parcels-auditor" in printed
    assert "now, and keep it elsewhere: strongroom break-glass --env staging" in printed
    assert printed.endswith("The application read its secret.")
    issued = {file.read_text() for file in home.rglob("*secret-id") if file.is_file()}
    assert len(issued) == 4
    for secret in (token[0], SECRET, *issued):
        assert secret not in done.stdout + done.stderr
    assert not (home / "operators/apply/staging/wrapped-secret-id").exists()
    with pytest.raises(RequestRefused, match="invalid accessor"):
        tls_server.root.post("auth/token/lookup-accessor", {"accessor": token[1]})
    found = tls_server.root.get("secret/data/tracking/staging/carrier-token")["data"]["data"]
    assert found["value"] == SECRET


def test_page_leads_a_repository_with_a_workflow_to_a_first_service(
    tls_server: AuditedServer, home: Path
) -> None:
    """Its jobs plan and apply log in by JWT, so that it uses the rotator's credential."""
    body = {"policies": ["root"], "no_parent": True}
    (home / "second-token").write_text(
        tls_server.root.post("auth/token/create", body)["auth"]["client_token"]
    )
    (home / "ci.pem").write_text(public(new_key()))
    blocks = re.findall(r"^```sh\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    blocks.pop(4)  # the plan, which the workflow makes
    commands = "\n".join(blocks)
    for before, after in (
        (ADDRESS, tls_server.address),
        ("init parcels", "init letters --deployment letters --github letters/secrets"),
        (
            "cd parcels",
            f"cd letters; cp ~/ci.pem environments; sed -i '{EDIT}' environments/staging.yaml",
        ),
        ("admin-token", "second-token"),
        ("strongroom unwrap ~/operators/plan/staging --env staging --role parcels-plan\n", ""),
        ("strongroom policies test --env staging\n", ""),
        ("operators/apply", "operators/rotator"),
        ("parcels-apply", "letters-rotator"),
        ("operators/", "workflow/"),
        ("~/operators", "~/workflow"),
        ("tracking", "stamps"),
        ("~/services", "~/letter-services"),
        ("$HOME/services", "$HOME/letter-services"),
    ):
        assert before in commands
        commands = commands.replace(before, after)
    done = run(home, f"{commands}\n{READ}")
    assert done.returncode == 0, done.stdout + done.stderr
    printed = " ".join(done.stdout.split())
    assert "log in by JWT: letters-plan, letters-apply. To put values" in printed
    assert "credential of apply is lost" not in printed
    assert printed.endswith("The application read its secret.")


def test_steps_of_a_move_need_nothing_that_a_later_one_makes(
    tls_server: AuditedServer, home: Path
) -> None:
    body = {"policies": ["root"], "no_parent": True}
    auth = tls_server.root.post("auth/token/create", body)["auth"]
    (home / "moving-token").write_text(auth["client_token"])
    section = CHANGE.read_text().partition("## Move a secret")[2].partition("\n## ")[0]
    steps = re.findall(r"^    ```sh\n(.*?)^    ```$", section, re.MULTILINE | re.DOTALL)
    commands = f"""
export VAULT_CACERT=$HOME/vault-ca.pem
strongroom init moves --owner ada --environment prod={tls_server.address}
cd moves
sed -i '/^quotas:/,+1d' environments/prod.yaml  # another deployment limits the same path
strongroom new service gaara-store --owner ada --description "Sells." --given smtp-password
strongroom new service orders-mail --owner ada --description "Mails." --generate own-key
strongroom bootstrap --env prod --token-file ~/moving-token --out ~/movers
export STRONGROOM_OPERATOR_ROLE_ID_FILE=$HOME/movers/apply/prod/role-id
export STRONGROOM_OPERATOR_SECRET_ID_FILE=$HOME/movers/apply/prod/secret-id
printf %s "$CARRIER_TOKEN" | strongroom put smtp-password --service gaara-store --env prod
{"".join(steps)}"""
    commands = commands.replace("https://vault.example.com:8200", tls_server.address)
    done = run(home, commands.replace(".venv/bin/strongroom", "strongroom"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "smtp-password read back as orders-mail-prod: equal" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "typed", "error"),
    [
        (
            "--env dev --out o",
            "t",
            "dev has a local server, which is bootstrapped when it starts; run strongroom up",
        ),
        ("--env staging --out o", " \n", "no token was provided; pass it on standard input"),
        ("--env staging --out o --token-file none", "", "none (--token-file) cannot be read"),
        ("--env staging --out o", "s.unknown", "the server does not accept the token you passed"),
        ("--env qa --out o", "t", "no environment 'qa' is declared"),
        ("--env staging --out out", "t", "would contain secrets where git may commit them"),
    ],
)
def test_wrong_use_is_an_error_and_changes_nothing(
    tls_server: AuditedServer, home: Path, arguments: str, typed: str, error: str
) -> None:
    folder = home / "other"
    if not folder.exists():
        init = f"strongroom init other --owner ada --environment staging={tls_server.address}"
        assert run(home, init).returncode == 0
    before = tls_server.root.get("sys/mounts")["data"]
    (folder / ".gitignore").write_text("/o\n")
    assert run(home, "git init --quiet other").returncode == 0
    commands = f"cd other; export VAULT_CACERT=$HOME/vault-ca.pem; strongroom bootstrap {arguments}"
    done = run(home, commands, typed)
    assert done.returncode == 1
    assert error in " ".join(done.stderr.split())
    assert not (folder / "o").exists()
    assert tls_server.root.get("sys/mounts")["data"] == before
