"""Model of the delivered config file: ``agent/templates/orders-mail/worker.toml.j2``."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from app_integration import redaction

NonEmptySecret = Annotated[SecretStr, Field(min_length=1)]


class _Section(BaseModel):
    """Base of all sections: it rejects unknown keys and registers secrets for redaction."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def model_post_init(self, _context: Any, /) -> None:
        for value in self.__dict__.values():
            if isinstance(value, SecretStr):
                redaction.live.add(value.get_secret_value())


class Database(_Section):
    """Address of the store's database. It needs no user, because connections have leased users."""

    url: NonEmptySecret


class Queue(_Section):
    """Address of the Redis server with the orders."""

    url: NonEmptySecret


class Smtp(_Section):
    """Mail account that the worker sends from.

    Attributes:
        sender: Address of the account. If None, it is ``username@host``.

    """

    host: Annotated[str, Field(min_length=1)]
    port: Annotated[int, Field(ge=1, le=65_535)]
    username: Annotated[str, Field(min_length=1)]
    password: NonEmptySecret
    sender: str | None = None


class WorkerConfig(_Section):
    """Whole config of the worker, with its secrets."""

    database: Database
    queue: Queue
    smtp: Smtp
