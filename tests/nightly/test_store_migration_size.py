"""A hundred thousand users of the store, encrypted under live traffic without a failed request."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.support.migrations.migrated_store import migrated_store
from tests.support.migrations.store_traffic import MARK
from tests.support.servers.deployment import Deployment

pytestmark = [pytest.mark.nightly, pytest.mark.requires("embedded"), pytest.mark.timeout(1800)]

ROWS: Final = 100_000


def strongroom(*arguments: str) -> int:
    """Run the command as a process, because the threads of this one would make it slower."""
    return subprocess.run([sys.executable, "-m", "console", *arguments], check=False).returncode


def test_hundred_thousand_users_are_encrypted_without_a_failed_request(
    deployment: Deployment,
    default_client_on_server: None,
    tmp_path: Path,
) -> None:
    del default_client_on_server
    with migrated_store(deployment, tmp_path, strongroom, ROWS) as store:
        store.advance_to_nulled()
        store.drop()
        store.traffic.end()
        traffic = store.traffic
        for what, seconds in store.seconds:
            sys.stderr.write(f"\n{what}: {seconds:.1f} s")
        served = ", ".join(f"{number:,} {action}" for action, number in traffic.served.items())
        sys.stderr.write(f"\n{served}; the slowest took {traffic.slowest:.1f} s\n")
        assert store.decrypted_people() == traffic.people
        assert MARK.encode() not in store.dump()
