"""Encoding of contexts: one for each context, and no two contexts with the same encoding."""

from __future__ import annotations

import random
from typing import Any
from uuid import UUID

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app_integration.encryption.tokens.encryption_context import encode
from app_integration.errors import InvalidContext
from app_integration.secret import Secret

ROW = UUID("12345678-1234-5678-9234-567812345678")

names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=6)
scalars = st.one_of(
    st.text(st.characters(codec="utf-8"), max_size=6),
    st.binary(max_size=6),
    st.integers(),
    st.booleans(),
    st.uuids(),
)
contexts = st.none() | st.dictionaries(names, scalars, min_size=1, max_size=4)


def typed(context: dict[str, Any] | None) -> frozenset[Any] | None:
    """Return *context* in a form in which 1, True and "1" differ; they do not under ``==``."""
    if context is None:
        return None
    return frozenset((name, type(value), value) for name, value in context.items())


@settings(max_examples=300)
@given(contexts, contexts)
@example({"a": 1}, {"a": True})
@example({"a": 1}, {"a": "1"})
@example({"a": "1"}, {"a": b"1"})
@example({"a": ROW}, {"a": ROW.bytes})
@example({"a": "b\x01\x00\x00c"}, {"a": "b", "c": ""})
@example({"ab": "c"}, {"a": "bc"})
@example({"a": ""}, None)
def test_encodings_are_equal_only_for_equal_contexts(
    one: dict[str, Any] | None, other: dict[str, Any] | None
) -> None:
    assert (encode(one) == encode(other)) == (typed(one) == typed(other))


@given(st.dictionaries(names, scalars, min_size=1, max_size=4), scalars)
def test_changing_one_entry_changes_the_encoding(context: dict[str, Any], value: object) -> None:
    name = next(iter(context))
    changed = {**context, name: value}
    assert (encode(context) == encode(changed)) == (typed(context) == typed(changed))


@given(st.dictionaries(names, scalars, min_size=1, max_size=4), scalars)
def test_adding_an_entry_changes_the_encoding(context: dict[str, Any], value: Any) -> None:
    assert encode(context) != encode({**context, "a name longer than those": value})


@given(st.dictionaries(names, scalars, min_size=2, max_size=8), st.randoms())
def test_order_of_entries_does_not_change_the_encoding(
    context: dict[str, Any], shuffler: random.Random
) -> None:
    entries = list(context.items())
    shuffler.shuffle(entries)
    assert encode(dict(entries)) == encode(context)


def test_unicode_normal_forms_are_different_contexts() -> None:
    assert encode({"name": "\u00e9"}) != encode({"name": "e\u0301"})


@pytest.mark.parametrize("value", ["hunter2\ud800", [Secret("hunter2")], "hunter2" * 1000])
def test_context_error_names_the_entry_and_hides_the_value(value: Any) -> None:
    with pytest.raises(InvalidContext, match="'user_id'") as caught:
        encode({"user_id": value})
    assert "hunter2" not in str(caught.value)
