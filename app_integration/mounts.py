"""Mounts of one deployment: where its engines and its AppRole method are on the server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Final

from app_integration import names
from app_integration.errors import ConfigurationError, InvalidName

#: First segments that the server keeps for itself.
RESERVED: Final = frozenset(("auth", "sys", "identity", "cubbyhole"))


@dataclass(frozen=True, slots=True)
class Mounts:
    """Paths of the mounts, without a trailing slash; *approle* is below ``auth/``."""

    kv: str = names.KV_MOUNT
    transit: str = names.TRANSIT_MOUNT
    database: str = names.DATABASE_MOUNT
    approle: str = names.APPROLE_MOUNT

    def __post_init__(self) -> None:
        for each in fields(self):
            check_mount(getattr(self, each.name))
        if overlap := find_overlap(self.engines):
            raise InvalidName(f"mount {overlap[0]!r} overlaps {overlap[1]!r}; use another path")

    @property
    def engines(self) -> tuple[str, ...]:
        """Return the mounts of the secrets engines, which share one namespace of paths."""
        return self.kv, self.transit, self.database

    @property
    def auth(self) -> str:
        """Return the API path of the AppRole method: ``auth/approle``."""
        return f"auth/{self.approle}"


def check_mount(path: str) -> str:
    """Return *path* if it is valid: segments as in a secret name, the first one not reserved."""
    try:
        names.check_secret_name(path)
    except InvalidName:
        raise InvalidName(
            f"mount {path!r}: use lower-case letters, digits, '-' and '_', with '/' between "
            "segments and none at the end"
        ) from None
    if path.partition("/")[0] in RESERVED:
        raise InvalidName(f"mount {path!r} begins with a path of the server; use another path")
    return path


def find_overlap(paths: tuple[str, ...]) -> tuple[str, str] | None:
    """Return two of *paths* that are equal or nested, else None.

    The server mounts nothing at such paths.
    """
    return next(_overlaps(paths), None)


def _overlaps(paths: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for index, path in enumerate(paths):
        for other in paths[:index]:
            if f"{path}/".startswith(f"{other}/") or f"{other}/".startswith(f"{path}/"):
                yield path, other


#: The mounts of a deployment that declares none.
DEFAULT_MOUNTS: Final = Mounts()


def read_mounts(env: Mapping[str, str]) -> Mounts:
    """Return the mounts of the engines that the variables *env* name."""
    default = DEFAULT_MOUNTS
    try:
        return Mounts(
            kv=read_mount(env, "STRONGROOM_KV_MOUNT", default.kv),
            transit=read_mount(env, "STRONGROOM_TRANSIT_MOUNT", default.transit),
            database=read_mount(env, "STRONGROOM_DATABASE_MOUNT", default.database),
        )
    except InvalidName as error:
        variables = "STRONGROOM_KV_MOUNT, STRONGROOM_TRANSIT_MOUNT, STRONGROOM_DATABASE_MOUNT"
        raise ConfigurationError(f"{variables}: {error}") from None


def read_mount(
    env: Mapping[str, str], variable: str, default: str, example: str = "team/kv"
) -> str:
    """Return the mount that *variable* names, or *default* if it is not set."""
    path = env.get(variable) or default
    try:
        return path and check_mount(path)
    except InvalidName:
        raise ConfigurationError(
            f"{variable} is {path!r}; expected a name such as {example}"
        ) from None


def mount_variables(mounts: Mounts) -> dict[str, str]:
    """Return the variables that name *mounts* where they are not the default ones."""
    default = DEFAULT_MOUNTS
    variables = {
        "STRONGROOM_KV_MOUNT": (mounts.kv, default.kv),
        "STRONGROOM_TRANSIT_MOUNT": (mounts.transit, default.transit),
        "STRONGROOM_DATABASE_MOUNT": (mounts.database, default.database),
        "STRONGROOM_AUTH_MOUNT": (mounts.approle, default.approle),
    }
    return {name: path for name, (path, usual) in variables.items() if path != usual}
