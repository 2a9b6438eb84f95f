"""Branch keys: requests do not grow with data keys, and each rule of data keys holds."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from app_integration.encryption import branch_ciphertext
from app_integration.encryption.cipher import FieldCipher, branch_scope
from app_integration.encryption.keys.branch_keys import BranchKeys
from app_integration.encryption.keys.stores import WrappedKey
from app_integration.encryption.rewrap import RewrapAction
from app_integration.errors import AccessDenied, DecryptionFailed, KeyUnavailable
from app_integration.names import Environment, Scope
from app_integration.settings import Limits
from tests.support.clock import Clock
from tests.support.models.cipher_parts import STORE, KeyService, Rows, World

DAY = 86_400.0
LIMITS = Limits(branch_key_age=30 * DAY)
BRANCH = branch_scope(STORE, "pii").text


def process(world: World, **options: Any) -> FieldCipher:
    return world.process(limits=LIMITS, **options)


def branch_rows(world: World) -> list[WrappedKey]:
    return world.rows.list_by_scope(BRANCH)


def data_rows(world: World) -> list[WrappedKey]:
    return world.rows.list_by_scope(str(BRANCH).removesuffix("/branch"))


def keys_on(world: World, day: int) -> BranchKeys:
    """Return branch keys that are used for a day."""
    return BranchKeys(
        world.service,
        branch_scope(STORE, "pii"),
        world.rows,
        limits=Limits(branch_key_age=DAY),
        clock=Clock(0.0),
        random=os.urandom,
        now=lambda: datetime(2026, 1, day, tzinfo=UTC),
    )


def test_many_processes_share_one_branch_key_and_have_data_keys_of_their_own(world: World) -> None:
    tokens = [process(world).encrypt_field(str(at)) for at in range(20)]
    assert len(branch_rows(world)) == 1
    assert len(data_rows(world)) == 20
    assert all(branch_ciphertext.is_marked(row.wrapped) for row in data_rows(world))
    world.service.requests.clear()
    reader = process(world)
    assert [reader.decrypt_field(token) for token in tokens] == [str(at) for at in range(20)]
    assert world.service.requests == [("unwrap", 1)]


def test_processes_that_begin_at_once_generate_one_branch_key(world: World) -> None:
    with ThreadPoolExecutor(8) as pool:
        tokens = list(pool.map(lambda at: process(world).encrypt_field(at), range(32)))
    assert len(branch_rows(world)) == 1
    assert sorted(process(world).decrypt_many([(each, None) for each in tokens]).values()) == list(
        range(32)
    )


def test_slower_process_uses_the_branch_key_of_the_faster_one(world: World) -> None:
    other = process(world)

    class Slow(Rows):
        def get(self, numbers: Any) -> list[WrappedKey]:
            found = super().get(numbers)
            if not branch_rows(world):
                other.encrypt_field("sand")  # between the look and the addition
            return found

    slow = Slow()
    slow.keys = world.rows.keys
    token = FieldCipher(world.service, STORE, data_keys=slow, limits=LIMITS).encrypt_field("dune")
    assert len(branch_rows(world)) == 1
    assert process(world).decrypt_field(token) == "dune"


def test_next_period_has_another_branch_key_and_both_are_read(world: World) -> None:
    days = [keys_on(world, day) for day in (1, 2)]
    wrapped = [each for keys in days for each in keys.wrap([bytes(32)])]
    assert len(branch_rows(world)) == 2
    assert [days[1].unwrap(each).key for each in wrapped] == [bytes(32)] * 2


def test_another_age_makes_another_branch_key_at_once(world: World) -> None:
    process(world).encrypt_field("sand")
    world.process(limits=Limits(branch_key_age=30 * DAY - 1)).encrypt_field("sand")
    assert len(branch_rows(world)) == 2


def test_number_that_a_data_key_has_is_passed_over(world: World) -> None:
    process(world).encrypt_field("sand")
    (taken,) = branch_rows(world)
    world.rows.keys = {taken.number: replace(taken, scope="shop/dev/other")}
    token = process(world).encrypt_field("sand")
    assert [row.number for row in branch_rows(world)] != [taken.number]
    assert process(world).decrypt_field(token) == "sand"


@pytest.mark.parametrize("text", ["sr3", "bytes"])
def test_process_without_branch_keys_reads_what_they_wrapped(world: World, text: str) -> None:
    token = process(world, self_contained=text == "sr3").encrypt_field("sand")
    direct = world.process()
    assert direct.decrypt_field(token) == "sand"
    direct.encrypt_field("dune")
    assert [branch_ciphertext.is_marked(row.wrapped) for row in data_rows(world)] == (
        [False] if text == "sr3" else [True, False]
    )


class Writer(KeyService):
    """The service as it answers an identity that may only encrypt."""

    def __init__(self, service: KeyService) -> None:
        super().__init__()
        self.__dict__ = service.__dict__

    def unwrap(self, _wrapped: Sequence[bytes], _scope: bytes) -> list[bytes | None]:
        raise AccessDenied("kms Decrypt: denied")


def test_identity_that_may_only_encrypt_generates_no_branch_key(world: World) -> None:
    writer = FieldCipher(Writer(world.service), STORE, data_keys=world.rows, limits=LIMITS)
    token = writer.encrypt_field("sand")
    assert branch_rows(world) == []
    assert process(world).decrypt_field(token) == "sand"


def test_denied_identity_loses_every_key_when_the_branch_key_expires(world: World) -> None:
    clock = Clock(0.0)
    tokens = [process(world).encrypt_field(at) for at in range(2)]
    reader = process(world, clock=clock)
    assert reader.decrypt_field(tokens[0]) == 0
    clock.now = DAY - 60
    assert reader.decrypt_field(tokens[1]) == 1  # by the branch key that is cached
    reader.keyring.service = writer = Writer(world.service)
    assert reader.keyring.branches is not None
    reader.keyring.branches._service = writer
    clock.now = DAY
    for token in tokens:
        with pytest.raises(AccessDenied):
            reader.decrypt_field(token)
    with pytest.raises(AccessDenied):
        reader.keyring.branches.wrap([bytes(32)])


def test_outage_leaves_what_is_cached(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = process(world)
    token = writer.encrypt_field("sand")
    other = process(world).encrypt_field("dune")

    def fail(*_: object) -> Any:
        raise KeyUnavailable("the server is unavailable")

    reader = process(world)
    assert reader.decrypt_field(token) == "sand"
    monkeypatch.setattr(world.service, "unwrap", fail)
    assert reader.decrypt_field(other) == "dune"  # a data key that was not cached
    assert writer.decrypt_field(writer.encrypt_field("sand")) == "sand"
    with pytest.raises(KeyUnavailable):
        process(world).decrypt_field(token)


def test_branch_key_whose_number_has_another_key_is_read_again(world: World) -> None:
    reader = process(world)
    assert reader.decrypt_field(process(world).encrypt_field("sand")) == "sand"
    world.rows.keys.clear()
    assert reader.decrypt_field(process(world).encrypt_field("dune")) == "dune"


def test_lost_or_foreign_branch_key_opens_nothing(world: World) -> None:
    token = process(world).encrypt_field("sand")
    (branch,) = branch_rows(world)
    for row in (
        None,
        replace(branch, scope="gaara-store/dev/pii"),
        replace(branch, wrapped=b"x" * 40),
    ):
        world.rows.keys.pop(branch.number)
        if row is not None:
            world.rows.keys[branch.number] = row
        with pytest.raises(DecryptionFailed):
            process(world).decrypt_field(token)
        world.rows.keys[branch.number] = branch
    assert process(world).decrypt_field(token) == "sand"


def test_altered_branch_key_is_named_and_not_replaced(world: World) -> None:
    process(world).encrypt_field("sand")
    (branch,) = branch_rows(world)
    world.rows.keys[branch.number] = replace(branch, commitment=bytes(32))
    with pytest.raises(KeyUnavailable, match=f"the row {branch.number} of a branch key is altered"):
        process(world).encrypt_field("dune")


@pytest.mark.parametrize(
    "scope", [Scope("gaara-store", Environment.STAGING), Scope("shop", Environment.DEV)]
)
def test_data_key_under_the_branch_key_of_another_scope_is_rejected(
    world: World, scope: Scope
) -> None:
    mine = process(world).encrypt_field("sand")
    process(world, scope=scope).encrypt_field("sand")
    foreign = world.rows.list_by_scope(branch_scope(scope, "pii").text)[0]
    (row,) = data_rows(world)
    found = branch_ciphertext.parse(row.wrapped)
    assert found is not None
    moved = branch_ciphertext.header(foreign.number) + found.nonce + found.sealed
    world.rows.keys[row.number] = replace(row, wrapped=moved)
    with pytest.raises(DecryptionFailed):
        process(world).decrypt_field(mine)


def test_no_changed_byte_of_a_wrapped_key_opens(world: World) -> None:
    token = process(world).encrypt_field("sand")
    (row,) = data_rows(world)
    for at in range(len(row.wrapped)):
        changed = bytearray(row.wrapped)
        changed[at] ^= 1
        world.rows.keys[row.number] = replace(row, wrapped=bytes(changed))
        with pytest.raises(DecryptionFailed):
            process(world).decrypt_field(token)


def test_rewrap_moves_branch_keys_alone(world: World) -> None:
    token, direct = process(world).encrypt_field("sand"), world.process().encrypt_field("dune")
    assert token is not None
    world.service.rotate()
    assert process(world).needs_rewrap(token) is RewrapAction.NOTHING
    assert process(world).rewrap_data_keys() == 2
    assert process(world).rewrap_data_keys() == 0
    world.service.oldest = 2
    reader = process(world)
    assert [reader.decrypt_field(each) for each in (token, direct)] == ["sand", "dune"]


def test_data_keys_move_below_branch_keys_and_back(world: World) -> None:
    tokens = [world.process().encrypt_field(at) for at in range(600)]
    assert process(world).rewrapper.move_data_keys(under_branch=True) == 600
    assert process(world).rewrapper.move_data_keys(under_branch=True) == 0
    assert all(branch_ciphertext.is_marked(row.wrapped) for row in data_rows(world))
    world.service.requests.clear()
    found = process(world).decrypt_many([(token, None) for token in tokens])
    assert found.values() == list(range(600))
    assert world.service.requests == [("unwrap", 1)]
    assert world.process().rewrapper.move_data_keys(under_branch=False) == 600
    for branch in branch_rows(world):
        del world.rows.keys[branch.number]
    assert world.process().decrypt_many([(token, None) for token in tokens]).values() == list(
        range(600)
    )


def test_move_names_a_broken_key_and_moves_the_others(world: World) -> None:
    for _ in range(3):
        world.process().encrypt_field("sand")
    first, *_ = data_rows(world)
    world.rows.keys[first.number] = replace(first, wrapped=first.wrapped + b"?")
    with pytest.raises(KeyUnavailable, match=str(first.number)):
        process(world).rewrapper.move_data_keys(under_branch=True)
    assert sum(branch_ciphertext.is_marked(row.wrapped) for row in data_rows(world)) == 2
