"""The four steps of a rotation. Each may be repeated, run twice at once, or come out of order.

Secrets Manager calls createSecret, setSecret, testSecret and finishSecret, in this order, with the
id of the version that becomes the current one. After a failure it begins again with the first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import Protocol
from uuid import NAMESPACE_URL, uuid5

from app_integration.secret import Secret
from app_integration.sources.aws import CURRENT, NEXT, PREVIOUS
from aws.rotation.errors import RotationRefused
from aws.rotation.instructions import ANNOUNCED_TAG, parse_min_age
from aws.rotation.versions import PENDING, Description, SecretVersions, StoredVersion


class Step(StrEnum):
    """A step, as Secrets Manager names it."""

    CREATE = "createSecret"
    SET = "setSecret"
    TEST = "testSecret"
    FINISH = "finishSecret"


class Outcome(StrEnum):
    """How a step has ended."""

    DONE = "done"
    ALREADY_DONE = "already done"
    ALREADY_CURRENT = "already current"


@dataclass(frozen=True, slots=True)
class Result:
    """How a step has ended.

    *lagging* is how often each application uses the value before the current one.
    """

    outcome: Outcome
    lagging: Mapping[str, int] = field(default_factory=dict)


class Kind(Protocol):
    """What differs between the kinds of secrets."""

    def create(self, current: Secret) -> Secret:
        """Return a new value, which nothing accepts yet."""
        ...

    def check(self, pending: Secret, current: Secret) -> None:
        """Raise an error if *pending* cannot be what replaces *current*."""
        ...

    def set(
        self, pending: Secret, current: Secret, confirm: Callable[[], None]
    ) -> Mapping[str, int]:
        """Make *pending* work beside *current*. *confirm* raises if that is not wanted any more.

        Returns:
            How often each application uses the value before *current*, as far as is known.

        """
        ...

    def test(self, pending: Secret, current: Secret) -> None:
        """Raise an error if *pending* does not work."""
        ...


def is_current(description: Description, token: str) -> bool:
    """Return whether the version *token* is the current one, so that nothing is left to do.

    A finished version keeps ``AWSPENDING`` until Secrets Manager takes it off, after the last step.
    """
    labels = description.stages.get(token, ())
    if CURRENT in labels:
        return True
    if PENDING not in labels or PREVIOUS in labels:
        raise RotationRefused(
            f"{token} is not the pending version of {description.name}; rotate it again"
        )
    if not description.is_rotated:
        raise RotationRefused(
            f"the rotation of {description.name} is switched off; run strongroom apply"
        )
    return False


def check_order(pending: StoredVersion, current: StoredVersion) -> None:
    """Raise an error if *pending* is older than *current*.

    It is then of a rotation that has finished, or during which another value was written.
    """
    if pending.created < current.created:
        raise RotationRefused(
            f"the pending version {pending.id} is older than the current one; nothing was changed. "
            "Abandon the rotation, and rotate the secret again"
        )


def check_age(current: StoredVersion, description: Description, now: datetime) -> None:
    """Raise an error if a process may still use the version before *current* from its cache.

    The next rotation retires that version: the password of the other user, or ``AWSPREVIOUS``.
    """
    # A version is created when its rotation begins, and may become current much later.
    since = max(current.created, description.last_rotated or current.created)
    earliest = since + timedelta(seconds=parse_min_age(description.tags))
    if now < earliest:
        raise RotationRefused(
            "the version before the current one may be in use until "
            f"{earliest:%Y-%m-%d %H:%M:%S%z}; rotate the secret later"
        )


@dataclass(frozen=True, slots=True)
class Rotation:
    """The rotation of one secret."""

    versions: SecretVersions
    build_kind: Callable[[Description], Kind]
    clock: Callable[[], datetime]

    def run(self, step: Step, token: str) -> Result:
        """Run one step for the version *token*, which becomes the current one."""
        description = self.versions.describe()
        if is_current(description, token):
            self._announce(description, token)
            return Result(Outcome.ALREADY_CURRENT)
        if step is Step.CREATE:
            return Result(self._create(description, token))
        kind, pending = self.build_kind(description), self.versions.pending(token)
        if pending is None:
            raise RotationRefused(f"{token} has no value yet; run {Step.CREATE} first")
        current = self.versions.current()
        check_order(pending, current)
        if step is Step.SET:
            kind.check(pending.value, current.value)
            confirm = partial(self._confirm, token, current.id)
            lagging = kind.set(pending.value, current.value, confirm)
            return Result(Outcome.DONE, lagging)
        if step is Step.TEST:
            kind.test(pending.value, current.value)
        else:
            # Again, so that a step that was left out or came too early promotes nothing.
            kind.check(pending.value, current.value)
            kind.test(pending.value, current.value)
            self.versions.promote(token, current.id)
            self._announce(description, token)
        return Result(Outcome.DONE)

    def _create(self, description: Description, token: str) -> Outcome:
        """Write the new value, unless there is one: a token has one value only."""
        if self.versions.pending(token) is not None:
            return Outcome.ALREADY_DONE
        current = self.versions.current()
        if description.has_previous:
            check_age(current, description, self.clock())
        kind = self.build_kind(description)
        announced = self._find_announced(description, kind, current)
        self.versions.put(token, announced or kind.create(current.value))
        return Outcome.DONE

    def _find_announced(
        self, description: Description, kind: Kind, current: StoredVersion
    ) -> Secret | None:
        """Return the announced value, None if processes may not have it, or it does not fit."""
        found = self.versions.announced() if ANNOUNCED_TAG in description.tags else None
        age = timedelta(seconds=parse_min_age(description.tags))
        if found is None or self.clock() < found.created + age:
            return None
        try:
            kind.check(found.value, current.value)
            kind.test(found.value, current.value)
        except RotationRefused:
            return None
        return found.value

    def _announce(self, description: Description, token: str) -> None:
        """Announce the value that follows the version *token*, which has become current."""
        if ANNOUNCED_TAG in description.tags:
            value = self.build_kind(description).create(self.versions.current().value)
            self.versions.put(str(uuid5(NAMESPACE_URL, f"{NEXT}:{token}")), value, NEXT)

    def _confirm(self, token: str, current: str) -> None:
        """Raise an error unless *token* is still pending, and *current* still current."""
        description = self.versions.describe()
        if is_current(description, token):
            raise RotationRefused(
                f"{token} was promoted by another invocation first; rotate again if it is due"
            )
        if description.current != current:
            raise RotationRefused(
                f"another version became the current one of {description.name} during the "
                "rotation; abandon the rotation, and rotate the secret again"
            )
