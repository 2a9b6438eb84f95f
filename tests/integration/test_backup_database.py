"""Backup and restore of databases through the commands, on a deployment of two services."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import psutil
import psycopg
import pytest
from sqlalchemy import make_url

from app_integration import default_client
from app_integration._internal.private_file import write_private
from app_integration.names import Environment, Scope
from app_integration.secret import Secret
from backup import backup
from backup.archive import read_facts
from backup.backup import back_up
from backup.errors import BackupFailed
from backup.folder import BACKUPS, MANIFEST, BackupFolder
from backup.inventory import Inventory, is_empty
from backup.login import DatabaseLogin, pin_settings
from backup.manifest import Manifest
from backup.restore import Backup, Restored
from backup.scratch import scratch_server
from backup.source import Source, autocommit
from console.commands.deploy import backup as console_backup
from examples.gaara_store.database import Users
from examples.gaara_store.orders import Orders
from tests.support.databases.backup_site import (
    COUNTER,
    OTHER,
    STORE,
    BackupSite,
    backup_site,
    count_orders,
    order_writer,
)
from tests.support.limited_files import limited_size
from tests.support.polling import wait_until
from tests.support.processes.backup_worker import trust
from vault.progress import no_progress

pytestmark = pytest.mark.requires("embedded")

#: A key pair that was made for these tests.
IDENTITY = "AGE-SECRET-KEY-1E3MJWAY3R2XRRHGY3M7J8EUQ67Q32Z67YAN820GAVGSMZEWRTJPQDNZ0E4"
RECIPIENT = "age199qp69gths4k903c5u0flq6lvxltwlp7hhuq04v0gpkev9evdsvqffgt9f"
PROFILE = {"email": "gaara@example.com", "phone": "+81 3 1234 5678", "address": "1 Dune Road"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BackupSite]:
    with backup_site(tmp_path_factory.mktemp("backup")) as running:
        yield running


@pytest.fixture(scope="module")
def customer(site: BackupSite) -> Iterator[UUID]:
    """Yield the id of a customer of the store, with its own client for the rest of the module."""
    default_client.configure(site.local.service(STORE).settings())
    engine = default_client.get_default_client().databases.engine(None, None)
    users, now = Users(engine), datetime(2026, 1, 1, tzinfo=UTC)
    users.create_tables()
    user_id = users.add("gaara", "a hash", **PROFILE)
    Orders(engine).place(user_id, COUNTER, 0, now=now, announce=lambda _order_id: None)
    yield user_id
    default_client.close()


@pytest.fixture
def backups(site: BackupSite) -> Iterator[Path]:
    """Yield the folder of the backups, which is empty again after the test."""
    yield site.backups
    for path in site.backups.iterdir():
        path.unlink()


def only(folder: Path) -> Path:
    (found,) = folder.glob("*.dump.encrypted")
    return found


def restore(
    site: BackupSite, monkeypatch: pytest.MonkeyPatch, file: Path, service: str, into: Path
) -> int:
    """Restore *file* into the database of the URL in *into*, and return the exit code."""
    command = ("restore-database", str(file), "--service", service, "--env", "dev")
    return site.run(monkeypatch, *command, "--into", str(into))


def source_of(login: DatabaseLogin) -> Source:
    @contextmanager
    def connect() -> Iterator[psycopg.Connection]:
        with login.connect() as connection, autocommit(connection):
            yield connection

    return Source(login.database, connect)


def back_up_at(site: BackupSite, now: datetime, keep: timedelta | None = None) -> list[str]:
    """Back up :data:`OTHER` at an invented time, and return the names of the removed backups."""
    with closing(site.client(OTHER)) as client:
        finished = back_up(
            source_of(site.login(OTHER)),
            Scope(OTHER, Environment.DEV),
            client.files("files"),
            BackupFolder(site.backups),
            recipients=(RECIPIENT,),
            keep=keep,
            progress=no_progress,
            now=lambda: now,
        )
    return finished.removed


@contextmanager
def watched_programs() -> Iterator[set[str]]:
    """Collect the arguments and variables of all children of this process during the block."""
    seen: set[str] = set()
    stopped = threading.Event()

    def watch() -> None:
        while not stopped.is_set():
            for child in psutil.Process().children(recursive=True):
                try:
                    seen.update(child.cmdline())
                    seen.update(f"{name}={value}" for name, value in child.environ().items())
                except psutil.Error:
                    continue
            time.sleep(0.01)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        stopped.set()
        thread.join()


def test_store_under_writes_is_backed_up_and_restored_exactly(
    site: BackupSite,
    customer: UUID,
    backups: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = count_orders(site.login(STORE))
    with order_writer(site.login(STORE), customer):
        assert site.back_up(monkeypatch, STORE) == 0
    after = count_orders(site.login(STORE))
    file = only(backups)
    assert capsys.readouterr().out.startswith(f"{file}: ")
    with site.empty_database(STORE, "restored") as restored:
        url = site.url_file(STORE, "restored")
        assert restore(site, monkeypatch, file, STORE, url) == 0
        orders, counter = count_orders(restored)
        assert before[0] < orders == counter < after[0]
        engine = default_client.get_default_client().databases.engine(None, url.read_text())
        profile = Users(engine).profile(customer)
        assert {name: getattr(profile, name) for name in PROFILE} == PROFILE
        assert owners_of(restored) == {"gaara_store_owner"}
        # A second time, the database is not empty.
        capsys.readouterr()
        assert restore(site, monkeypatch, file, STORE, url) == 1
        assert "the database restored is not empty" in capsys.readouterr().err
        assert count_orders(restored) == (orders, counter)


def owners_of(login: DatabaseLogin) -> set[str]:
    with login.connect() as connection:
        rows = connection.execute("SELECT relowner::regrole::text FROM pg_class WHERE oid > 16384")
        return {owner for (owner,) in rows}


def test_other_service_is_backed_up_with_all_kinds_of_objects(
    site: BackupSite,
    backups: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    passwords: list[str] = []
    original = DatabaseLogin.password_file

    def record_password(login: DatabaseLogin) -> Any:
        passwords.append((login.password or Secret("")).reveal())
        return original(login)

    monkeypatch.setattr(DatabaseLogin, "password_file", record_password)
    with watched_programs() as seen:
        assert site.back_up(monkeypatch, OTHER, "--key", "files") == 0
    line = capsys.readouterr().out
    assert re.search(r": 2 tables, 550 rows, [\d.]+ kB; verified by a restore in [\d.]+ s\n", line)
    assert len(passwords) == 2
    assert any("pg_dump" in text for text in seen)
    assert not [text for text in seen for password in passwords if password in text]
    with site.empty_database(OTHER, "again") as restored:
        into = site.url_file(OTHER, "again")
        assert restore(site, monkeypatch, only(backups), OTHER, into) == 0
        with restored.connect() as connection:
            row = connection.execute(
                "SELECT nextval('down'), lo_get(oid),"
                " obj_description('parcels'::regclass), twice(4) FROM pg_largeobject_metadata"
            ).fetchone()
    assert row == (98, b"large", "each parcel", 8)


def damaged(content: bytes, damage: str) -> bytes:
    if damage in {"altered", "header"}:
        place = len(content) // 2 if damage == "altered" else 1030
        return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]
    return {"cut": content[:-1], "appended": content + b"x"}.get(damage, content)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("altered", "copy: the file is not authentic"),
        ("cut", "copy: the file is not authentic"),
        ("appended", "copy: the file is not authentic"),
        ("header", "its header was altered"),
        ("of another service", "a backup of parcel-api-dev, not of gaara-store-dev"),
    ],
)
def test_damaged_backup_is_refused_before_anything_is_restored(
    damage: str,
    message: str,
    site: BackupSite,
    other_backup: bytes,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "copy"
    file.write_bytes(damaged(other_backup, damage))
    service = STORE if damage == "of another service" else OTHER
    with site.empty_database(service, "untouched") as target:
        into = site.url_file(service, "untouched")
        assert restore(site, monkeypatch, file, service, into) == 1
        with target.connect() as connection:
            assert is_empty(connection)
    assert message in capsys.readouterr().err


def test_target_of_a_user_without_the_owner_role_is_refused(
    site: BackupSite,
    other_backup: bytes,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "copy"
    file.write_bytes(other_backup)
    with site.empty_database(STORE, "foreign"):
        into = site.url_file(STORE, "foreign")
        assert restore(site, monkeypatch, file, OTHER, into) == 1
    assert "may not act as parcel_api_owner" in capsys.readouterr().err


@pytest.fixture(scope="module")
def other_backup(site: BackupSite) -> bytes:
    """Return the bytes of a backup of :data:`OTHER`."""
    back_up_at(site, datetime(2026, 1, 1, tzinfo=UTC))
    (file,) = site.backups.glob("*.dump.encrypted")
    content = file.read_bytes()
    for path in site.backups.iterdir():
        path.unlink()
    return content


def test_old_backups_are_removed_once_a_new_one_was_verified(
    site: BackupSite, backups: Path, other_backup: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert other_backup
    monkeypatch.setattr(Backup, "drill", trust)  # because it takes most of the time
    start = datetime(2026, 1, 1, tzinfo=UTC)
    day = timedelta(days=1)
    assert back_up_at(site, start, keep=7 * day) == []
    foreign = backups / "parcel-api-dev-20250101T000000Z.dump.encrypted"
    foreign.write_bytes(b"another file with such a name")
    assert back_up_at(site, start + 8 * day, keep=7 * day) == [
        "parcel-api-dev-20260101T000000Z.dump.encrypted"
    ]
    names = sorted(path.name for path in backups.glob("*.encrypted"))
    assert names == [foreign.name, "parcel-api-dev-20260109T000000Z.dump.encrypted"]


def test_clock_of_the_machine_that_is_ahead_removes_no_backup(
    site: BackupSite, backups: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Backup, "drill", trust)
    back_up_at(site, datetime.now(UTC) - timedelta(hours=1))
    kept = only(backups)
    ahead = datetime.now(UTC) + timedelta(days=40)
    monkeypatch.setattr(backup, "datetime", SimpleNamespace(now=lambda _zone: ahead))
    assert site.back_up(monkeypatch, OTHER, "--key", "files", "--keep", "7") == 0
    assert kept.exists()
    assert not [path for path in backups.iterdir() if ahead.strftime("-%Y%m%dT") in path.name]


def test_failed_verification_leaves_the_folder_as_it_was(
    site: BackupSite, backups: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_backup: Backup) -> Restored:
        raise BackupFailed("the restored copy differs")

    monkeypatch.setattr(Backup, "drill", fail)
    with pytest.raises(BackupFailed, match="the restored copy differs"):
        back_up_at(site, datetime(2026, 1, 1, tzinfo=UTC), keep=timedelta(0))
    assert [each.name for each in backups.iterdir()] == [BACKUPS.mark]


def test_folder_is_checked_without_a_key_and_a_drill_needs_no_server(
    site: BackupSite,
    backups: Path,
    other_backup: bytes,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    name = "parcel-api-dev-20260101T000000Z.dump.encrypted"
    folder = ("--folder", str(backups))
    assert site.run(monkeypatch, "backups", *folder) == 2
    assert "there is no backup" in capsys.readouterr().out
    (backups / name).write_bytes(other_backup)
    (backups / MANIFEST).write_text(Manifest().to_json())
    assert site.run(monkeypatch, "backups", *folder) == 2
    assert f"{name}: not in the manifest" in capsys.readouterr().out
    identity = backups.parent / "identity"
    write_private(identity, f"# a comment\n{IDENTITY}\n")
    drill = ("restore-database", "--drill", str(backups / name), "--identity", str(identity))
    with monkeypatch.context() as without_a_server:
        without_a_server.setattr(console_backup, "open_service_client", None)
        assert site.run(monkeypatch, *drill) == 0
    assert "is in the manifest now: 2 tables, 550 rows" in capsys.readouterr().out
    with closing(site.client(OTHER)) as client:
        client.files("files").rewrap(backups / name, recipients=())
    assert site.run(monkeypatch, "backups", *folder) == 0
    assert site.run(monkeypatch, "backups", *folder, "--max-age", "26h") == 2
    assert "parcel-api-dev: the newest intact backup is" in capsys.readouterr().out
    (backups / name).write_bytes(other_backup[:-1])
    assert site.run(monkeypatch, "backups", *folder) == 2
    assert f"{name}: cut" in capsys.readouterr().out
    (backups / MANIFEST).write_text("{")
    assert site.run(monkeypatch, "backups", *folder) == 1


@pytest.mark.parametrize(
    ("service", "options", "message"),
    [
        ("orders-mail", (), "has no database of its own; back up that of gaara-store"),
        (OTHER, (), "cannot encrypt and decrypt with a key 'pii'"),
        (STORE, ("--key", "audit"), "cannot encrypt and decrypt with a key 'audit'"),
        (STORE, ("--folder", "/nowhere"), "/nowhere is not a folder"),
    ],
)
def test_backup_that_cannot_be_made_is_refused_before_any_request(
    service: str,
    options: tuple[str, ...],
    message: str,
    site: BackupSite,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(console_backup, "open_service_client", None)
    assert site.back_up(monkeypatch, service, *options) == 1
    assert message in capsys.readouterr().err


def test_table_that_another_session_rewrites_is_read_with_its_rows(site: BackupSite) -> None:
    file, login = BytesIO(), site.login(OTHER)
    with login.connect() as connection, login.connect() as other:
        connection.execute("CREATE TABLE rewritten AS SELECT n FROM generate_series(1, 9) n")
        other.execute("BEGIN")
        other.execute("ALTER TABLE rewritten ALTER n TYPE bigint")
        other.execute("CREATE TABLE created AS SELECT n FROM rewritten")
        thread = threading.Thread(target=source_of(login).write, args=(file, no_progress))
        thread.start()
        locked = "SELECT 1 FROM pg_locks WHERE NOT granted"
        wait_until(lambda: connection.execute(locked).fetchone(), "a session waits for a lock")
        other.execute("COMMIT")
        thread.join()
        connection.execute("DROP TABLE rewritten, created")
    file.seek(0)
    tables = read_facts(file).tables
    assert tables["public.rewritten"].rows == tables["public.created"].rows == 9


def test_restore_goes_to_the_server_that_the_environment_names(
    site: BackupSite, other_backup: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "copy"
    file.write_bytes(other_backup)
    with site.empty_database(OTHER, "named") as target, monkeypatch.context() as changed:
        url = make_url(site.url_file(OTHER, "named").read_text())
        changed.setenv("PGHOSTADDR", str(url.host))
        changed.setenv("PGPORT", str(url.port))
        bare = url.set(host=None, port=None).render_as_string(hide_password=False)
        into = tmp_path / "url"
        into.write_text(bare)
        assert restore(site, changed, file, OTHER, into) == 0
        assert owners_of(target) == {"parcel_api_owner"}


# With a deployment, whose data keep the copy of PostgreSQL's programs that root's servers run: when
# the last one is erased, so is the copy, and no other can be made within the limit.
@pytest.mark.usefixtures("deployment")
def test_scratch_server_without_room_says_so() -> None:
    reason = r"cannot be created: FATAL: +could not write to file .*: File too large; check"
    with limited_size(2**20), pytest.raises(BackupFailed, match=reason), scratch_server():
        pass


def test_database_with_a_large_object_is_not_empty(site: BackupSite) -> None:
    with site.empty_database(OTHER, "large") as login, login.connect() as connection:
        assert is_empty(connection)
        connection.execute("SELECT lo_create(0)")
        assert not is_empty(connection)


def test_database_without_an_encoding_is_read(site: BackupSite) -> None:
    file, encoding = BytesIO(), "ENCODING 'SQL_ASCII' LOCALE_PROVIDER libc LOCALE 'C'"
    with site.empty_database(OTHER, "ascii", encoding) as login:
        with login.connect() as connection:
            connection.execute(
                "CREATE TABLE bytes AS SELECT convert_from('\\xff', 'SQL_ASCII') AS t"
            )
        source_of(login).write(file, no_progress)
    file.seek(0)
    facts = read_facts(file)
    assert facts.encoding == "SQL_ASCII"
    assert facts.tables["public.bytes"].rows == 1


def test_rows_with_a_cast_of_their_own_have_different_checksums(site: BackupSite) -> None:
    with site.login(OTHER).connect() as connection, connection.transaction(force_rollback=True):
        connection.execute("""
            CREATE TABLE a (n) AS SELECT 1; CREATE TABLE b (n) AS SELECT 2;
            CREATE FUNCTION same(a) RETURNS text IMMUTABLE LANGUAGE sql RETURN 'same';
            CREATE FUNCTION same(b) RETURNS text IMMUTABLE LANGUAGE sql RETURN 'same';
            CREATE CAST (a AS text) WITH FUNCTION same(a);
            CREATE CAST (b AS text) WITH FUNCTION same(b);
        """)
        tables = Inventory(connection).read(lambda _size: None).tables
    assert tables["public.a"] != tables["public.b"]


def test_pin_settings_ends_no_long_transaction(site: BackupSite) -> None:
    with site.login(OTHER).connect() as connection:
        connection.execute("SET transaction_timeout = '1h'")
        pin_settings(connection)
        assert connection.execute("SHOW transaction_timeout").fetchone() == ("0",)


def test_backup_that_is_kept_longer_than_dates_reach_is_a_usage_error(
    site: BackupSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console_backup, "open_service_client", None)
    assert site.back_up(monkeypatch, STORE, "--keep", "999999") == 64


@pytest.mark.parametrize("options", [(), ("--drill", "--into", "f"), ("--into", "f")])
def test_restore_without_one_target_is_a_usage_error(
    options: tuple[str, ...], site: BackupSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert site.run(monkeypatch, "restore-database", "file", *options) == 64
