"""Dependencies between kinds of resource, and the API path of each prunable kind.

Each kind of a Vault server says both on its class, and is found by them: ``depends_on``, and
``listed_at`` if ``--prune`` may delete it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, Final, Protocol, TypeVar

from app_integration.mounts import Mounts
from vault.reconcile import resources


def _kinds() -> Iterator[Any]:
    """Yield the class of each kind of resource of a Vault server."""
    for module in iter_modules(resources.__path__, f"{resources.__name__}."):
        for found in vars(import_module(module.name)).values():
            if isinstance(found, type) and "depends_on" in vars(found):
                yield found


_KINDS: Final = {each.kind: each for each in _kinds()}
#: Kind → the kinds that must be written before it. Ownership metadata is in KV, so that most kinds
#: depend on ``kv-config``.
DEPENDENCIES: Final[Mapping[str, tuple[str, ...]]] = {
    **{kind: each.depends_on for kind, each in _KINDS.items()},
    "secret-rotation": ("secret-value",),
    "kms-key": (),
    "iam-policy": (),
    "iam-role": ("iam-policy",),
    "instance-profile": ("iam-role",),
    "log-group": (),
    "metric-filter": ("log-group",),
    "topic": (),
    "trail": ("iam-role", "log-group"),
    "alarm": ("metric-filter", "topic"),
    "dashboard": ("alarm",),
}

#: Kinds that ``--prune`` may delete → the API path that lists them, with the mounts as fields; each
#: object is at <path>/<name>.
PRUNABLE: Final[Mapping[str, str]] = {
    kind: each.listed_at for kind, each in _KINDS.items() if hasattr(each, "listed_at")
}

#: Kinds whose members depend on each other, so that they are written one by one in order.
SEQUENTIAL: Final = frozenset(("derived-secret",))


def list_path(kind: str, mounts: Mounts) -> str:
    """Return the API path that lists the objects of a prunable *kind*."""
    return PRUNABLE[kind].format(auth=mounts.auth, database=mounts.database, transit=mounts.transit)


class Orderable(Protocol):
    """An item with a place in the order of writes."""

    @property
    def kind(self) -> str:
        """Return the kind, a key of :data:`DEPENDENCIES`."""
        ...

    @property
    def is_deletion(self) -> bool:
        """Return whether the item is deleted. Deletions come last, in reverse order."""
        ...


_T = TypeVar("_T", bound=Orderable)


def group_into_waves(items: Iterable[_T]) -> list[list[_T]]:
    """Return *items* in groups. The items of one group may be written concurrently.

    Kinds come after their dependencies. Deletions come after all writes, in reverse order.
    """
    found: defaultdict[tuple[int, int], list[_T]] = defaultdict(list)
    for position, item in enumerate(items):
        rank = (
            2 * len(DEPENDENCIES) - dependency_depth(item.kind)
            if item.is_deletion
            else dependency_depth(item.kind)
        )
        found[rank, position if item.kind in SEQUENTIAL else 0].append(item)
    return [found[key] for key in sorted(found)]


@cache
def dependency_depth(kind: str) -> int:
    """Return the length of the longest chain of kinds that *kind* depends on."""
    return max((1 + dependency_depth(other) for other in DEPENDENCIES[kind]), default=0)
