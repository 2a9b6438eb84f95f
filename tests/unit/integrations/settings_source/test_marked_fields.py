"""Settings whose marked fields are read from secrets."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Annotated, Any, NamedTuple

import pytest
from pydantic import (
    AliasChoices,
    AliasPath,
    BaseModel,
    Field,
    RootModel,
    SecretStr,
    create_model,
)
from pydantic.dataclasses import dataclass
from pydantic_settings import SettingsConfigDict

from app_integration.errors import AccessDenied, ConfigurationError, UndeclaredSecret
from app_integration.integrations.pydantic_settings import FromStrongroom
from tests.support.models.sourced_settings import (
    CANARY,
    MARKED,
    REQUESTS,
    SECRETS,
    Shop,
    Sourced,
    make,
)


def test_source_sets_marked_fields_only(monkeypatch: pytest.MonkeyPatch) -> None:
    SECRETS.update({"smtp-password": "hunter2", "smtp/port": "2525", "host": "not requested"})
    monkeypatch.setenv("HOST", "mail.example")
    monkeypatch.setenv("JWT_SECRET", "the server's counts")
    shop = Shop()
    assert shop.jwt_secret.get_secret_value() == f"{CANARY} and more"
    assert (shop.mail, shop.port, shop.host) == ("hunter2", 2525, "mail.example")
    assert CANARY not in repr(shop)


def test_source_without_a_value_leaves_the_next_source_or_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    del SECRETS["jwt-secret"]
    monkeypatch.setenv("JWT_SECRET", "of the environment")
    assert Shop().jwt_secret.get_secret_value() == "of the environment"
    assert Shop().mail == "none"


def test_source_of_a_denied_secret_raises() -> None:
    SECRETS["smtp-password"] = AccessDenied("denied or absent")
    with pytest.raises(AccessDenied):
        Shop()


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


@pytest.mark.parametrize(
    ("alias", "secret"),
    [
        ({"alias": "SHOP_KEY"}, "shop-key"),
        ({"validation_alias": "SHOP_KEY"}, "shop-key"),
        ({"validation_alias": AliasChoices("NEW_KEY", "SHOP_KEY")}, "shop-key"),
        ({"validation_alias": AliasChoices(AliasPath("a", 0), "SHOP_KEY")}, "shop-key"),
        ({"validation_alias": AliasPath("a", 0)}, "x-api-key"),
    ],
)
def test_alias_names_the_secret_of_a_bare_mark(alias: Any, secret: str) -> None:
    SECRETS.update({secret: CANARY, "new-key": AccessDenied("denied or absent")})
    settings = make("Aliased", api_key=(MARKED, Field(**alias)))
    settings.options = {"env_prefix": "X_"}
    assert settings().api_key == CANARY


def test_aliases_of_nested_fields_name_the_secret() -> None:
    part = create_model("Part", api_key=(MARKED, Field(alias="KEY")))
    settings = make("Aliased", part=(part, Field(alias="SHOP")))
    SECRETS.update({"shop/key": CANARY, "part/key": "later"})
    assert settings().part.api_key == CANARY


def test_denied_alias_is_an_error_that_names_it() -> None:
    SECRETS.update({name: AccessDenied(f"denied {name}") for name in ("shop-key", "api-key")})
    settings = make("Aliased", api_key=(MARKED, Field("default", alias="SHOP_KEY")))
    with pytest.raises(AccessDenied, match="shop-key"):
        settings()
    del SECRETS["shop-key"]
    assert settings().api_key == "default"


@pytest.mark.parametrize("alias", ["app.jwt:key", "_KEY", "API_KEY_"])
@pytest.mark.parametrize("nested", [False, True])
def test_alias_that_no_secret_can_have_names_none(alias: str, nested: bool) -> None:
    SECRETS.update({"api-key": CANARY, "part/api-key": CANARY})
    key = (MARKED, Field(validation_alias=alias))
    part = create_model("Part", api_key=key)
    settings = make("Aliased", part=(part, ...)) if nested else make("Aliased", api_key=key)
    value: Any = settings()
    assert (value.part if nested else value).api_key == CANARY
    assert len(REQUESTS) == 1


def test_field_whose_name_no_secret_can_have_is_named_by_its_alias() -> None:
    settings = make("Aliased", class_=(MARKED, Field("default", alias="CLASS")))
    assert (settings().class_, REQUESTS) == ("default", ["class"])


def test_undeclared_alias_counts_as_one_without_a_value() -> None:
    SECRETS.update({"mail-jwt": UndeclaredSecret("no mail-jwt"), "api-key": CANARY})
    settings = make("Aliased", api_key=(MARKED, Field("default", alias="MAIL_JWT")))
    assert settings().api_key == CANARY
    del SECRETS["api-key"]
    assert settings().api_key == "default"
    SECRETS["api-key"] = UndeclaredSecret("no api-key")
    with pytest.raises(UndeclaredSecret, match="mail-jwt"):
        settings()
    SECRETS["api-key"] = AccessDenied("denied api-key")
    with pytest.raises(AccessDenied, match="api-key"):
        settings()


def test_name_in_the_mark_wins_over_an_alias() -> None:
    SECRETS.update({"the-key": CANARY, "shop-key": "other"})
    field = (Annotated[str, FromStrongroom("the-key")], Field(alias="SHOP_KEY"))
    assert make("Aliased", api_key=field)().api_key == CANARY


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
