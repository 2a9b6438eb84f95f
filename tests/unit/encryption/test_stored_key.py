"""A data key that isn't stored any more encrypts nothing: what it did would open nowhere else."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from app_integration.encryption.cipher import FieldCipher
from app_integration.encryption.keys.usage_limits import CHECK_AT, PROVEN_FOR
from app_integration.errors import KeyUnavailable
from tests.support.models.cipher_parts import KeyService, World

BOUND = {"user_id": 7}


class Clock:
    """Seconds that pass when a test says so."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Writer:
    """A process that writes, and what it tells of its key; its background work waits."""

    def __init__(self, world: World) -> None:
        self.clock = Clock()
        self.waiting: list[Callable[[], object]] = []
        self.told: list[str] = []
        self.cipher: FieldCipher = world.process(
            clock=self.clock, background=self.waiting.append, report=self.told.append
        )
        #: Every way to write: the declared field's and the cipher's fast path, the slow one, many.
        one, two = self.cipher.field("a", ["user_id"]), self.cipher.field("b", ["user_id", "x"])
        self.ways: dict[str, Callable[[], Any]] = {
            "encrypt_field": lambda: self.cipher.encrypt_field("sand", BOUND),
            "slowly": lambda: self.cipher.encrypt_field("sand", {"user_id": 7, "x": 1}),
            "field of one": lambda: one.encrypt("sand", 7),
            "field of two": lambda: two.encrypt("sand", 7, 1),
            "many": lambda: one.encrypt_many(["sand"], [7])[0],
        }

    def number(self, token: bytes) -> int:
        return int.from_bytes(token[1:5], "big")

    def background(self) -> None:
        while self.waiting:
            self.waiting.pop()()


@pytest.fixture
def world() -> World:
    return World()


def altered(world: World, **changes: Any) -> None:
    for number, row in world.rows.keys.items():
        world.rows.keys[number] = replace(row, **changes)


LOSSES: dict[str, Callable[[World], object]] = {
    "truncated": lambda world: world.rows.keys.clear(),
    "another scope": lambda world: altered(world, scope="other/dev/pii"),
    "another commitment": lambda world: altered(world, commitment=bytes(32)),
    "another wrapped key": lambda world: altered(world, wrapped=bytes(60)),
}
WAYS = ["encrypt_field", "slowly", "field of one", "field of two", "many"]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("loss", LOSSES)
def test_within_60_s_nothing_more_is_written_under_a_lost_key(
    world: World, loss: str, way: str, caplog: pytest.LogCaptureFixture
) -> None:
    writer = Writer(world)
    lost = writer.number(writer.ways[way]())
    writer.ways[way]()
    LOSSES[loss](world)
    writer.clock.now += PROVEN_FOR
    with caplog.at_level(logging.ERROR):
        token = writer.ways[way]()
    assert writer.number(token) != lost
    assert writer.told == ["KeyLost"]
    assert f"the row of data key {lost} is lost or altered" in caplog.text
    reader = world.process()
    if way in {"encrypt_field", "many"}:
        field = {"encrypt_field": None, "many": "a"}[way]
        assert reader.decrypt_field(token, BOUND, field=field) == "sand"


def test_it_is_looked_for_ahead_so_that_no_write_waits(world: World) -> None:
    writer = Writer(world)
    first = writer.ways["field of one"]()
    for _ in range(100):
        writer.clock.now += CHECK_AT
        lookups = world.rows.lookups
        token = writer.ways["field of one"]()
        assert world.rows.lookups == lookups
        assert writer.number(token) == writer.number(first)
        writer.background()
    assert writer.told == ["ok"] * 100
    assert world.rows.lookups == 100


def test_a_loss_that_is_seen_ahead_ends_the_key_at_once(world: World) -> None:
    writer = Writer(world)
    lost = writer.number(writer.ways["encrypt_field"]())
    world.rows.keys.clear()
    writer.clock.now += CHECK_AT
    writer.ways["encrypt_field"]()
    writer.background()
    assert writer.number(writer.ways["encrypt_field"]()) != lost


def test_a_key_that_was_wrapped_anew_goes_on(world: World) -> None:
    writer = Writer(world)
    first = writer.ways["encrypt_field"]()
    world.service.rotate()
    assert world.process().rewrapper.rewrap_data_keys() == 1
    for _ in range(3):
        writer.clock.now += PROVEN_FOR
        assert writer.number(writer.ways["encrypt_field"]()) == writer.number(first)
    # Once it is known, the service isn't asked about it again.
    assert [each for each in world.service.requests if each[0] == "unwrap"] == [("unwrap", 1)]


class AwayRows:
    """Rows that can't be read."""

    def __call__(self, _numbers: object) -> Any:
        raise KeyUnavailable("the table data_keys cannot be used now")


def test_while_the_store_is_away_nothing_unproven_is_written(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = Writer(world)
    first = writer.ways["encrypt_field"]()
    with monkeypatch.context() as away:
        away.setattr(world.rows, "get", AwayRows())
        writer.clock.now += PROVEN_FOR - 1
        assert writer.number(writer.ways["encrypt_field"]()) == writer.number(first)
        writer.background()  # warns, and changes nothing
        writer.clock.now += 1
        with pytest.raises(KeyUnavailable, match="cannot be used now"):
            writer.ways["encrypt_field"]()
    assert writer.number(writer.ways["encrypt_field"]()) == writer.number(first)
    assert writer.told == ["KeyUnavailable", "KeyUnavailable", "ok"]


def test_a_key_that_travels_in_its_tokens_needs_no_store() -> None:
    clock, service = Clock(), KeyService()
    cipher = World().text_process(clock=clock)
    cipher.encrypt_field("sand", BOUND)
    clock.now += 10 * PROVEN_FOR
    assert str(cipher.encrypt_field("sand", BOUND)).startswith("sr")
    assert service.requests == []


def test_what_is_behind_is_told_by_the_wrapped_key_and_not_by_the_column(world: World) -> None:
    writer = Writer(world)
    token = writer.ways["encrypt_field"]()
    world.service.rotate()
    altered(world, version=99)
    other = world.process()
    assert other.rewrapper.find_action(token) == "rewrap"
    assert other.rewrapper.rewrap_data_keys() == 1
    altered(world, version=1)
    assert other.rewrapper.rewrap_data_keys() == 0
    assert world.process().rewrapper.find_action(token) == ""
