"""What a template asks for: the values its helpers give, and the paths that must be readable."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import quote

from agent.compiler.formats import Scalar
from agent.errors import Refused, nearest
from app_integration import permissions
from app_integration.names import Scope
from app_integration.permissions import Need

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://", re.ASCII)


@dataclass(frozen=True, slots=True)
class SecretValue:
    """A secret by name; its value isn't known here and never will be.

    Attributes:
        need: what reading it takes.
        user: for an adopted secret, what reading its database user and password takes.

    """

    name: str
    need: Need
    user: Need | None = None

    @property
    def needs(self) -> tuple[Need, ...]:
        """All that reading it takes."""
        return (self.need, self.user) if self.user else (self.need,)


@dataclass(frozen=True, slots=True)
class Url:
    """A URL with secrets in it: *parts* are text, percent-encoded already, and secrets."""

    parts: tuple[str | SecretValue, ...]


Value = Scalar | SecretValue | Url


@dataclass(frozen=True, slots=True)
class Declared:
    """What a service in an environment has declared; its methods are a template's helpers."""

    scope: Scope
    secrets: frozenset[str]
    settings: Mapping[str, Scalar]
    adopted: frozenset[str] = frozenset()

    def secret(self, name: object) -> SecretValue:
        """The helper ``secret(name)``."""
        if not isinstance(name, str) or name not in self.secrets:
            hint = nearest(str(name), self.secrets)
            raise Refused(f"secret {name!r} isn't declared for {self.scope.service}; {hint}")
        need = permissions.need("read-secret", self.scope.secret(name))
        if name not in self.adopted:
            return SecretValue(name, need)
        user = permissions.need("read-static-user", self.scope.static_role(name))
        return SecretValue(name, need, user)

    def setting(self, name: object) -> Scalar:
        """The helper ``setting(name)``."""
        if not isinstance(name, str) or name not in self.settings:
            hint = nearest(str(name), self.settings)
            raise Refused(f"setting {name!r} isn't declared for {self.scope}; {hint}")
        return self.settings[name]

    def url(self, pattern: object, *values: object) -> str | Url:
        """The helper ``url(pattern, …)``: each ``{}`` becomes the next value, percent-encoded."""
        if not isinstance(pattern, str) or not _SCHEME.match(pattern):
            raise Refused("url() begins with its pattern, such as url('redis://:{}@host/0', …)")
        texts = pattern.split("{}")
        if len(texts) != len(values) + 1 or not values:
            raise Refused(
                f"url() has {len(texts) - 1} {{}} in its pattern and {len(values)} values;"
                " give one value for each"
            )
        parts: list[str | SecretValue] = [texts[0]]
        for value, text in zip(values, texts[1:], strict=True):
            parts += [_encoded(value), text]
        if any(isinstance(part, SecretValue) for part in parts):
            return Url(tuple(parts))
        return "".join(map(str, parts))


def _encoded(value: object) -> str | SecretValue:
    if isinstance(value, SecretValue):
        return value
    if isinstance(value, str | int) and not isinstance(value, bool):
        return quote(str(value), safe="")
    raise Refused(f"url() takes secrets, text and whole numbers, not {value!r}")


def secrets_of(value: Value) -> tuple[SecretValue, ...]:
    """The secrets that *value* is made of, in order."""
    if isinstance(value, SecretValue):
        return (value,)
    if isinstance(value, Url):
        return tuple(part for part in value.parts if isinstance(part, SecretValue))
    return ()


def needs_of(values: Iterable[Value]) -> tuple[Need, ...]:
    """What rendering *values* takes, sorted, each once."""
    found = {need for value in values for secret in secrets_of(value) for need in secret.needs}
    return tuple(sorted(found))
