"""Login tokens: JSON Web Tokens signed with the delivered secret."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import jwt
from pydantic import SecretStr

ALGORITHM: Final = "HS256"
ISSUER: Final = "gaara-store"
AUDIENCE: Final = "gaara-store-users"
LIFETIME: Final = timedelta(hours=1)


class InvalidToken(Exception):
    """An invalid login token. It deliberately has no message that says why."""


def issue(user_id: UUID, secret: SecretStr, *, now: datetime) -> str:
    """Return a login token for *user_id* that expires :data:`LIFETIME` after *now*."""
    claims = {
        "sub": str(user_id),
        "iss": ISSUER,
        "aud": AUDIENCE,
        "iat": now,
        "exp": now + LIFETIME,
    }
    return jwt.encode(claims, secret.get_secret_value(), algorithm=ALGORITHM)


def verify(token: str, keys: Iterable[SecretStr]) -> UUID:
    """Verify *token* and return the id of its user, or raise InvalidToken.

    The next of *keys* is only requested if the one before has not signed it.
    """
    for secret in keys:
        try:
            return _subject(token, secret)
        except jwt.InvalidSignatureError:
            continue
        except (jwt.InvalidTokenError, ValueError):
            break
    raise InvalidToken


def _subject(token: str, secret: SecretStr) -> UUID:
    claims = jwt.decode(
        token,
        secret.get_secret_value(),
        # Fix the algorithm, because an attacker chooses the one in the token's header.
        algorithms=[ALGORITHM],
        issuer=ISSUER,
        audience=AUDIENCE,
        options={"require": ["sub", "iss", "aud", "iat", "exp"]},
    )
    return UUID(claims["sub"])
