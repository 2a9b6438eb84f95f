"""Comparison of a restored copy with the facts of its source."""

from __future__ import annotations

from dataclasses import replace

import pytest

from backup.facts import DatabaseFacts, SequenceFacts, TableFacts, differences

FACTS = DatabaseFacts(
    tables={"public.orders": TableFacts(3, -9), "large objects": TableFacts(2, 7)},
    sequences={"public.up": SequenceFacts(5, 1), "public.down": SequenceFacts(5, -1)},
    relations=("r public.orders", "S public.down", "S public.up"),
    roles=("shop_owner",),
    extensions={"citext": "public"},
)


def test_facts_are_read_as_they_were_written() -> None:
    assert DatabaseFacts.from_json(FACTS.to_json()) == FACTS


def test_rows_are_those_of_tables() -> None:
    assert FACTS.rows == 3


def test_equal_facts_have_no_difference() -> None:
    assert differences(FACTS, FACTS, exact=True) == []


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        (
            {"tables": {"public.orders": TableFacts(2, -9)}},
            "public.orders has 2 rows in place of 3",
        ),
        ({"tables": {"public.orders": TableFacts(3, -8)}}, "public.orders has other content"),
        ({"tables": {"large objects": TableFacts(2, 8)}}, "large objects has other content"),
        ({"sequences": {"public.up": SequenceFacts(4, 1)}}, "sequence public.up has another state"),
        (
            {"sequences": {"public.down": SequenceFacts(6, -1)}},
            "sequence public.down has another state",
        ),
        ({"relations": FACTS.relations[:2]}, "S public.up is missing"),
        ({"relations": (*FACTS.relations, "v public.v")}, "v public.v is not in the source"),
    ],
)
def test_each_difference_is_found(change: dict[str, object], difference: str) -> None:
    found = replace(FACTS, **change)  # type: ignore[arg-type] # of a parametrized test
    assert differences(FACTS, found, exact=False) == [difference]


@pytest.mark.parametrize(
    ("name", "moved"), [("public.up", SequenceFacts(9, 1)), ("public.down", SequenceFacts(1, -1))]
)
def test_a_sequence_that_has_moved_on_differs_only_if_compared_exactly(
    name: str, moved: SequenceFacts
) -> None:
    found = replace(FACTS, sequences={**FACTS.sequences, name: moved})
    assert differences(FACTS, found, exact=False) == []
    assert differences(FACTS, found, exact=True) == [f"sequence {name} has another state"]
