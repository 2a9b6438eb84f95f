"""Printed rotations: what was not waited for, names that come from a log, and steps of keys."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from rich.console import Console

from console.views.rotation import RotationView
from vault.rotation.consumers.evidence_type import Consumer, Evidence, Proof
from vault.rotation.inventory import Item
from vault.rotation.item_kind import Kind
from vault.rotation.record import Record, Step
from vault.rotation.rotation import Result

TIME = datetime(2026, 11, 27, 21, 0, tzinfo=UTC)
ITEM = Item(Kind.SECRET, "shop", "token", "shop/dev/token", 60, is_declared=True)
RECORD = Record("id", Step.DONE, TIME, old="1", new="2", ended=TIME)
USER = Consumer("shop-dev\x1b[2J on web-1", "read version 1")
EVIDENCE = Evidence(Proof.AUDIT_LOG, waiting=(USER,), not_before=TIME, readers=(USER,))
UNDONE = replace(RECORD, step=Step.UNDONE)


@pytest.fixture
def text() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def view(text: io.StringIO) -> RotationView:
    return RotationView(Console(file=text, width=200))


def test_emergency_says_that_it_did_not_wait(view: RotationView, text: io.StringIO) -> None:
    forced = replace(RECORD, is_compromised=True)
    view.show_step(ITEM, Step.CONSUMERS, forced)
    view.show_result(ITEM, Result(forced, EVIDENCE))
    shown = text.getvalue()
    assert "did not wait for the consumers" in shown
    assert "all consumers have moved" not in shown
    assert "not before" not in shown
    assert "used the old value: shop-dev\\x1b[2J on web-1: read version 1" in shown
    assert "has read the old value: shop-dev" in shown
    assert "\x1b" not in shown


def test_waiting_rotation_names_its_consumer(view: RotationView, text: io.StringIO) -> None:
    view.show_result(ITEM, Result(replace(RECORD, step=Step.CONSUMERS), EVIDENCE))
    assert "waits for: shop-dev" in text.getvalue()
    assert "not before: 2026-11-27T21:00:00Z" in text.getvalue()
    assert "go back with --undo" in text.getvalue()


def test_undone_rotation_is_previewed_as_such(view: RotationView, text: io.StringIO) -> None:
    view.show_preview(ITEM, replace(RECORD, step=Step.CONSUMERS, is_undone=True))
    assert "token is being undone" in text.getvalue()


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (Kind.SECRET, "x: undone. The new value is not in use."),
        (Kind.KEY, "x: undone. All versions decrypt as before"),
        (Kind.INDEX_KEY, "x: undone. Lookups use both versions"),
    ],
)
def test_undone_rotation_says_what_is_in_use(
    kind: Kind, expected: str, view: RotationView, text: io.StringIO
) -> None:
    item = Item(kind, "shop", "x", "x", None, is_declared=False)
    view.show_result(item, Result(UNDONE))
    assert text.getvalue().startswith(expected)


@pytest.mark.parametrize(
    ("kind", "steps"),
    [
        (Kind.SECRET, "create, set, test, promote, consumers, retire"),
        (Kind.KEY, "create, consumers, retire"),
    ],
)
def test_preview_lists_the_steps_that_do_something(
    kind: Kind, steps: str, view: RotationView, text: io.StringIO
) -> None:
    item = Item(kind, "shop", "x", "x", None, is_declared=False)
    record = Record("id", Step.CREATE, datetime(2026, 11, 28, tzinfo=UTC), "1")
    view.show_preview(item, record)
    assert text.getvalue() == f"shop {kind} x replaces 1; steps: {steps}\n"
