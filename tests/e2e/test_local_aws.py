"""Local deployment of a team whose dev is on AWS: what its commands print and do."""

from __future__ import annotations

import json
import shlex
import urllib.request
from pathlib import Path
from typing import Any, Final

import pytest

from app_integration.testing.ports import free_ports
from console.target.checkout import DECLARATION
from local.ports import Ports, setting
from tests.support.models.aws_declared import ENVIRONMENT, declare_on_aws
from tests.support.processes.command import run_command

ACCOUNT: Final = "111122223333"
DEV: Final[dict[str, Any]] = {
    **ENVIRONMENT,
    "environment": "dev",
    "aws": {"account": ACCOUNT, "region": "eu-west-1"},
}


def rights_of_a_page(port: int, path: str, method: str) -> list[str]:
    """Return the headers by which moto lets a page of another site read its response."""
    headers = {
        "Origin": "https://other.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "x-amz-target",
    }
    url = f"http://127.0.0.1:{port}{path}"
    request = urllib.request.Request(url, headers=headers, method=method)
    with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310
        return [name for name in response.headers if name.lower().startswith("access-control-")]


def test_commands_of_a_team_on_aws(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    declare_on_aws(tmp_path)
    (tmp_path / "environments/dev.yaml").write_text(json.dumps(DEV))
    root = tmp_path / ".strongroom"
    given = root / "given/secret/shop/dev/smtp-password"
    monkeypatch.setenv(DECLARATION, str(tmp_path))
    ports = dict(zip(Ports().by_name(), free_ports(7), strict=True))
    for name, port in ports.items():
        monkeypatch.setenv(setting(name), str(port))

    def run(*command: str) -> tuple[int, str]:
        code = run_command(monkeypatch, *command, "--root", str(root))
        return code, " ".join(capsys.readouterr().out.split())

    try:
        code, shown = run("up")
        assert (code, "moto (AWS)" in shown) == (0, True)
        given.parent.mkdir(parents=True)
        given.write_text("from the team")
        assert run("up")[0] == 0
        code, shown = run("up")
        assert (code, "nothing was changed" in shown) == (0, True)
        assert run("status")[0] == 0
        assert rights_of_a_page(ports["aws"], "/", "OPTIONS") == []
        assert rights_of_a_page(ports["aws"], "/moto-api/data.json", "GET") == []
        for line in (root / "dev.env").read_text().splitlines()[1:]:
            name, _, value = line.partition("=")
            monkeypatch.setenv(name, shlex.split(value)[0] if value else "")
        code, shown = run("plan", "--env", "dev")
        assert (code, "0 to create, 0 to change" in shown) == (0, True)
        assert f":{ACCOUNT}:key/" in (root / "dev.env").read_text()
        code, shown = run("down")
        assert (code, "Stopped: aws, database, redis, smtp." in shown) == (0, True)
        assert run("status")[0] == 2
    finally:
        assert run("reset", "--yes")[0] == 0
    assert not root.exists()
