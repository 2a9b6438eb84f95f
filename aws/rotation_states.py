"""States of the rotations of an environment, as Secrets Manager describes its secrets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from app_integration.names import Environment
from app_integration.sources.aws import PREVIOUS
from aws.reader import AwsReader
from aws.resources.secret import describe, list_versions
from aws.resources.secret_version import current_version, version_with
from aws.rotated_secrets import find_rotated
from aws.rotation.versions import PENDING
from vault.declare.declaration import Declaration
from vault.rotation.due import due_date, is_overdue

#: Time after which a rotation that has begun is stuck: the four steps take seconds, and Secrets
#: Manager repeats them within the hour.
STUCK_AFTER: Final = timedelta(hours=1)


class State(StrEnum):
    """State of the rotation of a secret."""

    NO_VALUE = "no value"
    OFF = "switched off"
    UNDER_WAY = "under way"
    STUCK = "stuck"
    OVERDUE = "overdue"
    NEVER_ROTATED = "never rotated"
    ROTATED = "rotated"


@dataclass(frozen=True, slots=True)
class RotationState:
    """The rotation of one secret.

    During a rotation, *since* is its beginning, *old* the current version and *new* the pending
    one. Otherwise *since* is the last end, *old* the version before and *new* the current one.
    """

    service: str
    name: str
    state: State
    since: datetime | None = None
    due: datetime | None = None
    old: str = ""
    new: str = ""
    old_read: datetime | None = None


def read_states(
    reader: AwsReader,
    declaration: Declaration,
    environment: Environment,
    now: datetime,
    service: str | None = None,
) -> Iterator[RotationState]:
    """Yield the state of each secret that the function rotates. No value is read."""
    for scope in declaration.scopes(environment):
        if service not in {None, scope.service}:
            continue
        for name, rotated in find_rotated(declaration, scope).items():
            secret = scope.secret(name)
            found = describe(reader, secret) or {}
            versions = list_versions(reader, secret) if current_version(found) else {}
            yield decide_state(scope.service, name, found, versions, rotated.every, now)


def decide_state(
    service: str,
    name: str,
    found: Mapping[str, Any],
    versions: Mapping[str, Mapping[str, Any]],
    every: int,
    now: datetime,
) -> RotationState:
    """Return the state of one secret.

    *found* is its description, empty if there is none; *every* is in seconds.
    """
    current, pending = current_version(found), version_with(found, PENDING)
    if current is None:
        return RotationState(service, name, State.NO_VALUE)
    last = found.get("LastRotatedDate")
    due = due_date(last or versions[current]["CreatedDate"], every, None)
    if pending in {None, current} or pending not in versions:
        old, new, since = version_with(found, PREVIOUS) or "", current, last
        state = State.ROTATED if old and last else State.NEVER_ROTATED
        state = State.OVERDUE if is_overdue(due, now) else state
    else:
        old, new, since = current, str(pending), versions[str(pending)]["CreatedDate"]
        state = State.STUCK if now - since > STUCK_AFTER else State.UNDER_WAY
    if not found.get("RotationEnabled"):
        state = State.OFF
    read = versions.get(old, {}).get("LastAccessedDate")
    return RotationState(service, name, state, since, due, old, new, read)
