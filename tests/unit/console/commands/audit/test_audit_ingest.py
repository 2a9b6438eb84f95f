"""Command ``audit ingest``: what it prints, and its exit code."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from app_integration.errors import ConfigurationError
from console import cli
from console.target.audit_logs.log_sources import LogSources, default_store
from console.target.target import open_target

LINE = b'{"time":"2026-11-28T04:00:00Z","type":"request","auth":{},"request":{"path":"sys/%d"}}\n'


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let dev be another server, so that no local deployment is looked for."""
    monkeypatch.setenv("VAULT_ADDR", "https://vault.example:8200")


def _run(folder: Path, *options: str) -> tuple[int, str, str]:
    command = ["audit", "ingest", "--env", "dev", "--root", str(folder / "root")]
    command += ["--audit-log", str(folder / "audit-1.log"), *options]
    done = CliRunner().invoke(cli.app, command)
    return done.exit_code, done.stdout, done.stderr


def test_ingest_prints_what_is_new_and_each_damaged_line(tmp_path: Path) -> None:
    log = tmp_path / "audit-1.log"
    log.write_bytes(b"".join(LINE % number for number in range(1200)))
    assert _run(tmp_path) == (0, "1,200 lines in the store, 1,200 new\n", "")
    size = log.stat().st_size
    with log.open("ab") as file:
        file.write(b"{\n" * 60 + LINE)
    code, out, err = _run(tmp_path)
    assert (code, out) == (2, "1,201 lines in the store, 1 new, 60 damaged\n")
    assert err.splitlines()[0] == f"{log}: line 1201 (byte {size}): torn"
    assert err.splitlines()[50:] == ["and 10 more"]
    assert _run(tmp_path) == (0, "1,201 lines in the store, 0 new\n", "")


def test_more_days_than_a_date_can_have_are_rejected(tmp_path: Path) -> None:
    err = _run(tmp_path, "--keep", "36501")[2]
    assert "less than or equal to 36500" in err


def test_environments_do_not_share_a_store(tmp_path: Path) -> None:
    found = {default_store(open_target(name, tmp_path)).name for name in ("dev", "prod")}
    assert found == {"audit-dev", "audit-prod"}


def test_ingest_without_a_log_says_what_to_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no audit log of prod is known; name one with"):
        LogSources(open_target("prod", tmp_path), (), ()).find()


def test_folder_without_a_record_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="has no access record; name another folder"):
        LogSources(open_target("prod", tmp_path), (), [tmp_path]).find()
