"""Config model of the small services: the part of the delivered file that they use."""

from __future__ import annotations

import hmac
from typing import NoReturn

from pydantic import BaseModel, SecretStr

from app_integration import get_secret, redaction


class Jwt(BaseModel):
    """Section ``jwt`` of the delivered file, with the signing key."""

    secret: SecretStr


class ServiceConfig(BaseModel):
    """Config of a small service. Other sections of the delivered file are ignored."""

    jwt: Jwt

    def model_post_init(self, _context: object, /) -> None:
        """Register the delivered secret for redaction in logs."""
        redaction.live.add(self.jwt.secret.get_secret_value())


def sign(text: str, config: ServiceConfig) -> dict[str, str]:
    """Return the HMAC-SHA256 of *text* under the secret from each source, in hexadecimal.

    Both are equal unless a rotation is not delivered yet.
    """
    keys = {
        "delivered": config.jwt.secret.get_secret_value(),
        "read": get_secret("jwt-secret").reveal(),
    }
    return {
        name: hmac.new(key.encode(), text.encode(), "sha256").hexdigest()
        for name, key in keys.items()
    }


def fail(config: ServiceConfig) -> NoReturn:
    """Put a secret into an exception's message, the mistake that redaction protects against."""
    key = config.jwt.secret.get_secret_value()
    raise ValueError(f"bad key {key}")
