"""Settings whose marked fields are read from secrets."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

import pytest
from pydantic import (
    AliasChoices,
    AliasPath,
    BaseModel,
    Field,
    SecretStr,
    ValidationError,
    create_model,
)
from pydantic.dataclasses import dataclass
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from app_integration.errors import AccessDenied, ConfigurationError, SecretNotFound
from app_integration.integrations.pydantic_settings import FromStrongroom, StrongroomSource
from app_integration.secret import Secret

CANARY = "canary-5b1c90"
SECRETS: dict[str, Any] = {}
REQUESTS: list[str] = []


def get(name: str) -> Secret:
    REQUESTS.append(name)
    found = SECRETS.get(name, SecretNotFound(f"{name} has no value"))
    if isinstance(found, Exception):
        raise found
    return Secret(found)


class Sourced(BaseSettings):
    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 (the library's signature)
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 (as above)
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, StrongroomSource(settings_cls, get), env_settings


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


def test_validation_error_hides_the_secret() -> None:
    SECRETS["jwt-secret"] = CANARY[:8]
    SECRETS["smtp/port"] = CANARY
    with pytest.raises(ValidationError) as caught:
        load()
    assert {error["loc"] for error in caught.value.errors()} == {("jwt_secret",), ("port",)}
    assert CANARY[:8] not in str(caught.value) + repr(caught.value)


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
        Annotated[Login, FromStrongroom("login")],
        Annotated[str, FromStrongroom("one"), FromStrongroom("two")],
    ],
)
def test_mark_that_cannot_be_filled_is_refused(annotation: Any) -> None:
    settings = make("Wrong", part=(annotation | None, None))
    with pytest.raises(ConfigurationError, match=r"Wrong\.part.*mark"):
        settings()
    assert REQUESTS == []


def test_recursive_model_without_marks_is_passed_over() -> None:
    class Menu(BaseModel):
        entries: list[Menu] = []
        parent: Menu | None = None

    settings = make("Site", menu=(Menu, Menu()))
    settings()
    assert REQUESTS == []


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
