"""Errors of settings, which hide the values of secrets."""

from __future__ import annotations

import json
import pickle
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any, Literal

import pytest
from pydantic import (
    AfterValidator,
    AliasPath,
    AnyUrl,
    BaseModel,
    BeforeValidator,
    Field,
    ImportString,
    Json,
    SecretStr,
    TypeAdapter,
    ValidationError,
    create_model,
    model_validator,
)

from app_integration.integrations.pydantic_settings import FromStrongroom
from tests.support.models.sourced_settings import (
    CANARY,
    MARKED,
    SECRETS,
    Shop,
    Sourced,
    make,
    show,
)


def refuse(value: Any) -> Any:
    raise ValueError(f"refused: {value}")


def refuse_all(self: Any) -> Any:
    raise ValueError(f"refused: {self.secret.get_secret_value()}")


class Cat(BaseModel):
    kind: Literal["cat"]


class Dog(BaseModel):
    kind: Literal["dog"]


#: The type of the marked field, the text of its secret, and the type of the error.
INVALID: dict[str, Any] = {
    "number": (int, CANARY, "int_parsing"),
    "short": (Annotated[SecretStr, Field(min_length=99)], CANARY, "too_short"),
    "pattern": (Annotated[str, Field(pattern="^x$")], CANARY, "string_pattern_mismatch"),
    "choice": (Literal["a", "b"], CANARY, "literal_error"),
    "url": (AnyUrl, CANARY, "url_parsing"),
    "import": (ImportString, CANARY, "import_error"),
    "element": (list[int], f'["{CANARY}"]', "int_parsing"),
    "key": (dict[str, int], f'{{"{CANARY}": "x"}}', "int_parsing"),
    "tag": (
        Annotated[Cat | Dog, Field(discriminator="kind")],
        f'{{"kind": "{CANARY}"}}',
        "union_tag_invalid",
    ),
    "extra": (
        create_model("Closed", __config__={"extra": "forbid"}),
        f'{{"{CANARY}": 1}}',
        "extra_forbidden",
    ),
    "JSON": (Json[list[int]], CANARY, "json_invalid"),
    "after": (Annotated[str, AfterValidator(refuse)], CANARY, "value_error"),
    "before": (Annotated[str, BeforeValidator(refuse)], CANARY, "value_error"),
}


def show_all(error: ValidationError) -> str:
    """Return all that a program can read of *error*."""
    assert (error.__cause__, error.__context__) == (None, None)
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 (it was made a line above)
    dumped = pickle.dumps(error).decode(errors="replace")
    structured = json.dumps([each.errors() for each in (error, copy)])
    texts = [str(error), repr(error), str(copy), error.json(), structured, dumped, show(error)]
    return "".join(texts)


def fail(settings: Any, **arguments: Any) -> ValidationError:
    with pytest.raises(ValidationError) as caught:
        settings(**arguments)
    return caught.value


@pytest.mark.parametrize("case", INVALID)
@pytest.mark.parametrize("nested", [False, True])
def test_error_of_an_invalid_secret_names_the_field_and_hides_the_value(
    case: str, nested: bool
) -> None:
    kind, text, error_type = INVALID[case]
    SECRETS["the-key"] = text
    fields: Any = {"field": (Annotated[kind, FromStrongroom("the-key")], ...)}
    if nested:
        fields = {"part": (create_model("Part", **fields), ...)}
    error = fail(make("Invalid", **fields))
    assert CANARY not in show_all(error)
    (line,) = error.errors()
    assert (line["type"], line["input"]) == (error_type, "[REDACTED]")
    assert line["loc"] == (("part", "field") if nested else ("field",))
    assert ("part.field" if nested else "field") in line["msg"]
    assert "the-key" in line["msg"]


SECRET: Any = (Annotated[SecretStr, FromStrongroom()], ...)


def test_error_of_another_field_hides_the_secrets_beside_it() -> None:
    SECRETS.update({"secret": CANARY, "part/secret": CANARY})
    part = create_model("Part", secret=SECRET, port=(int, ...))
    error = fail(make("Incomplete", secret=SECRET, port=(int, ...), part=(part, ...)), port="x")
    assert CANARY not in show_all(error)
    assert {(each["loc"], each["msg"]) for each in error.errors()} == {
        (("port",), "Input should be a valid integer, unable to parse string as an integer"),
        (("part", "port"), "Field required"),
    }


@pytest.mark.parametrize("mode", ["before", "after"])
def test_error_of_the_whole_class_hides_the_secret(mode: Any) -> None:
    SECRETS["secret"] = CANARY
    validator: Any = model_validator(mode=mode)
    check = validator(refuse if mode == "before" else refuse_all)
    error = fail(
        create_model("Whole", __base__=Sourced, __validators__={"c": check}, secret=SECRET)
    )
    assert CANARY not in show_all(error)
    assert [each["type"] for each in error.errors()] == ["value_error"]


def test_error_of_the_whole_class_without_a_secret_keeps_its_text() -> None:
    def check(self: Any) -> Any:
        raise ValueError(f"set {{host}} or port of {type(self).__name__}")

    SECRETS["secret"] = CANARY
    checks: Any = {"c": model_validator(mode="after")(check)}
    error = fail(create_model("Whole", __base__=Sourced, __validators__=checks, secret=SECRET))
    assert "set {host} or port" in str(error)


def test_error_of_pydantic_keeps_its_text_beside_a_short_secret() -> None:
    SECRETS["secret"] = "1"
    size: Any = (Annotated[int, Field(ge=1)], 0)
    error = fail(make("Short", secret=SECRET, size=size))
    assert error.errors()[0]["msg"] == "Input should be greater than or equal to 1"


def test_error_of_a_secret_without_a_value_says_which_to_write() -> None:
    del SECRETS["jwt-secret"]
    (line,) = fail(Shop).errors()
    assert (line["type"], line["loc"]) == ("missing", ("jwt_secret",))
    assert "jwt-secret" in line["msg"]


def test_error_of_a_marked_field_that_another_source_set_hides_the_value(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PORT", CANARY)
    error = fail(Shop, jwt_secret=CANARY[:8])
    assert {each["loc"] for each in error.errors()} == {("jwt_secret",), ("port",)}
    assert CANARY[:8] not in str(error) + repr(error.errors()) + error.json()


def test_error_by_alias_hides_the_value() -> None:
    SECRETS["api-key"] = CANARY
    path = Field(validation_alias=AliasPath("shop", 0), min_length=99)
    error = fail(make("Aliased", api_key=(MARKED, path)))
    assert CANARY not in show_all(error)
    assert error.errors()[0]["loc"] == ("shop", 0)


def test_error_of_settings_in_another_model_hides_the_value() -> None:
    SECRETS["smtp/port"] = CANARY
    fail(Shop)

    class Outer(BaseModel):
        shop: Shop

    error = fail(Outer, shop={"jwt_secret": "from arguments"})
    assert CANARY not in show_all(error)
    assert "smtp/port" in error.errors()[0]["msg"]
    assert Outer.model_validate({"shop": {"port": 1}}).shop.port == 1
    assert Shop.model_validate({"port": 1}).port == 1
    for read in (lambda: Shop.model_validate({}), lambda: TypeAdapter(Shop).validate_python({})):
        assert CANARY not in show_all(fail(read))


def test_settings_of_a_subclass_and_of_another_thread_are_read() -> None:
    class Bigger(Shop):
        size: int = 1

    SECRETS["smtp/port"] = "7"
    assert Bigger().port == Shop().port == 7
    with ThreadPoolExecutor(4) as pool:
        assert [each.port for each in pool.map(lambda _: Bigger(), range(8))] == [7] * 8
