"""Helpers of templates: the values that they return, and the paths that the agent must read."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import quote

from agent.compiler.errors import HelperError, suggest
from agent.compiler.formats import Scalar
from app_integration import permissions
from app_integration.mounts import DEFAULT_MOUNTS, Mounts
from app_integration.names import Scope
from app_integration.permissions import Need

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://", re.ASCII)


@dataclass(frozen=True, slots=True)
class SecretValue:
    """Reference to a secret. Its value is never known here.

    *user* is what an adopted secret needs to read its database user and password; otherwise None.
    """

    name: str
    need: Need
    user: Need | None = None

    @property
    def needs(self) -> tuple[Need, ...]:
        """Return all paths and capabilities that are needed to read the secret."""
        return (self.need, self.user) if self.user else (self.need,)


@dataclass(frozen=True, slots=True)
class Url:
    """URL that contains secrets.

    The texts in *parts* are percent-encoded already.
    """

    parts: tuple[str | SecretValue, ...]


Value = Scalar | SecretValue | Url


@dataclass(frozen=True, slots=True)
class TemplateContext:
    """Declared secrets and settings of a service. Its methods are the helpers of a template.

    *adopted* names the secrets that are composed with a static database user.
    """

    scope: Scope
    secrets: Collection[str]
    settings: Mapping[str, Scalar]
    adopted: Collection[str] = ()
    mounts: Mounts = DEFAULT_MOUNTS

    def secret(self, name: object) -> SecretValue:
        """Return the secret *name*: the helper ``secret(name)``."""
        if not isinstance(name, str) or name not in self.secrets:
            hint = suggest(str(name), self.secrets)
            raise HelperError(f"secret {name!r} is not declared for {self.scope.service}; {hint}")
        need = permissions.need("read-secret", self.scope.secret(name), self.mounts)
        if name not in self.adopted:
            return SecretValue(name, need)
        user = permissions.need("read-static-user", self.scope.static_role(name), self.mounts)
        return SecretValue(name, need, user)

    def setting(self, name: object) -> Scalar:
        """Return the value of the setting *name*: the helper ``setting(name)``."""
        if not isinstance(name, str) or name not in self.settings:
            hint = suggest(str(name), self.settings)
            raise HelperError(f"setting {name!r} is not declared for {self.scope}; {hint}")
        return self.settings[name]

    def url(self, pattern: object, *values: object) -> str | Url:
        """Return a URL: the helper ``url(pattern, …)``."""
        if not isinstance(pattern, str) or not _SCHEME.match(pattern):
            raise HelperError(
                "url() needs a pattern with a scheme; write url('redis://:{}@host/0', …)"
            )
        texts = pattern.split("{}")
        if len(texts) != len(values) + 1 or not values:
            raise HelperError(
                f"url() has {len(texts) - 1} {{}} in its pattern and {len(values)} values;"
                " pass one value for each"
            )
        parts: list[str | SecretValue] = [texts[0]]
        for value, text in zip(values, texts[1:], strict=True):
            parts += [_encode_part(value), text]
        if any(isinstance(part, SecretValue) for part in parts):
            return Url(tuple(parts))
        return "".join(map(str, parts))


def _encode_part(value: object) -> str | SecretValue:
    if isinstance(value, SecretValue):
        return value
    if isinstance(value, str | int) and not isinstance(value, bool):
        return quote(str(value), safe="")
    raise HelperError(f"url() cannot encode {value!r}; pass secrets, text and whole numbers")


def secrets_of(value: Value) -> tuple[SecretValue, ...]:
    """Return the secrets in *value*, in order."""
    if isinstance(value, SecretValue):
        return (value,)
    if isinstance(value, Url):
        return tuple(part for part in value.parts if isinstance(part, SecretValue))
    return ()


def needs_of(values: Iterable[Value]) -> tuple[Need, ...]:
    """Return the paths and capabilities that rendering *values* needs, sorted and unique."""
    found = {need for value in values for secret in secrets_of(value) for need in secret.needs}
    return tuple(sorted(found))
