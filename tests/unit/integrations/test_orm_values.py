"""Plain values that a mapped object has cached."""

from __future__ import annotations

import copy
import pickle

import pytest

from app_integration.integrations.orm_values import known_values


class Row:
    """An object with a ``__dict__``, as a mapped one is."""


@pytest.fixture
def row() -> Row:
    row = Row()
    known_values(row)["email"] = ("ada@example.com", None, ())
    return row


def test_shallow_copy_has_the_values_of_the_original_until_it_is_assigned_to(row: Row) -> None:
    other = copy.copy(row)
    assert known_values(other) == known_values(row)
    known_values(other)["email"] = ("eve@example.com", None, ())
    assert known_values(row)["email"][0] == "ada@example.com"
    assert known_values(other)["email"][0] == "eve@example.com"


def test_pickle_and_deep_copy_have_no_plain_value(row: Row) -> None:
    assert known_values(copy.deepcopy(row)) == {}
    assert known_values(pickle.loads(pickle.dumps(row))) == {}  # noqa: S301 (pickled here)
