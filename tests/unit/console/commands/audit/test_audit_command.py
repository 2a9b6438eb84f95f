"""Command ``audit`` away from the local deployment."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.models.audit_lines import line, program, secret
from tests.support.processes.command import run_command

READ = line(
    "secret/data/gaara-store/staging/jwt-secret",
    auth=program("gaara-store-staging", "web-1"),
    response=secret(4),
    mount_type="kv",
    mount_point="secret/",
)


@pytest.fixture
def options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the options of a command for staging, whose server cannot be asked."""
    for name in ("VAULT_ADDR", "STRONGROOM_OPERATOR_ROLE_ID_FILE", "STRONGROOM_OPERATOR_JWT_FILE"):
        monkeypatch.delenv(name, raising=False)
    root = str(tmp_path / "root")
    return ["--env", "staging", "--root", root, "--since", "2026-05-01", "--until", "2026-06-01"]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Return a log with a read of a secret."""
    path = tmp_path / "audit-1.log"
    path.write_text(json.dumps(READ) + "\n")
    return path


def test_store_is_asked_again_without_its_logs(
    options: list[str],
    log: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["audit", "who", "jwt-secret", "--service", "gaara-store", *options, "--json"]
    assert run_command(monkeypatch, *words, "--audit-log", str(log)) == 0
    first = capsys.readouterr().out
    log.unlink()
    assert run_command(monkeypatch, *words) == 0
    assert capsys.readouterr().out == first
    (read,) = json.loads(first)["reads"]
    assert (read["actor"], read["host"], read["versions"]) == ("gaara-store-staging", "web-1", [4])
    words[1] = "version"
    assert run_command(monkeypatch, *words) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["current"], answer["current_by"]) == (4, "log")
    assert "no credential of strongroom-auditor" in answer["server_error"]


def test_each_answer_names_damage_that_a_former_run_has_read(
    options: list[str],
    log: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    log.write_text(log.read_text() + "{\n" * 25)
    logs = ["--audit-log", str(log)]
    assert run_command(monkeypatch, "audit", "ingest", *options[:4], *logs) == 2
    capsys.readouterr()
    scope = ["jwt-secret", "--service", "gaara-store"]
    for words in (["who", *scope], ["version", *scope], ["what", "gaara-store-staging"]):
        assert run_command(monkeypatch, "audit", *words, *options) == 0
        lines = capsys.readouterr().out.splitlines()
        begin = lines.index(f"25 damaged lines in {log}:")
        assert lines[begin + 1] == "  line 2: torn"
        assert lines[begin + 21] == "  and 5 more, in index.json of the store"
    period = ["--since", "2026-05-01"]
    assert run_command(monkeypatch, "audit", "anomalies", *options[:4], *period) in {0, 2}
    assert "No rule sees 25 damaged lines of the log" in capsys.readouterr().out


def test_empty_store_is_an_error_and_is_not_created(
    options: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run_command(monkeypatch, "audit", "report", *options) == 1
    assert "has no line of an audit log; name a file" in capsys.readouterr().err
    assert not (tmp_path / "root").exists()


@pytest.mark.parametrize("question", ["who", "version"])
def test_undeclared_name_is_rejected_before_a_log_is_read(
    question: str,
    options: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    log = tmp_path / "audit-1.log"
    log.write_text(json.dumps(READ) + "\n")
    words = ["audit", question, "jwt-secre", "--service", "gaara-store", *options]
    assert run_command(monkeypatch, *words, "--audit-log", str(log)) == 1
    assert "did you mean 'jwt-secret'?" in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "root").exists()
