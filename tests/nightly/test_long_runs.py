"""What takes longer than `make test` allows: more of the same, over and over."""

from __future__ import annotations

import os
from contextlib import ExitStack

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import run_state_machine_as_test

from app_integration.client import Client
from app_integration.database import LeasedCredentials
from app_integration.encryption.cipher import FieldCipher
from app_integration.errors import DecryptionFailed
from app_integration.names import Environment, Scope
from tests.support.databases.busy import asking, lose_no_query
from tests.support.databases.database import ROLE, Database, leases
from tests.support.models.store_model import StoreMachine
from tests.support.servers.deployment import Deployment

pytestmark = [pytest.mark.nightly, pytest.mark.requires("embedded"), pytest.mark.timeout(3600)]


class Plain:
    """A key service that wraps nothing: what is tested lies above it."""

    def wrap(self, data_keys: list[bytes], scope: bytes) -> list[bytes]:  # noqa: ARG002 (the port)
        return [b"k" + key for key in data_keys]

    def unwrap(self, wrapped: list[bytes], scope: bytes) -> list[bytes | None]:  # noqa: ARG002 (the port)
        return [key[1:] if len(key) == 33 else None for key in wrapped]

    def version(self, wrapped: bytes) -> int:
        return len(wrapped) and 1


CIPHER = FieldCipher(Plain(), Scope("shop", Environment.DEV))  # type: ignore[arg-type] # lists only
TOKEN = str(CIPHER.encrypt_field("ada@example.com", {"user_id": 7}))


@settings(max_examples=100_000, deadline=None)
@given(st.text(max_size=300) | st.text("ABCDwxyz0189-_.sr", max_size=300).map("sr3.".__add__))
def test_no_text_at_all_is_taken_for_a_token(text: str) -> None:
    with pytest.raises(DecryptionFailed):
        CIPHER.decrypt_field(text, {"user_id": 7})


@settings(max_examples=100_000, deadline=None)
@given(st.integers(4, len(TOKEN) - 1), st.sampled_from("ABCDEFGHabcdefgh0123456789-_"))
def test_no_changed_token_opens(position: int, character: str) -> None:
    changed = TOKEN[:position] + character + TOKEN[position + 1 :]
    if changed != TOKEN:
        with pytest.raises(DecryptionFailed):
            CIPHER.decrypt_field(changed, {"user_id": 7})


def test_a_million_tokens_repeat_no_nonce() -> None:
    seen: set[bytes] = set()
    drawn = 0

    def random(count: int) -> bytes:
        nonlocal drawn
        drawn += 1
        value = os.urandom(count)
        seen.add(value)
        return value

    cipher = FieldCipher(Plain(), Scope("shop", Environment.DEV), random=random)  # type: ignore[arg-type] # as above
    for number in range(1_000_000):
        cipher.encrypt_field(number)
    assert len(seen) == drawn == 1_000_001  # one for each token, and the data key


def test_no_longer_sequence_either_makes_the_store_serve_what_it_must_not() -> None:
    run_state_machine_as_test(
        StoreMachine,
        settings=settings(
            max_examples=2000,
            stateful_step_count=100,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.parametrize("kind", ["engine", "pool"])
def test_a_thousand_rotations_lose_no_query(
    kind: str, deployment: Deployment, service: Client, database: Database
) -> None:
    # 2.4 s are left when one is due: a process that gets no processor for longer loses queries, as
    # it should, and of 0.8 s that did happen.
    with leases(deployment.operator, ttl=6, max_ttl=9), ExitStack() as stack:
        users = LeasedCredentials(service.session, ROLE)
        stack.callback(users.close)
        ask = asking(kind, users, service.secrets.get("database-url"), stack)
        lose_no_query(ask, users, database, 1000)
