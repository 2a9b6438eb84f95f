"""Login tokens: which the store takes, and which not."""

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


def forged(algorithm: str = "HS256", **changes: Any) -> str:
    """A token signed with the right key, with claims changed, or left out when None."""
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


def test_a_fresh_token_says_who_it_is() -> None:
    assert tokens.verify(tokens.issue(USER, KEY, now=now()), [KEY]) == USER


@pytest.mark.parametrize(
    "token",
    [
        tokens.issue(USER, OTHER_KEY, now=now()),
        tokens.issue(USER, KEY, now=now() - tokens.LIFETIME - timedelta(seconds=1)),
        forged(iss="somebody-else"),
        forged(aud="another-service"),
        forged(sub="not-an-id"),
        forged(sub=None),
        forged(aud=None),
        forged(exp=None),
        forged(algorithm="none"),
        "",
        "not.a.token",
    ],
    ids=[
        "another key",
        "expired",
        "another issuer",
        "another audience",
        "subject that is no id",
        "no subject",
        "no audience",
        "no end",
        "unsigned",
        "empty",
        "no token at all",
    ],
)
def test_every_other_token_is_refused(token: str) -> None:
    with pytest.raises(tokens.InvalidToken):
        tokens.verify(token, [KEY])


def test_the_same_token_without_a_change_is_accepted() -> None:
    assert tokens.verify(forged(), [KEY]) == USER


def test_a_token_signed_with_a_longer_hash_is_refused() -> None:
    key = SecretStr("k" * 64)
    token = jwt.encode({"sub": str(USER)}, key.get_secret_value(), algorithm="HS512")
    with pytest.raises(tokens.InvalidToken):
        tokens.verify(token, [key])


def test_one_of_several_keys_is_enough_and_the_others_are_not_asked_for() -> None:
    def accepted() -> Iterator[SecretStr]:
        yield OTHER_KEY
        yield KEY
        raise AssertionError("nobody needs a third key")

    assert tokens.verify(forged(), accepted()) == USER


def test_an_expired_token_asks_for_no_other_key() -> None:
    asked = iter([KEY, OTHER_KEY])
    with pytest.raises(tokens.InvalidToken):
        tokens.verify(forged(exp=now() - timedelta(seconds=1)), asked)
    assert next(asked) == OTHER_KEY
