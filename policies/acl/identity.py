"""Identity of a token, which templates in the paths of policies stand for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from app_integration.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Alias:
    """An entity's login at one mount, whose accessor names it."""

    id: str = ""
    name: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    custom_metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Group:
    """A group of entities."""

    id: str = ""
    name: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Identity:
    """The entity of a token, its *aliases* by accessor, and its *groups*, also inherited."""

    id: str = ""
    name: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    aliases: Mapping[str, Alias] = field(default_factory=dict)
    groups: tuple[Group, ...] = ()


class ForbiddenText(ConfigurationError):
    """A text of an identity that no path of a policy may contain."""


def is_templated(path: str) -> bool:
    """Return whether *path* has a template."""
    return "{{" in path


def fill(path: str, identity: Identity | None, forbidden: str) -> str | None:
    """Return *path* with each template filled in, or None if *identity* has no such text.

    Raise ForbiddenText if the text for a template has a character of *forbidden*.
    """
    first, *others = path.split("{{")
    parts = [first]
    for other in others:
        template, rest = other.split("}}")
        text = _look_up(template.strip(), identity)
        if not text:
            return None
        for character in forbidden:
            if character in text:
                raise ForbiddenText(
                    f"{{{{{template}}}}} in a policy's path stands for a text with {character!r}, "
                    "for which the server refuses every request of the token; rename the entity, "
                    "or correct its metadata"
                )
        parts += text, rest
    return "".join(parts)


def _look_up(template: str, identity: Identity | None) -> str | None:
    if identity is None:
        return None
    if template.startswith("identity.entity."):
        return _of_entity(template.removeprefix("identity.entity."), identity)
    if template.startswith("identity.groups."):
        return _of_group(template.removeprefix("identity.groups."), identity.groups)
    return None


def _of_entity(name: str, identity: Identity) -> str | None:
    if not name.startswith("aliases."):
        return _of(identity, name)
    accessor, _, rest = name.removeprefix("aliases.").partition(".")
    alias = identity.aliases.get(accessor)
    return _of(alias, rest) if alias else None


def _of_group(name: str, groups: tuple[Group, ...]) -> str | None:
    kind, _, selector = name.partition(".")
    key, _, rest = selector.partition(".")
    if kind not in {"ids", "names"}:
        return None
    found = (each for each in groups if key == (each.id if kind == "ids" else each.name))
    group = next(found, None)
    return _of(group, rest) if group else None


def _of(owner: Identity | Alias | Group, name: str) -> str | None:
    first, _, key = name.partition(".")
    if name in {"id", "name"}:
        return owner.id if name == "id" else owner.name
    if first == "metadata":
        return owner.metadata.get(key)
    if first == "custom_metadata" and isinstance(owner, Alias):
        return owner.custom_metadata.get(key)
    return None
