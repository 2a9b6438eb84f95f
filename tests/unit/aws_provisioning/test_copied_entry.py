"""Entries that are copied between Vault and AWS: the same on both, or refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app_integration.errors import ConfigurationError, SecretError
from app_integration.secret import Secret
from aws.secret_copy.entry import Entry, from_fields, from_text

NAMES = st.text(max_size=4).filter(lambda name: name != "value")
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
)
JSON = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)
#: A text, which may look like JSON, or fields of each JSON type.
FIELDS = (
    st.fixed_dictionaries({"value": st.text() | JSON.map(json.dumps)})
    | st.fixed_dictionaries({"value": st.dictionaries(NAMES, JSON, max_size=3).map(json.dumps)})
    | st.dictionaries(NAMES, JSON, min_size=1, max_size=4)
)


def as_vault_returns(fields: dict[str, Any]) -> dict[str, Any]:
    """Return *fields* as a KV mount returns them: each number is a double."""
    doubles = json.loads(json.dumps(fields), parse_int=float)
    found: dict[str, Any] = json.loads(
        json.dumps(doubles),
        parse_float=lambda text: int(float(text)) if float(text).is_integer() else float(text),
    )
    return found


@given(fields=FIELDS)
def test_entry_after_both_ways_is_the_same(fields: dict[str, Any]) -> None:
    on_vault = as_vault_returns(fields)
    first = from_fields("x", on_vault)
    on_aws = from_text(first.text, has_fields=first.has_fields)
    on_aws.check_numbers("x")
    back = as_vault_returns(on_aws.fields())
    assert json.dumps(back, sort_keys=True) == json.dumps(on_vault, sort_keys=True)
    assert first.equals(on_aws)
    assert on_aws.equals(from_fields("x", back))


def test_form_of_a_json_object_is_part_of_the_comparison() -> None:
    assert not Entry(Secret('{"a":1}')).equals(from_fields("x", {"a": 1}))
    assert not from_fields("x", {"a": 1}).equals(from_fields("x", {"a": True}))
    assert from_fields("x", {"a": 1.0}).equals(from_text(Secret('{ "a": 1e0 }'), has_fields=True))
    assert not Entry(Secret("a")).equals(None)
    assert not Entry(Secret("\ud800")).equals(Entry(Secret("a")))


@pytest.mark.parametrize(
    "text", ["", "plain", "[1]", "{}", '{"value": "x"}', '{"a": NaN}', '{"a": 1e999}', "[" * 99_999]
)
def test_tagged_text_that_is_no_object_with_fields_is_a_text(text: str) -> None:
    entry = from_text(Secret(text), has_fields=True)
    assert not entry.has_fields
    assert entry.fields() == {"value": text}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"value": "hidden", "user": "x"}, "x has other fields beside 'value'"),
        ({"value": 5}, "x has no text under 'value'; write it again"),
        ({"value": None, "user": "x"}, "x has no text under 'value'"),
        ({}, "x has no fields; write it again"),
    ],
)
def test_fields_that_aws_cannot_have_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(SecretError, match=message) as caught:
        from_fields("x", fields)
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("number", [2**53 + 1, -(10**400)])
def test_number_that_vault_rounds_is_refused_and_not_shown(number: int) -> None:
    entry = from_text(Secret(json.dumps({"a": [{"b": number}]})), has_fields=True)
    with pytest.raises(ConfigurationError, match="a number of too many digits") as caught:
        entry.check_numbers("x")
    assert str(number)[:6] not in str(caught.value)
