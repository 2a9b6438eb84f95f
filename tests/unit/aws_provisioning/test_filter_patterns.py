"""Evaluation of filter patterns: what holds, and what is not evaluated."""

from __future__ import annotations

import pytest

from aws.monitoring.filters import all_of, any_of, build_pattern, differs, equals
from tests.support.models.filter_patterns import UnknownPattern, matches

EVENT = {"a": "one", "b": {"c": "two three"}, "n": None, "number": 1}


@pytest.mark.parametrize(
    ("term", "expected"),
    [
        (equals("a", "one"), True),
        (equals("a", "One"), False),
        (equals("a", "on"), False),
        (equals("a", "o*"), True),
        (equals("a", "*e"), True),
        (equals("b.c", "*o th*"), True),
        (equals("b.c", "*x*"), False),
        (equals("b", "*"), False),
        (equals("number", "1"), False),
        (equals("a", "x", "one"), True),
        (equals("absent", "*"), False),
        (differs("a", "two"), True),
        (differs("a", "two", "o*"), False),
        (differs("absent", "two"), True),
        (differs("n", "two"), True),
        (differs("absent.below", "two"), True),
        ('$.absent != "x"', False),
        (all_of(equals("a", "one"), equals("b.c", "x")), False),
        (any_of(equals("a", "x"), equals("b.c", "two*")), True),
        (all_of(equals("a", "one"), any_of(equals("a", "x"), differs("a", "y"))), True),
    ],
)
def test_term_holds_as_cloudwatch_describes_it(term: str, *, expected: bool) -> None:
    assert matches(build_pattern("f", term), EVENT) is expected


@pytest.mark.parametrize(
    "pattern",
    [
        "",
        "ERROR",
        "{ }",
        '{ $.a = "one"',
        '{ $.a = "one" } x',
        "{ $.a = one }",
        "{ $.a = 1 }",
        '{ $.a > "1" }',
        "{ $.a = %o.e% }",
        '{ $.a[0] = "one" }',
        '{ $.a = "o*e" }',
        "{ $.a IS NULL }",
        "{ $.a EXISTS }",
        '{ ($.a = "x") && ($.a = "y") || ($.a = "z") }',
        '{ (($.a = "x") }',
        '{ "x" = $.a }',
    ],
)
def test_pattern_with_an_unknown_part_is_refused(pattern: str) -> None:
    with pytest.raises(UnknownPattern):
        matches(pattern, EVENT)
