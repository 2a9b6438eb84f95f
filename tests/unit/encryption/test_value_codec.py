"""Encoding of any value: it is decoded as its own type. ``tokens/`` has the single cases."""

from __future__ import annotations

from datetime import timedelta, timezone
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from app_integration.encryption.tokens import value_codec

texts = st.text(st.characters(codec="utf-8"))
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | texts
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
#: Offsets in whole seconds, because one with a fraction of a second is rejected.
offsets = st.integers(-86_399, 86_399).map(lambda seconds: timezone(timedelta(seconds=seconds)))
anything = st.one_of(
    texts,
    st.binary(),
    st.integers(),
    st.integers(-(2**80), 2**80),
    st.booleans(),
    st.uuids(),
    st.decimals(allow_nan=False, allow_infinity=False),
    st.dates(),
    st.datetimes(),
    st.datetimes(timezones=offsets),
    st.lists(json_values, max_size=3),
    st.dictionaries(texts, json_values, max_size=3),
)


@given(anything)
def test_value_is_decoded_equal_and_of_its_own_type(value: Any) -> None:
    back = value_codec.decode(*value_codec.encode(value))
    assert back == value
    assert type(back) is type(value)


@given(anything, anything)
def test_encodings_of_different_values_differ(one: Any, other: Any) -> None:
    if value_codec.encode(one) == value_codec.encode(other):
        assert one == other
        assert type(one) is type(other)
