"""Conversion of secrets to the types of fields."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from pydantic import BeforeValidator, Json, ValidationError, create_model
from pydantic_settings import NoDecode

from app_integration.errors import WrongType
from app_integration.integrations.pydantic_settings import FromStrongroom
from tests.support.models.sourced_settings import CANARY, SECRETS, Account, Colour, make, show


def split(text: Any) -> Any:
    return text.split(",")


@pytest.mark.parametrize(
    ("annotation", "text", "value"),
    [
        (list[str], '["a", "b"]', ["a", "b"]),
        (list[int] | None, "[1, 2]", [1, 2]),
        (dict[str, int], '{"a": 1}', {"a": 1}),
        (dict[str, Any], '{"a": {"b": "c"}}', {"a": {"b": "c"}}),
        (Account, '{"user": "shop", "scopes": ["read"]}', Account(user="shop", scopes=["read"])),
        (Account | None, '{"user": "shop"}', Account(user="shop")),
        (list[str] | str, "no JSON", "no JSON"),
        (Json[list[int]], "[1]", [1]),
        (Annotated[list[str], NoDecode, BeforeValidator(split)], "a,b", ["a", "b"]),
        (int, "25", 25),
        (bool, "true", True),
    ],
)
def test_value_is_converted_as_that_of_an_environment_variable_is(
    annotation: Any, text: str, value: object
) -> None:
    SECRETS.update({"field": text, "part/field": text})
    marked = Annotated[annotation, FromStrongroom()]
    assert make("Converted", field=(marked, ...))().field == value
    part = create_model("Part", field=(marked, ...))
    assert make("Converted", part=(part, ...))().part.field == value


def test_value_is_converted_for_a_strict_class_and_an_enum() -> None:
    SECRETS.update({"number": "25", "text": "25", "colour": "RED"})
    strict = make(
        "Strict",
        {"strict": True, "env_parse_enums": True},
        number=(Annotated[int, FromStrongroom()], ...),
        text=(Annotated[str, FromStrongroom()], ...),
        colour=(Annotated[Colour, FromStrongroom()], ...),
    )
    assert strict().model_dump() == {"number": 25, "text": "25", "colour": Colour.RED}


def test_value_that_is_no_json_is_of_the_wrong_type() -> None:
    SECRETS["part/field"] = CANARY
    part = create_model("Part", field=(Annotated[list[str], FromStrongroom()], ...))
    with pytest.raises(WrongType, match=r"part/field.*part.field.*JSON") as caught:
        make("Wrong", part=(part, ...))()
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)
    assert CANARY not in show(caught.value)


# They are no local variables, as a traceback shows those of the test.
TEXTS = {
    "as-text": CANARY,
    "as-list": f'["{CANARY}"]',
    "as-dict": f'{{"a": "{CANARY}"}}',
    "as-model": f'{{"user": "{CANARY}"}}',
}


def test_value_in_a_traceback_is_hidden_whatever_its_type() -> None:
    SECRETS.update(TEXTS)
    fields = {
        name.replace("-", "_"): (Annotated[kind, FromStrongroom()], ...)
        for name, kind in zip(TEXTS, [str, list[str], dict[str, str], Account], strict=True)
    }
    with pytest.raises(ValidationError) as caught:
        make("Incomplete", {"strict": True}, **fields, missing=(int, ...))()
    assert CANARY not in show(caught.value)
