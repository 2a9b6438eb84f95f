"""Sections of the delivered config files that both the store and the mail worker have.

The delivery validates a file with the same model, so an invalid file is never delivered.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from app_integration import redaction

NonEmptySecret = Annotated[SecretStr, Field(min_length=1)]


class Section(BaseModel):
    """Base of all sections, which rejects unknown keys.

    The secrets are registered on creation, before any code can log them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    def model_post_init(self, _context: Any, /) -> None:
        """Register the section's secrets for redaction in logs."""
        for value in self.__dict__.values():
            if isinstance(value, SecretStr):
                redaction.live.add(value.get_secret_value())


class Database(Section):
    """Address of the database. Its user is not used, because connections have leased users."""

    url: NonEmptySecret


class Redis(Section):
    """Address of the Redis server that counts login attempts and queues order messages."""

    url: NonEmptySecret


class Smtp(Section):
    """Mail account of the service; if *sender* is None, its address is ``username@host``."""

    host: Annotated[str, Field(min_length=1)]
    port: Annotated[int, Field(ge=1, le=65_535)]
    username: Annotated[str, Field(min_length=1)]
    password: NonEmptySecret
    sender: str | None = None
