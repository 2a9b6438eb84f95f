"""The store's users from plaintext to encrypted and back, under live traffic, without a failure."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from tests.support.migrations.migrated_store import MigratedStore, migrated_store
from tests.support.migrations.store_traffic import MARK
from tests.support.processes.command import run_command
from tests.support.servers.deployment import Deployment

pytestmark = [pytest.mark.requires("embedded"), pytest.mark.usefixtures("default_client_on_server")]

ROWS: Final = 3000


@pytest.fixture
def store(
    deployment: Deployment,
    default_client_on_server: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[MigratedStore]:
    del default_client_on_server
    with migrated_store(deployment, tmp_path, partial(run_command, monkeypatch), ROWS) as store:
        yield store


def test_users_are_encrypted_under_traffic_without_a_failed_request(store: MigratedStore) -> None:
    assert MARK.encode() in store.dump()
    store.advance_to_nulled()
    store.drop()
    store.traffic.end()
    assert {name for name, _, _ in store.columns()} == {
        *("id", "username", "password_hash"),
        *("email_token", "email_index", "phone_token", "address_token"),
    }
    assert len(store.traffic.people) > ROWS
    assert store.decrypted_people() == store.traffic.people
    dump = store.dump()
    assert b"email_token" in dump
    assert [form for form in (MARK, MARK.encode().hex()) if form.encode() in dump] == []


def test_way_back_to_plaintext_under_traffic_has_no_failed_request(store: MigratedStore) -> None:
    before = store.columns()
    store.advance_to_nulled()
    store.go_back()
    store.traffic.end()
    assert store.columns() == before
    assert len(store.traffic.people) > ROWS
    assert store.plaintext_people() == store.traffic.people
