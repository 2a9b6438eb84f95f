"""Workflow of a new repository: its steps, run as GitHub would, against a real server.

GitHub's part is played by the test: the signed tokens of its jobs, and the artifacts between them.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from app_integration.errors import RequestRefused
from app_integration.names import Environment
from console.scaffold.new_repository import NewRepository
from console.scaffold.new_service import NewService
from policies.render import render_policies
from tests.support.servers.audited_server import AuditedServer, audited_server
from tests.support.servers.github import ISSUER, GitHub
from tests.support.servers.issuer import public
from tests.support.servers.local_server import serve
from vault.declare import repository
from vault.reconcile.desired.desired import desired_resources
from vault.reconcile.inputs import Inputs
from vault.reconcile.planning.apply import apply
from vault.reconcile.planning.build import build_plan

pytestmark = [pytest.mark.requires("embedded"), pytest.mark.requires("curl")]

PROD = Environment("prod")
REPOSITORY = "parcels/secrets"
PULL_REQUEST = {"event_name": "pull_request", "ref": "refs/pull/1/merge"}
MAIN = {"event_name": "push", "ref": "refs/heads/main"}
SECRET = "secret/metadata/tracking/prod/session-key"


@dataclass
class Runner:
    """A runner of jobs, in a checkout of the repository."""

    folder: Path
    checkout: Path
    server: AuditedServer
    github: GitHub

    def run(self, job: str, **claims: str) -> subprocess.CompletedProcess[str]:
        """Run the steps of *job* until one fails, and return the last that ran."""
        workflow = YAML(typ="safe").load(self.checkout / ".github/workflows/deployment.yml")
        self.github.claims = {"repository": REPOSITORY, **claims}
        variables = self._variables(workflow["jobs"][job])
        steps = [step for step in workflow["jobs"][job]["steps"] if "run" in step]
        assert steps.pop(0)["name"] == "Install the tool"  # which is on PATH
        for step in steps[:-1]:
            done = self._step(step, variables)
            if done.returncode:
                return done
        return self._step(steps[-1], variables)

    def _variables(self, job: Mapping[str, Any]) -> dict[str, str]:
        assert job["env"] == {"VAULT_CACERT": "${{ vars.VAULT_CACERT }}"}
        for name in ("env", "output", "summary"):
            (self.folder / name).write_text("")
        return {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(self.folder),
            "VAULT_CACERT": str(self.server.cacert),
            "RUNNER_TEMP": str(self.folder),
            "GITHUB_ENV": str(self.folder / "env"),
            "GITHUB_OUTPUT": str(self.folder / "output"),
            "GITHUB_STEP_SUMMARY": str(self.folder / "summary"),
            **self.github.variables,
        }

    def _step(
        self, step: Mapping[str, Any], variables: Mapping[str, str]
    ) -> subprocess.CompletedProcess[str]:
        added = dict(line.split("=", 1) for line in (self.folder / "env").read_text().splitlines())
        return subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],  # noqa: S607
            cwd=self.checkout,
            env={**variables, **added, **step.get("env", {})},
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    """Yield a runner for a new repository, whose first apply an operator has made."""
    folder = tmp_path_factory.mktemp("workflow")
    checkout = folder / "parcels"
    with (
        audited_server(tmp_path_factory.mktemp("server"), tls=True) as server,
        serve(GitHub()) as github,
    ):
        assert isinstance(github, GitHub)
        new = NewRepository("parcels", "ada", {PROD: server.address}, REPOSITORY)
        new.write(checkout)
        # GitHub's own key set is out of reach.
        file = checkout / "environments" / "prod.yaml"
        (checkout / "environments" / "ci.pem").write_text(public(github.signer.key))
        text = file.read_text()
        file.write_text(text.replace(f"jwks: {ISSUER}/.well-known/jwks", "keys: [ci.pem]"))
        assert file.read_text() != text
        bring_up(server, checkout)
        NewService("tracking", "ada", "Tracks parcels.", ("session-key",), (), ()).write(
            repository.read(checkout)
        )
        yield Runner(folder, checkout, server, github)


def bring_up(server: AuditedServer, checkout: Path) -> None:
    """Apply the repository's declaration of prod with the root token."""
    declared = repository.read(checkout).load()
    policies = render_policies(declared, PROD)
    resources = desired_resources(declared, PROD, policies, Inputs())
    apply(server.root, build_plan(server.root, resources), lambda _: None)


def test_pull_request_is_planned_and_main_applies_the_reviewed_plan(runner: Runner) -> None:
    planned = runner.run("plan-prod", **PULL_REQUEST)
    assert planned.returncode == 0, planned.stderr
    assert "tracking/prod/session-key" in (runner.folder / "summary").read_text()
    assert (runner.folder / "output").read_text() == "has_changes=1\n"
    assert runner.run("plan-prod", **MAIN).returncode == 0
    applied = runner.run("apply-prod", **MAIN, environment="prod")
    assert (applied.returncode, applied.stderr) == (0, "")
    assert runner.server.root.get(SECRET)["data"]["custom_metadata"]["owner"] == "ada"
    outdated = runner.run("apply-prod", **MAIN, environment="prod")
    assert outdated.returncode == 1
    assert "the server changed since this plan was made" in " ".join(outdated.stderr.split())
    assert runner.run("plan-prod", **PULL_REQUEST).returncode == 0
    assert (runner.folder / "output").read_text() == "has_changes=0\n"


@pytest.mark.parametrize(
    ("job", "claims"),
    [
        ("plan-prod", {**PULL_REQUEST, "repository": "mallory/secrets"}),
        ("plan-prod", {**PULL_REQUEST, "event_name": "pull_request_target"}),
        ("apply-prod", {**PULL_REQUEST, "environment": "prod"}),
        ("apply-prod", {**MAIN, "ref": "refs/heads/theirs", "environment": "prod"}),
        ("apply-prod", MAIN),
    ],
    ids=["fork", "pull-request-target", "not-merged", "branch", "no-environment"],
)
def test_job_with_another_token_is_refused(
    runner: Runner, job: str, claims: dict[str, str]
) -> None:
    if not (runner.checkout / "plan.json").exists():
        assert runner.run("plan-prod", **PULL_REQUEST).returncode == 0
    done = runner.run(job, **claims)
    assert done.returncode == 1
    refused = " ".join(done.stderr.split())
    assert "was rejected" in refused
    assert "'jobs' in the file of prod accepts its audience, subject and claims" in refused


def test_token_of_a_plan_has_the_read_only_policy_alone(runner: Runner) -> None:
    assert runner.run("plan-prod", **PULL_REQUEST).returncode == 0
    login = {"role": "parcels-plan", "jwt": (runner.folder / "jwt").read_text().strip()}
    policies = runner.server.root.post("auth/jwt/login", login)["auth"]["policies"]
    assert policies == ["parcels-plan"]
    with pytest.raises(RequestRefused):
        runner.server.root.post("auth/jwt/login", {**login, "role": "parcels-apply"})


def test_workflow_gives_forks_nothing_and_never_runs_their_code_with_a_token(
    runner: Runner,
) -> None:
    text = (runner.checkout / ".github/workflows/deployment.yml").read_text()
    workflow = YAML(typ="safe").load(text)
    assert set(workflow["on"]) == {"pull_request", "push"}
    assert workflow["on"]["push"] == {"branches": ["main"]}
    assert workflow["permissions"] == {}
    assert "secrets." not in text
    plan, applied = workflow["jobs"]["plan-prod"], workflow["jobs"]["apply-prod"]
    assert plan["if"].endswith("github.event.pull_request.head.repo.full_name == github.repository")
    assert applied["if"].startswith("github.event_name == 'push' && ")
    assert (applied["needs"], applied["environment"]) == ("plan-prod", "prod")
    for job in (plan, applied):
        assert job["permissions"] == {"contents": "read", "id-token": "write"}
        actions = [step["uses"] for step in job["steps"] if "uses" in step]
        assert all(len(action.partition("@")[2]) == 40 for action in actions), "a tag can move"
