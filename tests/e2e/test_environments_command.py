"""Command ``strongroom environments diff staging prod``, between two servers with TLS."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from app_integration.names import Environment, Scope
from app_integration.secret import Secret
from app_integration.session.session import Session
from policies.render import render_policies
from tests.support.processes import forked_command
from tests.support.servers.dev_server import AUTHORITY, dev_server, root
from vault.declare.load import ROOT as DECLARATION
from vault.declare.load import load
from vault.reconcile.credentials import ensure_credential
from vault.reconcile.desired.desired import desired_resources
from vault.reconcile.inputs import Inputs
from vault.reconcile.planning.apply import apply
from vault.reconcile.planning.build import build_plan
from vault.reconcile.resources.kv import write_value

pytestmark = pytest.mark.requires("embedded")

ROOT = Path(__file__).parents[2]
STAGING, PROD = (Scope("gaara-store", each) for each in (Environment.STAGING, Environment.PROD))
GIVEN = ("database-url", "redis-url", "smtp-password")
NAME, SHARED = "smtp-password", "the-same-password-in-both"


@dataclass
class Pair:
    """A server for staging, another for prod, and an operator's files to reach them."""

    folder: Path
    sessions: dict[Scope, Session]

    def credential(self, role: str) -> str:
        """Return a folder with a credential of *role* for each environment."""
        for scope, session in self.sessions.items():
            ensure_credential(session, role, self.folder / role / scope.environment)
        return str(self.folder / role)

    def diff(self, *arguments: str, role: str | None = "strongroom-apply") -> tuple[int, str, str]:
        """Run the command, and return its exit code and both outputs."""
        credentials = ("--credentials", self.credential(role)) if role else ()
        done = subprocess.run(
            [*forked_command.command(), "environments", "diff", *arguments, *credentials],
            cwd=ROOT,
            env={
                "PATH": os.environ["PATH"],
                "STRONGROOM_DECLARATION": str(self.folder / "declare"),
                "VAULT_CACERT": str(self.folder / "authorities.pem"),
            },
            text=True,
            capture_output=True,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Start both servers, and apply the declaration without the database, which does not exist."""
    folder = tmp_path_factory.mktemp("environments")
    shutil.copytree(DECLARATION, folder / "declare")
    found = Pair(folder, {})
    authorities = []
    with ExitStack() as stack:
        for scope in (STAGING, PROD):
            certificates = folder / f"{scope.environment}-tls"
            certificates.mkdir()
            address = stack.enter_context(dev_server(certificates))
            _declare(folder / "declare" / "environments" / f"{scope.environment}.yaml", address)
            found.sessions[scope] = stack.enter_context(root(address, certificates))
            authorities.append((certificates / AUTHORITY).read_text())
        (folder / "authorities.pem").write_text("\n".join(authorities))
        for scope, session in found.sessions.items():
            _apply(session, scope)
        yield found


def _declare(file: Path, address: str) -> None:
    text, count = re.subn(r"address: https://\S+", f"address: {address}", file.read_text())
    assert count == 1
    file.write_text(text)


def _apply(session: Session, scope: Scope) -> None:
    values = {
        f"secret/{each.secret(name)}": Secret(f"{name}-{each}")
        for each in load().scopes(scope.environment)
        for name in GIVEN
    }
    policies = render_policies(load(), scope.environment)
    resources = desired_resources(load(), scope.environment, policies, Inputs(values))
    there = [each for each in resources if not each.kind.startswith("database")]
    apply(session, build_plan(session, there), lambda _: None)


@pytest.fixture
def drifted(pair: Pair) -> Iterator[Pair]:
    """Remove a secret from prod, extend a policy, and write a password of staging's."""
    prod, path = pair.sessions[PROD], f"sys/policies/acl/{PROD}"
    text = prod.get(path)["data"]["policy"]
    more = 'path "secret/data/gaara-store/prod/*" { capabilities = ["read", "list"] }'
    prod.post(path, {"policy": f"{text}\n{more}"})
    prod.delete(f"secret/metadata/{PROD.secret('redis-url')}")
    for scope, session in pair.sessions.items():
        write_value(session, scope.secret(NAME), Secret(SHARED))
    yield pair
    prod.post(path, {"policy": text})
    write_value(prod, PROD.secret("redis-url"), Secret("another"))
    write_value(prod, PROD.secret(NAME), Secret("its-own"))


def test_diff_of_equal_environments_is_empty(pair: Pair) -> None:
    code, shown, error = pair.diff("staging", "prod")
    assert (code, error) == (0, "")
    assert shown.splitlines() == [
        "Secrets missing in one of them: none",
        "Policies that differ: none",
        "The same value in both: none",
    ]


def test_diff_with_what_an_environment_is_like_by_default(pair: Pair) -> None:
    assert pair.diff("staging") == pair.diff("staging", "prod")


def test_diff_names_differences_without_values(drifted: Pair) -> None:
    code, shown, error = drifted.diff("staging", "prod")
    assert (code, error) == (2, "")
    assert shown.splitlines() == [
        "Secrets missing in one of them: 1",
        "  gaara-store/prod/redis-url has no value; gaara-store/staging/redis-url has one",
        "Policies that differ: 1",
        "  only gaara-store-prod: secret/data/gaara-store/ENV/* [list, read]",
        "The same value in both: 1",
        f"  {STAGING.secret(NAME)} and {PROD.secret(NAME)} have the same value",
    ]


def test_diff_as_json_contains_no_value(drifted: Pair) -> None:
    code, shown, _ = drifted.diff("staging", "prod", "--json")
    document = json.loads(shown)
    assert code == 2
    assert document["only"] == []
    found = document["services"]["gaara-store"]
    assert {name: len(lines) for name, lines in found.items()} == {
        "missing": 1,
        "policy": 1,
        "same": 1,
        "unread": 0,
    }
    jwt = drifted.sessions[PROD].get(f"secret/data/{PROD.secret('jwt-secret')}")["data"]["data"]
    hidden = [SHARED, jwt["value"], "database-url-gaara-store-prod"]
    outputs = shown + "".join(map(str, drifted.diff("prod", "staging")))
    assert [value for value in hidden if value in outputs] == []


def test_diff_with_a_planners_credential_compares_all_but_values(drifted: Pair) -> None:
    code, shown, _ = drifted.diff("staging", "prod", role="strongroom-plan")
    assert code == 2
    assert "The same value in both: none" in shown
    assert "Values were not compared: this credential may not read" in shown


def test_diff_of_a_value_under_another_key_is_an_error(pair: Pair) -> None:
    path = f"secret/data/{PROD.secret('redis-url')}"
    pair.sessions[PROD].post(path, {"data": {"url": "redis://by-hand"}})
    code, shown, error = pair.diff("staging", "prod")
    assert (code, shown) == (1, "")
    assert f"{path} has no string under 'value'" in error
    assert "by-hand" not in error
    write_value(pair.sessions[PROD], PROD.secret("redis-url"), Secret("another"))


@pytest.mark.parametrize(
    ("arguments", "role", "code", "words"),
    [
        (("staging", "prod"), None, 1, "no credential for staging is configured: pass"),
        (("staging", "nowhere"), "strongroom-apply", 1, "no environment 'nowhere' is declared"),
        (("staging", "staging"), "strongroom-apply", 64, "pass two different environments"),
        (("staging", "prod", "--values"), "strongroom-apply", 64, "No such option"),
    ],
)
def test_wrong_command_is_an_error_with_its_reason(
    pair: Pair, arguments: tuple[str, ...], role: str | None, code: int, words: str
) -> None:
    ended, shown, error = pair.diff(*arguments, role=role)
    assert (ended, shown) == (code, "")
    assert words in error


def test_diff_with_an_unreachable_server_is_an_error(pair: Pair, tmp_path: Path) -> None:
    folder = tmp_path / "away"
    shutil.copytree(pair.folder / "declare", folder / "declare")
    shutil.copy(pair.folder / "authorities.pem", folder)
    _declare(folder / "declare" / "environments" / "prod.yaml", "https://127.0.0.1:1")
    ended, shown, error = Pair(folder, pair.sessions).diff("staging", "prod")
    assert (ended, shown) == (1, "")
    assert "https://127.0.0.1:1 cannot be reached" in error
