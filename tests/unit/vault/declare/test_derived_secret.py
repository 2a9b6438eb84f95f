from __future__ import annotations

from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app_integration.secret import Secret
from vault.declare import derived_secret
from vault.declare.errors import InvalidValue


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_compose_keeps_a_value_in_one_part_of_the_url(password: str) -> None:
    text = "smtp://gaara:{smtp-password}@mail:25"
    url = urlsplit(derived_secret.compose(text, {"smtp-password": password}).reveal())
    assert (url.hostname, url.port) == ("mail", 25)
    assert unquote(url.password or "") == password


def test_composed_value_is_redacted() -> None:
    value = derived_secret.compose("x{a}", {"a": Secret("hunter2")})
    assert value == "xhunter2"
    assert f"{value}{value!r}" == "[REDACTED][REDACTED]"


def test_double_braces_become_literal_braces() -> None:
    assert derived_secret.compose('{{"user": "{a}"}}', {"a": "x"}) == '{"user": "x"}'
    assert derived_secret.references("{{no}} {a/b} {c}") == ("a/b", "c")


@pytest.mark.parametrize(
    "text", ["{", "a}b{c}", "{}", "{ a }", "{a!r}", "{a:>9}", "{0.x}", "plain"]
)
def test_references_of_an_invalid_format_are_rejected(text: str) -> None:
    with pytest.raises(InvalidValue):
        derived_secret.references(text)


@pytest.mark.parametrize(
    ("text", "what", "expected"),
    [
        ("{", "has a lone '{'", "{secret-name}, or '{{' for the brace"),
        ("a}b{c}", "has a lone '}'", "{secret-name}, or '}}' for the brace"),
        (
            "plain",
            "uses no secret",
            "at least one {secret-name}; declare text without one as a setting",
        ),
        ("{ a }", "has ' a ' in braces", "the name of a secret and nothing else"),
    ],
)
def test_invalid_format_message_has_the_fault_and_what_is_expected(
    text: str, what: str, expected: str
) -> None:
    with pytest.raises(InvalidValue) as caught:
        derived_secret.references(text)
    assert (caught.value.what, caught.value.expected) == (what, expected)


def test_compose_percent_encodes_each_special_character() -> None:
    assert derived_secret.compose("//{a}", {"a": "/XX@:"}) == "//%2FXX%40%3A"


def test_format_of_one_name_alone_is_its_value() -> None:
    assert (
        derived_secret.compose("{redis-url}", {"redis-url": "redis://:a%2F@b/0"})
        == "redis://:a%2F@b/0"
    )


def test_ordered_puts_secrets_after_their_parts() -> None:
    uses = {"c": ("b", "given"), "b": ("a",), "a": ("given",)}
    assert derived_secret.find_cycle(uses) == ()
    assert derived_secret.sort_by_dependency(uses) == ("a", "b", "c")


def test_find_cycle_returns_the_names_from_end_to_end() -> None:
    cycle = derived_secret.find_cycle({"a": ("b",), "b": ("c",), "c": ("a",), "d": ("a",)})
    assert cycle[0] == cycle[-1]
    assert set(cycle) == {"a", "b", "c"}
