from __future__ import annotations

import fcntl
import os
import shutil
import smtplib
import socket
import stat
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from app_integration.errors import AccessDenied, ConfigurationError, RequestRefused, Sealed
from app_integration.names import Environment, Scope
from app_integration.secret import Secret
from app_integration.testing.ports import free_ports
from app_integration.transport.http import Transport
from local import port_file
from local.access import Access
from local.layout import Layout
from local.port_file import RunsOnOtherPort
from local.ports import HOST, Ports
from local.processes.lock import Busy
from local.processes.program import Program
from local.runtime_interface import StartFailed
from local.runtimes.embedded_runtime import EmbeddedRuntime
from local.runtimes.process_runtime import StillRunning
from local.servers.openbao import MAX_REQUEST
from local.taken_ports import PortTaken, check_free

pytestmark = pytest.mark.requires("embedded")

SCOPE = Scope("gaara-store", Environment.DEV)
SERVERS = ("vault", "database", "redis", "smtp")


def folder_in(tmp_path: Path) -> Path:
    """Return a root whose path has all characters that a configuration might not quote."""
    parent = tmp_path / "a \"b\" 'c' ${d} #%20ü [e]"
    parent.mkdir()
    return parent / ".strongroom"


def access(layout: Layout, ports: Ports) -> Access:
    return Access(layout, ports, SCOPE, lambda _name: None, "gaara_store")


def runtime(layout: Layout, ports: Ports | None = None) -> EmbeddedRuntime:
    numbers = ports or Ports(*free_ports(6))
    return EmbeddedRuntime(layout, numbers, [access(layout, numbers)])


@contextmanager
def deployment(root: Path) -> Iterator[EmbeddedRuntime]:
    embedded = runtime(Layout(root))
    try:
        yield embedded
    finally:
        embedded.reset()


@pytest.fixture(scope="module")
def bootstrapped(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[EmbeddedRuntime, Secret]]:
    with deployment(folder_in(tmp_path_factory.mktemp("shared"))) as embedded:
        token = embedded.start().root_token
        assert token
        embedded.mark_bootstrapped()
        yield embedded, token


@pytest.fixture
def shared(bootstrapped: tuple[EmbeddedRuntime, Secret]) -> EmbeddedRuntime:
    """Return a bootstrapped deployment whose servers run, also if the last test stopped them."""
    bootstrapped[0].start()
    return bootstrapped[0]


@pytest.fixture
def root_token(bootstrapped: tuple[EmbeddedRuntime, Secret]) -> Secret:
    """Return the root token of the shared deployment."""
    return bootstrapped[1]


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[EmbeddedRuntime]:
    """Return a deployment that is not started."""
    with deployment(folder_in(tmp_path)) as embedded:
        yield embedded


def pids(embedded: EmbeddedRuntime) -> dict[str, int | None]:
    return {status.name: status.pid for status in embedded.status()}


def everything(embedded: EmbeddedRuntime) -> list[psutil.Process]:
    """Return all processes of the deployment, with PostgreSQL's sessions."""
    leaders = [psutil.Process(pid) for pid in pids(embedded).values() if pid]
    return [process for leader in leaders for process in (leader, *leader.children(recursive=True))]


def kill(embedded: EmbeddedRuntime, name: str) -> None:
    process = psutil.Process(pids(embedded)[name])
    process.kill()
    process.wait(5)


def request(
    embedded: EmbeddedRuntime, token: Secret, method: str, path: str, **body: object
) -> dict[str, Any]:
    with closing(
        Transport(embedded.ports.vault_address, cacert=None, connect_timeout=3)
    ) as transport:
        return transport.send(method, path, timeout=10, token=token, body=body or None)


def store_a_value(embedded: EmbeddedRuntime, token: Secret) -> None:
    request(embedded, token, "POST", "cubbyhole/kept", value="still here")


def database_url(embedded: EmbeddedRuntime) -> str:
    return (
        access(embedded.layout, embedded.ports)
        .provided_secrets()["database-url"]
        .reveal()
        .replace("+psycopg", "")
    )


def use_redis(embedded: EmbeddedRuntime, act: Callable[[redis.Redis], object]) -> object:
    with redis.Redis.from_url(
        access(embedded.layout, embedded.ports).provided_secrets()["redis-url"].reveal()
    ) as client:
        return act(client)


def test_start_twice_starts_all_servers_once(shared: EmbeddedRuntime) -> None:
    before = pids(shared)
    again = shared.start()
    assert None not in before.values()
    assert (again.servers, again.root_token) == ((), None)
    assert pids(shared) == before


def test_status_of_another_command_finds_the_running_servers(shared: EmbeddedRuntime) -> None:
    other = runtime(shared.layout, shared.ports)
    assert other.status() == shared.status()
    assert [status.port for status in other.status()] == [
        shared.ports.vault,
        shared.ports.database,
        shared.ports.redis,
        shared.ports.smtp,
    ]


def test_every_file_and_folder_is_private(shared: EmbeddedRuntime) -> None:
    found = [shared.layout.root, *shared.layout.root.rglob("*")]
    found += shared.layout.postgres.resolve().rglob("*")
    assert len(found) > 1000
    open_to_others = [
        path
        for path in found
        if not path.is_symlink() and stat.S_IMODE(path.lstat().st_mode) & 0o077
    ]
    assert open_to_others == []


def test_servers_listen_on_loopback_only_and_on_no_socket_that_a_url_cannot_name(
    shared: EmbeddedRuntime,
) -> None:
    connections = [
        connection
        for process in everything(shared)
        for connection in process.net_connections("all")
    ]
    listening = {
        connection.laddr for connection in connections if connection.status == psutil.CONN_LISTEN
    }
    expected = set(shared.ports.by_name().values()) - {shared.ports.store, shared.ports.aws}
    assert {address.ip for address in listening} == {HOST}
    assert {address.port for address in listening} == expected
    named_sockets = [
        found.laddr for found in connections if found.family == socket.AF_UNIX and found.laddr
    ]
    assert named_sockets == []


def test_server_listens_on_a_private_socket_too_and_restarts_if_it_is_missing(
    tmp_path: Path,
) -> None:
    with deployment(tmp_path / ".strongroom") as embedded:
        socket_path = embedded.layout.vault_socket
        assert socket_path is not None
        token = embedded.start().root_token
        assert token
        embedded.mark_bootstrapped()
        assert embedded.agent_host.vault_address == f"unix://{socket_path}"
        assert stat.S_IMODE(socket_path.stat().st_mode) & 0o077 == 0
        with closing(
            Transport(embedded.agent_host.vault_address, cacert=None, connect_timeout=3)
        ) as transport:
            assert transport.send("GET", "sys/mounts", timeout=5, token=token.reveal())
        # A killed server leaves its socket behind, and the next one replaces it.
        killed = psutil.Process(pids(embedded)["vault"])
        killed.kill()
        killed.wait(10)
        assert embedded.start().servers == ("vault",)
        socket_path.unlink()
        assert embedded.start().servers == ("vault",)
        assert embedded.start().servers == ()


def test_request_that_would_make_a_long_audit_line_is_rejected(shared: EmbeddedRuntime) -> None:
    for address in (shared.ports.vault_address, shared.agent_host.vault_address):
        with closing(Transport(address, cacert=None, connect_timeout=3)) as transport:
            with pytest.raises(RequestRefused, match="status 413"):
                transport.send("POST", "x", timeout=10, body={"k" * MAX_REQUEST: 1})
            with pytest.raises(AccessDenied):
                transport.send("POST", "x", timeout=10, body={"k" * (MAX_REQUEST - 100): 1})


def test_sealed_server_is_reported_until_a_restart_unseals_it(
    shared: EmbeddedRuntime, root_token: Secret
) -> None:
    shared.stop()  # because a new server unseals itself again for some seconds
    shared.start()
    assert [status.problem for status in shared.status()] == [None] * len(SERVERS)
    request(shared, root_token, "POST", "sys/seal")
    sealed, *others = shared.status()
    assert (sealed.running, sealed.problem, sealed.works) == (True, "sealed", False)
    assert all(status.works for status in others)
    with pytest.raises(Sealed, match="run strongroom down, then strongroom up"):
        shared.start()
    assert shared.status() == (sealed, *others)
    shared.stop()
    shared.start()
    assert all(status.works for status in shared.status())


def test_command_lines_and_environments_contain_no_secret(shared: EmbeddedRuntime) -> None:
    layout = shared.layout
    files = [*layout.passwords.rglob("*"), *layout.mail_accounts.iterdir()]
    secrets = [path.read_text() for path in files if path.is_file()]
    shown = [
        text
        for process in everything(shared)
        for text in (*process.cmdline(), *process.environ().values())
    ]
    assert len(secrets) == 5
    assert [text for text in shown if any(secret in text for secret in secrets)] == []


def test_logs_contain_no_secret(shared: EmbeddedRuntime) -> None:
    secrets = [path.read_text() for path in shared.layout.passwords.rglob("*") if path.is_file()]
    logs = "".join(path.read_text() for path in shared.layout.logs.iterdir())
    assert "ready to accept connections" in logs
    assert [secret for secret in secrets if secret in logs] == []


def test_database_server_does_not_run_as_root(shared: EmbeddedRuntime) -> None:
    pid = pids(shared)["database"]
    assert psutil.Process(pid).uids().effective != 0


def test_application_logs_in_with_its_database_url(shared: EmbeddedRuntime) -> None:
    with psycopg.connect(database_url(shared)) as connection:
        row = connection.execute("SELECT current_database(), session_user, current_user").fetchone()
    assert row == ("gaara_store", "gaara_store_app", "gaara_store_owner")


def test_redis_accepts_its_url_and_no_other_password(shared: EmbeddedRuntime) -> None:
    assert use_redis(shared, lambda client: client.ping())
    with (
        redis.Redis(
            HOST, shared.ports.redis, password="wrong", retry=Retry(NoBackoff(), 0)
        ) as stranger,
        pytest.raises(redis.AuthenticationError),
    ):
        stranger.ping()


def test_sent_mail_becomes_a_private_file(shared: EmbeddedRuntime) -> None:
    with smtplib.SMTP(HOST, shared.ports.smtp, timeout=5) as client:
        client.login(
            "gaara-store",
            access(shared.layout, shared.ports).mail_password().reveal(),
        )
        client.sendmail(
            "store@example.test", ["me@example.test"], "Subject: Export\r\n\r\nid,total"
        )
    (message,) = shared.layout.mail.glob("*.eml")
    assert message.read_bytes() == (
        b"X-Envelope-From: store@example.test\r\nX-Envelope-To: me@example.test\r\n"
        b"Subject: Export\r\n\r\nid,total\r\n"
    )
    assert stat.S_IMODE(message.stat().st_mode) == 0o600


def test_mail_without_the_right_login_is_rejected(shared: EmbeddedRuntime) -> None:
    with smtplib.SMTP(HOST, shared.ports.smtp, timeout=5) as client:
        with pytest.raises(smtplib.SMTPException, match="Authentication required"):
            client.sendmail("store@example.test", ["me@example.test"], "Subject: Export\r\n\r\n")
        with pytest.raises(smtplib.SMTPAuthenticationError):
            client.login("gaara-store", "wrong")


def test_secrets_server_writes_two_audit_logs(shared: EmbeddedRuntime) -> None:
    assert [log.stat().st_size > 0 for log in shared.layout.audit_logs] == [True, True]


def test_root_token_is_in_no_file(embedded: EmbeddedRuntime) -> None:
    token = embedded.start().root_token
    assert token
    request(embedded, token, "GET", "auth/token/lookup-self")
    files = [path for path in embedded.layout.root.rglob("*") if path.is_file()]
    assert len(files) > 10
    assert [path for path in files if token.encode() in path.read_bytes()] == []


def test_stop_ends_all_processes_and_keeps_the_data(
    shared: EmbeddedRuntime, root_token: Secret
) -> None:
    store_a_value(shared, root_token)
    with psycopg.connect(database_url(shared)) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS value")
    use_redis(shared, lambda client: client.set("kept", "7"))
    processes = everything(shared)

    assert shared.stop() == SERVERS
    assert [process for process in processes if process.is_running()] == []
    check_free(shared.ports)
    assert shared.stop() == ()

    assert shared.start().servers == SERVERS
    assert request(shared, root_token, "GET", "cubbyhole/kept")["data"]["value"] == "still here"
    with psycopg.connect(database_url(shared)) as connection:
        assert connection.execute("SELECT value FROM kept").fetchone() == (7,)
    assert use_redis(shared, lambda client: client.get("kept")) == b"7"


def test_killed_secrets_server_restarts_unsealed_with_its_data(
    shared: EmbeddedRuntime, root_token: Secret
) -> None:
    store_a_value(shared, root_token)
    before = pids(shared)
    kill(shared, "vault")
    assert shared.start().servers == ("vault",)
    value = request(shared, root_token, "GET", "cubbyhole/kept")["data"]["value"]
    assert value == "still here"
    assert {**pids(shared), "vault": 0} == {**before, "vault": 0}


def test_killed_database_server_restarts_despite_an_orphaned_session(
    shared: EmbeddedRuntime,
) -> None:
    with closing(psycopg.connect(database_url(shared))) as connection:
        (backend,) = connection.execute("SELECT pg_backend_pid()").fetchone() or (0,)
        # Suspend it, so that it does not notice its server's end and keeps its memory in use.
        psutil.Process(backend).suspend()
        kill(shared, "database")
        assert shared.start().servers == ("database",)
        assert not psutil.pid_exists(backend)
    with psycopg.connect(database_url(shared)) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_start_without_bootstrap_initialises_a_new_secrets_server(
    embedded: EmbeddedRuntime,
) -> None:
    first = embedded.start().root_token
    again = runtime(embedded.layout, embedded.ports).start()
    assert again.servers == ("vault",)
    assert again.root_token
    assert again.root_token != first


def test_start_without_its_seal_key_fails_and_keeps_the_data(shared: EmbeddedRuntime) -> None:
    shared.stop()
    key = shared.layout.vault / "seal-key"
    key.rename(shared.layout.root / "seal-key")
    try:
        with pytest.raises(ConfigurationError, match="seal-key is missing"):
            shared.start()
        assert any(shared.layout.vault_data.iterdir())
    finally:
        (shared.layout.root / "seal-key").rename(key)
    assert shared.start().servers == SERVERS


def test_start_in_a_moved_folder_names_where_it_was_and_changes_nothing(
    shared: EmbeddedRuntime, tmp_path: Path
) -> None:
    shared.stop()
    before, after = shared.layout.root, tmp_path / "moved" / ".strongroom"
    after.parent.mkdir()
    before.rename(after)
    try:
        configuration = (after / "vault" / "server.hcl").read_text(encoding="utf-8")
        with pytest.raises(ConfigurationError, match="move it back, or erase") as error:
            runtime(Layout(after)).start()
        assert f"{after} was moved here from {before}, " in str(error.value)
        assert (after / "vault" / "server.hcl").read_text(encoding="utf-8") == configuration
    finally:
        after.rename(before)
    assert shared.start().root_token is None


def test_command_in_a_copied_folder_leaves_the_servers_of_the_first_running(
    shared: EmbeddedRuntime, tmp_path: Path
) -> None:
    before, copy = shared.layout.root, tmp_path / "copy" / ".strongroom"
    shutil.copytree(before, copy, symlinks=True, ignore=shutil.ignore_patterns("api.sock"))
    copied = runtime(Layout(copy), shared.ports)

    for command in (copied.start, copied.stop, copied.reset):
        with pytest.raises(ConfigurationError, match="delete the copy") as error:
            command()
        assert f"{copy} is a copy of {before}, " in str(error.value)

    assert all(pids(shared).values())


def test_start_on_changed_ports_moves_stopped_servers_and_keeps_the_data(
    shared: EmbeddedRuntime, root_token: Secret
) -> None:
    store_a_value(shared, root_token)
    moved = runtime(shared.layout)
    before = pids(shared)
    with pytest.raises(RunsOnOtherPort, match=f"is running on port {shared.ports.vault}"):
        moved.start()
    assert pids(shared) == before
    assert port_file.read(shared.layout) == shared.ports
    shared.stop()
    try:
        assert moved.start().servers == SERVERS
        assert request(moved, root_token, "GET", "cubbyhole/kept")["data"]["value"] == "still here"
        check_free(shared.ports)
    finally:
        moved.stop()


def test_start_on_a_taken_port_names_its_setting_and_starts_nothing(
    embedded: EmbeddedRuntime,
) -> None:
    port = embedded.ports.redis
    with socket.create_server((HOST, port)), pytest.raises(PortTaken) as caught:
        embedded.start()
    assert str(caught.value).startswith(f"port {port} is taken by process {os.getpid()} (")
    assert "; stop it, or use a free port: STRONGROOM_REDIS_PORT=" in str(caught.value)
    assert set(pids(embedded).values()) == {None}


def test_failed_start_stops_the_servers_it_started(shared: EmbeddedRuntime) -> None:
    shared.stop()
    configuration = shared.layout.postgres / "data" / "postgresql.conf"
    before = configuration.read_text()
    configuration.write_text("no such setting\n")
    try:
        with pytest.raises(StartFailed, match="database: it exited while starting") as caught:
            shared.start()
    finally:
        configuration.write_text(before)
    assert caught.value.step == "database"
    assert "syntax error" in caught.value.log_tail
    assert set(pids(shared).values()) == {None}
    check_free(shared.ports)


def test_failed_start_keeps_servers_that_were_running(shared: EmbeddedRuntime) -> None:
    before = pids(shared)
    kill(shared, "redis")
    aof = shared.layout.redis / "appendonlydir"
    shutil.rmtree(aof)
    aof.touch()
    try:
        with pytest.raises(StartFailed, match="redis: it exited while starting"):
            shared.start()
        assert pids(shared) == {**before, "redis": None}
    finally:
        aof.unlink()


def test_start_during_another_command_is_busy(embedded: EmbeddedRuntime) -> None:
    embedded.layout.create()
    with (embedded.layout.run / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(Busy, match="another command is at work"):
            embedded.start()


def test_progress_shows_each_server_that_starts_or_stops(shared: EmbeddedRuntime) -> None:
    shared.stop()
    shown: list[tuple[str, str]] = []

    @contextmanager
    def progress(title: str) -> Iterator[None]:
        shown.append(("begins", title))
        yield
        shown.append(("ends", title))

    shared.start(progress)
    titles = {status.title for status in shared.status()}
    assert sorted(shown) == sorted(
        (moment, title) for moment in ("begins", "ends") for title in titles
    )
    shared.stop()
    shown.clear()
    shared.stop(progress)
    assert shown == []


def test_reset_removes_all_files_and_processes(embedded: EmbeddedRuntime) -> None:
    embedded.start()
    home = embedded.layout.postgres.resolve()
    processes = everything(embedded)
    embedded.reset()
    assert not embedded.layout.root.exists()
    assert not home.exists()
    assert [process for process in processes if process.is_running()] == []


def test_reset_while_the_agent_runs_erases_nothing(embedded: EmbeddedRuntime) -> None:
    embedded.layout.create()
    embedded.processes.start(Program("agent", ("/bin/sleep", "1000"), Path("/")))
    with pytest.raises(StillRunning, match="agent is still running; stop it first"):
        embedded.reset()
    assert embedded.layout.root.exists()
    embedded.processes.stop("agent")
