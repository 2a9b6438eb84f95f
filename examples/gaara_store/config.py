"""The config file that the agent delivers: ``agent/templates/gaara-store/app.yaml.j2``.

The same model checks a file before it is delivered, so one that doesn't fit never gets here.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from app_integration import redaction

Given = Annotated[SecretStr, Field(min_length=1)]
#: HS256 wants a key as long as its hash, 32 bytes.
SigningKey = Annotated[SecretStr, Field(min_length=32)]


class _Section(BaseModel):
    """Refuses unknown keys, and tells the log filter each secret before anything can log it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def model_post_init(self, _context: Any, /) -> None:
        for value in self.__dict__.values():
            if isinstance(value, SecretStr):
                redaction.live.add(value.get_secret_value())


class Database(_Section):
    """Where the database is. The user in the URL is not used: connections have leased users."""

    url: Given


class Redis(_Section):
    """Where login attempts are counted."""

    url: Given


class Jwt(_Section):
    """How login tokens are signed."""

    secret: SigningKey


class Smtp(_Section):
    """The account that exports are sent from.

    Attributes:
        sender: its address; made from *username* when None.

    """

    host: Annotated[str, Field(min_length=1)]
    port: Annotated[int, Field(ge=1, le=65_535)]
    username: Annotated[str, Field(min_length=1)]
    password: Given
    sender: str | None = None


class StoreConfig(_Section):
    """All that the store is told, its secrets included."""

    database: Database
    redis: Redis
    jwt: Jwt
    smtp: Smtp
