"""What is printed of the rotation of a key, which has no old value to go back to."""

from __future__ import annotations

from datetime import UTC, datetime
from io import StringIO

import pytest
from rich.console import Console

from console.rotation_view import RotationView
from vault.rotation.inventory import Item, Kind
from vault.rotation.record import Record, Step
from vault.rotation.rotation import Result

RECORD = Record("id", Step.UNDONE, datetime(2026, 11, 28, tzinfo=UTC), "1", "2")


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (Kind.SECRET, "x: undone. The new value is not in use."),
        (Kind.KEY, "x: undone. All versions decrypt as before"),
        (Kind.INDEX_KEY, "x: undone. Lookups use both versions"),
    ],
)
def test_undone_rotation_says_what_is_in_use(kind: Kind, expected: str) -> None:
    out = StringIO()
    item = Item(kind, "shop", "x", "x", None, is_declared=False)
    RotationView(Console(file=out, soft_wrap=True)).show_result(item, Result(RECORD))
    assert out.getvalue().startswith(expected)


@pytest.mark.parametrize(
    ("kind", "steps"),
    [
        (Kind.SECRET, "create, set, test, promote, consumers, retire"),
        (Kind.KEY, "create, consumers, retire"),
    ],
)
def test_preview_lists_the_steps_that_do_something(kind: Kind, steps: str) -> None:
    out = StringIO()
    item = Item(kind, "shop", "x", "x", None, is_declared=False)
    record = Record("id", Step.CREATE, datetime(2026, 11, 28, tzinfo=UTC), "1")
    RotationView(Console(file=out, soft_wrap=True)).show_preview(item, record)
    assert out.getvalue() == f"shop {kind} x replaces 1; steps: {steps}\n"
