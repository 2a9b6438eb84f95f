"""What the small services are told: the part of the delivered config that they use."""

from __future__ import annotations

import hmac
from typing import NoReturn

from pydantic import BaseModel, SecretStr

from app_integration import get_secret, redaction


class Jwt(BaseModel):
    """How texts are signed."""

    secret: SecretStr


class ServiceConfig(BaseModel):
    """The delivered file holds more; what isn't named here is passed over."""

    jwt: Jwt

    def model_post_init(self, _context: object, /) -> None:
        """Tell the log filter what was delivered."""
        redaction.live.add(self.jwt.secret.get_secret_value())


def sign(text: str, config: ServiceConfig) -> dict[str, str]:
    """The signatures of *text* under the secret as delivered, and as the server gives it."""
    keys = {
        "delivered": config.jwt.secret.get_secret_value(),
        "read": get_secret("jwt-secret").reveal(),
    }
    return {
        name: hmac.new(key.encode(), text.encode(), "sha256").hexdigest()
        for name, key in keys.items()
    }


def fail(config: ServiceConfig) -> NoReturn:
    """Make the mistake that redaction is there for.

    Raises:
        ValueError: always, with the secret in its text.

    """
    key = config.jwt.secret.get_secret_value()
    raise ValueError(f"bad key {key}")
