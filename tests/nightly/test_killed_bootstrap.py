"""Command ``bootstrap``, killed at random times: the next run ends it, and the token is dead."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from app_integration.errors import RequestRefused
from tests.support.servers.audited_server import AuditedServer, audited_server

pytestmark = [pytest.mark.nightly, pytest.mark.requires("embedded"), pytest.mark.timeout(1800)]

RUNS: Final = 20


def strongroom(folder: Path, server: AuditedServer, *arguments: str) -> subprocess.Popen[str]:
    """Start a command of the tool in *folder*, as an operator of *server*."""
    variables = {"VAULT_ADDR": server.address, "VAULT_CACERT": str(server.cacert)}
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "console", *arguments],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> str:
    with process:
        output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, output
    return output


def test_command_killed_at_random_times_is_ended_by_the_next(tmp_path: Path) -> None:
    chance = random.SystemRandom()
    ended = [bootstrap_killed(tmp_path / str(run), chance.uniform(0.3, 2.5)) for run in range(RUNS)]
    assert sum(ended) < RUNS * 3 / 4  # the others were killed before their end


def bootstrap_killed(folder: Path, seconds: float) -> bool:
    """Bootstrap a new server, kill the command after *seconds*, and run it again."""
    folder.mkdir()
    with audited_server(folder, tls=True) as server:
        declared = ("--owner", "ada@example.com", "--environment", f"staging={server.address}")
        finish(strongroom(folder, server, "init", "parcels", *declared))
        body = {"policies": ["root"], "no_parent": True}
        given = server.root.post("auth/token/create", body)["auth"]
        token = folder / "token"
        token.write_text(given["client_token"])
        command = ["bootstrap", "--env", "staging", "--token-file", str(token)]
        command += ["--out", str(folder / "out")]
        with strongroom(folder / "parcels", server, *command) as process:
            try:
                process.communicate(timeout=seconds)
            except subprocess.TimeoutExpired:
                process.kill()
        out = folder / "out"
        has_ended = (out / "apply").exists() and not (out / "bootstrap" / "staging").exists()
        if not has_ended:
            finish(strongroom(folder / "parcels", server, *command))
        with pytest.raises(RequestRefused, match="invalid accessor"):
            server.root.post("auth/token/lookup-accessor", {"accessor": given["accessor"]})
        return has_ended
