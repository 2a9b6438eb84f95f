"""Encryption on each backend: the same assertions, whichever service wraps the keys."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from app_integration import default_client, use_data_keys, use_index_keys
from app_integration.client import Client
from app_integration.encryption.blind_index.stores.table import TableIndexKeys
from app_integration.encryption.keys.stores.table import TableDataKeys
from app_integration.errors import DecryptionFailed, IndexKeyLost
from app_integration.integrations.sqlalchemy import (
    Encrypted,
    EncryptedRow,
    Index,
    create_index_keys,
    find,
)
from app_integration.names import Environment, Scope
from tests.support.servers.dev_server import dev_server, root
from tests.support.servers.key_sites import LIMITS, KeySite, KmsSite, MemorySite, ServerSite

pytestmark = pytest.mark.requires("embedded")

CONTEXT = {"user_id": 7}
SERVERS = ("vault", "memory-vault", "aws")
OpenSite = Callable[[Path], KeySite]


@pytest.fixture(scope="module", params=SERVERS)
def open_site(request: pytest.FixtureRequest) -> Iterator[OpenSite]:
    """Yield what adds a service to a running server."""
    if request.param == "memory-vault":
        yield MemorySite
    elif request.param == "aws":
        moto, servers = map(request.getfixturevalue, ("moto", "aws_site"))
        yield partial(KmsSite, moto.client("kms"), servers)
    else:
        with dev_server() as address, root(address) as operator:
            operator.post("sys/mounts/transit", {"type": "transit"})
            yield partial(ServerSite, address)


@pytest.fixture
def site(open_site: OpenSite, tmp_path: Path) -> KeySite:
    return open_site(tmp_path)


def rejected(client: Client, token: Any, context: Any = None, key: str = "pii") -> bool:
    """Return whether decryption fails with the one error that says nothing."""
    with pytest.raises(DecryptionFailed) as caught:
        client.cipher(key).decrypt_field(token, context)
    expected = "the token is not authentic for this key and context, or a newer strongroom-sdk"
    return (
        str(caught.value)
        == f"{expected} wrote it; pass those that it was encrypted with, or upgrade"
        and caught.value.__cause__ is None
        and caught.value.__suppress_context__
    )


def test_value_is_decrypted_by_another_process(site: KeySite) -> None:
    keyring = site.client().cipher("pii").encrypt_field("sand", CONTEXT)
    text = site.text_client().cipher("pii").encrypt_field({"dune": 1}, CONTEXT)
    field = site.client().cipher("pii").field("users.age", ["user_id"], int)
    assert isinstance(keyring, bytes)
    assert isinstance(text, str)
    reader = site.client().cipher("pii")
    assert reader.decrypt_field(keyring, CONTEXT) == "sand"
    assert reader.decrypt_field(text, CONTEXT) == {"dune": 1}
    found = reader.field("users.age", ["user_id"], int).decrypt(field.encrypt(42, 7), 7)
    assert found == 42


@pytest.mark.parametrize("kind", ["client", "text_client"])
def test_token_of_another_context_key_or_service_is_rejected(site: KeySite, kind: str) -> None:
    token = getattr(site, kind)().cipher("pii").encrypt_field("sand", CONTEXT)
    reader = site.client()
    for context in (None, {"user_id": 8}, {"user_id": "7"}, {"USER_ID": 7}, {**CONTEXT, "a": 1}):
        assert rejected(reader, token, context)
    assert rejected(reader, token, CONTEXT, key="other")
    elsewhere = Scope(f"other-{site.scope.service}", Environment.DEV)
    site.create_key(elsewhere.key("pii"))
    assert rejected(site.client(scope=elsewhere), token, CONTEXT)
    assert reader.cipher("pii").decrypt_field(token, CONTEXT) == "sand"


def test_altered_text_token_is_rejected_wherever_it_was_altered(site: KeySite) -> None:
    token: Any = site.text_client().cipher("pii").encrypt_field("sand", CONTEXT)
    raw = base64.urlsafe_b64decode(f"{token[4:]}==")
    wrapped = int.from_bytes(raw[2:4], "big")
    # Wrapped key: both ends, and its ciphertext; then commitment, nonce and value.
    for at in (4, 4 + wrapped * 3 // 4, 3 + wrapped, 4 + wrapped, 40 + wrapped, len(raw) - 1):
        changed = bytearray(raw)
        changed[at] ^= 1
        text = base64.urlsafe_b64encode(changed).rstrip(b"=").decode()
        assert rejected(site.text_client(), f"sr3.{text}", CONTEXT)


def test_row_of_another_key_is_rejected(site: KeySite) -> None:
    for key in ("pii", "other"):
        site.client().cipher(key).encrypt_field("sand")
    store = site.client().cipher("pii").keyring.store
    (own,) = store.list_by_scope(f"{site.scope.service}/dev/pii")
    (foreign,) = store.list_by_scope(f"{site.scope.service}/dev/other")
    token: Any = site.client().cipher("pii").encrypt_field("sand")
    (row,) = store.get([int.from_bytes(token[1:5], "big")])
    for wrapped in (own.wrapped, foreign.wrapped):
        assert store.rewrap(row, wrapped, 1)
        assert rejected(site.client(), token)
        (row,) = store.get([row.number])


def test_many_tokens_of_one_data_key_take_one_request(site: KeySite) -> None:
    writer, reader = site.text_client().cipher("pii"), site.text_client().cipher("pii")
    tokens = [(writer.encrypt_field(str(at), {"at": at}), {"at": at}) for at in range(100)]
    assert site.count_requests("encrypt") == 1
    assert reader.decrypt_many(tokens).values() == [str(at) for at in range(100)]
    assert site.count_requests("decrypt") == 1


def test_data_key_is_replaced_at_its_limit_and_all_of_them_stay_readable(site: KeySite) -> None:
    limits = replace(LIMITS, data_key_messages=10)
    writer = site.client(limits=limits).cipher("pii")
    tokens: Any = [(writer.encrypt_field(str(at)), None) for at in range(25)]
    numbers = {token[:5] for token, _ in tokens}
    assert len(numbers) >= 3
    reader = site.client().cipher("pii")
    assert reader.decrypt_many(tokens).values() == [str(at) for at in range(25)]


def test_one_invalid_token_fails_no_other(site: KeySite) -> None:
    tokens = [site.text_client().cipher("pii").encrypt_field(str(at)) for at in range(3)]
    other = site.text_client().cipher("other").encrypt_field("3")
    batch = (
        site.text_client()
        .cipher("pii")
        .decrypt_many([(token, None) for token in (*tokens, other, "sr3.AAAA")])
    )
    assert batch.failed == (3, 4)
    assert batch.results == ["0", "1", "2", None, None]


def test_rewrapped_tokens_and_rows_are_of_the_new_version(site: KeySite) -> None:
    text: Any = site.text_client().cipher("pii").encrypt_field("sand", CONTEXT)
    keyring: Any = site.client().cipher("pii").encrypt_field("dune", CONTEXT)
    assert not site.client().cipher("pii").needs_rewrap(text)
    site.rotate("pii")
    job = site.client().cipher("pii")
    assert job.needs_rewrap(text)
    assert job.needs_rewrap(keyring)
    before = site.count_requests("decrypt")
    new = job.rewrap(text)
    assert job.rewrap_data_keys() == 1
    assert job.rewrap_data_keys() == 0
    assert site.count_requests("decrypt") == before  # the plaintext stayed in the service
    assert not job.needs_rewrap(new)
    assert not job.needs_rewrap(keyring)
    reader = site.client().cipher("pii")
    assert reader.decrypt_field(new, CONTEXT) == "sand"
    assert reader.decrypt_field(text, CONTEXT) == "sand"
    assert reader.decrypt_field(keyring, CONTEXT) == "dune"


def test_blind_index_finds_equal_values_in_every_process(site: KeySite) -> None:
    def index(name: str = "users.email") -> Any:
        return site.client().indexes.index(name, rows=1_000_000, normalise="email")

    assert index().create()
    assert index("users.phone").create()
    value = index().value("Ada@Example.com")
    assert index().candidates("ada@example.com") == (value,)
    assert index().value("bob@example.com") != value
    assert index("users.phone").value("ada@example.com") != value
    index().rotate()
    assert value in index().candidates("ada@example.com")
    assert len(index().candidates("ada@example.com")) == 2


def test_index_key_of_another_row_is_rejected(site: KeySite) -> None:
    site.client().indexes.index("users.email", rows=1_000_000).create()
    (row,) = site.index_keys.versions(f"{site.scope.service}/dev", "users.email")
    site.index_keys.put(replace(row, bits=row.bits - 1))
    with pytest.raises(IndexKeyLost, match="the row of version 1 of index"):
        site.client().indexes.index("users.email", rows=1_000_000).value("ada@example.com")


def test_file_is_decrypted_by_another_process_and_rewrapped(site: KeySite, tmp_path: Path) -> None:
    plain, sealed, opened = (tmp_path / name for name in ("plain", "sealed", "opened"))
    plain.write_bytes(b"sand" * 100_000)
    site.client().files("pii").encrypt_file(plain, sealed, context={"of": "export"})
    site.rotate("pii")
    before = sealed.read_bytes()
    site.client().files("pii").rewrap(sealed)
    assert sealed.read_bytes()[:1024] == before[:1024]
    assert sealed.read_bytes()[1024:4096] != before[1024:4096]
    assert sealed.read_bytes()[4096:] == before[4096:]
    site.client().files("pii").decrypt_file(sealed, opened, context={"of": "export"})
    assert opened.read_bytes() == plain.read_bytes()
    with pytest.raises(DecryptionFailed):
        site.client().files("pii").decrypt_file(sealed, opened, context={"of": "backup"})


class Base(DeclarativeBase):
    pass


class Guest(EncryptedRow, Base):
    __tablename__ = "guests"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    email = Encrypted("guests.email", index=Index(1_000_000, normalise="email"))


@pytest.fixture
def engine(site: KeySite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """Yield a database of an application that has only settings."""
    engine = create_engine(f"sqlite:///{tmp_path / 'database'}")
    site.configure(monkeypatch)
    keys, indexes = TableDataKeys(engine), TableIndexKeys(engine)
    keys.create()
    indexes.create()
    Base.metadata.create_all(engine)
    use_data_keys(keys)
    use_index_keys(indexes)
    yield engine
    default_client.close()
    engine.dispose()


def test_encrypted_column_is_found_and_read_back(engine: Engine) -> None:
    create_index_keys(Guest)
    with Session(engine) as session:
        session.add_all([Guest(email="Ada@example.com"), Guest(email="bob@example.com")])
        session.commit()
    with Session(engine) as session:
        (found,) = find(session, Guest.email, "ada@example.com")
        assert found.email == "Ada@example.com"
        stored = session.execute(text("SELECT email FROM guests")).scalars().all()
    assert {type(token) for token in stored} == {bytes}
    assert not any(b"example.com" in token for token in stored)
