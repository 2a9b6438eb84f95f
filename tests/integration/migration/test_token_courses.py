"""Course of a migration from tokens, whether to other ones or to plaintext, and its way back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pytest

from migration.stage import Stage
from tests.support.databases.own_database import OwnDatabase
from tests.support.migrations.decrypted_tokens import ROWS, Registry
from tests.support.migrations.old_tokens import KINDS, Clinic

pytestmark = pytest.mark.requires("embedded")

PLAINTEXT: Final = "plaintext"
#: One way to other tokens, and the one to plaintext.
BOTH: Final = ("key", PLAINTEXT)
#: Until the switch, a way back reads no old column, so that all ways to other tokens are one.
WAYS_BACK: Final = [
    *((kind, stage) for kind in BOTH for stage in Stage if stage is not Stage.DROPPED),
    *((kind, stage) for kind in [*KINDS][1:] for stage in (Stage.SWITCHED, Stage.NULLED)),
]


@pytest.fixture
def course(request: pytest.FixtureRequest, database: OwnDatabase) -> Iterator[Any]:
    is_open = request.param == PLAINTEXT
    with (
        Registry(database) if is_open else Clinic(database, request.param)
    ).with_table() as course:
        yield course


@pytest.mark.parametrize(("course", "furthest"), WAYS_BACK, indirect=["course"])
def test_way_back_from_each_stage_has_what_was_written_meanwhile(
    course: Any, furthest: Stage
) -> None:
    before = course.columns()
    course.advance(furthest)
    write = course.write_new if furthest is Stage.NULLED else course.write_both
    for number in (1, ROWS + 1):
        write(number, course.make(number + 300))
    while course.undo() is not None:
        pass
    assert course.read_old() == course.values
    assert course.columns() == before
    course.advance(Stage.GUARDED)


@pytest.mark.parametrize("course", BOTH, indirect=True)
@pytest.mark.parametrize("before", [Stage.DUAL_WRITING, Stage.BACKFILLED, Stage.SWITCHED])
def test_interrupted_pass_is_continued(course: Any, before: Stage) -> None:
    course.advance(before)
    with course.interrupted():
        course.advance(Stage.NULLED)
    course.advance(Stage.NULLED)
    assert course.read_new() == course.values


@pytest.mark.parametrize("course", BOTH, indirect=True)
def test_interrupted_restoration_is_continued(course: Any) -> None:
    course.advance(Stage.SWITCHED)
    course.write_new(1, course.make(301))
    with course.interrupted():
        course.undo()
    assert course.undo() is Stage.INDEXED
    assert course.read_old() == course.read_new() == course.values
