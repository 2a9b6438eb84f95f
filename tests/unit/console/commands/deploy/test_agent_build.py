"""Errors of ``agent build`` in dev."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from console.target.checkout import DECLARATION
from tests.support.models import pods
from tests.support.processes.command import run_command

DEV = {
    "environment": "dev",
    "owner": "platform-team",
    "tokens": {"period": "1h", "secret_id_ttl": "30d", "wrap_ttl": "2m"},
    "agent": {"render_interval": "5s"},
    "services": {"parcels": {}},
}


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"config": pods.CONFIG}, "the agents of dev run in the local deployment; start it with"),
        ({}, "parcels has no config, so that it needs no agent"),
    ],
)
def test_agent_of_dev_is_refused_with_what_to_do(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    config: dict[str, object],
    message: str,
) -> None:
    for name, text in (
        ("services/parcels.yaml", json.dumps({**pods.SERVICE, **config})),
        ("environments/dev.yaml", json.dumps(DEV)),
        ("templates/parcels/app.json.j2", pods.TEMPLATE),
    ):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setenv(DECLARATION, str(tmp_path))
    command = ("agent", "build", "--service", "parcels", "--env", "dev", "--for", "systemd")
    assert run_command(monkeypatch, *command, "--out", str(tmp_path / "out"), "--", "app") == 1
    assert message in " ".join(capsys.readouterr().err.split())
