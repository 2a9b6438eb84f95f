"""Settings whose marked fields are secrets."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from app_integration.errors import AccessDenied, SecretNotFound
from app_integration.integrations.pydantic_settings import FromStrongroom, StrongroomSource
from app_integration.secret import Secret

CANARY = "canary-5b1c90"
HELD: dict[str, Any] = {}


def get(name: str) -> Secret:
    found = HELD.get(name, SecretNotFound(f"{name} holds no value"))
    if isinstance(found, Exception):
        raise found
    return Secret(found)


class Shop(BaseSettings):
    jwt_secret: Annotated[SecretStr, FromStrongroom(), Field(min_length=12)]
    mail: Annotated[str, FromStrongroom("smtp-password")] = "none"
    port: Annotated[int, FromStrongroom("smtp/port")] = 25
    host: str = "localhost"

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


@pytest.fixture(autouse=True)
def _held(monkeypatch: pytest.MonkeyPatch) -> None:
    HELD.clear()
    HELD["jwt-secret"] = f"{CANARY} and more"
    for name in ("JWT_SECRET", "MAIL", "PORT", "HOST"):
        monkeypatch.delenv(name, raising=False)


def load() -> Any:
    return Shop()


def test_marked_fields_come_from_the_server_and_others_do_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    HELD.update({"smtp-password": "hunter2", "smtp/port": "2525", "host": "not asked for"})
    monkeypatch.setenv("HOST", "mail.example")
    monkeypatch.setenv("JWT_SECRET", "the server's counts")
    shop = load()
    assert shop.jwt_secret.get_secret_value() == f"{CANARY} and more"
    assert (shop.mail, shop.port, shop.host) == ("hunter2", 2525, "mail.example")
    assert CANARY not in repr(shop)


def test_a_secret_without_a_value_is_left_to_the_next_source_or_the_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    del HELD["jwt-secret"]
    monkeypatch.setenv("JWT_SECRET", "of the environment")
    assert load().jwt_secret.get_secret_value() == "of the environment"
    assert load().mail == "none"


def test_a_denied_secret_is_no_absent_one() -> None:
    HELD["smtp-password"] = AccessDenied("denied or absent")
    with pytest.raises(AccessDenied):
        load()


def test_a_value_that_does_not_fit_is_not_shown() -> None:
    HELD["jwt-secret"] = CANARY[:8]
    HELD["smtp/port"] = CANARY
    with pytest.raises(ValidationError) as caught:
        load()
    assert {error["loc"] for error in caught.value.errors()} == {("jwt_secret",), ("port",)}
    assert CANARY[:8] not in str(caught.value) + repr(caught.value)
