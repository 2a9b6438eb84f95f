"""Rules of what depends on old columns, and the snapshot with which a way back is compared."""

from __future__ import annotations

from typing import Final

import pytest

from migration.table import dependent_rules, snapshot
from migration.table.dependent_rules import RULES, Treatment
from migration.table.inventory import Dependent, Kind

CHECK: Final = Dependent(Kind.CHECK, "constraint fit on table public.users", ["email"], "CHECK (…)")
VIEW: Final = Dependent(Kind.VIEW, "view public.mails", ["email", "phone"], "SELECT …")
KEY: Final = Dependent(Kind.REFERRER, "constraint key on table public.letters", ["email"], "…")
RULE: Final = Dependent(Kind.RULE, "rule audit on table public.users", [], "…")
REQUIRED: Final = Dependent(Kind.NOT_NULL, "NOT NULL of column email", ["email"], "")


def test_each_kind_has_a_rule() -> None:
    assert {*RULES} == {*Kind}


@pytest.mark.parametrize("kind", Kind)
def test_what_is_refused_says_what_to_do(kind: Kind) -> None:
    if RULES[kind].treatment is Treatment.REFUSED:
        assert any(word in RULES[kind].note for word in ("first", "drop", "migrate"))


def test_refused_is_named_with_its_columns_and_remedy() -> None:
    key, rule = dependent_rules.find_refused([CHECK, VIEW, KEY, RULE, REQUIRED], {})
    assert key.startswith("constraint key on table public.letters (email): it refuses the removal")
    assert rule.startswith("rule audit on table public.users: it adds to or replaces")


def test_what_does_not_accept_null_is_refused() -> None:
    (found,) = dependent_rules.find_refused([CHECK, VIEW], {CHECK.name: "change it first"})
    assert found == "constraint fit on table public.users (email): change it first"


def test_lost_is_what_names_a_column_beside_it() -> None:
    assert dependent_rules.find_lost([CHECK, VIEW, RULE, REQUIRED]) == [CHECK.name, VIEW.name]


def test_changes_are_named_once() -> None:
    before = {"view a": "1", "view b": "1", "view c": "1"}
    now = {"view a": "1", "view b": "2", "view d": "1"}
    assert list(snapshot.find_changes(before, now)) == [
        *("view b is another", "view c is gone", "view d is new"),
    ]
    assert not list(snapshot.find_changes(now, now))
