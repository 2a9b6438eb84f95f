"""Model of the config file that the agent delivers: ``agent/templates/gaara-store/app.yaml.j2``.

The delivery validates a file with the same model, so an invalid file is never delivered.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from app_integration import redaction

NonEmptySecret = Annotated[SecretStr, Field(min_length=1)]
#: HS256 needs a key at least as long as its hash, which is 32 bytes.
SigningKey = Annotated[SecretStr, Field(min_length=32)]


class _Section(BaseModel):
    """Base of all sections: it rejects unknown keys and registers secrets for redaction.

    The secrets are registered on creation, before any code can log them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    def model_post_init(self, _context: Any, /) -> None:
        for value in self.__dict__.values():
            if isinstance(value, SecretStr):
                redaction.live.add(value.get_secret_value())


class Database(_Section):
    """Address of the database. Its user is not used, because connections have leased users."""

    url: NonEmptySecret


class Redis(_Section):
    """Address of the Redis server that counts login attempts and queues order messages."""

    url: NonEmptySecret


class Jwt(_Section):
    """Signing key of login tokens."""

    secret: SigningKey


class Smtp(_Section):
    """Mail account that sends the exports.

    Attributes:
        sender: Address of the account. If None, it is ``username@host``.

    """

    host: Annotated[str, Field(min_length=1)]
    port: Annotated[int, Field(ge=1, le=65_535)]
    username: Annotated[str, Field(min_length=1)]
    password: NonEmptySecret
    sender: str | None = None


class StoreConfig(_Section):
    """Whole config of the store, with its secrets."""

    database: Database
    redis: Redis
    jwt: Jwt
    smtp: Smtp
