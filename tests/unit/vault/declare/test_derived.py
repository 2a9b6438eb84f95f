from __future__ import annotations

from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app_integration.secret import Secret
from vault.declare import derived
from vault.declare.faults import InvalidValue


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_a_value_stays_one_part_of_the_url_whatever_it_holds(password: str) -> None:
    text = "smtp://gaara:{smtp-password}@mail:25"
    url = urlsplit(derived.compose(text, {"smtp-password": password}).reveal())
    assert (url.hostname, url.port) == ("mail", 25)
    assert unquote(url.password or "") == password


def test_a_composed_value_does_not_show_itself() -> None:
    value = derived.compose("x{a}", {"a": Secret("hunter2")})
    assert value == "xhunter2"
    assert f"{value}{value!r}" == "[REDACTED][REDACTED]"


def test_doubled_braces_stand_for_themselves() -> None:
    assert derived.compose('{{"user": "{a}"}}', {"a": "x"}) == '{"user": "x"}'
    assert derived.references("{{no}} {a/b} {c}") == ("a/b", "c")


@pytest.mark.parametrize(
    "text", ["{", "a}b{c}", "{}", "{ a }", "{a!r}", "{a:>9}", "{0.x}", "plain"]
)
def test_a_format_that_is_more_than_names_in_braces_is_refused(text: str) -> None:
    with pytest.raises(InvalidValue):
        derived.references(text)


@pytest.mark.parametrize(
    ("text", "what", "expected"),
    [
        ("{", "has a lone '{'", "{secret-name}, or '{{' for the brace"),
        ("a}b{c}", "has a lone '}'", "{secret-name}, or '}}' for the brace"),
        ("plain", "uses no secret", "at least one {secret-name}; text without is a setting"),
        ("{ a }", "has ' a ' in braces", "the name of a secret, with nothing around it"),
    ],
)
def test_a_refusal_says_what_is_wrong_and_what_is_expected(
    text: str, what: str, expected: str
) -> None:
    with pytest.raises(InvalidValue) as caught:
        derived.references(text)
    assert (caught.value.what, caught.value.expected) == (what, expected)


def test_every_sign_of_a_value_is_encoded() -> None:
    assert derived.compose("{a}", {"a": "/XX@:"}) == "%2FXX%40%3A"


def test_derived_secrets_come_after_what_they_use() -> None:
    uses = {"c": ("b", "given"), "b": ("a",), "a": ("given",)}
    assert derived.circle(uses) == ()
    assert derived.ordered(uses) == ("a", "b", "c")


def test_a_circle_is_named_from_end_to_end() -> None:
    circle = derived.circle({"a": ("b",), "b": ("c",), "c": ("a",), "d": ("a",)})
    assert circle[0] == circle[-1]
    assert set(circle) == {"a", "b", "c"}
