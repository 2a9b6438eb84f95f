"""Long runs: tests with more repetitions than ``make test`` has time for."""

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
from tests.support.databases.database import ROLE, Database, leases
from tests.support.databases.query_load import query_function, rotate_under_load
from tests.support.models.cipher_parts import STORE, KeyService, World
from tests.support.models.store_model import StoreMachine
from tests.support.servers.deployment import Deployment

pytestmark = [pytest.mark.nightly, pytest.mark.requires("embedded"), pytest.mark.timeout(3600)]


CIPHER = World().text_process()
TOKEN = str(CIPHER.encrypt_field("ada@example.com", {"user_id": 7}))


@settings(max_examples=100_000)
@given(st.integers(4, len(TOKEN) - 1), st.sampled_from("ABCDEFGHabcdefgh0123456789-_"))
def test_token_with_a_changed_character_is_rejected(position: int, character: str) -> None:
    changed = TOKEN[:position] + character + TOKEN[position + 1 :]
    if changed != TOKEN:
        with pytest.raises(DecryptionFailed):
            CIPHER.decrypt_field(changed, {"user_id": 7})


def test_random_values_of_a_million_tokens_do_not_repeat() -> None:
    seen: set[bytes] = set()
    calls = 0

    def random(count: int) -> bytes:
        nonlocal calls
        calls += 1
        value = os.urandom(count)
        seen.add(value)
        return value

    cipher = FieldCipher(KeyService(), STORE, random=random)
    for number in range(1_000_000):
        cipher.encrypt_field(number)
    assert len(seen) == calls == 1_000_001  # one for each token, and one for the data key


def test_store_serves_only_allowed_values_in_long_sequences_of_events() -> None:
    run_state_machine_as_test(
        StoreMachine,
        settings=settings(
            max_examples=2000,
            stateful_step_count=100,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.parametrize("kind", ["engine", "pool"])
def test_thousand_rotations_under_load_fail_no_query(
    kind: str, deployment: Deployment, service: Client, database: Database
) -> None:
    # With this TTL, 2.4 s of the lease are left when a rotation is due. A process that is not
    # scheduled for longer loses queries, as it should. With 0.8 s left, that did happen.
    with leases(deployment.operator, ttl=6, max_ttl=9), ExitStack() as stack:
        users = LeasedCredentials(service.session, ROLE)
        stack.callback(users.close)
        query = query_function(kind, users, service.secrets.get("database-url"), stack)
        tally = rotate_under_load(query, users, database, 1000)
    assert not tally.failures
    assert len(tally.users) >= 1000
