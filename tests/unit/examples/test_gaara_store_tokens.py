"""Login tokens that the store accepts, and tokens that it rejects."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import jwt
import pytest
from pydantic import SecretStr

from examples.gaara_store import tokens

USER = UUID("6f1c0ae2-9f3e-4a41-9a0f-0d1c5a4c1e77")
KEY = SecretStr("a-signing-key-of-more-than-32-characters")
OTHER_KEY = SecretStr("another-key-of-more-than-32-characters!!")


def now() -> datetime:
    return datetime.now(UTC)


def encode_token(algorithm: str = "HS256", **changes: Any) -> str:
    """Return a token signed with the right key and with *changes* to its claims.

    A claim that is None in *changes* is left out.
    """
    claims = {
        "sub": str(USER),
        "iss": tokens.ISSUER,
        "aud": tokens.AUDIENCE,
        "iat": now(),
        "exp": now() + timedelta(hours=1),
        **changes,
    }
    kept = {name: value for name, value in claims.items() if value is not None}
    key = "" if algorithm == "none" else KEY.get_secret_value()
    return jwt.encode(kept, key, algorithm=algorithm)


def test_verify_fresh_token_returns_its_user() -> None:
    assert tokens.verify(tokens.issue(USER, KEY, now=now()), [KEY]) == USER


INVALID = {
    "another key": tokens.issue(USER, OTHER_KEY, now=now()),
    "expired": tokens.issue(USER, KEY, now=now() - tokens.LIFETIME - timedelta(seconds=1)),
    "another issuer": encode_token(iss="another-issuer"),
    "another audience": encode_token(aud="another-service"),
    "subject that is no id": encode_token(sub="not-an-id"),
    "no subject": encode_token(sub=None),
    "no audience": encode_token(aud=None),
    "no expiry": encode_token(exp=None),
    "unsigned": encode_token(algorithm="none"),
    "empty": "",
    "no token at all": "not.a.token",
}


@pytest.mark.parametrize("token", INVALID.values(), ids=INVALID)
def test_verify_invalid_token_raises(token: str) -> None:
    with pytest.raises(tokens.InvalidToken):
        tokens.verify(token, [KEY])


def test_verify_unchanged_token_returns_its_user() -> None:
    assert tokens.verify(encode_token(), [KEY]) == USER


def test_verify_token_with_another_hash_raises() -> None:
    key = SecretStr("k" * 64)
    token = jwt.encode({"sub": str(USER)}, key.get_secret_value(), algorithm="HS512")
    with pytest.raises(tokens.InvalidToken):
        tokens.verify(token, [key])


def test_verify_stops_at_the_first_matching_key() -> None:
    def keys() -> Iterator[SecretStr]:
        yield OTHER_KEY
        yield KEY
        raise AssertionError("no third key is needed")

    assert tokens.verify(encode_token(), keys()) == USER


def test_verify_expired_token_requests_no_other_key() -> None:
    asked = iter([KEY, OTHER_KEY])
    with pytest.raises(tokens.InvalidToken):
        tokens.verify(encode_token(exp=now() - timedelta(seconds=1)), asked)
    assert next(asked) == OTHER_KEY
