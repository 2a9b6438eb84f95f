"""Seventy kills on the way forward and back: no row, definition or other table is changed."""

from __future__ import annotations

import random
import sys
from pathlib import Path
from typing import Final

import pytest

from migration.stage import Stage
from tests.support.databases.own_database import OwnDatabase
from tests.support.databases.store_postgres import store_postgres
from tests.support.migrations.killed_course import KilledCourse
from tests.support.models.cipher_parts import STORE

pytestmark = [pytest.mark.nightly, pytest.mark.requires("embedded"), pytest.mark.timeout(1800)]

KILLS: Final = 70
ROWS: Final = 10_000
LONGEST: Final = 0.8  # seconds, so that short stages are hit too
#: Kills on one way to a stage, so that each part of the course has some.
_OF_ONE_WAY: Final = 12


def test_seventy_kills_of_commands_workers_and_sessions_change_nothing_beside(
    tmp_path: Path,
) -> None:
    with store_postgres(tmp_path, STORE) as accounts:
        database = OwnDatabase(accounts.superuser, "migrated")
        database.create()
        course = KilledCourse(database, random.SystemRandom(), LONGEST)
        course.create(ROWS)
        others = {name: each for name, each in course.tables.items() if name != "public.guests"}
        turns = 0
        while course.kills.total() < KILLS:
            turns += 1
            for stage in (Stage.SWITCHED, Stage.NULLED):
                course.go_on(stage, _OF_ONE_WAY)
                assert course.hash("guests")[1] == others
            course.go_back(_OF_ONE_WAY)
            assert course.hash() == (course.catalogue, course.tables)
        course.go_on(Stage.SWITCHED, 0)
        course.go_on(Stage.NULLED, 0)
        with database.connect() as connection:
            connection.execute("DROP VIEW mails")  # which keeps the column from being dropped
        course.go_on(Stage.DROPPED, 0)
        assert course.hash("guests")[1] == others
    sys.stderr.write(
        f"\n{turns} ways forward and back, {course.kills.total()} kills: {course.kills}\n"
    )
