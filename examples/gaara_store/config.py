"""Model of the config file that the agent delivers: ``agent/templates/gaara-store/app.yaml.j2``."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, SecretStr

from examples.config_sections import Database, Redis, Section, Smtp

#: HS256 needs a key at least as long as its hash, which is 32 bytes.
SigningKey = Annotated[SecretStr, Field(min_length=32)]


class Jwt(Section):
    """Signing key of login tokens."""

    secret: SigningKey


class StoreConfig(Section):
    """Whole config of the store, with its secrets."""

    database: Database
    redis: Redis
    jwt: Jwt
    smtp: Smtp
