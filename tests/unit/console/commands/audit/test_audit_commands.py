"""Commands ``audit``: what they reject before anything is renamed, sent or printed."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest

from console.target.checkout import Checkout
from tests.support.models.jobs import RECIPIENT
from tests.support.processes.command import run_command
from tests.support.processes.file_worker import write_identity
from vault.audit.archive.archive_run import Archived, Archiver
from vault.audit.archive.chain import Chain
from vault.audit.archive.verification import Verification

ARCHIVE: Final = ("archive", "--service", "gaara-store", "--env", "staging", "--folder", "x")
SERVER: Final = ("--audit-log", "/dev/null", "--reload", "true")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (ARCHIVE, 1, "with --audit-log, and with --reload the command"),
        ((*ARCHIVE, "--audit-log", "a.log"), 1, "with --reload the command"),
        ((*ARCHIVE, "--audit-log", "a.log", "--reload", "'"), 1, "No closing quotation; correct"),
        ((*ARCHIVE, "--no-key"), 64, "--no-key needs a --recipient"),
        ((*ARCHIVE, "--keep", "0"), 64, "--keep"),
        (
            ("archive", "--service", "orders-mail", "--env", "staging", "--folder", "x"),
            1,
            "orders-mail has no key 'audit' with which it may only encrypt",
        ),
        (
            (*ARCHIVE, *SERVER, "--no-key"),
            64,
            "--no-key needs a --recipient",
        ),
        (
            (
                *ARCHIVE,
                "--audit-log",
                "/dev/null",
                "--reload",
                "true",
                "--no-key",
                "--recipient",
                RECIPIENT,
            ),
            1,
            "x is not a folder; create it first",
        ),
        ((*ARCHIVE, *SERVER, "--recipient", "pii"), 1, "'pii' is not a public key of age"),
        ((*ARCHIVE, *SERVER, "--recipient", "AGE-SECRET-KEY-1X"), 1, "--recipient is a private"),
        (("verify", "/nowhere"), 1, "/nowhere is not a folder; name that of the archive"),
        (("verify", ".", "--head", "abc"), 64, "--head abc is no hash; copy the 64 digits"),
        (("verify", ".", "--service", "gaara-store"), 64, "pass --service and --env together"),
        (("read", "file"), 64, "pass --service and --env, or --identity"),
        (("devices", "--env", "staging"), 1, "pass each file of an audit device with --audit-log"),
        (
            ("devices", "--env", "staging", "--audit-log", "a.log", "--audit-log", "x/../a.log"),
            1,
            "--audit-log names one file twice; name that of each device",
        ),
    ],
)
def test_wrong_command_is_rejected(
    arguments: tuple[str, ...],
    code: int,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run_command(monkeypatch, "audit", *arguments) == code
    assert message in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("given", "has_repository", "expected"),
    [
        ((), True, timedelta(days=90)),
        (("--keep", "7"), True, timedelta(days=7)),
        ((), False, None),
        (("--keep", "7"), False, timedelta(days=7)),
    ],
)
def test_segments_are_kept_for_the_declared_days(
    given: tuple[str, ...],
    has_repository: bool,
    expected: timedelta | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept = []

    def run(archiver: Archiver) -> Archived:
        kept.append(archiver.keep)
        return Archived()

    monkeypatch.setattr(Archiver, "run", run)
    if not has_repository:
        monkeypatch.setattr(Checkout, "find_declaration", lambda _: None)
    command = (*ARCHIVE, *SERVER, "--no-key", "--recipient", RECIPIENT, *given)
    assert run_command(monkeypatch, "audit", *command) == 0
    assert kept == [expected]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((), 1),
        (("--keep", "30"), 30),
        (("--service", "gaara-store", "--env", "staging"), 90),
        (("--service", "gaara-store", "--env", "staging", "--keep", "30"), 30),
    ],
)
def test_deletions_are_judged_by_the_declared_days(
    given: tuple[str, ...], expected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = []

    def verify(_folder: Path, *, keep: int, **_options: object) -> Verification:
        kept.append(keep)
        return Verification(Chain(), (), 0, ())

    monkeypatch.setattr("console.commands.audit.verify.verify_archive", verify)
    key = ("--identity", str(write_identity(tmp_path)))
    assert run_command(monkeypatch, "audit", "verify", str(tmp_path), *given, *key) == 0
    assert kept == [expected]


def test_archive_that_is_empty_is_a_finding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(monkeypatch, "audit", "verify", str(tmp_path)) == 2
    assert "chain.jsonl is missing or empty" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (b"\xff.jsonl.zst.encrypted", r"\udcff.jsonl.zst.encrypted: is not in the chain"),
        (b"\x1b[2J\n[b].jsonl.zst.encrypted", r"\x1b[2J\n[b].jsonl.zst.encrypted: is not in"),
    ],
    ids=["no text", "control characters"],
)
def test_name_of_a_file_is_shown_without_what_a_terminal_would_interpret(
    name: bytes,
    shown: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_bytes(b"")
    assert run_command(monkeypatch, "audit", "verify", str(tmp_path)) == 2
    assert shown in capsys.readouterr().out


def test_file_that_is_no_segment_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    other, identity = tmp_path / "other", write_identity(tmp_path)
    other.write_bytes(b"text")
    command = ("audit", "read", str(other), "--identity", str(identity))
    assert run_command(monkeypatch, *command) == 1
    error = " ".join(capsys.readouterr().err.split())
    assert "is no file of a segment, or its header was" in error
    assert "check its archive with strongroom audit verify" in error
