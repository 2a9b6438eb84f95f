"""Database of a service and an empty one, for backups and restores that are killed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from backup import inspection
from backup.folder import BackupFolder
from backup.login import DatabaseLogin, read_url_file
from local.servers.accounts import DatabaseAccounts
from tests.support.databases.store_postgres import store_postgres
from tests.support.polling import wait_until
from tests.support.processes import backup_worker as worker
from vault.progress import no_progress

_SESSIONS = "SELECT count(*) FROM pg_stat_activity WHERE datname = 'target'"


@dataclass
class KillSite:
    """The databases, the folder of the backups, and files with the URLs."""

    accounts: DatabaseAccounts
    folder: Path

    @property
    def backups(self) -> Path:
        return self.folder / "backups"

    @property
    def source(self) -> Path:
        """Return a file with the URL of the service's database."""
        return self._url_file(self.accounts.roles.database)

    @property
    def target(self) -> Path:
        """Return a file with the URL of the target."""
        return self._url_file("target")

    def _url_file(self, database: str) -> Path:
        path = self.folder / database
        path.write_text(f"{self.accounts.url().reveal().rpartition('/')[0]}/{database}")
        return path

    def recreate_target(self) -> DatabaseLogin:
        """Replace the target by an empty database, and return the login of its owner."""
        with self.accounts.superuser.connect() as superuser:
            superuser.execute("DROP DATABASE IF EXISTS target WITH (FORCE)")
            superuser.execute("CREATE DATABASE target OWNER parcel_api_owner")
        return read_url_file(self.target)

    def wait_for_sessions(self) -> None:
        """Wait until the server has ended the sessions of a killed process on the target."""
        with self.accounts.superuser.connect() as superuser:
            wait_until(
                lambda: superuser.execute(_SESSIONS).fetchone() == (0,), "the end of sessions", 30
            )

    def findings(self) -> tuple[str, ...]:
        return inspection.inspect(
            BackupFolder(self.backups), now=worker.at(0), max_age=None, progress=no_progress
        ).findings


@contextmanager
def kill_site(folder: Path, rows: int) -> Iterator[KillSite]:
    """Run the server during the block, with a table of *rows* rows."""
    (folder / "backups").mkdir()
    with store_postgres(folder, worker.SCOPE) as accounts:
        site = KillSite(accounts, folder)
        with read_url_file(site.source).connect() as connection:
            connection.execute("CREATE TABLE parcels (id int PRIMARY KEY, code text)")
            connection.execute(
                "INSERT INTO parcels SELECT n, repeat('c' || n, 9) FROM generate_series(1, %s) n",
                (rows,),
            )
        yield site
