"""Random values that a policy allows, and near ones that the server must deny."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Iterator
from typing import Any, Final

from app_integration.auth.methods import StaticToken
from app_integration.errors import AccessDenied, StrongroomError
from app_integration.secret import Secret
from app_integration.session.session import Session
from policies.parameters import exact
from tests.support.servers.dev_server import root
from vault.reconcile.resources.policies import Policy

#: Last lines of an override, and parts of any line.
_PIECES: Final = (
    *("# also secret/data/other/*", "*", "**", "a*b", 'path "x/*" {}', "\\*", "\\", '"', "'", "$"),
    *("${x}", "{{y}}", "é", "\u2028", "\t", "\r", " ", "\n", "\n\n", "#", "//", "<<E", "0", "[]"),
)
_EVIL: Final = '\npath "*" { capabilities = ["sudo"] }\n'
#: Near values of one text.
_NEAR: Final = 18


class AllowedValue:
    """A KV version 1 entry that a token may write with one value only."""

    def __init__(self, address: str) -> None:
        self._address = address
        with root(address) as session:
            session.post("sys/mounts/k1", {"type": "kv"})
            self._write_policy(session, "true")
            created = session.post("auth/token/create", {"policies": ["one"]})
        self._token = Secret(created["auth"]["client_token"])

    def _write_policy(self, session: Session, value: str) -> None:
        parameters = f'allowed_parameters = {{ "v" = [{value}] }}'
        rule = f'path "k1/x" {{ capabilities = ["create", "update"] {parameters} }}'
        session.post("sys/policies/acl/one", {"policy": rule})

    def count_accepted(self, rng: random.Random, near: int) -> tuple[int, int, list[str]]:
        """Allow values and write near ones."""
        drawn, allowed, wrong = 0, 0, []
        login = StaticToken(self._token)
        with root(self._address) as admin, Session(self._address, login) as session:
            while drawn < near:
                value = draw_value(rng)
                self._write_policy(admin, exact(value))
                allowed += self._is_accepted(session, {"v": value})
                for body in near_bodies(rng, value):
                    drawn += 1
                    if self._is_accepted(session, body):
                        wrong.append(f"{body} beside {value!r}")
        return drawn, allowed, wrong

    @staticmethod
    def _is_accepted(session: Session, body: dict[str, Any]) -> bool:
        """Return whether the policy allows *body*, even if the engine rejects it."""
        try:
            session.post("k1/x", body, retry=False)
        except AccessDenied:
            return False
        except StrongroomError:
            return True
        return True


def draw_value(rng: random.Random) -> Any:
    """Return a value as it is written: most are texts of policies with a hostile last line."""
    lines = "".join(rng.choices(_PIECES, k=rng.randrange(8)))
    text = Policy("shop-dev", lines, "alpha").body()
    return rng.choice((text, text, text, text, True, [text], ["shop-dev", "shop-dev-2"], "5"))


def near_bodies(rng: random.Random, value: Any) -> Iterator[dict[str, Any]]:
    """Yield bodies that are not ``{"v": value}``, but resemble it."""
    for near in _near_values(rng, value):
        # As JSON, because in Python 1 equals True.
        if json.dumps(near) != json.dumps(value):
            yield {"v": near}
            yield {"V": near}
    yield {"v": value, "w": value}


def _near_values(rng: random.Random, value: Any) -> Iterator[Any]:
    yield from (None, "", "*", [], {}, [value], [value, value], {"v": value}, [[value]])
    if isinstance(value, bool):
        yield from ("true", "True", 1, "1", not value)
    elif isinstance(value, list):
        yield from (value[::-1], value[:-1], [*value, "admin"], ",".join(value), value[0])
    else:
        yield from (5, 5.0, f"{value},{value}", base64.b64encode(value.encode()).decode())
        yield from (_change(rng, value) for _ in range(_NEAR))


def _change(rng: random.Random, text: str) -> str:
    """Return *text* with a prefix, a suffix, or a change inside."""
    piece = rng.choice((*_PIECES, _EVIL))
    at = rng.randrange(len(text) + 1)
    return rng.choice(
        (
            text + piece,
            piece + text,
            piece + text + piece,
            text[:at] + piece + text[at:],
            text[:at] + text[at + 1 :],
            text[:-1],
            text[1:],
            text.swapcase(),
            text.strip("# end"),
            text.replace("*", "other/*", 1),
            text.replace("\n", "\r\n"),
            " ".join(text.split()),
        )
    )
