"""Settings classes whose source of secrets is a dictionary."""

from __future__ import annotations

from enum import Enum
from traceback import TracebackException
from typing import Annotated, Any, ClassVar, Final

from pydantic import (
    BaseModel,
    Field,
    SecretStr,
    create_model,
)
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
)

from app_integration.errors import SecretNotFound
from app_integration.integrations.pydantic_settings import FromStrongroom, StrongroomSource
from app_integration.secret import Secret

CANARY: Final = "canary-5b1c90"
#: Secret, with the options of its request, and its value or error.
SECRETS: Final[dict[str, Any]] = {}
#: Names that were requested.
REQUESTS: Final[list[str]] = []
MARKED = Annotated[str, FromStrongroom()]


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


class Colour(Enum):
    RED = 1


class Account(BaseModel):
    user: str
    scopes: list[str] = []


def show(error: BaseException) -> str:
    """Return all that a report of *error* may contain."""
    return "".join(TracebackException.from_exception(error, capture_locals=True).format())
