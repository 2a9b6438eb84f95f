"""Data keys that were lost from their store, and therefore must not encrypt anything."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from app_integration.encryption.cipher import FieldCipher
from app_integration.encryption.keys.usage_limits import CHECK_AFTER, CHECK_VALID_FOR
from app_integration.errors import KeyUnavailable
from tests.support.clock import Clock
from tests.support.models.cipher_parts import KeyService, World

BOUND = {"user_id": 7}


class Writer:
    """A process that encrypts, with the outcomes that it reports; its background work waits."""

    def __init__(self, world: World) -> None:
        self.clock = Clock(1000.0)
        self.waiting: list[Callable[[], object]] = []
        self.reports: list[str] = []
        self.cipher: FieldCipher = world.process(
            clock=self.clock, background=self.waiting.append, report=self.reports.append
        )
        #: Every method that encrypts: both fast paths, the slow path and the bulk path.
        one, two = self.cipher.field("a", ["user_id"]), self.cipher.field("b", ["user_id", "x"])
        self.methods: dict[str, Callable[[], Any]] = {
            "encrypt_field": lambda: self.cipher.encrypt_field("sand", BOUND),
            "slow path": lambda: self.cipher.encrypt_field("sand", {"user_id": 7, "x": 1}),
            "field of one": lambda: one.encrypt("sand", 7),
            "field of two": lambda: two.encrypt("sand", 7, 1),
            "many": lambda: one.encrypt_many(["sand"], [7])[0],
        }

    def number(self, token: bytes) -> int:
        return int.from_bytes(token[1:5], "big")

    def background(self) -> None:
        while self.waiting:
            self.waiting.pop()()


def alter_rows(world: World, **changes: Any) -> None:
    for number, row in world.rows.keys.items():
        world.rows.keys[number] = replace(row, **changes)


LOSSES: dict[str, Callable[[World], object]] = {
    "truncated": lambda world: world.rows.keys.clear(),
    "another scope": lambda world: alter_rows(world, scope="other/dev/pii"),
    "another commitment": lambda world: alter_rows(world, commitment=bytes(32)),
    "another wrapped key": lambda world: alter_rows(world, wrapped=bytes(60)),
}
METHODS = ["encrypt_field", "slow path", "field of one", "field of two", "many"]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("loss", LOSSES)
def test_lost_key_encrypts_nothing_after_60_s(
    world: World, loss: str, method: str, caplog: pytest.LogCaptureFixture
) -> None:
    writer = Writer(world)
    lost = writer.number(writer.methods[method]())
    writer.methods[method]()
    LOSSES[loss](world)
    writer.clock.now += CHECK_VALID_FOR
    with caplog.at_level(logging.ERROR):
        token = writer.methods[method]()
    assert writer.number(token) != lost
    assert writer.reports == ["KeyLost"]
    assert f"the row of data key {lost} is lost or altered" in caplog.text
    reader = world.process()
    if method in {"encrypt_field", "many"}:
        field = {"encrypt_field": None, "many": "a"}[method]
        assert reader.decrypt_field(token, BOUND, field=field) == "sand"


def test_stored_key_is_checked_in_the_background_before_it_is_due(world: World) -> None:
    writer = Writer(world)
    first = writer.methods["field of one"]()
    for _ in range(100):
        writer.clock.now += CHECK_AFTER
        lookups = world.rows.lookups
        token = writer.methods["field of one"]()
        assert world.rows.lookups == lookups
        assert writer.number(token) == writer.number(first)
        writer.background()
    assert writer.reports == ["ok"] * 100
    assert world.rows.lookups == 100


def test_loss_found_in_the_background_drops_the_key(world: World) -> None:
    writer = Writer(world)
    lost = writer.number(writer.methods["encrypt_field"]())
    world.rows.keys.clear()
    writer.clock.now += CHECK_AFTER
    writer.methods["encrypt_field"]()
    writer.background()
    assert writer.number(writer.methods["encrypt_field"]()) != lost


def test_rewrapped_key_stays_in_use(world: World) -> None:
    writer = Writer(world)
    first = writer.methods["encrypt_field"]()
    world.service.rotate()
    assert world.process().rewrapper.rewrap_data_keys() == 1
    for _ in range(3):
        writer.clock.now += CHECK_VALID_FOR
        assert writer.number(writer.methods["encrypt_field"]()) == writer.number(first)
    # The process remembers the new wrapped key, so it does not send another request for it.
    assert [each for each in world.service.requests if each[0] == "unwrap"] == [("unwrap", 1)]


def fail(_numbers: object) -> Any:
    raise KeyUnavailable("the table data_keys cannot be used now")


def test_key_encrypts_nothing_while_the_store_cannot_confirm_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = Writer(world)
    first = writer.methods["encrypt_field"]()
    with monkeypatch.context() as patch:
        patch.setattr(world.rows, "get", fail)
        writer.clock.now += CHECK_VALID_FOR - 1
        assert writer.number(writer.methods["encrypt_field"]()) == writer.number(first)
        writer.background()  # logs a warning and changes nothing
        writer.clock.now += 1
        with pytest.raises(KeyUnavailable, match="cannot be used now"):
            writer.methods["encrypt_field"]()
    assert writer.number(writer.methods["encrypt_field"]()) == writer.number(first)
    assert writer.reports == ["KeyUnavailable", "KeyUnavailable", "ok"]


def test_key_of_self_contained_tokens_needs_no_store() -> None:
    clock, service = Clock(1000.0), KeyService()
    cipher = World().text_process(clock=clock)
    cipher.encrypt_field("sand", BOUND)
    clock.now += 10 * CHECK_VALID_FOR
    assert str(cipher.encrypt_field("sand", BOUND)).startswith("sr")
    assert service.requests == []


def test_outdated_key_is_detected_by_its_wrapped_key_and_not_by_the_column(world: World) -> None:
    writer = Writer(world)
    token = writer.methods["encrypt_field"]()
    world.service.rotate()
    alter_rows(world, version=99)
    other = world.process()
    assert other.rewrapper.find_action(token) == "rewrap"
    assert other.rewrapper.rewrap_data_keys() == 1
    alter_rows(world, version=1)
    assert other.rewrapper.rewrap_data_keys() == 0
    assert world.process().rewrapper.find_action(token) == ""
