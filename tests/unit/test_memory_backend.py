"""A service without a server: secrets of a ``.env`` file, and keys that anybody can derive."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app_integration.client import Client
from app_integration.diagnosis.check import Outcome, run
from app_integration.diagnosis.service import Needs, checks
from app_integration.encryption.keys.services.memory import MemoryKeyService
from app_integration.encryption.keys.stores.file import FileDataKeys
from app_integration.errors import (
    ConfigurationError,
    DecryptionFailed,
    SecretNotFound,
    UndeclaredSecret,
)
from app_integration.settings import from_environment
from app_integration.testing.application import MemoryApplication
from tests.support.models.index_parts import Rows

CONTEXT = {"user_id": 7}
OpenClient = Callable[..., Client]


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise AssertionError(f"a request was sent to {arguments[1:]}")

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture
def variables(tmp_path: Path) -> dict[str, str]:
    (tmp_path / ".env").write_text("API_KEY=one\nDATABASE_URL=postgresql+psycopg://a:b@h/d\n")
    (tmp_path / "names.txt").write_text("api-key\nsmtp-password\n")
    return {
        "STRONGROOM_SERVICE": "parcels",
        "ENVIRONMENT": "development",
        "SECRETS_BACKEND": "memory",
        "STRONGROOM_DOTENV": str(tmp_path / ".env"),
        "STRONGROOM_AUDIT_FILE": str(tmp_path / "access.jsonl"),
    }


@pytest.fixture
def client(no_network: None, variables: dict[str, str]) -> OpenClient:  # noqa: ARG001 (for all)
    """Return what opens the client of another process."""
    return lambda **change: Client(from_environment({**variables, **change}))


def test_declared_secret_is_read_without_a_server(tmp_path: Path, client: OpenClient) -> None:
    secrets = client(STRONGROOM_DECLARATION=str(tmp_path / "names.txt")).secrets
    assert secrets.get("api-key").reveal() == "one"
    info = secrets.get_info("api-key")
    assert info is not None
    assert info.source == "dotenv"
    assert secrets.get("smtp-password", default=None) is None
    with pytest.raises(SecretNotFound, match="SMTP_PASSWORD is neither in"):
        secrets.get("smtp-password")
    with pytest.raises(UndeclaredSecret):
        secrets.get("other")


def test_server_that_the_variables_name_is_not_used(client: OpenClient) -> None:
    both = client(VAULT_ADDR="https://127.0.0.1:1", AWS_REGION="eu-central-1")
    assert both.settings.source_order == ("dotenv",)
    assert both.secrets.get("api-key").reveal() == "one"
    assert both.cipher("pii").decrypt_field(both.cipher("pii").encrypt_field("sand")) == "sand"


@pytest.mark.parametrize("environment", ["staging", "production", "qa", "dev-2"])
def test_other_environments_than_dev_refuse_it(variables: dict[str, str], environment: str) -> None:
    with pytest.raises(ConfigurationError, match="SECRETS_BACKEND: memory is for development only"):
        from_environment({**variables, "ENVIRONMENT": environment})


@pytest.mark.parametrize("sources", ["aws", "vault,dotenv"])
def test_source_with_a_server_contradicts_it(variables: dict[str, str], sources: str) -> None:
    named = {
        "STRONGROOM_SOURCES": sources,
        "VAULT_ADDR": "https://vault",
        "AWS_REGION": "eu-west-1",
    }
    with pytest.raises(ConfigurationError, match=r"STRONGROOM_SOURCES names (aws|vault), but"):
        from_environment({**variables, **named})


@pytest.mark.parametrize("kind", ["text", "keyring"])
def test_value_is_decrypted_by_another_process(
    tmp_path: Path, client: OpenClient, kind: str
) -> None:
    def cipher(service: str = "parcels", key: str = "pii") -> Any:
        opened = client(STRONGROOM_SERVICE=service)
        if kind == "keyring":
            opened.use_data_keys(FileDataKeys(tmp_path / f"{service}.json"))
        return opened.cipher(key)

    token = cipher().encrypt_field({"dune": 1}, CONTEXT)
    assert cipher().decrypt_field(token, CONTEXT) == {"dune": 1}
    for other, context in (
        (cipher(), {"user_id": 8}),
        (cipher(key="other"), CONTEXT),
        (cipher("orders"), CONTEXT),
    ):
        with pytest.raises(DecryptionFailed):
            other.decrypt_field(token, context)


def test_altered_wrapped_key_is_rejected() -> None:
    service = MemoryKeyService("parcels-dev-pii")
    (wrapped,) = service.wrap([b"k" * 32], b"scope")
    assert MemoryKeyService("parcels-dev-pii").unwrap([wrapped], b"scope") == [b"k" * 32]
    for at in range(len(wrapped)):
        changed = bytearray(wrapped)
        changed[at] ^= 1
        assert service.unwrap([bytes(changed)], b"scope") == [None]
        assert service.unwrap([wrapped[:at]], b"scope") == [None]
    assert service.unwrap([wrapped], b"other") == [None]
    assert MemoryKeyService("orders-dev-pii").unwrap([wrapped], b"scope") == [None]


def test_rewrapped_key_is_the_same_key_for_the_same_scope() -> None:
    service = MemoryKeyService("parcels-dev-pii")
    wrapped = service.wrap([b"a" * 32, b"b" * 32], b"scope")
    new = service.rewrap([*wrapped, b"other"], b"scope")
    assert new[2] is None
    assert new[0] != wrapped[0]
    assert service.unwrap([key for key in new if key], b"scope") == [b"a" * 32, b"b" * 32]
    assert [service.version(key) for key in (wrapped[0], b"other")] == [1, 0]


def test_blind_index_and_file_are_read_by_another_process(
    tmp_path: Path, client: OpenClient
) -> None:
    rows = Rows()

    def index() -> Any:
        opened = client()
        opened.use_index_keys(rows)
        return opened.indexes.index("users.email", rows=1_000_000, normalise="email")

    assert index().create()
    assert index().candidates("ada@example.com") == (index().value("Ada@Example.com"),)
    plain, sealed, opened = (tmp_path / name for name in ("plain", "sealed", "opened"))
    plain.write_bytes(b"sand" * 100_000)
    client().files("pii").encrypt_file(plain, sealed, context={"of": "export"})
    client().files("pii").decrypt_file(sealed, opened, context={"of": "export"})
    assert opened.read_bytes() == plain.read_bytes()


def test_token_of_a_server_is_rejected_and_the_other_way_round(
    vault: MemoryApplication, client: OpenClient
) -> None:
    local, server = client(STRONGROOM_SERVICE="app").cipher("pii"), vault.client.cipher("pii")
    for writer, reader in ((local, server), (server, local)):
        token: Any = writer.encrypt_field("sand", CONTEXT)
        with pytest.raises(DecryptionFailed):
            reader.decrypt_field(token, CONTEXT)


def test_each_key_is_said_to_be_no_protection(
    client: OpenClient, caplog: pytest.LogCaptureFixture
) -> None:
    cipher = client().cipher("pii")
    for _ in range(3):
        cipher.encrypt_field("sand")
    assert [each.getMessage() for each in caplog.records if each.levelname == "WARNING"] == [
        "SECRETS_BACKEND=memory: anybody can derive the key parcels-dev-pii"
    ]


def test_what_needs_a_server_says_so(client: OpenClient) -> None:
    with pytest.raises(ConfigurationError, match="SECRETS_BACKEND=memory has no server"):
        _ = client().session
    with pytest.raises(ConfigurationError, match="SECRETS_BACKEND=memory leases no users"):
        client().databases.engine("readonly", None)


def test_files_of_one_key_warn_once(
    tmp_path: Path, client: OpenClient, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "plain").write_bytes(b"sand")
    files = client().files("pii")
    for at in range(3):
        files.encrypt_file(tmp_path / "plain", tmp_path / f"sealed-{at}")
    assert len([each for each in caplog.records if each.levelname == "WARNING"]) == 1


def test_redis_user_without_a_password_names_one_with(client: OpenClient, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("REDIS_URL=redis://ada@127.0.0.1:1/0\n")
    redis = client().databases.create("redis", None, {})
    with pytest.raises(ConfigurationError, match=r"such as redis://:PASSWORD@HOST:6379/0"):
        redis.ping()


def test_engine_uses_the_user_of_the_url(client: OpenClient) -> None:
    engine = client().databases.engine(None, None)
    assert (engine.url.host, engine.url.database) == ("h", "d")


def test_dotenv_alone_reads_secrets_and_names_the_backend_that_encrypts(client: OpenClient) -> None:
    alone = client(SECRETS_BACKEND="")
    assert alone.secrets.get("api-key").reveal() == "one"
    with pytest.raises(ConfigurationError, match="or SECRETS_BACKEND=memory without a server"):
        alone.cipher("pii").encrypt_field("sand")


def test_check_reads_the_secrets(tmp_path: Path, variables: dict[str, str]) -> None:
    needs = Needs(("api-key", "smtp-password"))
    found = list(run(checks(lambda: from_environment(variables), needs)))
    assert found[:2] == [
        Outcome("settings", "parcels-dev"),
        Outcome("secret api-key", f"in {tmp_path / '.env'}"),
    ]
    assert found[2].remedy == f"write it into {tmp_path / '.env'}"


def test_program_runs_from_the_variables_alone(tmp_path: Path, variables: dict[str, str]) -> None:
    program = (
        "from app_integration import decrypt_field, encrypt_field, get_secret, require\n"
        "require(['api-key'])\n"
        "print(decrypt_field(encrypt_field(get_secret('api-key').reveal())))\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", program],
        env={"PATH": os.environ["PATH"], **variables},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout == "one\n"
