"""Two hundred kills of the workers of a backfill of each kind, beside writers."""

from __future__ import annotations

import random
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.support.databases.own_database import OwnDatabase
from tests.support.databases.store_postgres import store_postgres
from tests.support.migrations.guest_kinds import KINDS
from tests.support.migrations.kills import kill_site
from tests.support.models.cipher_parts import STORE

pytestmark = [pytest.mark.nightly, pytest.mark.requires("embedded"), pytest.mark.timeout(1800)]

KILLS: Final = 200
ROWS: Final = 200_000
BATCH: Final = 5  # so that ranges are left until the end
LONGEST: Final = 0.3  # seconds


@pytest.mark.parametrize("kind", [*KINDS])
def test_two_hundred_kills_leave_no_wrong_row_and_each_bypass_reported_once(
    tmp_path: Path, kind: str
) -> None:
    with store_postgres(tmp_path, STORE) as accounts:
        database = OwnDatabase(accounts.superuser, "migrated")
        database.create()
        with kill_site(database, ROWS, kind) as site:
            with site.writing():
                early = site.kill_workers(KILLS, BATCH, random.SystemRandom(), LONGEST)
            site.finish()
            site.check()
            bypassing = site.bypassing.total()
    sys.stderr.write(f"\n{kind}: {KILLS} kills, {early} of them early; {bypassing:,} bypasses\n")
    assert early > KILLS / 2
