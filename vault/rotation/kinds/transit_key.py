"""Rotation of a Transit key: a new version, a rewrap, and old versions retired."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from app_integration.errors import ConfigurationError
from app_integration.session.session import Session
from app_integration.settings import Limits
from vault.declare import durations
from vault.reconcile.resources import read_data
from vault.rotation.consumers.evidence_type import Consumer, Evidence, Proof
from vault.rotation.context import RotationContext
from vault.rotation.due import due_date, is_overdue
from vault.rotation.hooks import NO_HOOKS
from vault.rotation.inventory import Item
from vault.rotation.kinds.stored_values import StoredValues
from vault.rotation.record import Record, Step

#: Seconds for which a process may encrypt with a data key that an old version has wrapped.
WRITE_WINDOW: Final = int(Limits().data_key_age)
_MINIMUM: Final = "min_decryption_version"
_KEPT: Final = "no retire_after is declared for the key, so that old versions decrypt for ever"
_NOT_COUNTED: Final = "nothing has counted what is of an old version"
_WRITTEN: Final = (
    f"a process may encrypt with a data key of an old version for {durations.render(WRITE_WINDOW)} "
    "after the rotation"
)
_UNPROVED: Final = (
    "nothing proves that old versions are unused, because the audit log does not show which "
    "version a request decrypted with: declare the hook count, remove retire_after, or end the "
    "rotation with --undo"
)


@dataclass(frozen=True, slots=True)
class KeyRotation:
    """The steps for one Transit key.

    A new version encrypts from its creation, so that the promotion changes nothing. The consumers
    are the stored ciphertexts. Old versions decrypt for *retire_after* seconds in any case; None
    for ever.
    """

    item: Item
    session: Session
    mount: str
    retire_after: int | None
    stored: StoredValues
    read_previous: Callable[[], Record | None]
    clock: Callable[[], datetime]

    def start(self, record: Record) -> Record:
        """Return the record with the version that is replaced.

        A version that the server created since the last rotation, and that is not overdue itself,
        is adopted as the new one.
        """
        found = self._read()
        latest, followed = found["latest_version"], self._followed_version()
        if latest > followed and not self._is_overdue(found, latest):
            return replace(record, old=str(followed), new=str(latest))
        return replace(record, old=str(latest))

    def create(self, record: Record) -> Record:
        """Create a version, unless that was done, or another one is adopted.

        An adopted version may be compromised, too, so that it is replaced then.
        """
        known = int(record.new or record.old)
        is_adopted = record.new and not record.is_compromised
        if not is_adopted and self._read()["latest_version"] <= known:
            self.session.post(f"{self._path}/rotate", retry=False)
        return replace(record, new=str(self._read()["latest_version"]))

    def set(self, record: Record) -> Record:
        """Change nothing, because the server uses the new version already."""
        return record

    def test(self, record: Record) -> Record:
        """Check that the key has the new version."""
        self._check_version(record)
        return record

    def promote(self, record: Record) -> Record:
        """Change nothing, because new ciphertexts are of the new version already."""
        return record

    def find_consumers(self, record: Record) -> Evidence:
        """Let the hook ``rewrap`` move what is stored, and return what the hook ``count`` counts.

        The next run repeats that, so that the hook may rewrap a part at a time.
        """
        bound, notes = self._bound(record), (self._describe_end(record),)
        if self.stored.is_counted:
            return self.stored.observe(record, bound, notes)
        self.stored.move(record)
        if bound is None:
            return Evidence(Proof.COUNT, notes=(*notes, _NOT_COUNTED))
        unknown = Consumer("what the application has stored", "is not counted")
        return Evidence(
            Proof.COUNT, waiting=(unknown,), not_before=bound, notes=(*notes, _UNPROVED)
        )

    def retire(self, record: Record) -> Record:
        """Let the server reject old versions, if that is declared. No version is deleted."""
        if self.retire_after is None and not record.is_compromised:
            return record
        if self._check_version(record)[_MINIMUM] < int(record.new):
            self.session.post(f"{self._path}/config", {_MINIMUM: int(record.new)})
        return record

    def undo(self, record: Record) -> None:
        """Change nothing: old versions decrypt on, and none of them can encrypt again."""

    def _followed_version(self) -> int:
        """Return the version to which the last rotation has moved what is stored."""
        previous = self.read_previous()
        if previous is None:
            return 1
        return int(previous.new if previous.step is Step.DONE else previous.old)

    def _is_overdue(self, found: Mapping[str, Any], version: int) -> bool:
        created = datetime.fromtimestamp(found["keys"][str(version)], UTC)
        return is_overdue(due_date(created, self.item.every, None), self.clock())

    def _bound(self, record: Record) -> datetime | None:
        """Return when old versions may be retired, None if never."""
        if self.retire_after is None:
            return None
        seconds = max(self.retire_after, WRITE_WINDOW)
        return (record.promoted or self.clock()) + timedelta(seconds=seconds)

    def _describe_end(self, record: Record) -> str:
        """Return what becomes of old versions, as a note."""
        if record.is_compromised:
            return (
                "older versions are rejected now: what is left of them cannot be read until "
                f"{_MINIMUM} of the key {self.item.server_name} is lowered again"
            )
        return _KEPT if self.retire_after is None else _WRITTEN

    def _check_version(self, record: Record) -> Mapping[str, Any]:
        found = self._read()
        if found["latest_version"] < int(record.new):
            raise ConfigurationError(
                f"version {record.new} of the key {self.item.server_name} does not exist any more; "
                "restore the key from a backup of the server"
            )
        return found

    def _read(self) -> Mapping[str, Any]:
        found = read_data(self.session, self._path)
        if found is None:
            raise ConfigurationError(
                f"the key {self.item.server_name} does not exist; create it with strongroom apply"
            )
        return found

    @property
    def _path(self) -> str:
        return f"{self.mount}/keys/{self.item.server_name}"


def build(context: RotationContext, item: Item) -> KeyRotation:
    """Return the steps that rotate the key *item*."""
    declared = context.declaration.service(item.service or "").keys[item.name]
    runner = context.runner(item, declared.hooks.commands if declared.hooks else NO_HOOKS)
    return KeyRotation(
        item=item,
        session=context.session,
        mount=context.mounts.transit,
        retire_after=declared.retire_after,
        stored=StoredValues("ciphertext", "rewrap", runner, context.clock),
        read_previous=context.store(item).read,
        clock=context.clock,
    )
