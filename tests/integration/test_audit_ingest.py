"""Ingest of the logs of a running server: no line is lost, and names are found behind HMACs."""

from __future__ import annotations

import gzip
import json
import threading
from pathlib import Path
from typing import Any, Self

import pytest
import requests
import zstandard

from app_integration.client import Client
from console.target.audit_logs.log_sources import LogSources
from console.target.target import Target, open_target
from tests.support.polling import wait_until
from tests.support.servers.audited_server import AuditedServer, audited_server
from tests.support.servers.deployment import Deployment
from vault import owned_folder
from vault.audit.hmac_names import Name, Names
from vault.audit.ingest.ingestion import ingest
from vault.audit.ingest.source import Source
from vault.audit.store import STORE, open_store
from vault.rotation.consumers.login_log import read_login_log
from vault.rotation.response_log import FileLog
from vault.rotation.stored_log import StoredLog

ROTATIONS = 20
COMPRESSIONS = ((".gz", gzip.compress), (".zst", zstandard.ZstdCompressor().compress))


def logs(server: AuditedServer) -> list[Source]:
    """Return the files of the device, rotated ones too."""
    return [Source.server_log(path) for path in sorted(server.folder.glob("audit*.log*"))]


def hashes(names: Names, name: str) -> list[Name]:
    """Return the HMACs that the log may have of a name."""
    return [each for each in names.known.values() if each.name == name]


class Writers:
    """Threads that write secrets, each once, until they are stopped."""

    def __init__(self, server: AuditedServer) -> None:
        self._server = server
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(name,)) for name in "ab"]
        self.paths: list[str] = []

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def _run(self, name: str) -> None:
        number = 0
        while not self._stopped.is_set():
            path = f"secret/data/{name}-{number}"
            self._server.root.post(path, {"data": {"value": "x"}})
            self.paths.append(path)
            number += 1


def rotate(server: AuditedServer, number: int) -> None:
    """Rotate the log as logrotate does, and compress the rotated one, or not."""
    rotated = server.folder / f"audit-20261128{number:02}.log"
    (server.folder / "audit.log").rename(rotated)
    server.reload()
    if number % 3:
        suffix, compress = COMPRESSIONS[number % 3 - 1]
        rotated.with_name(rotated.name + suffix).write_bytes(compress(rotated.read_bytes()))
        rotated.unlink()


def raw_lines(server: AuditedServer) -> int:
    """Return the number of lines in all files."""
    count = 0
    for source in logs(server):
        data = source.path.read_bytes()
        if source.path.suffix == ".gz":
            data = gzip.decompress(data)
        elif source.path.suffix == ".zst":
            data = zstandard.ZstdDecompressor().decompress(data)
        count += data.count(b"\n")
    return count


def test_no_line_is_lost_over_rotations_under_load(server: AuditedServer, tmp_path: Path) -> None:
    store, new = tmp_path / "store", 0
    with Writers(server) as writers:
        for number in range(ROTATIONS):
            new += ingest(logs(server), store).new_lines
            rotate(server, number)
    last = ingest(logs(server), store)
    assert last.damage == ()
    assert new + last.new_lines == last.lines == raw_lines(server)
    with open_store(store) as connection:
        counts = dict(
            connection.execute(
                "SELECT path, count(*) FROM events WHERE path LIKE 'secret/data/%' GROUP BY 1"
            ).fetchall()
        )
        devices = connection.execute("SELECT DISTINCT device FROM lines").fetchall()
    assert len(writers.paths) > ROTATIONS
    assert counts == dict.fromkeys(writers.paths, 1)
    assert devices == [("audit",)]


ROLE, KEY = "shop-dev", "pii"
BIG = '"%s":1' % ("k" * 17_000_000)
HOSTILE = {
    "long": BIG,
    "deep": '"k":' + "[" * 9000 + "]" * 9000,
    "start": '"k":{"time":"1990-01-01T00:00:00Z"}',
}


@pytest.mark.parametrize("extra", HOSTILE.values(), ids=HOSTILE)
def test_login_and_use_of_a_key_are_seen_whatever_their_requests_contain(
    tmp_path: Path, extra: str
) -> None:
    with audited_server(tmp_path) as server:
        server.approle(tmp_path, ROLE, token_policies="user")
        server.root.post("sys/mounts/transit", {"type": "transit"})
        server.root.post(f"transit/keys/{KEY}", {})
        server.allow("user", f"transit/decrypt/{KEY}")
        encrypted = server.root.post(f"transit/encrypt/{KEY}", {"plaintext": "eA=="})
        role, secret_id = ((tmp_path / name).read_text() for name in ("role-id", "secret-id"))

        def send(path: str, token: str = "", **fields: str) -> dict[str, Any]:
            body = f"{json.dumps(fields)[:-1]}, {extra}}}"
            url, headers = f"{server.address}/v1/{path}", {"X-Vault-Token": token}
            response = requests.post(url, data=body, headers=headers, timeout=60)
            assert response.status_code == requests.codes.ok
            return dict(response.json())

        login = send("auth/approle/login", role_id=role, secret_id=secret_id)
        ciphertext = encrypted["data"]["ciphertext"]
        send(f"transit/decrypt/{KEY}", login["auth"]["client_token"], ciphertext=ciphertext)
    log, store = tmp_path / "audit.log", tmp_path / "store"
    assert ingest([Source.server_log(log)], store).damage == ()
    with open_store(store) as connection:
        found = connection.execute(
            "SELECT path, actor, outcome, secret_id IS NOT NULL FROM events"
            " WHERE path LIKE '%/login' OR path LIKE '%/decrypt/%' ORDER BY time"
        ).fetchall()
    assert found == [
        ("auth/approle/login", ROLE, "ok", True),
        (f"transit/decrypt/{KEY}", ROLE, "ok", False),
    ]
    for source in (FileLog.of([log]), StoredLog(store, "", lambda: None)):
        logins = read_login_log(source, "auth/approle/login")
        assert [each.role for each in logins.times] == [ROLE]
        assert source.files[0].skipped == 0
        assert source.files[0].first is not None
        assert source.files[0].first.year > 1990


def has_device(server: AuditedServer, device: str) -> bool:
    """Return whether the server has an audit device."""
    return Names(server.folder).note_epoch(server.root, device) is not None


def test_names_are_found_in_each_epoch_of_a_device(server: AuditedServer, tmp_path: Path) -> None:
    store = tmp_path / "store"
    token = server.root.post("auth/token/create", {}, retry=False)["auth"]["accessor"]
    names = Names(store)
    server.reload(["audit", "other"])
    wait_until(lambda: has_device(server, "other"), "the device")
    names.resolve(server.root, ["audit", "other", "none"], [token])
    server.reload(["audit"])  # the other one loses its salt
    wait_until(lambda: not has_device(server, "other"), "the end of the device")
    before = hashes(names, token)
    server.reload(["audit", "other"])
    wait_until(lambda: has_device(server, "other"), "the device")
    names.resolve(server.root, ["audit", "other"], [token])
    assert [len(epochs) for epochs in names.epochs.values()] == [1, 2]
    found = hashes(names, token)
    assert [(each.device, each.epoch) for each in found] == [
        ("audit", 0),
        ("other", 0),
        ("other", 1),
    ]
    assert found[:2] == before
    assert len({each.hash for each in found}) == 3
    owned_folder.create(store, STORE)
    names.save()
    assert Names.load(store) == names
    ingest([Source.server_log(server.folder / "audit.log")], store)
    with open_store(store) as connection:
        rows = connection.execute(
            "SELECT names.name FROM events JOIN names"
            " ON names.device = events.device AND names.hash = new_accessor"
        ).fetchall()
    assert rows == [(token,)]


@pytest.mark.requires("embedded")
def test_logs_of_the_local_deployment_say_who_got_which_user(
    deployment: Deployment, service: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Target, "local_deployment", lambda *_, **__: deployment.local)
    monkeypatch.delenv("VAULT_ADDR", raising=False)
    deployment.refresh("vault/audit")
    service.secrets.get("jwt-secret")
    user = deployment.operator.get("database/creds/gaara-store-dev")["data"]["username"]
    sources = LogSources(open_target(root=deployment.layout.root), (), ())
    store = tmp_path / "store"
    assert sources.update(store, names=["some user"]).damage == ()
    found = hashes(Names.load(store), "some user")
    assert {each.device for each in found} == {"audit-1", "audit-2"}
    with open_store(store) as connection:
        users = connection.execute("SELECT actor FROM events WHERE database_user = ?", [user])
        assert len(users.fetchall()) == 1
        reads = connection.execute(
            "SELECT DISTINCT actor, secret FROM records JOIN events USING (request_id)"
            " WHERE service = 'gaara-store' AND secret = 'jwt-secret'"
        )
        assert reads.fetchall() == [("gaara-store-dev", "jwt-secret")]
