"""Command ``deliver --from-sdk`` on Secrets Manager: real processes, moto's server over HTTP."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import pytest

from app_integration.auth.methods import StaticToken
from app_integration.config.delivery_status import State, read_status
from app_integration.config.file_access import FileAccess
from app_integration.config.file_reader import parse
from app_integration.config.file_versions import read_versions
from app_integration.names import Scope
from app_integration.secret import Secret
from app_integration.session.session import Session
from app_integration.testing.dev_server import RealServer
from console.target.checkout import DECLARATION
from tests.support.models.aws_declared import ENVIRONMENT
from tests.support.models.systemd_unit import read_unit, read_words
from tests.support.processes.command import run_command
from tests.support.processes.sdk_delivery import (
    MODEL,
    TEMPLATE,
    backend_of_variables,
    deliver_once,
    write_skeleton,
)
from tests.support.processes.watched_application import ROOT
from tests.support.servers import aws_fault_server as faults
from tests.support.servers.secret_backends import AwsBackend, AwsSite, real_vault

CANARY: Final = "canary-7c41"
RULES: Final = ("secretsmanager:GetSecretValue", "arn:aws:x")
HOSTILE: Final = (
    f"{CANARY}\"'\\\n\r\t# {{{{ x }}}} ${{HOME}} <no value> \u2028\u2029\x85: &a\n- b\0"
)


@pytest.fixture
def backend(
    aws_site: AwsSite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[AwsBackend]:
    with backend_of_variables(aws_site, tmp_path, monkeypatch) as opened:
        yield opened


def test_hostile_values_are_delivered(backend: AwsBackend, tmp_path: Path) -> None:
    file, source = "app.yaml", '# note\na: {{ secret("value") }}\nb: [{{ secret("mood") }}]\n'
    backend.put("value", HOSTILE)
    backend.put("mood", HOSTILE[::-1])
    done = deliver_once(tmp_path, write_skeleton(backend.scope, tmp_path, file, source), file)
    live = tmp_path / "live" / file
    assert (done.returncode, done.stdout) == (0, f"{live}: delivered\n")
    assert parse(live, live.read_bytes()) == {"a": HOSTILE, "b": [HOSTILE[::-1]]}
    assert live.stat().st_mode & 0o7777 == 0o600
    assert CANARY not in done.stderr


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (None, "t/app.json.j2:1: the secret 'value' has no value; write one"),
        (faults.denied(*RULES), "is denied or absent; write it, or if it is there add secretsman"),
        (faults.failing(), "t/app.json.j2: its secrets cannot be read: "),
    ],
)
def test_value_that_cannot_be_read_refuses_before_a_file_is_written(
    backend: AwsBackend, tmp_path: Path, fault: faults.Fault | None, reason: str
) -> None:
    backend.put("mood", "well")
    if fault is not None:
        backend.proxy.faults.update({"GetSecretValue": [fault], "BatchGetSecretValue": [fault]})
    skeleton = write_skeleton(backend.scope, tmp_path, "app.json", TEMPLATE)
    done = deliver_once(tmp_path, skeleton, "app.json")
    backend.proxy.faults.clear()
    assert done.returncode == 1
    assert reason in done.stdout
    assert not (tmp_path / "staging").exists()
    live = tmp_path / "live" / "app.json"
    assert sorted(path.name for path in live.parent.iterdir()) == [
        ".app.json.lock",
        "app.json.status.json",
    ]
    status = read_status(live)
    assert status is not None
    assert (status.state, status.staged) == (State.WAITING, None)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            {"pieces": [{"line": 7, "pki": "issue/web"}]},
            "t/app.json.j2:7: the SDK cannot render pki",
        ),
        ({"environment": "prod"}, "the variables of this process are those of "),
    ],
)
def test_skeleton_that_does_not_fit_is_refused_before_any_request(
    backend: AwsBackend, tmp_path: Path, change: dict[str, Any], reason: str
) -> None:
    skeleton = write_skeleton(backend.scope, tmp_path, "app.json", TEMPLATE)
    skeleton.write_text(json.dumps({**json.loads(skeleton.read_text()), **change}))
    done = deliver_once(tmp_path, skeleton, "app.json")
    assert (done.returncode, reason in done.stdout) == (1, True)
    assert backend.count_reads() == 0


def test_delivery_from_a_vault_server_has_the_versions_beside_it(
    real_vault_server: RealServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with real_vault(real_vault_server, tmp_path) as backend:
        backend.put("value", "one")
        backend.put("value", CANARY)
        backend.put("mood", "well")
        settings = backend.client.settings
        variables = {
            "VAULT_ADDR": real_vault_server.address,
            "STRONGROOM_ROLE_ID_FILE": str(settings.role_id_file),
            "STRONGROOM_SECRET_ID_FILE": str(settings.secret_id_file),
            "STRONGROOM_SERVICE": settings.scope.service,
            "ENVIRONMENT": str(settings.scope.environment),
        }
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        skeleton = write_skeleton(settings.scope, tmp_path, "app.json", TEMPLATE)
        before = list_tokens(real_vault_server, settings.scope)
        done = deliver_once(tmp_path, skeleton, "app.json")
        live = tmp_path / "live" / "app.json"
        assert (done.returncode, done.stdout) == (0, f"{live}: delivered\n")
        recorded = read_versions(live, FileAccess())[sha256(live.read_bytes()).hexdigest()]
        secret = settings.scope.secret
        assert recorded == {secret("value"): 2, secret("mood"): 1}
        assert json.loads(live.read_bytes()) == {"value": CANARY, "mood": "well"}
        assert list_tokens(real_vault_server, settings.scope) == before


def list_tokens(server: RealServer, scope: Scope) -> set[str]:
    """Return the accessors of the valid tokens of a service."""
    token = StaticToken(Secret(server.root_token))
    with Session(server.address, token) as operator:
        accessors = operator.list("auth/token/accessors")
        found = {
            each: operator.post("auth/token/lookup-accessor", {"accessor": each})["data"]
            for each in accessors
        }
    return {each for each, token in found.items() if str(scope) in token["policies"]}


def test_unit_that_agent_build_wrote_delivers(
    backend: AwsBackend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend.put("value", CANARY)
    folder = declare(tmp_path / "declared", backend.scope.service)
    (tmp_path / "models.py").write_text(MODEL)
    (tmp_path / "app.py").write_text("print('ran on', open('run/app.json').read())\n")
    out = tmp_path / "out"
    monkeypatch.setenv(DECLARATION, str(folder))
    build = ["agent", "build", "--service", backend.scope.service, "--env", "dev"]
    build += ["--for", "systemd", "--out", str(out), "--", sys.executable, "app.py"]
    assert run_command(monkeypatch, *build) == 0
    unit = read_unit((out / f"{backend.scope.service}.service").read_text())["Service"]
    (start,) = unit["ExecStart"]
    for there, here in {
        f"/etc/strongroom/{backend.scope.service}": str(out),
        f"/run/{backend.scope.service}": str(tmp_path / "run"),
        f"/srv/{backend.scope.service}/.venv/bin/python": sys.executable,
    }.items():
        start = start.replace(there, here)
    variables = dict(line.partition("=")[::2] for line in unit["Environment"])
    environment = {**os.environ, **variables, "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"}
    done = subprocess.run(
        read_words(start),
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert f'ran on {{"value": "{CANARY}"}}' in done.stdout
    assert "confirmed" not in done.stderr  # because the application ended


def declare(folder: Path, service: str) -> Path:
    """Write a declaration whose environment dev is on AWS."""
    for name in ("services", "environments", f"templates/{service}"):
        (folder / name).mkdir(parents=True)
    (folder / f"templates/{service}/app.json.j2").write_text('{"value": {{ secret("value") }}}\n')
    dev = {**ENVIRONMENT, "environment": "dev", "services": {service: {}}}
    config = {"template": "app.json.j2", "model": "models:Any"}
    declared = {
        "service": service,
        "owner": "shop-team",
        "description": "Sells things.",
        "secrets": {"value": {"source": "given"}},
        "config": config,
    }
    (folder / f"services/{service}.yaml").write_text(json.dumps(declared))
    (folder / "environments/dev.yaml").write_text(json.dumps(dev))
    return folder
