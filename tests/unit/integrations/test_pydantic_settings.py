"""Settings whose marked fields are read from secrets."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import pickle
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from enum import Enum
from pathlib import Path
from traceback import TracebackException
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

import pytest
from pydantic import (
    AfterValidator,
    AliasChoices,
    AliasPath,
    AnyUrl,
    BaseModel,
    BeforeValidator,
    Field,
    ImportString,
    Json,
    RootModel,
    SecretStr,
    TypeAdapter,
    ValidationError,
    create_model,
    model_validator,
)
from pydantic.dataclasses import dataclass
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from app_integration.errors import AccessDenied, ConfigurationError, SecretNotFound, WrongType
from app_integration.integrations.pydantic_settings import FromStrongroom, StrongroomSource
from app_integration.secret import Secret
from app_integration.testing.application import MemoryApplication

ROOT = Path(__file__).parents[3]
CANARY = "canary-5b1c90"
SECRETS: dict[str, Any] = {}
REQUESTS: list[str] = []


def get(name: str, **options: Any) -> Secret:
    REQUESTS.append(name)
    name = " ".join((name, *(f"{key}={value}" for key, value in options.items())))
    found = SECRETS.get(name, SecretNotFound(f"{name} has no value"))
    if isinstance(found, Exception):
        raise found
    return Secret(found)


class Sourced(BaseSettings):
    order: ClassVar[str] = "init strongroom env"
    options: ClassVar[dict[str, Any]] = {}

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        sources = {
            "init": init_settings,
            "env": env_settings,
            "dotenv": dotenv_settings,
            "files": file_secret_settings,
            "strongroom": StrongroomSource(settings_cls, get, **cls.options),
        }
        return tuple(sources[name] for name in cls.order.split())


def make(name: str, config: Any = None, **fields: Any) -> Any:
    """Return a settings class with the *fields*, as for ``create_model``."""
    base: Any = type("Configured", (Sourced,), {"model_config": config or {}})
    return create_model(name, __base__=base, **fields)


class Shop(Sourced):
    jwt_secret: Annotated[SecretStr, FromStrongroom(), Field(min_length=12)]
    mail: Annotated[str, FromStrongroom("smtp-password")] = "none"
    port: Annotated[int, FromStrongroom("smtp/port")] = 25
    host: str = "localhost"


@pytest.fixture(autouse=True)
def _one_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    SECRETS.clear()
    REQUESTS.clear()
    SECRETS["jwt-secret"] = f"{CANARY} and more"
    for name in ("JWT_SECRET", "MAIL", "PORT", "HOST"):
        monkeypatch.delenv(name, raising=False)


def load() -> Any:
    return Shop()


def test_source_sets_marked_fields_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    SECRETS.update({"smtp-password": "hunter2", "smtp/port": "2525", "host": "not requested"})
    monkeypatch.setenv("HOST", "mail.example")
    monkeypatch.setenv("JWT_SECRET", "the server's counts")
    shop = load()
    assert shop.jwt_secret.get_secret_value() == f"{CANARY} and more"
    assert (shop.mail, shop.port, shop.host) == ("hunter2", 2525, "mail.example")
    assert CANARY not in repr(shop)


def test_source_without_a_value_leaves_the_next_source_or_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    del SECRETS["jwt-secret"]
    monkeypatch.setenv("JWT_SECRET", "of the environment")
    assert load().jwt_secret.get_secret_value() == "of the environment"
    assert load().mail == "none"


def test_source_of_a_denied_secret_raises() -> None:
    SECRETS["smtp-password"] = AccessDenied("denied or absent")
    with pytest.raises(AccessDenied):
        load()


class Login(BaseModel):
    user: str = "shop"
    password: Annotated[str, FromStrongroom()]


class Mail(BaseModel):
    host: str = "localhost"
    login: Login


@dataclass
class Queue:
    url: Annotated[str, FromStrongroom("amqp-url")]


class Deep(Sourced):
    model_config = SettingsConfigDict(env_nested_delimiter="__")

    mail: Mail
    spare: Mail | None = None
    queue: Queue
    password: Annotated[str, FromStrongroom()] | None = None


def test_source_fills_marked_fields_at_any_depth(monkeypatch: pytest.MonkeyPatch) -> None:
    SECRETS.update({"mail/login/password": CANARY, "spare/login/password": "b", "amqp-url": "c"})
    SECRETS["password"] = "d"
    monkeypatch.setenv("MAIL__LOGIN__USER", "of the environment")
    deep: Any = Deep()
    assert deep.mail == Mail(login=Login(user="of the environment", password=CANARY))
    assert deep.spare == Mail(login=Login(password="b"))
    assert (deep.queue.url, deep.password) == ("c", "d")


def test_optional_model_without_secrets_stays_none() -> None:
    SECRETS.update({"mail/login/password": CANARY, "amqp-url": "c"})
    deep: Any = Deep()
    assert (deep.spare, deep.password) == (None, None)


class Row(NamedTuple):
    key: Annotated[str, FromStrongroom()]


class Tree(BaseModel):
    key: Annotated[str, FromStrongroom()] = ""
    branch: Tree | None = None


@pytest.mark.parametrize(
    "annotation",
    [
        list[Login],
        dict[str, Login],
        Login | Mail,
        list[Annotated[str, FromStrongroom()]],
        Row,
        Tree,
        RootModel[Login],
        RootModel[Annotated[str, FromStrongroom()]],
        Annotated[Login, FromStrongroom("login")],
        Annotated[str, FromStrongroom("one"), FromStrongroom("two")],
    ],
)
def test_mark_that_cannot_be_filled_is_refused(annotation: Any) -> None:
    settings = make("Wrong", part=(annotation | None, None))
    with pytest.raises(ConfigurationError, match=r"Wrong\.part.*mark"):
        settings()
    assert REQUESTS == []


def test_mark_that_is_repeated_is_one_mark() -> None:
    SECRETS["the-key"] = CANARY
    mark = FromStrongroom("the-key")
    assert make("Repeated", key=(Annotated[str, mark, [], mark], ...))().key == CANARY


def test_recursive_model_without_marks_is_passed_over() -> None:
    class Menu(BaseModel):
        entries: list[Menu] = []
        parent: Menu | None = None

    settings = make("Site", menu=(Menu, Menu()))
    settings()
    assert REQUESTS == []


def test_type_that_pydantic_does_not_resolve_is_passed_over() -> None:
    @dataclasses.dataclass
    class Unresolved:
        part: Missing  # type: ignore[name-defined]  # noqa: F821 (as in an import for type checkers)

    def call() -> Any:
        return Unresolved

    settings = make("Calling", call=(Callable[[], Unresolved], call))
    assert settings().call is call


def test_upper_case_field_is_named_in_lower_case() -> None:
    SECRETS["smtp-password"] = CANARY
    settings = make("Loud", SMTP_PASSWORD=(Annotated[str, FromStrongroom()], ...))
    assert settings().SMTP_PASSWORD == CANARY


def test_model_that_names_a_later_class_is_filled() -> None:
    class Early(Sourced):
        part: Later

    class Later(BaseModel):
        key: Annotated[str, FromStrongroom()]

    SECRETS["part/key"] = CANARY
    Early.model_rebuild()
    early: Any = Early()
    assert early.part.key == CANARY


def camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(each.title() for each in others)


MARKED = Annotated[str, FromStrongroom()]
ALIASES = {
    "alias": (MARKED, Field(alias="shopKey")),
    "validation alias": (MARKED, Field(validation_alias="shopKey")),
    "choices": (MARKED, Field(validation_alias=AliasChoices("shopKey", "SHOP"))),
    "path": (MARKED, Field(validation_alias=AliasPath("shop", "keys", 1))),
    "choice of a path": (MARKED, Field(validation_alias=AliasChoices(AliasPath("a", 0), "b"))),
}


@pytest.mark.parametrize("case", ALIASES)
@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize(
    "config",
    [
        {},
        {"populate_by_name": True},
        {"validate_by_name": True, "validate_by_alias": False},
    ],
)
def test_marked_field_may_have_an_alias(case: str, nested: bool, config: Any) -> None:
    SECRETS["api-key"] = CANARY
    SECRETS["part/api-key"] = CANARY
    if nested:
        part = create_model("Part", __config__=config, api_key=ALIASES[case])
        assert make("Aliased", part=(part, ...))().part.api_key == CANARY
    else:
        assert make("Aliased", config, api_key=ALIASES[case])().api_key == CANARY


def test_marked_field_may_have_a_generated_alias() -> None:
    class Part(BaseModel):
        model_config = SettingsConfigDict(alias_generator=camel)
        api_key: MARKED

    class Generated(Sourced):
        model_config = SettingsConfigDict(alias_generator=camel)
        api_key: MARKED
        sub_part: Part

    SECRETS.update({"api-key": CANARY, "sub-part/api-key": "b"})
    generated: Any = Generated()
    assert (generated.api_key, generated.sub_part.api_key) == (CANARY, "b")


def test_fields_that_share_an_alias_are_set_by_name_or_refused() -> None:
    one = (Annotated[str, FromStrongroom("one")], Field(alias="key"))
    two = (Annotated[str, FromStrongroom("two")], Field(alias="key"))
    SECRETS.update({"one": "1", "two": "2"})
    shared = make("Shared", {"populate_by_name": True}, one=one, two=two)
    assert shared().model_dump() == {"one": "1", "two": "2"}
    with pytest.raises(ConfigurationError, match=r"Shared\.one.*alias"):
        make("Shared", one=one, two=two)()


class Colour(Enum):
    RED = 1


class Account(BaseModel):
    user: str
    scopes: list[str] = []


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


def show(error: BaseException) -> str:
    """Return all that a report of *error* may contain."""
    return "".join(TracebackException.from_exception(error, capture_locals=True).format())


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


def test_arguments_win_before_a_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "7")
    shop = Shop(jwt_secret=SecretStr("given as argument"), mail="given", port=1)
    assert (shop.mail, shop.port, REQUESTS) == ("given", 1, [])


@pytest.mark.parametrize("case", ALIASES)
@pytest.mark.parametrize("value", ["given", ""])
def test_arguments_by_alias_win_before_a_request(case: str, value: str) -> None:
    arguments: dict[str, Any] = {
        "path": {"shop": {"keys": ["", value]}},
        "choices": {"SHOP": value},
        "choice of a path": {"b": value},
    }
    aliased = make("Aliased", api_key=ALIASES[case])
    given = aliased(**arguments.get(case, {"shopKey": value}))
    assert (given.api_key, REQUESTS) == (value, [])


@pytest.mark.parametrize(
    "mail",
    [{"login": {"password": "x"}}, {"login": Login(password="x")}, Mail(login=Login(password="x"))],
)
def test_arguments_of_nested_models_win_before_a_request(mail: Any) -> None:
    deep = Deep(mail=mail, spare=None, queue={"url": "amqp:"}, password=None)
    assert (deep.mail.login.password, deep.spare, REQUESTS) == ("x", None, [])


def test_environment_that_comes_first_wins_before_a_request(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class First(Deep):
        order = "init env strongroom"
        key: Annotated[str, FromStrongroom(), Field(alias="SHOP_KEY")]

    variables = {
        "MAIL__LOGIN__PASSWORD": "a",
        "SPARE": '{"login": {"password": "b"}}',
        "QUEUE__URL": "c",
        "SHOP_KEY": "d",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    first: Any = First()
    assert (first.mail.login.password, first.spare.login.password) == ("a", "b")
    assert (first.queue.url, first.key, REQUESTS) == ("c", "d", ["password"])


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


class Sub(BaseModel):
    a: MARKED


class Partial(BaseModel):
    host: str = "localhost"
    key: Annotated[str, FromStrongroom("key")] = "none"


def pascal(name: str) -> str:
    return name.title().replace("_", "")


def marked(kind: Any, name: str = "", **options: Any) -> Any:
    return (Annotated[kind, FromStrongroom(name, **options)], ...)


FLAT = {"foo": marked(str), "bar": marked(int)}
FLAT_SECRETS = {"foo": "x", "bar": "2"}
FLAT_VALUES = {"foo": "x", "bar": 2}
SUB = {"sub": (Sub, ...)}
SUB_VALUES = {"sub": {"a": "x"}}
VERSIONS = {
    "my_secret": (Annotated[str, FromStrongroom("my-secret"), Field(alias="my-secret")], ...),
    "my_secret_v1": (
        Annotated[str, FromStrongroom("my-secret", version=1), Field(alias="my-secret")],
        ...,
    ),
}
#: Each way in which the sources of pydantic-settings for AWS Secrets Manager, Azure Key Vault and
#: Google Secret Manager are documented to be used: the order of sources, the options of the source,
#: the config of the class, its fields, the secrets and the values.
WAYS: dict[str, tuple[str, Any, Any, Any, dict[str, str], dict[str, Any]]] = {
    "all: the last source": (
        "init env dotenv files strongroom",
        {},
        {},
        FLAT,
        FLAT_SECRETS,
        FLAT_VALUES,
    ),
    "all: the first source": (
        "strongroom init env dotenv files",
        {},
        {},
        FLAT,
        FLAT_SECRETS,
        FLAT_VALUES,
    ),
    "all: the only source": ("strongroom", {}, {}, FLAT, FLAT_SECRETS, FLAT_VALUES),
    "all: a model as one JSON text": (
        "strongroom",
        {},
        {},
        {"sub": marked(Account)},
        {"sub": '{"user": "x"}'},
        {"sub": {"user": "x", "scopes": []}},
    ),
    "all: an alias": (
        "strongroom",
        {},
        {},
        {"password": (marked(str, "sql-server-password")[0], Field(alias="SqlServerPassword"))},
        {"sql-server-password": "x"},
        {"password": "x"},
    ),
    "all: case_sensitive": (
        "strongroom",
        {},
        {"case_sensitive": True},
        {"Foo": marked(str)},
        {"foo": "x"},
        {"Foo": "x"},
    ),
    "all: env_prefix": (
        "strongroom",
        {"env_prefix": "SHOP_"},
        {},
        {**SUB, **FLAT, "key": marked(str, "key")},
        {"shop-sub/a": "x", "shop-foo": "x", "shop-bar": "2", "key": "z"},
        {**SUB_VALUES, **FLAT_VALUES, "key": "z"},
    ),
    "all: env_prefix of the class is that of variables": (
        "strongroom env",
        {},
        {"env_prefix": "SHOP_"},
        FLAT,
        FLAT_SECRETS,
        FLAT_VALUES,
    ),
    "all: env_parse_none_str": (
        "strongroom",
        {"env_parse_none_str": "null"},
        {},
        {"foo": marked(str | None)},
        {"foo": "null"},
        {"foo": None},
    ),
    "all: env_parse_none_str of the class": (
        "strongroom",
        {},
        {"env_parse_none_str": "null"},
        {"foo": marked(list[str] | None)},
        {"foo": "null"},
        {"foo": None},
    ),
    "all: env_parse_enums": (
        "strongroom",
        {"env_parse_enums": True},
        {},
        {"foo": marked(Colour)},
        {"foo": "RED"},
        {"foo": Colour.RED},
    ),
    "all: env_ignore_empty": (
        "strongroom",
        {"env_ignore_empty": True},
        {},
        {"foo": (MARKED, "default")},
        {"foo": ""},
        {"foo": "default"},
    ),
    "all: an empty value": ("strongroom", {}, {}, {"foo": marked(str)}, {"foo": ""}, {"foo": ""}),
    "all: nested_model_default_partial_update": (
        "strongroom",
        {},
        {"nested_model_default_partial_update": True},
        {"part": (Partial, Partial(host="mail"))},
        {"key": "x"},
        {"part": {"host": "mail", "key": "x"}},
    ),
    "AWS: nested models with --": (
        "strongroom",
        {"env_nested_delimiter": "--"},
        {},
        SUB,
        {"sub--a": "x"},
        SUB_VALUES,
    ),
    "AWS: keys of one secret": (
        "strongroom",
        {},
        {},
        {"foo": marked(str, "shop", field="foo"), "bar": marked(int, "shop", field="bar")},
        {"shop field=foo": "x", "shop field=bar": "2"},
        FLAT_VALUES,
    ),
    "AWS: version_id": (
        "strongroom",
        {},
        {},
        {"foo": marked(str, version=3)},
        {"foo version=3": "x"},
        {"foo": "x"},
    ),
    "Azure: dash_to_underscore": (
        "strongroom",
        {},
        {},
        {
            "with_underscore": marked(str),
            "other": (marked(str, "with-dashes")[0], Field(alias="With-Dashes")),
        },
        {"with-underscore": "x", "with-dashes": "y"},
        {"with_underscore": "x", "other": "y"},
    ),
    "Azure: snake_case_conversion": (
        "strongroom",
        {"env_nested_delimiter": "__"},
        {},
        {"my_setting": marked(str), **SUB},
        {"my-setting": "y", "sub__a": "x"},
        {"my_setting": "y", **SUB_VALUES},
    ),
    "Azure: an alias_generator": (
        "strongroom",
        {},
        {"alias_generator": pascal},
        {"my_setting": marked(str)},
        {"my-setting": "x"},
        {"my_setting": "x"},
    ),
    "Google: nested models": (
        "init env dotenv files strongroom",
        {"env_nested_delimiter": "__"},
        {"env_nested_delimiter": "__"},
        SUB,
        {"sub__a": "x"},
        SUB_VALUES,
    ),
    "Google: versions of one secret": (
        "strongroom init env dotenv files",
        {},
        {"populate_by_name": True},
        VERSIONS,
        {"my-secret": "new", "my-secret version=1": "old"},
        {"my_secret": "new", "my_secret_v1": "old"},
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_way_to_use_the_sources_of_clouds_works(way: str) -> None:
    order, options, config, fields, texts, values = WAYS[way]
    SECRETS.clear()
    SECRETS.update(texts)
    settings = make("Way", config, **fields)
    settings.order, settings.options = order, options
    loaded = settings()
    assert loaded.model_dump() == values
    SECRETS.update(dict.fromkeys(texts, "9"))
    if way.startswith("all: the"):
        loaded.__init__()
        assert loaded.model_dump() == {"foo": "9", "bar": 9}
        loaded = asyncio.run(asyncio.to_thread(settings))
        assert loaded.model_dump() == {"foo": "9", "bar": 9}


def test_report_of_the_sources_hides_secrets(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("PYDANTIC_SETTINGS_DEBUG", "1")
    caplog.set_level("DEBUG", "pydantic_settings")
    SECRETS.update({"key": CANARY, "sub": f'{{"user": "{CANARY}"}}'})
    make("Debugged", key=marked(str), sub=marked(Account))()
    assert "StrongroomSource: {'key': [REDACTED], 'sub': [REDACTED]}" in caplog.text
    assert CANARY not in caplog.text


def test_example_of_the_how_to_page_works(
    vault: MemoryApplication, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMTP__HOST", "mail.example")
    for name in ("jwt-secret", "partner-key", "smtp/password"):
        vault.put(name, f"{CANARY} {name}")
    page = (ROOT / "docs/howto/Pydantic_Settings.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    names: dict[str, Any] = {"__name__": __name__}
    code = compile(example, "example", "exec", dont_inherit=True)
    exec(code, names)  # noqa: S102 (the page is in this repository)
    loaded = names["Settings"]()
    assert loaded.smtp.host == "mail.example"
    assert loaded.smtp.password.get_secret_value() == f"{CANARY} smtp/password"
    assert loaded.api_key.get_secret_value() == f"{CANARY} partner-key"
    assert CANARY not in repr(loaded)


def test_source_reads_from_the_server_by_default(vault: MemoryApplication) -> None:
    vault.put("part/key", "first")
    vault.put("part/key", CANARY)

    class Part(BaseModel):
        key: MARKED
        old: Annotated[str, FromStrongroom("part/key", version=1)]
        value: Annotated[str, FromStrongroom("part/key", field="value")]

    class Plain(BaseSettings):
        part: Part

        @classmethod
        def settings_customise_sources(
            cls, settings_cls: type[BaseSettings], *_: Any, **__: Any
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return (StrongroomSource(settings_cls),)

    plain: Any = Plain()
    assert plain.part.model_dump() == {"key": CANARY, "old": "first", "value": CANARY}
