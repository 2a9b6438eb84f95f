"""What holds a real backfill or slows it down, on a real PostgreSQL with a real replica."""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import gettempdir
from typing import Any, Final

import pytest
from psycopg import Connection

from app_integration.testing.ports import free_ports
from backup.child_process import child_process
from backup.temporary_folder import temporary_folder
from local.ports import HOST
from local.processes import binaries
from local.servers import postgres_home
from local.servers.accounts import SUPERUSER, Superuser
from migration import state_table
from migration.pace import Pace
from migration.passes import pass_worker, throttle
from migration.passes.ranges import Ranges
from migration.passes.throttle import Limits, Reading, Throttle
from tests.support.databases.own_database import OwnDatabase
from tests.support.migrations.sized_table import NAME, Shape, SizedTable
from tests.support.polling import wait_until

pytestmark = pytest.mark.requires("embedded")

REPLICA: Final = "reporting"
_HBA: Final = f"host replication all {HOST}/32 scram-sha-256\n"


@dataclass(frozen=True)
class Replica:
    primary: Superuser
    superuser: Superuser

    def pause_replay(self) -> None:
        """Let it receive the log, but replay nothing."""
        with self.superuser.connect() as connection:
            connection.execute("SELECT pg_wal_replay_pause()")
            state = "SELECT pg_get_wal_replay_pause_state() = 'paused'"
            wait_until(lambda: _is_true(connection, state), "replay is paused")

    def resume_replay(self) -> None:
        """Let it replay, and wait until it has all."""
        with self.superuser.connect() as connection:
            connection.execute("SELECT pg_wal_replay_resume()")
        self.wait_until_current()

    def wait_until_current(self) -> None:
        with self.primary.connect() as connection:
            current = (
                "SELECT coalesce(bool_and(replay_lsn >= pg_current_wal_lsn()), false)"
                f" FROM pg_stat_replication WHERE application_name = '{REPLICA}'"
            )
            wait_until(lambda: _is_true(connection, current), "the replica is current")


@contextmanager
def streaming_replica(primary: Superuser) -> Iterator[Replica]:
    """Run a replica of the server of *primary* during the block."""
    _allow_replication(primary)
    install, owner = binaries.postgres_folder(), None
    if os.geteuid() == 0:
        entry = pwd.getpwnam(postgres_home.server_user())
        install = postgres_home.ensure_executable(install, entry.pw_name)
        owner = entry.pw_uid, entry.pw_gid
    (port,) = free_ports(1)
    with temporary_folder(Path(gettempdir()), "strongroom-replica-", owner) as folder:
        options: dict[str, Any] = {"cwd": folder, "stdin": subprocess.DEVNULL}
        if owner is not None:
            options |= {"user": owner[0], "group": owner[1], "extra_groups": []}
        _copy(primary, install, folder, options)
        settings = (f"port={port}", f"listen_addresses={HOST}", "unix_socket_directories=")
        command = [str(install / "bin" / "postgres"), "-D", str(folder / "data")]
        command += [
            part for each in (*settings, f"cluster_name={REPLICA}") for part in ("-c", each)
        ]
        replica = Replica(primary, replace(primary, port=port, check_listener=lambda: None))
        with (
            (folder / "log").open("wb") as log,
            child_process(command, signal.SIGQUIT, stdout=log, stderr=log, **options),
        ):
            wait_until(replica.superuser.is_server_reachable, "the replica accepts connections")
            replica.wait_until_current()
            yield replica


def _allow_replication(primary: Superuser) -> None:
    with primary.connect() as connection:
        (file,) = connection.execute("SHOW hba_file").fetchone() or ("",)
        with Path(file).open("a", encoding="utf-8") as hba:
            hba.write(_HBA)
        connection.execute("SELECT pg_reload_conf()")


def _copy(primary: Superuser, install: Path, folder: Path, options: dict[str, Any]) -> None:
    """Copy the server's files, with the settings that follow it."""
    place = ("--host", HOST, "--port", str(primary.port), "--username", SUPERUSER)
    how = ("--wal-method", "stream", "--checkpoint", "fast", "--write-recovery-conf")
    subprocess.run(
        [install / "bin" / "pg_basebackup", "--pgdata", folder / "data", *how, *place],
        env={"PGPASSWORD": primary.password().reveal()},
        check=True,
        **options,
    )


def _is_true(connection: Connection, query: str) -> bool:
    (found,) = connection.execute(query.encode()).fetchone() or (False,)
    return bool(found)


BATCH: Final = 50
ROWS: Final = 2000
BATCH_SECONDS: Final = 0.1
HOLDS: Final = 3  # until a test lets a held worker go on
MOST_HOLDS: Final = 100
CHANGED_AT: Final = 3.0  # seconds


class Run:
    """A run of a worker by a clock of the test's own, on which a batch takes 0.1 s."""

    def __init__(self, database: OwnDatabase, connection: Connection) -> None:
        self.connection = connection
        self.sized = SizedTable(connection, Shape(ROWS))
        self.sized.create()
        self.sized.begin()
        self.now = 0.0
        self.sleeps: list[float] = []
        self.warnings: list[str] = []
        self.held: list[tuple[str, int]] = []
        self.at: tuple[float, Callable[[], object]] | None = None
        self.other = database.connect()

    def throttle(self, limits: Limits) -> Throttle:
        return Throttle(NAME, limits, lambda: self.now, self.warnings.append)

    def start(
        self, limits: Limits, release: Callable[[], object] = lambda: None, duty: float = 0.1
    ) -> int:
        """Run the worker until all is done, and return the rows that it encrypted."""
        backfill, throttle = self.sized.worker(BATCH), self.throttle(limits)
        done: list[int] = []

        def run_batch() -> int | None:
            self.now += BATCH_SECONDS
            written = backfill.run_batch(self.connection)
            done.append(written.rows if written else 0)
            return None if written is None else written.rows

        def read() -> Reading:
            reading = throttle.read(self.other)
            if reading.reason is not None:
                self.held.append((reading.reason, sum(done)))
                assert len(self.held) <= MOST_HOLDS, "the worker was not let go on"
                # A slow machine's replica may fall behind again.
                if len(self.held) >= HOLDS:
                    release()
            return reading

        site = pass_worker.Site(
            run_batch, self.is_done, read, self.probe, lambda: self.now, self.sleep, self.report
        )
        pass_worker.run(site, Pace([0.001], duty))
        return sum(done)

    def is_done(self) -> bool:
        progress = Ranges(NAME, "backfill").read_progress(self.connection)
        return progress.left == 0

    def report(self, *_: object) -> None:
        """Store nothing."""

    def probe(self) -> None:
        self.connection.execute("SELECT 1")

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        if self.at is not None and self.now + seconds >= self.at[0]:
            call, self.at = self.at[1], None
            call()
        self.now += seconds

    def close(self) -> None:
        self.other.close()
        self.sized.drop()


@pytest.fixture
def run(database: OwnDatabase) -> Iterator[Run]:
    with database.connect() as connection:
        found = Run(database, connection)
        yield found
        found.close()


@pytest.fixture(scope="module")
def replica(superuser: Superuser, database: OwnDatabase) -> Iterator[Replica]:
    assert database.superuser is superuser
    with streaming_replica(superuser) as found:
        yield found


def test_paused_worker_waits_until_it_is_resumed(run: Run) -> None:
    state_table.pause(run.connection, NAME, is_paused=True)
    resume = partial(state_table.pause, run.connection, NAME, is_paused=False)
    assert run.start(Limits(), resume) == ROWS
    assert run.held == [("the migration is paused by postgres", 0)] * HOLDS


def test_file_holds_the_worker_while_it_exists(run: Run, tmp_path: Path) -> None:
    flag = tmp_path / "hold"
    flag.touch()
    assert run.start(Limits(flag), flag.unlink) == ROWS
    assert run.held == [(f"the file {flag} exists", 0)] * HOLDS


def test_stored_duty_replaces_that_of_the_start(run: Run) -> None:
    state_table.throttle(run.connection, NAME, 0.05)
    assert run.start(Limits(), duty=0.5) == ROWS
    assert run.sleeps == pytest.approx([1.0, 0.9] * (len(run.sleeps) // 2))


@pytest.mark.parametrize("duty", [1.0, 0.5, 0.1])
def test_stored_duty_takes_effect_during_a_long_pause(run: Run, duty: float) -> None:
    state_table.throttle(run.connection, NAME, 0.01)
    run.at = CHANGED_AT, partial(state_table.throttle, run.connection, NAME, duty)
    assert run.start(Limits(), duty=0.01) == ROWS
    # The first pause ends within two readings. The last batch of a range finds nothing.
    batches = ROWS // BATCH + ROWS // (5 * BATCH)
    assert run.now - CHANGED_AT <= 2.0 + batches * BATCH_SECONDS / duty


def test_throttle_is_read_once_a_second(run: Run) -> None:
    throttle = run.throttle(Limits())
    assert throttle.read(run.other) == Reading()
    state_table.pause(run.connection, NAME, is_paused=True)
    run.now += 0.9
    assert throttle.read(run.other) == Reading()
    run.now += 0.1
    assert throttle.read(run.other) == Reading("the migration is paused by postgres")


def test_migration_that_is_gone_holds_its_workers(run: Run) -> None:
    run.connection.execute("DELETE FROM strongroom_migration.migrations")
    assert (
        run.throttle(Limits()).read(run.other).reason == f"migration {NAME} is not there any more"
    )


def test_replica_that_replays_nothing_holds_the_worker_until_it_is_current(
    run: Run, replica: Replica
) -> None:
    replica.pause_replay()

    def is_late() -> bool:
        run.connection.execute("SELECT pg_current_xact_id()")
        (lag,) = throttle.read_lags(run.connection) or []
        return lag.seconds > 1.0

    wait_until(is_late, "the replica is late")
    assert run.start(Limits(seconds=1.0), replica.resume_replay) == ROWS
    assert not run.warnings
    assert len(run.held) >= HOLDS
    for reason, rows in run.held[:HOLDS]:
        assert reason.startswith(f"replica {REPLICA} is ")
        assert rows == 0


def test_replica_that_lacks_many_bytes_holds_the_worker(run: Run, replica: Replica) -> None:
    replica.pause_replay()
    assert run.start(Limits(seconds=1e6, size=100_000), replica.resume_replay) == ROWS
    assert 0 < run.held[0][1] < ROWS


def test_replica_that_keeps_up_holds_nobody(run: Run, replica: Replica) -> None:
    replica.wait_until_current()
    (lag,) = throttle.read_lags(run.connection) or []
    assert (lag.name, lag.seconds) == (f"replica {REPLICA}", 0.0)


def test_slot_that_nobody_reads_counts_until_it_is_dropped(run: Run) -> None:
    run.connection.execute("CHECKPOINT")
    run.connection.execute("SELECT pg_create_physical_replication_slot('standby', true)")
    run.connection.execute("SELECT pg_logical_emit_message(true, 'test', repeat('x', 200000))")
    found = {each.name: each for each in throttle.read_lags(run.connection) or []}[
        "unused slot standby"
    ]
    assert 200_000 < found.size < 2_000_000
    reason = run.throttle(Limits(seconds=1e6, size=found.size - 100_000)).read(run.other).reason
    assert reason is not None
    assert " MB behind" in reason
    run.connection.execute("SELECT pg_drop_replication_slot('standby')")
    assert "unused slot standby" not in {
        each.name for each in throttle.read_lags(run.connection) or []
    }


@pytest.mark.usefixtures("replica")
def test_hidden_lag_is_unknown_and_reported_once(run: Run) -> None:
    connection = run.other
    connection.execute("CREATE ROLE clerk; GRANT USAGE ON SCHEMA strongroom_migration TO clerk")
    connection.execute("GRANT SELECT ON ALL TABLES IN SCHEMA strongroom_migration TO clerk")
    connection.execute("SET ROLE clerk")
    held = run.throttle(Limits(seconds=0.0, size=0))
    for _ in range(3):
        run.now += 1.0
        assert held.read(run.other) == Reading()
    assert throttle.read_lags(run.other) is None
    assert len(run.warnings) == 1
    connection.execute("RESET ROLE; GRANT pg_monitor TO clerk; SET ROLE clerk")
    assert throttle.read_lags(run.other) is not None
    connection.execute("RESET ROLE; DROP OWNED BY clerk; DROP ROLE clerk")
