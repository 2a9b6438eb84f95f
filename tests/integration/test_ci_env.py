"""Command ``ci-env`` as the page for CI jobs says, against a server with TLS.

GitHub's part is played by the test: the tokens that it signs for a job.
"""

from __future__ import annotations

import hashlib
import json
import os
import queue
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from app_integration.names import Environment
from console.scaffold.new_repository import NewRepository
from console.scaffold.new_service import NewService
from policies.render import render_policies
from tests.support.processes.command import run_command
from tests.support.servers.audited_server import AuditedServer, audited_server
from tests.support.servers.github import ISSUER, GitHub
from tests.support.servers.issuer import public
from tests.support.servers.local_server import serve
from vault.declare import repository
from vault.reconcile.desired.desired import desired_resources
from vault.reconcile.inputs import Inputs
from vault.reconcile.planning.apply import apply
from vault.reconcile.planning.build import build_plan

pytestmark = pytest.mark.requires("embedded")

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "CI_Jobs.md"
ADDRESS = "https://vault.example.com:8200"
PROD = Environment("prod")
SERVICE = ("--service", "ci-deploy", "--env", "prod")
MAIN = {
    "repository": "parcels/shop",
    "event_name": "push",
    "ref": "refs/heads/main",
    "environment": "prod",
}
TOKEN = "tok_50%-of-the-carrier"
KEY = "-----BEGIN KEY-----\nbm90IGEga2V5\n-----END KEY-----\n"
SECRETS = {"deploy-token": TOKEN, "signing-key": KEY}
#: Program that shows its variables, the secrets by their digest.
SHOW = """
import hashlib, json, os
secrets = {n: hashlib.sha256(os.environ.pop(n).encode()).hexdigest()
           for n in ("DEPLOY_TOKEN", "SIGNING_KEY") if n in os.environ}
print(json.dumps([secrets, dict(os.environ)]))
"""
#: Program that ends when it gets SIGTERM, with an exit code of its own.
WAIT = """
import signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(9))
print("started", flush=True)
sys.stdin.read()
"""


def yaml_blocks() -> list[Any]:
    blocks = re.findall(r"^```yaml\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    return [YAML(typ="safe").load(block) for block in blocks]


GITHUB_LOGIN, GITLAB_LOGIN, GITHUB_JOB, GITLAB_JOB = yaml_blocks()


@dataclass
class Job:
    """A job of the repository ``parcels/shop``, with a checkout of the deployment's repository."""

    folder: Path
    environment: Path
    server: AuditedServer
    github: GitHub

    def variables(self, **more: str) -> dict[str, str]:
        """Return the variables of a job on GitHub, and *more*."""
        return {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(self.folder),
            "TMPDIR": str(self.folder),
            "PYTHONDONTWRITEBYTECODE": "1",
            "VAULT_ADDR": self.server.address,
            "VAULT_CACERT": str(self.server.cacert),
            **self.github.variables,
            **more,
        }

    def start(
        self, *command: str, names: tuple[str, ...] = ("deploy-token",), **more: str
    ) -> subprocess.Popen[str]:
        """Start ``ci-env`` with *command*, which reads from a pipe."""
        named = [word for name in names for word in ("--name", name)]
        module = ("-P", "-m", "app_integration", "ci-env")
        return subprocess.Popen(
            [sys.executable, *module, *SERVICE, *named, "--", *command],
            cwd=self.folder,
            env=self.variables(**more),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *command: str, **more: Any) -> subprocess.CompletedProcess[str]:
        return finish(self.start(*command, **more))

    def step(self, commands: str, variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
        """Run a step of the page, in a folder whose ``deploy.sh`` shows its variables."""
        script = self.folder / "deploy.sh"
        script.write_text(f"#!/bin/sh\nexec '{sys.executable}' -c '{SHOW}'\n")
        script.chmod(0o700)
        return subprocess.run(
            ["bash", "-eo", "pipefail", "-c", commands],  # noqa: S607
            cwd=self.folder,
            env=variables,
            capture_output=True,
            text=True,
            check=False,
        )

    def jwt(self) -> str:
        """Return a token that the issuer signs for the job."""
        claims: dict[str, Any] = {"aud": self.server.address, **self.github.claims}
        return self.github.signer.token(**claims)

    def tokens(self) -> list[str]:
        """Return the accessors of all logins by JWT, as the audit log has them."""
        lines = (self.server.folder / "audit.log").read_text(encoding="utf-8").splitlines()
        entries = [json.loads(line) for line in lines if '"path":"auth/jwt/login"' in line]
        logins = [entry["auth"] for entry in entries if entry["type"] == "response"]
        return [login["accessor"] for login in logins if "accessor" in login]

    def is_live(self, accessor: str) -> bool:
        """Return whether the server has a token with this accessor, as the audit log has it."""
        root = self.server.root
        return accessor in {
            root.post("sys/audit-hash/audit", {"input": each})["data"]["hash"]
            for each in root.list("auth/token/accessors")
        }


def finish(started: subprocess.Popen[str]) -> subprocess.CompletedProcess[str]:
    output, errors = started.communicate(timeout=60)
    return subprocess.CompletedProcess(started.args, started.returncode, output, errors)


def digest(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()


@pytest.fixture(scope="module")
def module_job(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Job]:
    """Yield a job whose login is declared as the page says, and applied."""
    checkout = tmp_path_factory.mktemp("repository") / "parcels"
    with (
        audited_server(tmp_path_factory.mktemp("server"), tls=True) as server,
        serve(GitHub()) as github,
    ):
        assert isinstance(github, GitHub)
        NewRepository("parcels", "ada", {PROD: ADDRESS}, "parcels/secrets").write(checkout)
        found = repository.read(checkout)
        NewService("ci-deploy", "ada", "Deploys.", (), tuple(SECRETS), ()).write(found)
        environment = checkout / "environments" / "prod.yaml"
        declare(environment, GITHUB_LOGIN)
        # GitHub's own key set is out of reach.
        (environment.parent / "ci.pem").write_text(public(github.signer.key))
        text = environment.read_text().replace(ADDRESS, server.address)
        environment.write_text(text.replace(f"jwks: {ISSUER}/.well-known/jwks", "keys: [ci.pem]"))
        declared = repository.read(checkout).load()
        resources = desired_resources(declared, PROD, render_policies(declared, PROD), Inputs())
        apply(server.root, build_plan(server.root, resources), lambda _: None)
        for name, value in SECRETS.items():
            server.root.post(f"secret/data/ci-deploy/prod/{name}", {"data": {"value": value}})
        yield Job(checkout, environment, server, github)


def declare(environment: Path, block: dict[str, Any]) -> None:
    """Write a block of the page into the environment's file."""
    yaml = YAML()
    content = yaml.load(environment)
    content["auth"] = block["auth"]
    content["services"] |= block["services"]
    yaml.dump(content, environment)


@pytest.fixture
def job(module_job: Job, tmp_path: Path) -> Job:
    module_job.folder, module_job.github.claims = tmp_path, dict(MAIN)
    module_job.github.on_request = lambda: None
    return module_job


def test_both_logins_of_the_page_are_valid_declarations(tmp_path: Path) -> None:
    for folder, block in (("github", GITHUB_LOGIN), ("gitlab", GITLAB_LOGIN)):
        checkout = tmp_path / folder
        NewRepository("parcels", "ada", {PROD: ADDRESS}).write(checkout)
        NewService("ci-deploy", "ada", "Deploys.", (), ("deploy-token",), ()).write(
            repository.read(checkout)
        )
        declare(checkout / "environments" / "prod.yaml", block)
        declared = repository.read(checkout).load()
        (scope,) = declared.scopes(PROD)
        login = declared.deployment(scope).login
        assert login.approle is None
        assert login.jwt is not None
        assert login.jwt.claims["environment"] == ("prod",)


def test_step_of_github_gives_the_command_one_secret_and_stores_nothing(job: Job) -> None:
    deploy = GITHUB_JOB["jobs"]["deploy"]
    assert deploy["permissions"]["id-token"] == "write"
    given = job.variables(GITHUB_ACTIONS="true")
    done = job.step(deploy["steps"][-1]["run"], given)
    secrets, others = json.loads(done.stdout)
    assert secrets == {"DEPLOY_TOKEN": digest(TOKEN)}
    assert others.keys() - {"PWD", "SHLVL", "_", "OLDPWD", "LC_CTYPE"} == given.keys()
    masks = [line for line in done.stderr.splitlines() if "add-mask" in line]
    assert masks == ["::add-mask::tok_50%25-of-the-carrier"]
    assert TOKEN not in done.stdout + done.stderr.replace(masks[0], "")
    assert [path.name for path in job.folder.rglob("*")] == ["deploy.sh"]


def test_step_of_gitlab_logs_in_by_the_token_in_a_variable(job: Job) -> None:
    deploy = GITLAB_JOB["deploy"]
    (variable,) = deploy["id_tokens"]
    assert deploy["id_tokens"][variable]["aud"] == deploy["variables"]["VAULT_ADDR"]
    before = job.github.requests
    done = job.step(deploy["script"][-1], job.variables(**{variable: job.jwt()}))
    secrets, others = json.loads(done.stdout)
    assert secrets == {"DEPLOY_TOKEN": digest(TOKEN)}
    assert variable not in others
    assert job.github.requests == before
    assert TOKEN not in done.stderr
    assert "add-mask" not in done.stderr


def test_script_logs_in_by_the_token_in_a_file(job: Job) -> None:
    file = job.folder / "jwt"
    file.write_text(job.jwt())
    done = job.run(
        *("sh", "-c", 'test "$SIGNING_KEY" && exit 7'),
        names=("deploy-token", "signing-key"),
        STRONGROOM_JWT_FILE=str(file),
        ACTIONS_ID_TOKEN_REQUEST_URL="",
    )
    assert done.returncode == 7, done.stderr
    assert done.stdout == ""


def test_command_runs_without_a_live_token_and_gets_signals(job: Job) -> None:
    before = len(job.tokens())
    started = job.start(sys.executable, "-c", WAIT)
    assert started.stdout is not None
    assert started.stdout.readline() == "started\n"
    (accessor,) = job.tokens()[before:]
    assert not job.is_live(accessor)
    started.terminate()
    assert finish(started).returncode == 9
    # A login that nothing revokes is found.
    token = job.jwt()
    job.server.root.post("auth/jwt/login", {"role": "ci-deploy-prod", "jwt": token})
    assert job.is_live(job.tokens()[-1])


def test_command_starts_with_the_usual_handling_of_signals(job: Job) -> None:
    done = job.run("grep", "-E", "^Sig(Blk|Ign):", "/proc/self/status")
    _, blocked, _, ignored = done.stdout.split()
    ends = sum(1 << number - 1 for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM))
    assert int(blocked, 16) & ends == 0
    assert int(ignored, 16) & (1 << signal.SIGPIPE - 1 | 1 << signal.SIGXFSZ - 1) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_run_killed_before_its_command_revokes_its_token(job: Job, number: int) -> None:
    processes: queue.Queue[int] = queue.Queue()
    job.github.on_request = lambda: os.kill(processes.get(timeout=20), number)
    before = len(job.tokens())
    started = job.start("echo", "started")
    processes.put(started.pid)
    done = finish(started)
    assert (done.returncode, done.stdout) == (-number, "")
    assert "Traceback" not in done.stderr
    (accessor,) = job.tokens()[before:]
    assert not job.is_live(accessor)


def test_run_in_the_background_of_a_shell_is_not_killed_by_an_interrupt(job: Job) -> None:
    processes: queue.Queue[int] = queue.Queue()
    job.github.on_request = lambda: os.kill(processes.get(timeout=20), signal.SIGINT)
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as such a shell starts it
    try:
        started = job.start("echo", "started")
    finally:
        signal.signal(signal.SIGINT, before)
    processes.put(started.pid)
    done = finish(started)
    assert (done.returncode, done.stdout) == (0, "started\n")


@pytest.mark.parametrize(
    ("claims", "refused"),
    [
        ({"repository": "mallory/shop"}, "repository"),
        ({"event_name": "pull_request_target"}, "event_name"),
        ({"ref": "refs/heads/theirs"}, "ref"),
        ({"environment": "staging"}, "environment"),
    ],
    ids=["fork", "pull-request-target", "branch", "environment"],
)
def test_job_with_another_token_is_refused_before_its_command(
    job: Job, claims: dict[str, str], refused: str
) -> None:
    job.github.claims |= claims
    before = len(job.tokens())
    done = job.run("echo", "started")
    assert (done.returncode, done.stdout) == (1, "")
    assert "was rejected" in done.stderr
    assert f'claim "{refused}" does not match' in done.stderr
    assert "check that the role ci-deploy-prod accepts the audience" in done.stderr
    assert len(job.tokens()) == before


def test_undeclared_name_is_refused_before_any_request(
    job: Job, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    requests = job.github.requests, job.server.count("auth/jwt/login")
    listed = job.folder / "names.txt"
    listed.write_text("deploy-token\n")
    names = ("deploy-token", "deploy-tokens")
    by_sdk = job.run("echo", "started", names=names, STRONGROOM_DECLARATION=str(listed))
    monkeypatch.chdir(job.environment.parents[1])
    for name, value in job.variables().items():
        monkeypatch.setenv(name, value)
    options = (*SERVICE, "--name", "deploy-token", "--name", "deploy-tokens")
    by_tool = run_command(monkeypatch, "ci-env", *options, "--", "echo", "started")
    assert (by_sdk.returncode, by_tool) == (1, 1)
    output, errors = capfd.readouterr()
    assert by_sdk.stdout + output == ""
    for text in (by_sdk.stderr, errors):
        assert "secret 'deploy-tokens' is not declared" in " ".join(text.split())
    assert (job.github.requests, job.server.count("auth/jwt/login")) == requests


def test_secret_that_is_not_granted_stops_the_run_and_revokes_its_token(job: Job) -> None:
    before = len(job.tokens())
    done = job.run("echo", "started", names=("deploy-token", "other"))
    assert (done.returncode, done.stdout) == (1, "")
    assert "secret/data/ci-deploy/prod/other" in done.stderr
    (accessor,) = job.tokens()[before:]
    assert not job.is_live(accessor)


def test_tool_gives_all_declared_secrets_at_the_declared_address(job: Job) -> None:
    done = subprocess.run(
        [sys.executable, *("-P", "-m", "console", "ci-env"), *SERVICE, "--", "python", "-c", SHOW],
        cwd=job.environment.parents[1],
        env=job.variables(VAULT_ADDR=""),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)[0] == {
        "DEPLOY_TOKEN": digest(TOKEN),
        "SIGNING_KEY": digest(KEY),
    }


def test_command_that_cannot_be_started_is_an_error(job: Job) -> None:
    done = job.run("./missing.sh")
    assert done.returncode == 1
    assert "./missing.sh cannot be started: No such file or directory" in done.stderr
