"""A hundred thousand users of the store, encrypted and back under traffic without a failure."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.support.migrations.migrated_store import MigratedStore, migrated_store
from tests.support.migrations.store_traffic import MARK
from tests.support.servers.deployment import Deployment

pytestmark = [pytest.mark.nightly, pytest.mark.requires("embedded"), pytest.mark.timeout(1800)]

ROWS: Final = 100_000


def strongroom(*arguments: str) -> int:
    """Run the command as a process, because the threads of this one would make it slower."""
    return subprocess.run([sys.executable, "-m", "console", *arguments], check=False).returncode


@pytest.fixture
def store(
    deployment: Deployment, default_client_on_server: None, tmp_path: Path
) -> Iterator[MigratedStore]:
    del default_client_on_server
    with migrated_store(deployment, tmp_path, strongroom, ROWS) as store:
        yield store


def report(store: MigratedStore) -> None:
    """End the traffic, and print what each step took and what was served."""
    store.traffic.end()
    for what, seconds in store.seconds:
        sys.stderr.write(f"\n{what}: {seconds:.1f} s")
    served = store.traffic.served.items()
    actions = ", ".join(f"{number:,} {action}" for action, number in served)
    sys.stderr.write(f"\n{actions}; the slowest took {store.traffic.slowest:.1f} s\n")


def test_hundred_thousand_users_are_encrypted_without_a_failed_request(
    store: MigratedStore,
) -> None:
    store.advance_to_nulled()
    store.drop()
    report(store)
    assert store.decrypted_people() == store.traffic.people
    assert MARK.encode() not in store.dump()


def test_hundred_thousand_users_come_back_without_a_failed_request(store: MigratedStore) -> None:
    before = store.columns()
    store.advance_to_nulled()
    store.go_back()
    report(store)
    assert store.columns() == before
    assert store.plaintext_people() == store.traffic.people
