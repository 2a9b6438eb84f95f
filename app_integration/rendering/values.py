"""Values of a skeleton's secrets, all read now, or the reasons why some cannot be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from app_integration.errors import (
    AccessDenied,
    ConfigRejected,
    SecretDeleted,
    SecretNotFound,
    StrongroomError,
)
from app_integration.rendering.skeleton import Skeleton
from app_integration.secret_store.store import SecretStore


@dataclass(frozen=True, slots=True)
class Values:
    """Values of the secrets of one skeleton; *versions* are numbers by path, without ids of AWS."""

    texts: Mapping[str, str]
    versions: Mapping[str, int]


def read_values(store: SecretStore, skeleton: Skeleton, rule: Callable[[str], str]) -> Values:
    """Return the current values of all secrets of *skeleton*. Nothing stays cached.

    So an outage is an error at the next call, and not a stale value. *store* must have no other
    user.
    """
    store.fetcher.cache.clear()  # because the last attempt in an outage may have cached one
    try:
        _prefetch(store, skeleton)
        return _read(store, skeleton, rule)
    finally:
        store.fetcher.cache.clear()


def _prefetch(store: SecretStore, skeleton: Skeleton) -> None:
    """Cache the secrets that one request returns together."""
    names = list(skeleton.lines)
    try:
        for name in names:
            store.check(name)  # so that nothing is sent for a name that is not declared
        store.fetcher.prefetch(names)
    except StrongroomError as error:
        raise ConfigRejected(f"{skeleton.template}: its secrets cannot be read: {error}") from None


def _read(store: SecretStore, skeleton: Skeleton, rule: Callable[[str], str]) -> Values:
    """Return the values. See :func:`read_values`."""
    texts: dict[str, str] = {}
    versions: dict[str, int] = {}
    problems: list[str] = []
    for name, line in sorted(skeleton.lines.items()):
        where = f"{skeleton.place(line)}: the secret {name!r}"
        try:
            texts[name] = store.get(name).reveal()
        except (SecretNotFound, AccessDenied) as error:
            problems.append(f"{where} {_describe(error, name, rule)}")
            continue
        except StrongroomError as error:
            raise ConfigRejected(f"{where} cannot be read: {error}") from None
        info = store.get_info(name)
        if info is not None and isinstance(info.version, int):
            versions[skeleton.scope.secret(name)] = info.version
    if problems:
        raise ConfigRejected("\n  ".join(problems))
    return Values(texts, versions)


def _describe(error: StrongroomError, name: str, rule: Callable[[str], str]) -> str:
    """Return why a secret has no value or is denied, and what to do."""
    if isinstance(error, SecretDeleted):
        return f"was deleted: {error}"
    if isinstance(error, SecretNotFound):
        return "has no value; write one"
    hint = error.hint if isinstance(error, AccessDenied) else ""
    return f"is denied or absent; {hint or f'write it, or if it is there add {rule(name)}'}"
