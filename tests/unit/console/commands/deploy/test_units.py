"""Command ``units``: what it writes, and what it rejects before it writes."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from agent.jobs.registry import JOBS
from agent.jobs.schedule import Schedule
from console.views.output_files import BUILD
from tests.support.models.jobs import RECIPIENT
from tests.support.processes.command import run_command

PRIVATE: Final = "AGE-SECRET-KEY-1QYQSZQGPQYQSZQGPQYQSZQGPQYQSZQGPQYQSZQGPQYQSZQGPQYQS3ZV6QX"
COMMAND: Final = {
    "--job": "backup-database",
    "--for": "systemd",
    "--service": "gaara-store",
    "--env": "staging",
    "--folder": "/var/backups/store",
}


def run(monkeypatch: pytest.MonkeyPatch, out: Path, **changed: str | None) -> int:
    """Run the command with options that are changed; None leaves one out."""
    options = {**COMMAND, **{f"--{name}": value for name, value in changed.items()}}
    words = [word for name, value in options.items() if value is not None for word in (name, value)]
    return run_command(monkeypatch, "units", *words, "--out", str(out))


def test_units_of_a_declared_service_are_written_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "a" / "b"
    assert run(monkeypatch, out, schedule="0 4 * * 0", keep="30", recipient=RECIPIENT) == 0
    written = {path.name for path in out.iterdir()}
    unit = "strongroom-gaara-store-backup-database"
    assert written == {
        *(f"{unit}.{kind}" for kind in ("service", "timer", "sysusers.conf", "tmpfiles.conf")),
        "strongroom-job-failed@.service",
        BUILD.mark,
    }
    written.remove(BUILD.mark)
    assert {f"wrote {out / name}" for name in written} == {*capsys.readouterr().out.splitlines()}
    assert f"--recipient {RECIPIENT} --keep 30\n" in (out / f"{unit}.service").read_text()
    assert "OnCalendar=Sun *-*-* 04:00:00 UTC\n" in (out / f"{unit}.timer").read_text()
    assert (out / f"{unit}.timer").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize(
    ("code", "changed", "message"),
    [
        (1, {"env": "dev"}, "the servers of dev run on this machine"),
        (1, {"service": "gaara-shop"}, "gaara-shop"),
        (1, {"folder": None}, "writes to a folder; name it with --folder"),
        (1, {"folder": "backups"}, "backups is no absolute path without '..'"),
        (1, {"folder": "/var/../home"}, "/var/../home is no absolute path without '..'"),
        (1, {"folder": "/"}, "/ is the root of the file system"),
        (1, {"program": "strongroom"}, "strongroom is no absolute path"),
        (1, {"cacert": "ca.pem"}, "ca.pem is no absolute path"),
        (1, {"schedule": "hourly"}, "the schedule 'hourly' cannot be used: it has 1 field"),
        (1, {"schedule": ""}, "it has 0 fields"),
        (1, {"recipient": RECIPIENT[:-1]}, "is not a public key of age"),
        (1, {"recipient": f"{RECIPIENT}\n"}, "is not a public key of age"),
        (1, {"recipient": "ssh-ed25519 AAAA"}, "is not a public key of age"),
        (1, {"recipient": PRIVATE}, "--recipient is a private key"),
        (1, {"recipient": f" {PRIVATE}"}, "--recipient is a private key"),
        (1, {"recipient": PRIVATE.lower()}, "--recipient is a private key"),
        (1, {"image": "tool:1"}, "systemd runs no image"),
        (1, {"for": "kubernetes", "image": "tool:1"}, "agent.login is approle"),
        (64, {"keep": "0"}, "keep"),
        (64, {"keep": "999999"}, "keep"),
        (64, {"job": "backup"}, "backup-database"),
        (64, {"for": "compose"}, "systemd"),
        (64, {"service": None}, "backup-database is of one service; name it with --service"),
        (64, {"job": "ledger"}, "the job ledger is of the environment; remove --service"),
    ],
)
def test_wrong_option_is_rejected_before_anything_is_written(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    code: int,
    changed: dict[str, str | None],
    message: str,
) -> None:
    assert run(monkeypatch, tmp_path / "out", **changed) == code
    printed = " ".join(capsys.readouterr().err.replace("│", "").split())
    assert message in printed
    assert PRIVATE.lower() not in printed.lower()
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", JOBS)
def test_registered_job_has_a_schedule_a_limit_and_its_own_name(name: str) -> None:
    job = JOBS[name]
    assert Schedule.parse(job.schedule).cron == job.schedule
    assert job.name == name
    assert 0 < job.timeout < 24 * 3600


def test_job_of_an_environment_needs_no_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    metrics = "/var/lib/node_exporter/textfile/strongroom.prom"
    changed = {"job": "ledger", "service": None, "folder": None, "repository": "/srv/deployment"}
    assert run(monkeypatch, tmp_path, **changed, metrics=metrics) == 0
    unit = (tmp_path / "strongroom-staging-ledger.service").read_text()
    assert f" ledger --env staging --metrics {metrics}\n" in unit


def test_archive_of_audit_logs_is_written_for_the_servers_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"audit-log": "/var/log/openbao/audit.log", "reload": "pkill -HUP bao"}
    changed = {"job": "audit-archive", "user": "openbao", **options}
    assert run(monkeypatch, tmp_path, **changed) == 0
    unit = (tmp_path / "strongroom-gaara-store-audit-archive.service").read_text()
    assert "User=openbao\n" in unit
    assert '--reload "pkill -HUP bao"' in unit
    assert "--keep 90" in unit
    assert run(monkeypatch, tmp_path, **changed, service="orders-mail") == 1
    kubernetes = {"for": "kubernetes", "image": "tool:1"}
    assert run(monkeypatch, tmp_path, **changed, **kubernetes) == 1
