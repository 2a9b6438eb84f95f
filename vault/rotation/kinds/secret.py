"""Rotation of a secret: one that this tool generates, or one that hooks change at its owner."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from app_integration.errors import ConfigurationError
from app_integration.mounts import Mounts
from app_integration.names import COMPOSED_KEY, NEXT_KEY, VALUE_KEY
from app_integration.observability import redaction
from app_integration.secret import Secret
from app_integration.session.session import Session
from vault.reconcile.resources import OUTDATED, read_data
from vault.reconcile.resources.kv import data_path, destroy_versions, metadata_path
from vault.reconcile.resources.marks import check_format
from vault.reconcile.resources.ownership import Owner, check_notes
from vault.reconcile.resources.secrets import DerivedValue
from vault.rotation.consumers.evidence_type import Evidence
from vault.rotation.hooks import HookRunner
from vault.rotation.inventory import Item
from vault.rotation.pending import PendingValue
from vault.rotation.record import Record, Step
from vault.rotation.rotation import UndoImpossible


@dataclass(frozen=True, slots=True)
class SecretRotation:
    """The steps for one secret."""

    item: Item
    session: Session
    mounts: Mounts
    owner: Owner
    pending: PendingValue
    generate: Callable[[], Secret]
    hooks: HookRunner
    derived: tuple[DerivedValue, ...]
    observe: Callable[[Record, Mapping[str, int]], Evidence]
    announce_for: timedelta | None = None

    def start(self, record: Record) -> Record:
        """Return the record with the current version."""
        metadata = read_data(self.session, metadata_path(self.item.server_name, self.mounts.kv))
        version = (metadata or {}).get("current_version", 0)
        if metadata is None or not version:
            raise ConfigurationError(
                f"{self.item.server_name} has no value yet; write it with strongroom apply or put"
            )
        if (metadata["custom_metadata"] or {}).get(COMPOSED_KEY):
            raise ConfigurationError(
                f"{self.item.server_name} is adopted, so that the server sets its password; use "
                "strongroom rotate-password"
            )
        self._check_owner(metadata["custom_metadata"] or {})
        self._current()
        return replace(record, old=str(version))

    def create(self, record: Record) -> Record:
        """Generate the new value, or let the hook ``create`` obtain it from its owner."""
        if self.pending.read(record.id) is None:
            is_hooked = "create" in self.hooks.commands
            value = self.hooks.run("create", record.id, None) if is_hooked else self.generate()
            if not value:
                raise ConfigurationError("the hook create printed no value; let it print one")
            self.pending.write(record.id, value)
        return record

    def set(self, record: Record) -> Record:
        """Let the hook ``set`` make the owner accept the new value."""
        self.hooks.run("set", record.id, self.pending.require(record.id))
        return record

    def test(self, record: Record) -> Record:
        """Let the hook ``test`` use the new value, and check that it is another one."""
        value = self.pending.require(record.id)
        self.hooks.run("test", record.id, value)
        old = self.read(int(record.old)).get(VALUE_KEY)
        if old is not None and value == old:
            raise ConfigurationError(
                f"the new value of {self.item.name} is the old one; undo the rotation with --undo"
            )
        return record

    def announce(self, record: Record) -> Record:
        """Write the new value beside the old one, as a version in which the old one is current."""
        value = self.pending.require(record.id)
        version, fields = self._current()
        if fields.get(VALUE_KEY) == value:  # because a version without announcements promoted it
            return record
        if fields.get(NEXT_KEY) != value:
            self._check_version(record, version)
            version = self._write({**fields, NEXT_KEY: value.reveal()}, version)
        self._compose_derived()
        return replace(record, old=str(version))

    def promote(self, record: Record) -> Record:
        """Write the new value as the next version, and compose the derived values again."""
        value = self.pending.require(record.id)
        version, fields = self._current()
        if fields.get(VALUE_KEY) != value:
            if fields.get(NEXT_KEY) != value:  # announced, if a kill kept that out of the record
                self._check_version(record, version)
            version = self._write({**_without_next(fields), VALUE_KEY: value.reveal()}, version)
        self._compose_derived()
        # The same token has read the old value. Otherwise the rotation would wait for itself.
        self.read(version)
        return replace(record, new=str(version))

    def find_consumers(self, record: Record) -> Evidence:
        """Return who has read the new version of the secret, and of those derived from it."""
        version, fields = self._current()
        self._check_replaced(record, version, fields)
        if version < int(record.new) and not record.is_compromised:
            raise ConfigurationError(
                f"{self.item.name} was deleted and created again during the rotation; end the "
                "rotation with --undo, and begin it again"
            )
        return self.observe_readers(record)

    def observe_readers(self, record: Record) -> Evidence:
        """Return who has read the new versions, by metadata alone. No value is read or checked."""
        versions = {data_path(self.item.server_name, self.mounts.kv): int(record.new)}
        for each in self.derived:
            current = self._metadata(each.name).get("current_version", 0)
            versions[data_path(each.name, self.mounts.kv)] = current
        evidence = self.observe(record, versions)
        if record.is_compromised and self.announce_for is not None:
            return replace(evidence, notes=(*evidence.notes, self._describe_invalid(record)))
        return evidence

    def _describe_invalid(self, record: Record) -> str:
        return (
            f"every token that {self.item.name} has signed before version {record.new} is invalid; "
            "a process rejects it once it has read the new value: within 5 minutes by default, an "
            "hour if the server is unavailable, at once if it is restarted"
        )

    def retire(self, record: Record) -> Record:
        """Let the hook ``retire`` revoke the old value at its owner, then destroy its versions."""
        version, fields = self._current()
        self._check_replaced(record, version, fields)
        was_created_again = version < int(record.new)
        old = None if was_created_again else self._find_value(record.old)
        # Without a pending value, the hook has ended, and a kill has come before the record's end.
        if old is not None or self.pending.read(record.id) is not None:
            self.hooks.retire(record.id, old, f"version {record.old}")
        self.pending.destroy()
        if not was_created_again:
            self._destroy_old(record)
        return record

    def undo(self, record: Record) -> None:
        """Write the old value again, if the new one is current.

        The new version stays readable, so that what it has signed in the meantime is accepted. A
        version that someone else wrote stays current. Raises UndoImpossible if the new value is
        current, and the old one cannot be read.
        """
        value, old = self.pending.read(record.id), self.read(int(record.old))
        version, fields = self._find_current()
        if value is None and record.new and version >= int(record.new):
            value = self._find_value(record.new)
        if value is not None:
            is_current = fields.get(VALUE_KEY) == value
            is_announced = fields.get(NEXT_KEY) == value
            if is_current and VALUE_KEY not in old:
                raise UndoImpossible(
                    f"version {record.old} of {self.item.name} cannot be read any more, so that "
                    "nothing can be undone; continue with: strongroom rotate"
                )
            if old and (is_current or fields == old):
                self.hooks.run("set", record.id, Secret(old[VALUE_KEY]))
            if is_current or is_announced:
                self._write(_without_next(old if is_current else fields), version)
            if version:
                self._compose_derived()
        if value is not None or record.step is not Step.CREATE:
            self.hooks.retire(record.id, value, "the new value")
        self.pending.destroy()

    def _destroy_old(self, record: Record) -> None:
        kv = self.mounts.kv
        destroy_versions(self.session, self.item.server_name, kv, before=int(record.new))
        for each in self.derived:
            current = self._metadata(each.name).get("current_version", 0)
            destroy_versions(self.session, each.name, kv, before=current)

    def _check_version(self, record: Record, version: int) -> None:
        """Check that the current *version* is the one that the rotation replaces."""
        if version != int(record.old):
            raise ConfigurationError(
                f"someone wrote version {version} of {self.item.name} during the rotation; "
                "undo the rotation with --undo, and look which value is right"
            )

    def _check_replaced(self, record: Record, version: int, fields: Mapping[str, str]) -> None:
        """Check that no one has made the old value current again, because it would be retired."""
        if version <= int(record.new):
            return
        old = self.read(int(record.old)).get(VALUE_KEY)
        if old is not None and fields.get(VALUE_KEY) == old:
            raise ConfigurationError(
                f"someone wrote the old value of {self.item.name} again, as version {version}; "
                f"write that of version {record.new} again, and run the command again"
            )

    def _compose_derived(self) -> None:
        for each in self.derived:
            if (each.read(self.session) or {}).get("value") == OUTDATED:
                each.write(self.session, None)

    def _check_owner(self, notes: Mapping[str, str]) -> None:
        check_format(notes, f"secret {self.item.server_name}")
        check_notes(notes, self.owner, f"secret {self.item.server_name}")

    def _current(self) -> tuple[int, dict[str, str]]:
        version, fields = self._find_current()
        if not version:
            raise ConfigurationError(
                f"the current version of {self.item.server_name} is deleted; restore it, or write "
                "one with strongroom put"
            )
        return version, fields

    def _find_current(self) -> tuple[int, dict[str, str]]:
        """Return the current version and its fields, 0 if it is deleted."""
        found = read_data(self.session, data_path(self.item.server_name, self.mounts.kv))
        return (found["metadata"]["version"], _register(found["data"])) if found else (0, {})

    def _find_value(self, version: str) -> Secret | None:
        """Return the value of *version*, None if it is deleted or destroyed."""
        found = self.read(int(version)).get(VALUE_KEY)
        return None if found is None else Secret(found)

    def read(self, version: int) -> dict[str, str]:
        """Return the fields of *version*, empty if it is deleted or destroyed."""
        path = data_path(self.item.server_name, self.mounts.kv)
        found = read_data(self.session, f"{path}?version={version}")
        return _register((found or {}).get("data") or {})

    def _write(self, fields: Mapping[str, str], version: int) -> int:
        body = {"data": dict(fields), "options": {"cas": version}}
        path = data_path(self.item.server_name, self.mounts.kv)
        written: int = self.session.post(path, body, retry=False)["data"]["version"]
        return written

    def _metadata(self, name: str) -> dict[str, Any]:
        return read_data(self.session, metadata_path(name, self.mounts.kv)) or {}


def _without_next(fields: Mapping[str, str]) -> dict[str, str]:
    """Return the fields of a version in which no value is announced."""
    return {key: value for key, value in fields.items() if key != NEXT_KEY}


def _register(fields: dict[str, str]) -> dict[str, str]:
    for value in fields.values():
        redaction.live.add(Secret(value))
    return fields
