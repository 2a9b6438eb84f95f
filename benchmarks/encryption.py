"""Benchmark of field encryption against the cipher alone, and against other libraries.

    python -m benchmarks.encryption [--rows 1000000] [--turns 15]

The floor is the work that every library has to do for a value of 32 bytes: generate a nonce, call
AES-256-GCM and concatenate the two, or split them and call AES-256-GCM. For columns, the floor is a
bare loop of that.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from app_integration import decrypt_field, default_client, encrypt_field
from app_integration.auth.methods import StaticToken
from app_integration.encryption.cipher import FieldCipher
from app_integration.encryption.declared_field import DeclaredField
from app_integration.encryption.keys.services.vault import VaultKeyService
from app_integration.names import Environment, Scope
from app_integration.secret import Secret
from app_integration.session.session import Session
from app_integration.testing.application import in_memory
from app_integration.testing.dev_server import real_server
from benchmarks import encryption_peers as peers
from benchmarks.memory_keys import MemoryRows, MemoryService
from benchmarks.ratio import Case, Run, measure, report

VALUE: Final = "a" * 32
ROWS: Final = 1_000_000
KEYS: Final = 1_000
TURNS: Final = 15
COLUMN_TURNS: Final = 3
SHOP: Final = Scope("shop", Environment.DEV)
_ASSOCIATED_DATA: Final = b"users.email|user_id=12"
_SINGLE: Final = 20_000  # values in one turn
_IDS: Final = range(100_000, 101_000)


@contextmanager
def cases(rows: int = 100_000, keys: int = 100) -> Iterator[Iterator[Case]]:
    """Run a server and yield all cases."""
    with ExitStack() as stack:
        server = stack.enter_context(real_server("embedded"))
        session = Session(server.address, StaticToken(Secret(server.root_token)))
        stack.callback(session.close)
        session.post("transit/keys/shop-dev-pii", {"derived": True})
        yield _cases(CountingSession(session), server.address, server.root_token, rows, keys)


@contextmanager
def encrypt_locally(rows: int = 50_000) -> Iterator[Iterator[Case]]:
    """Yield the SDK's cases that need no server."""
    yield chain(fields(), public_functions(), columns(rows))


def _cases(
    session: CountingSession, address: str, token: str, rows: int, keys: int
) -> Iterator[Case]:
    yield from fields()
    yield from public_functions()
    yield from columns(rows)
    yield from uncached(session, rows, keys)
    floors = Floors()
    for peer in peers.all_peers(VALUE, address, token):
        floor = floors.encrypt if peer.encrypts else floors.decrypt
        yield Case(peer.name, peer.run, floor, "AES-GCM", calls=peer.calls)


class Floors:
    """Floor for a single value: the work that every library has to do."""

    def __init__(self) -> None:
        self._cipher = AESGCM(os.urandom(32))
        self._plain = VALUE.encode()
        nonce = os.urandom(12)
        self._sealed = nonce + self._cipher.encrypt(nonce, self._plain, _ASSOCIATED_DATA)

    def encrypt(self, times: int) -> None:
        """Generate a nonce, encrypt and concatenate, *times* times."""
        encrypt, plain, random = self._cipher.encrypt, self._plain, os.urandom
        for _ in range(times):
            nonce = random(12)
            nonce + encrypt(nonce, plain, _ASSOCIATED_DATA)

    def decrypt(self, times: int) -> None:
        """Slice a token and decrypt it, *times* times."""
        decrypt, sealed = self._cipher.decrypt, self._sealed
        for _ in range(times):
            decrypt(sealed[:12], sealed[12:], _ASSOCIATED_DATA)


def fields() -> Iterator[Case]:
    """Yield the cases of single values."""
    keys, floors = MemoryService(), Floors()
    keyring, text = FieldCipher(keys, SHOP, data_keys=MemoryRows()), FieldCipher(keys, SHOP)
    field = keyring.field("users.email", ["user_id"])
    token = field.encrypt(VALUE, 100_000)
    contexts = [{"user_id": each} for each in _IDS]
    sugar = partial(_run_for_each, keyring.encrypt_field, VALUE, contexts)
    long = partial(_run_for_each, text.encrypt_field, VALUE, contexts)
    bound = partial(_run_for_each, field.encrypt, VALUE, _IDS)
    opened = partial(_run_for_each, field.decrypt, token, [100_000] * len(_IDS))
    yield Case("encrypt_field, 33 bytes", sugar, floors.encrypt, "AES-GCM", calls=_SINGLE, bar=2.6)
    yield Case("declared field, encrypt", bound, floors.encrypt, "AES-GCM", calls=_SINGLE, bar=1.8)
    yield Case("declared field, decrypt", opened, floors.decrypt, "AES-GCM", calls=_SINGLE, bar=1.8)
    yield Case("encrypt_field, text token", long, floors.encrypt, "AES-GCM", calls=_SINGLE, bar=3.2)


def public_functions() -> Iterator[Case]:
    """Yield the cases of ``decrypt_field`` as an application calls it, with a cached data key."""
    floor = Floors().decrypt
    with TemporaryDirectory() as folder, in_memory(SHOP.service, Path(folder)) as application:
        # A client with the real clock, because that of the server in memory is slower.
        client = default_client.configure(application.client.settings, session=application.operator)
        for name, bar, store in (("text token", 3.2, None), ("33 bytes", 2.6, MemoryRows())):
            client.use_data_keys(store)
            token = encrypt_field(VALUE, context={"user_id": 100_000})
            run = partial(_decrypt, token, {"user_id": 100_000})
            yield Case(f"decrypt_field, {name}", run, floor, "AES-GCM", calls=_SINGLE, bar=bar)
        field = client.cipher("pii", self_contained=True).field("users.email", ["user_id"])
        token = field.encrypt(VALUE, 100_000)
        run = partial(_run_for_each, field.decrypt, token, [100_000] * len(_IDS))
        name = "declared field, decrypt text"
        yield Case(name, run, floor, "AES-GCM", calls=_SINGLE, bar=3.5)


def _decrypt(token: str | bytes, context: dict[str, int], times: int) -> None:
    """Decrypt *token* that many times."""
    for _ in range(times):
        decrypt_field(token, context=context)


def _run_for_each(
    work: Callable[[Any, Any], object], value: object, bound: Sequence[Any], times: int
) -> None:
    """Call *work* with *value* and each of the contexts *bound*, *times* times in all."""
    for _ in range(times // len(bound)):
        for each in bound:
            work(value, each)


@dataclass
class Loop:
    """Floor for a column: a bare loop over its values."""

    cipher: AESGCM
    plain: list[bytes]

    def __post_init__(self) -> None:
        self.sealed = self._encrypted()

    def encrypt(self, times: int) -> None:
        """Encrypt the column *times* times."""
        for _ in range(times):
            self._encrypted()

    def decrypt(self, times: int) -> None:
        """Decrypt the column *times* times."""
        decrypt = self.cipher.decrypt
        for _ in range(times):
            [decrypt(each[:12], each[12:], _ASSOCIATED_DATA) for each in self.sealed]

    def _encrypted(self) -> list[bytes]:
        encrypt, random = self.cipher.encrypt, os.urandom
        return [
            (nonce := random(12)) + encrypt(nonce, each, _ASSOCIATED_DATA) for each in self.plain
        ]


def columns(rows: int) -> Iterator[Case]:
    """Yield the cases of a column whose rows are bound to their ids.

    The floor's associated data is the same for all rows.
    """
    cipher = FieldCipher(MemoryService(), SHOP, data_keys=MemoryRows())
    field = cipher.field("users.email", ["user_id"])
    items, ids = [f"{row:032}" for row in range(rows)], list(range(rows))
    tokens = field.encrypt_many(items, ids)
    loop = Loop(AESGCM(os.urandom(32)), [item.encode() for item in items])
    encrypt: Run = partial(_repeat, lambda: field.encrypt_many(items, ids))
    decrypt: Run = partial(_repeat, lambda: field.decrypt_many(tokens, ids).values())
    yield Case("column, encrypt", encrypt, loop.encrypt, "bare loop", bar=1.4, calls=1)
    yield Case("column, decrypt", decrypt, loop.decrypt, "bare loop", bar=1.35, calls=1)


def _repeat(work: Callable[[], object], times: int) -> None:
    for _ in range(times):
        work()


class CountingSession:
    """A session that counts its requests."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.requests = 0

    def post(self, path: str, body: Any = None) -> dict[str, Any]:
        """Count and send a request. See :meth:`Session.post`."""
        self.requests += 1
        return self._session.post(path, body)


def uncached(session: CountingSession, rows: int, keys: int) -> Iterator[Case]:
    """Yield the case of a column under many data keys, which a real server has to unwrap."""
    store = MemoryRows()

    def field() -> DeclaredField:
        service = VaultKeyService(session.post, "shop-dev-pii")
        return FieldCipher(service, SHOP, data_keys=store).field("users.email", ["user_id"])

    ids = list(range(rows))
    tokens: list[Any] = [None] * rows
    for number in range(keys):
        rows_of_key = ids[number::keys]
        tokens[number::keys] = field().encrypt_many(
            [f"{each:032}" for each in rows_of_key], rows_of_key
        )
    # Copy the tokens in row order, because a database driver allocates them so, as does the loop.
    tokens = [bytes(bytearray(token)) for token in tokens]

    def decrypt(times: int) -> None:
        for _ in range(times):
            before = session.requests
            field().decrypt_many(tokens, ids).values()
            requests = session.requests - before
            if requests > max(6, keys // 150):
                raise SystemExit(f"{keys} data keys took {requests} requests; check the batching")

    loop = ManyKeys(keys, rows)
    name = f"{keys} data keys from cold, decrypt"
    yield Case(name, decrypt, loop.decrypt, "bare loop", bar=1.35, calls=1)


class ManyKeys:
    """Floor for a column under many keys: a bare loop with a cipher for each key."""

    def __init__(self, keys: int, rows: int) -> None:
        self._ciphers = {key.to_bytes(4, "big"): AESGCM(os.urandom(32)) for key in range(keys)}
        names = list(self._ciphers)
        self._sealed = []
        for row in range(rows):
            name, nonce = names[row % keys], os.urandom(12)
            sealed = self._ciphers[name].encrypt(nonce, f"{row:032}".encode(), _ASSOCIATED_DATA)
            self._sealed.append(name + nonce + sealed)

    def decrypt(self, times: int) -> None:
        """Decrypt the column *times* times."""
        decrypts = {name: cipher.decrypt for name, cipher in self._ciphers.items()}
        for _ in range(times):
            [decrypts[each[:4]](each[4:16], each[16:], _ASSOCIATED_DATA) for each in self._sealed]


def main() -> int:
    """Measure all cases and print them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--turns", type=int, default=TURNS)
    arguments = parser.parse_args()
    with cases(arguments.rows, KEYS) as each:
        found = [
            measure(case, COLUMN_TURNS if case.calls == 1 else arguments.turns) for case in each
        ]
    return report(found)


if __name__ == "__main__":
    sys.exit(main())
