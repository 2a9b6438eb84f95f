"""The functions of ``app_integration``, as an application calls them."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import create_async_engine

import app_integration
from app_integration import (
    adecrypt_field,
    blind_index,
    current_and_previous,
    declare_index,
    decrypt_field,
    default_client,
    encrypt_field,
    field,
    get_secret,
    get_secret_info,
    on_change,
    require,
    use_data_keys,
    use_index_keys,
    verification_keys,
)
from app_integration._internal import unclosed
from app_integration.encryption.blind_index.stores.table import TableIndexKeys
from app_integration.encryption.keys.stores.file import FileDataKeys
from app_integration.encryption.keys.stores.table import TableDataKeys
from app_integration.errors import ConfigurationError, InvalidName
from app_integration.names import NEXT_KEY, Environment, Scope
from app_integration.settings import Settings
from app_integration.testing.application import MemoryApplication, in_memory
from tests.support.models.index_parts import Rows

CONTEXT = {"user_id": 7}


@pytest.fixture
def app(tmp_path: Path) -> Iterator[MemoryApplication]:
    with in_memory("shop", tmp_path) as app:
        yield app


def test_both_values_of_a_rotated_secret_are_returned(app: MemoryApplication) -> None:
    app.put("port", "5432")
    app.put("port", "5433")
    assert current_and_previous("port") == ("5433", "5432")
    assert verification_keys("port") == ("5433", "5432")
    path = app.scope.secret("port")
    app.operator.post(f"secret/data/{path}", {"data": {"value": "5434", NEXT_KEY: "5435"}})
    get_secret("port", force_refresh=True)
    assert verification_keys("port") == ("5435", "5434", "5433")


@pytest.mark.usefixtures("app")
@pytest.mark.parametrize("name", [None, b"port", 5])
def test_name_of_another_type_is_rejected(name: Any) -> None:
    calls = (get_secret, get_secret_info, lambda name: on_change(name, print))
    for call in (*calls, lambda name: require([name]), lambda name: encrypt_field("x", key=name)):
        with pytest.raises(InvalidName, match="name cannot be of type"):
            call(name)


class Unawaited:
    """A callback whose calls nothing would await."""

    async def __call__(self, value: object) -> None:
        pytest.fail(f"called with {value!r}")


@pytest.mark.usefixtures("app")
@pytest.mark.parametrize(
    ("callback", "message"),
    [
        (None, "a callback cannot be of type NoneType"),
        (adecrypt_field, "nothing awaits a coroutine"),
        (partial(adecrypt_field, key="pii"), "nothing awaits a coroutine"),
        (Unawaited(), "nothing awaits a coroutine"),
    ],
)
def test_callback_that_a_thread_cannot_call_is_rejected(callback: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        on_change("port", callback)


@pytest.mark.usefixtures("app")
def test_token_is_decrypted_on_an_event_loop() -> None:
    token = encrypt_field("ada@example.com", context=CONTEXT)
    assert asyncio.run(adecrypt_field(token, context=CONTEXT)) == "ada@example.com"


@pytest.mark.usefixtures("app")
def test_declared_field_decrypts_what_it_encrypts() -> None:
    born = field("users.born", ["user_id"], int)
    assert born.decrypt(born.encrypt(1815, 7), 7) == 1815


@pytest.mark.usefixtures("app")
@pytest.mark.parametrize("store", ["keys.json", Path("keys.json"), Rows(), TableDataKeys])
def test_what_is_no_store_of_data_keys_is_rejected(store: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"pass a store of data keys.*TableDataKeys"):
        use_data_keys(store)
    assert decrypt_field(encrypt_field("x")) == "x"


@pytest.mark.usefixtures("app")
@pytest.mark.parametrize("store", [None, "keys.json", FileDataKeys("keys.json"), Rows])
def test_what_is_no_store_of_index_keys_is_rejected(store: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"pass a store of index keys.*TableIndexKeys"):
        use_index_keys(store)


@pytest.mark.parametrize("store", [TableDataKeys, TableIndexKeys])
@pytest.mark.parametrize(
    "engine", ["postgresql://db/shop", create_async_engine("postgresql+psycopg://db/shop")]
)
def test_table_of_keys_needs_an_engine(store: Any, engine: Any) -> None:
    message = f"cannot use a value of type {type(engine).__name__}; pass a sqlalchemy.Engine"
    with pytest.raises(ConfigurationError, match=message):
        store(engine)


@pytest.mark.usefixtures("app")
def test_equal_values_have_an_equal_index_value() -> None:
    use_index_keys(Rows())
    declare_index("users.email", rows=1_000_000, normalise="email").create()
    value = blind_index("users.email", "Ada@Example.com")
    assert value is not None
    assert value == blind_index("users.email", "ada@example.com")
    assert value != blind_index("users.email", "bob@example.com")
    assert blind_index("users.email", None) is None


def test_signal_handler_may_close_and_use_the_sdk_while_its_client_is_built(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = Settings(Scope("shop", Environment.STAGING), "https://vault")
    monkeypatch.setattr(default_client, "current", None)
    seen = []

    def handle(*_: object) -> None:
        app_integration.close()
        seen.append(default_client.peek_default_client())
        monkeypatch.setattr("app_integration.settings.from_environment", lambda: settings)
        seen.append(default_client.get_default_client())

    def interrupted() -> Settings:
        signal.raise_signal(signal.SIGUSR1)
        return settings

    monkeypatch.setattr("app_integration.settings.from_environment", interrupted)
    previous = signal.signal(signal.SIGUSR1, handle)
    try:
        client = default_client.get_default_client()
    finally:
        signal.signal(signal.SIGUSR1, previous)
    assert seen == [None, client]


def test_close_in_a_block_keeps_the_client_of_the_block(app: MemoryApplication) -> None:
    app.put("port", "5432")
    assert get_secret("port") == "5432"
    app_integration.close()  # as at the end of a lifespan in the main thread
    assert app.client.session.login_count == 0
    assert get_secret("port") == "5432", "of the block's server, not of the environment's"


def test_client_that_a_block_configured_is_closed_at_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = []
    before = default_client.current
    with in_memory("shop", tmp_path) as app:
        other = default_client.configure(app.client.settings)
        monkeypatch.setattr(other, "close", lambda: closed.append(other))
    assert closed == [other]
    assert default_client.current is before


def test_close_that_fails_keeps_no_other_client_open(monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[int] = []

    def fail() -> None:
        closed.append(0)
        raise OSError("full disk")

    others = [partial(closed.append, number) for number in range(1, 9)]
    monkeypatch.setattr(unclosed, "reopened", {fail, *others})
    with pytest.raises(OSError, match="full disk"):
        default_client.close()
    assert sorted(closed) == list(range(9))
