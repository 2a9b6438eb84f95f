"""Settings whose marked fields are read from secrets."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from app_integration.errors import AccessDenied, SecretNotFound
from app_integration.integrations.pydantic_settings import FromStrongroom, StrongroomSource
from app_integration.secret import Secret

CANARY = "canary-5b1c90"
SECRETS: dict[str, Any] = {}


def get(name: str) -> Secret:
    found = SECRETS.get(name, SecretNotFound(f"{name} has no value"))
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
def _one_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    SECRETS.clear()
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
