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
    """A token that proves nothing; deliberately says no more."""


def issue(user_id: UUID, secret: SecretStr, *, now: datetime) -> str:
    """A token that says who *user_id* is, for :data:`LIFETIME` from *now*, which is aware."""
    claims = {
        "sub": str(user_id),
        "iss": ISSUER,
        "aud": AUDIENCE,
        "iat": now,
        "exp": now + LIFETIME,
    }
    return jwt.encode(claims, secret.get_secret_value(), algorithm=ALGORITHM)


def verify(token: str, accepted: Iterable[SecretStr]) -> UUID:
    """The user that *token* speaks of.

    Args:
        token: as it was sent.
        accepted: keys that it may be signed with; the next is asked for when one isn't it.

    Raises:
        InvalidToken: expired, made for others, or signed with none of the keys.

    """
    for secret in accepted:
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
        # What the token itself says of its algorithm has no say.
        algorithms=[ALGORITHM],
        issuer=ISSUER,
        audience=AUDIENCE,
        options={"require": ["sub", "iss", "aud", "iat", "exp"]},
    )
    return UUID(claims["sub"])
