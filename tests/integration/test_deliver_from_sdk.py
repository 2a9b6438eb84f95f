"""Command ``deliver --from-sdk`` on Secrets Manager: real processes, moto's server over HTTP."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from agent.compiler.compile import compile_text
from agent.compiler.sdk_skeleton import build_skeleton
from app_integration._internal.private_file import stamp
from app_integration.config.delivery_metrics import DeliveryMetrics
from app_integration.config.delivery_status import State, Status, read_status
from app_integration.config.file_reader import parse
from app_integration.diagnosis.check import Broken
from app_integration.diagnosis.service import check_config
from app_integration.names import Environment, Scope
from app_integration.observability import metrics
from app_integration.observability.recorder import Recorder
from app_integration.testing.ports import free_ports
from console import operate
from tests.support.models.aws_declared import ENVIRONMENT
from tests.support.models.systemd_unit import read_unit, read_words
from tests.support.polling import wait_until
from tests.support.processes.command import run_command
from tests.support.processes.watched_application import ROOT, WatchedApplication
from tests.support.servers import aws_fault_server as faults
from tests.support.servers.moto_server import REGION, set_identity
from tests.support.servers.secret_backends import AwsBackend, AwsSite, aws

CANARY: Final = "canary-7c41"
TEMPLATE: Final = '{"value": {{ secret("value") }},\n "mood": {{ secret("mood") }}}\n'
RULES: Final = ("secretsmanager:GetSecretValue", "arn:aws:x")
MODEL: Final = """
class Any:
    @classmethod
    def model_validate(cls, document):
        return cls()
"""
HOSTILE: Final = (
    f"{CANARY}\"'\\\n\r\t# {{{{ x }}}} ${{HOME}} <no value> \u2028\u2029\x85: &a\n- b\0"
)


@pytest.fixture
def backend(
    aws_site: AwsSite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[AwsBackend]:
    set_identity(monkeypatch)
    with aws(aws_site, tmp_path) as opened:
        opened.scope = Scope(opened.scope.service, Environment.DEV)  # which may use http
        variables = {
            "AWS_ENDPOINT_URL": aws_site.proxy.url,
            "AWS_REGION": REGION,
            "SECRETS_BACKEND": "aws",
            "STRONGROOM_SOURCES": "aws",
            "STRONGROOM_SERVICE": opened.scope.service,
            "ENVIRONMENT": "dev",
            "STRONGROOM_AUDIT_FILE": str(tmp_path / "renderer.jsonl"),
        }
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        yield opened


@pytest.fixture
def watched(backend: AwsBackend, tmp_path: Path) -> Iterator[WatchedApplication]:
    skeleton = write_skeleton(backend, tmp_path, "app.json", TEMPLATE)
    options = ["--from-sdk", str(skeleton), "--every", "1", "--reload", "SIGHUP"]
    options += ["--settle", "0.1", "--within", "2"]
    made = WatchedApplication(tmp_path, free_ports(1)[0], options)
    backend.put("mood", "well")
    yield made
    made.end()


def write_skeleton(backend: AwsBackend, folder: Path, file: str, source: str) -> Path:
    names = ["value", "mood"]
    compiled = compile_text(source, f"{file}.j2", scope=backend.scope, secrets=names, settings={})
    path = folder / f"{file}.skeleton.json"
    path.write_text(build_skeleton(compiled, backend.scope, f"t/{file}.j2", file).to_json())
    return path


def deliver_once(folder: Path, skeleton: Path, file: str) -> subprocess.CompletedProcess[str]:
    (folder / "any_model.py").write_text(MODEL)
    places = ["--staging", str(folder / "staging" / file), "--live", str(folder / "live" / file)]
    command = [sys.executable, "-m", "app_integration", "deliver", "--from-sdk", str(skeleton)]
    return subprocess.run(
        [*command, *places, "--model", "any_model:Any"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def wait_for_status(watched: WatchedApplication, state: State) -> Status:
    def found() -> Status | None:
        status = read_status(watched.live)
        return status if status is not None and status.state is state else None

    status = wait_until(found, f"the state {state}")
    assert status is not None
    return status


class Deliveries(Recorder):
    """A recorder of the last delivery."""

    is_live: bool | None = None

    def record_delivery(self, file: str, delivered: float, *, is_live: bool) -> None:  # noqa: ARG002 (the interface)
        self.is_live = is_live


def recorded_as_live(live: Path) -> bool | None:
    """Return what the metrics of an application say of the delivery of *live*."""
    recorder, before = Deliveries(), metrics.get_recorder()
    metrics.set_recorder(recorder)
    try:
        DeliveryMetrics(live).record()
    finally:
        metrics.set_recorder(before)
    return recorder.is_live


def test_rotated_value_is_delivered_and_an_unchanged_one_touches_nothing(
    backend: AwsBackend, watched: WatchedApplication
) -> None:
    backend.put("value", "first")
    watched.start()
    watched.wait_for("first")
    watched.outcome()
    before, reads = stamp(watched.live), backend.count_reads()
    wait_until(lambda: backend.count_reads() >= reads + 3, "three further readings")
    assert stamp(watched.live) == before
    backend.put("value", "second")
    watched.wait_for("second")
    assert watched.outcome().state is State.DELIVERED
    assert watched.count("confirmed") == 2


def test_outage_does_not_bring_a_rejected_file_back(
    backend: AwsBackend, watched: WatchedApplication
) -> None:
    backend.put("value", "first")
    watched.start()
    watched.wait_for("first")
    watched.outcome()
    backend.put("mood", "ill")
    wait_for_status(watched, State.ROLLED_BACK)
    with backend.unavailable():
        wait_until(lambda: watched.count("not_rendered"), "a failed reading")
    reads = backend.count_reads()
    wait_until(lambda: backend.count_reads() >= reads + 3, "three readings after it")
    assert watched.count("rolled_back") == 1
    assert watched.outcome().state is State.ROLLED_BACK
    watched.wait_for("first")


def test_outage_keeps_the_file_and_shows_in_status_and_metrics(
    backend: AwsBackend, watched: WatchedApplication
) -> None:
    backend.put("value", CANARY)
    process = watched.start()
    watched.wait_for(CANARY)
    watched.outcome()
    before = stamp(watched.live)
    assert recorded_as_live(watched.live) is True
    with backend.unavailable():
        status = wait_for_status(watched, State.WAITING)
        assert "t/app.json.j2" in str(status.reason)
        assert "cannot be read" in str(status.reason)
        assert recorded_as_live(watched.live) is False
        with pytest.raises(Broken, match=r"is that of before; since .* the delivery is waiting: "):
            check_config(watched.live)
        process.terminate()
        process.wait(20)
        watched.start()
        watched.wait_for(CANARY)  # on the last good file
    assert wait_for_status(watched, State.UNCHANGED).reason is None
    assert recorded_as_live(watched.live) is True
    assert check_config(watched.live) == str(watched.live)
    assert stamp(watched.live) == before
    assert CANARY not in watched.output.read_text()


def test_killed_delivery_leaves_no_process_and_delivers_again(
    backend: AwsBackend, watched: WatchedApplication
) -> None:
    backend.put("value", "first")
    process = watched.start()
    watched.wait_for("first")
    (renderer,) = renderers_of(process.pid)
    process.kill()
    process.wait()
    wait_until(lambda: not Path(f"/proc/{renderer}").exists(), "the end of the renderer")
    backend.put("value", "second")
    watched.start()
    watched.wait_for("second")


def test_killed_renderer_is_started_again(backend: AwsBackend, watched: WatchedApplication) -> None:
    backend.put("value", "first")
    process = watched.start()
    watched.wait_for("first")
    watched.outcome()
    (renderer,) = renderers_of(process.pid)
    os.kill(renderer, 9)
    assert "ended" in str(wait_for_status(watched, State.WAITING).reason)
    backend.put("value", "second")
    watched.wait_for("second")
    assert process.poll() is None


def renderers_of(pid: int) -> list[int]:
    """Return the children of *pid* that read secrets."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    commands = {int(each): Path(f"/proc/{each}/cmdline").read_text() for each in children}
    return [each for each, command in commands.items() if "app_integration.rendering" in command]


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("app.yaml", '# note\na: {{ secret("value") }}\nb: [{{ secret("mood") }}]\n'),
        ("app.toml", 'a = {{ secret("value") }} # note\nb = [{{ secret("mood") }}]\n'),
        ("app.json", '{"a": {{ secret("value") }}, "b": [{{ secret("mood") }}]}\n'),
    ],
)
def test_hostile_value_is_delivered_once_in_each_format(
    backend: AwsBackend, tmp_path: Path, file: str, source: str
) -> None:
    backend.put("value", HOSTILE)
    backend.put("mood", HOSTILE[::-1])
    done = deliver_once(tmp_path, write_skeleton(backend, tmp_path, file, source), file)
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
        (faults.expired_token(), "t/app.json.j2:2: the secret 'mood' cannot be read: "),
    ],
)
def test_value_that_cannot_be_read_refuses_before_a_file_is_written(
    backend: AwsBackend, tmp_path: Path, fault: faults.Fault | None, reason: str
) -> None:
    backend.put("mood", "well")
    if fault is not None:
        backend.proxy.faults.update({"GetSecretValue": [fault], "BatchGetSecretValue": [fault]})
    skeleton = write_skeleton(backend, tmp_path, "app.json", TEMPLATE)
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
        ({"environment": "prod"}, "STRONGROOM_SERVICE and ENVIRONMENT say "),
    ],
)
def test_skeleton_that_does_not_fit_is_refused_before_any_request(
    backend: AwsBackend, tmp_path: Path, change: dict[str, Any], reason: str
) -> None:
    skeleton = write_skeleton(backend, tmp_path, "app.json", TEMPLATE)
    skeleton.write_text(json.dumps({**json.loads(skeleton.read_text()), **change}))
    done = deliver_once(tmp_path, skeleton, "app.json")
    assert (done.returncode, reason in done.stdout) == (1, True)
    assert backend.count_reads() == 0


def test_unit_that_agent_build_wrote_delivers(
    backend: AwsBackend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend.put("value", CANARY)
    folder = declare(tmp_path / "declared", backend.scope.service)
    (tmp_path / "models.py").write_text(MODEL)
    (tmp_path / "app.py").write_text("print('ran on', open('run/app.json').read())\n")
    out = tmp_path / "out"
    monkeypatch.setenv(operate.DECLARATION, str(folder))
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
