"""Shape of a rejected document."""

from __future__ import annotations

from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from app_integration.config.shape import describe_shape

CANARY = "canary-7c1f"
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.just(CANARY) | st.just(""),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["a", f"-{CANARY}"]), inner),
)


@given(values)
def test_shape_contains_no_value(document: object) -> None:
    assert CANARY not in str(describe_shape(document))


def test_shape_names_keys_and_kinds() -> None:
    document = {
        "a": {"b-c": "x", "d": ""},
        "on": [1, 1.5, None, True],
        "day": date(2026, 1, 2),
        5: 1,
    }
    assert describe_shape(document) == {
        "a": {"b-c": "text", "d": "empty text"},
        "on": ["integer", "number", "null", "true or false"],
        "day": "date",
        "(another key)": "integer",
    }
    assert describe_shape(CANARY) == "text"
    assert describe_shape({"hvs.CAESIJ7": 1}) == {"(another key)": "integer"}


def test_shape_of_a_document_without_end_is_cut() -> None:
    endless: list[object] = []
    endless.append(endless)
    assert str(describe_shape(endless)).count("[") <= 30
    bomb: object = "x"
    for _ in range(12):
        bomb = {"a": [bomb] * 9}
    assert len(str(describe_shape(bomb))) < 30_000
