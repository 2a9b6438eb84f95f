"""Streaming replica of a test's PostgreSQL."""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import gettempdir
from typing import Any, Final

from psycopg import Connection

from app_integration.testing.ports import free_ports
from backup.child_process import child_process
from backup.temporary_folder import temporary_folder
from local.ports import HOST
from local.processes import binaries
from local.servers import postgres_home
from local.servers.accounts import SUPERUSER, Superuser
from tests.support.polling import wait_until

NAME: Final = "reporting"
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
                f" FROM pg_stat_replication WHERE application_name = '{NAME}'"
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
        command += [part for each in (*settings, f"cluster_name={NAME}") for part in ("-c", each)]
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
