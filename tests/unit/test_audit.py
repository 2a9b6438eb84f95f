"""The caller's access records: written before anything is released, counted, not forgeable."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from app_integration import redaction
from app_integration.audit import AGGREGATE_WINDOW, MAX_WINDOWS, AuditLog, file_sink, open_audit
from app_integration.errors import AuditFailed
from app_integration.names import Environment, Scope
from app_integration.settings import Settings
from app_integration.store import SecretStore
from app_integration.wiring import Wiring
from tests.unit.scripted_server import REVOKE, Server
from tests.unit.test_store import Clock, Script

SCOPE = Scope("shop", Environment.PROD)
FORGED = 'x","outcome":"hit"}\n{"secret":"y\u2028\u0085'


class Disk:
    """A sink that can be full."""

    def __init__(self) -> None:
        self.full = False
        self.lines: list[str] = []

    def __call__(self, line: str) -> None:
        if self.full:
            raise OSError(28, "No space left on device")
        self.lines.append(line)

    def counts(self) -> list[int]:
        return [json.loads(line)["count"] for line in self.lines]


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def log(disk: Disk, clock: Clock) -> AuditLog:
    return AuditLog(SCOPE, disk, mode="aggregate", clock=clock)


@pytest.mark.parametrize("mode", ["each", "aggregate"])
def test_while_no_record_can_be_written_nothing_is_ever_released(disk: Disk, mode: str) -> None:
    audit = AuditLog(SCOPE, disk, mode=mode)
    store = SecretStore([Script("one")], audit, register=redaction.Register())
    disk.full = True
    for _ in range(5):
        with pytest.raises(AuditFailed, match="No space left on device"):
            store.get("jwt-secret")
    disk.full = False
    assert store.get("jwt-secret") == "one"
    assert len(disk.lines) == 1


def test_a_disk_that_fills_up_stops_the_next_window(
    disk: Disk, clock: Clock, log: AuditLog
) -> None:
    for _ in range(3):
        log.record("get_secret", "x", "hit")
    clock.now += AGGREGATE_WINDOW
    disk.full = True
    for _ in range(2):
        with pytest.raises(AuditFailed):
            log.record("get_secret", "x", "hit")
    disk.full = False
    log.record("get_secret", "x", "hit")
    assert disk.counts() == [1, 3]


def test_closing_writes_the_counts_once(disk: Disk, log: AuditLog) -> None:
    for _ in range(1000):
        log.record("get_secret", "x", "hit")
    log.record("get_secret", "y", "hit")
    log.close()
    log.close()
    assert disk.counts() == [1, 1, 999]
    assert sum(disk.counts()) == 1001


def test_counts_held_at_once_are_bounded_and_none_is_lost(disk: Disk, log: AuditLog) -> None:
    for number in range(MAX_WINDOWS + 1):
        for _ in range(2):
            log.record("get_secret", f"n{number}", "hit")
    assert len(log._windows) == MAX_WINDOWS
    log.close()
    assert sum(disk.counts()) == 2 * (MAX_WINDOWS + 1)


def test_a_fork_counts_from_zero(disk: Disk, log: AuditLog) -> None:
    for _ in range(3):
        log.record("get_secret", "x", "hit")
    log.forget()
    log.close()
    assert disk.counts() == [1]


@pytest.mark.parametrize("mode", ["each", "aggregate"])
def test_a_name_cannot_forge_a_second_line(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "access.jsonl"
    audit = AuditLog(SCOPE, file_sink(path), mode=mode)
    audit.record("get_secret", FORGED, "miss", source=FORGED)
    (line,) = path.read_text(encoding="ascii").splitlines()
    record = json.loads(line)
    assert (record["secret"], record["source"]) == (FORGED, FORGED)
    assert (record["service"], record["environment"]) == ("shop", "prod")


def test_standard_error_is_where_records_go_by_default(capsys: pytest.CaptureFixture[str]) -> None:
    audit = open_audit(Settings(SCOPE, "https://vault"))
    audit.record("get_secret", "x", "hit")
    printed = capsys.readouterr()
    assert printed.out == ""
    assert json.loads(printed.err)["secret"] == "x"


def test_counts_that_cannot_be_written_at_the_end_still_let_the_token_go(
    tmp_path: Path, server: Server
) -> None:
    settings = Settings(SCOPE, "https://vault", audit_mode="aggregate", audit_file=tmp_path / "a")
    wired = Wiring(replace(settings, role_id_file=tmp_path / "r", secret_id_file=tmp_path / "s"))
    for name in ("r", "s"):
        (tmp_path / name).write_text("x")
    wired.session._transport = server  # type: ignore[assignment] # the one part that isn't real
    server.answers["secret/data/shop/prod/x"] = [
        {"data": {"data": {"value": "one"}, "metadata": {"version": 1}}}
    ]
    for _ in range(3):
        assert wired.secrets.get("x") == "one"
    (tmp_path / "a").unlink()
    (tmp_path / "a").mkdir()
    with pytest.raises(AuditFailed):
        wired.close()
    assert server.count(REVOKE) == 1
