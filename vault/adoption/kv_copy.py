"""Adoption of a KV entry: its value becomes a declared secret, and the entry stays as it is.

Everything is checked before the first change. Each step can be repeated: after a failure or a kill,
the same command continues.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from app_integration import names
from app_integration._internal.secret_value import check_secret_value
from app_integration.errors import ConfigurationError, InvalidName
from app_integration.names import VALUE_KEY, Scope
from app_integration.observability import redaction
from app_integration.secret import Secret
from app_integration.session.session import Session
from vault.adoption.kv_entry import EntryField, FoundValue
from vault.declare.declaration import Declaration
from vault.declare.edit import service_file
from vault.declare.schema.secret_sources import Given
from vault.dotenv.import_ import ImportTarget
from vault.dotenv.proof import ValuesDiffer, values_equal
from vault.dotenv.swap import ProgressCallback
from vault.reconcile.resources import read_data
from vault.reconcile.resources.kv import data_path, metadata_path, write_value
from vault.reconcile.resources.ownership import Owner, check_secret_owner

_GIVEN: Final = {"source": "given"}


class State(StrEnum):
    """What the secret has before the copy."""

    MISSING = "missing"
    EQUAL = "equal"
    DIFFERENT = "different"


@dataclass(frozen=True, slots=True)
class KvCopy:
    """Copy of the value of an entry. *version* is 0 if the secret has none yet."""

    source: EntryField
    found: FoundValue
    scope: Scope
    name: str
    is_declared: bool
    state: State
    version: int

    @property
    def is_done(self) -> bool:
        """Return whether there is nothing to do."""
        return self.is_declared and self.state is State.EQUAL


def choose_name(source: EntryField, name: str | None) -> str:
    """Return the name of the secret: *name*, or else one that follows from the source."""
    if name is not None:
        return names.check_secret_name(name)
    try:
        return names.secret_name(source.last_name.replace("-", "_"))
    except InvalidName:
        raise ConfigurationError(
            f"{source.last_name!r} makes no name of a secret; name one with --name"
        ) from None


def check_declared(declaration: Declaration, scope: Scope, name: str) -> bool:
    """Return whether *name* is declared as a given secret; check that it may become one."""
    declaration.deployment(scope)
    found = declaration.secrets(scope).get(name)
    if found is None and name in declaration.service(scope.service).secrets:
        raise ConfigurationError(
            f"{name} is declared for other environments than {scope.environment}; add that to"
            " its environments, or choose another name with --name"
        )
    if found is not None and not isinstance(found, Given):
        raise ConfigurationError(
            f"{name} of {scope} is declared with another source than given; choose another name"
            " with --name"
        )
    return found is not None


def plan(
    session: Session,
    owner: Owner,
    scope: Scope,
    name: str,
    source: EntryField,
    found: FoundValue,
    *,
    is_declared: bool,
) -> KvCopy:
    """Compare *found* with what the secret has."""
    redaction.live.add(found.value)
    check_secret_value(name, found.value)
    path = scope.secret(name)
    check_secret_owner(session, owner, path)
    metadata = read_data(session, metadata_path(path, owner.mounts.kv)) or {}
    version = int(metadata.get("current_version") or 0)
    state = State.MISSING
    data = read_data(session, data_path(path, owner.mounts.kv)) if version else None
    if data is not None:
        state = State.EQUAL if _has_value(data["data"], found.value) else State.DIFFERENT
    return KvCopy(source, found, scope, name, is_declared, state, version)


def run(copy: KvCopy, target: ImportTarget, say: ProgressCallback) -> None:
    """Declare the secret, write its value, and read it back as the service."""
    name, path = copy.name, copy.scope.secret(copy.name)
    if not copy.is_declared:
        service_file.add(target.service_file, "secrets", {name: _GIVEN}, target.check)
        say(f"declared as a secret in {target.service_file}: {name}")
    if copy.state is not State.EQUAL:
        # Check-and-set, so that this write fails instead of overwriting a concurrent one.
        mount = target.owner.mounts.kv
        new = write_value(target.session, path, copy.found.value, cas=copy.version, mount=mount)
        say(f"{name}: written from {copy.source}, version {new}")
    target.apply()
    if not values_equal(target.read(name), copy.found.value):
        raise ValuesDiffer(f"{copy.scope} reads another value of {name}; run the command again")
    say(f"{name} read back as {copy.scope}: equal. {copy.source} is as it was")


def _has_value(fields: Mapping[str, Any] | None, value: Secret) -> bool:
    stored = (fields or {}).get(VALUE_KEY)
    return isinstance(stored, str) and len(fields or {}) == 1 and values_equal(stored, value)
