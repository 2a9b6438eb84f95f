"""Declared secrets on Vault, for a copy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, Final

from app_integration._internal.secret_value import check_secret_value
from app_integration.errors import (
    ConfigurationError,
    RequestRefused,
    SecretDeleted,
    UnexpectedAnswer,
)
from app_integration.session.session import Session
from app_integration.transport import payloads
from aws.secret_copy.backend import Stored, ValueChanged
from aws.secret_copy.entry import Entry, from_fields
from vault.reconcile.resources import Resource, read_data
from vault.reconcile.resources.kv import data_path, metadata_path, write_fields
from vault.reconcile.resources.marks import check_format
from vault.reconcile.resources.ownership import Owner, check_notes
from vault.reconcile.resources.secrets import DerivedValue, SecretMetadata


class VaultSecrets:
    """The secrets of one environment in a KV mount."""

    name: Final = "vault"

    def __init__(self, session: Session, owner: Owner, resources: Iterable[Resource]) -> None:
        self._session = session
        self._owner = owner
        self._mount = owner.mounts.kv
        found = [*resources]
        self._metadata = {each.name: each for each in found if isinstance(each, SecretMetadata)}
        self._derived = {each.name: each for each in found if isinstance(each, DerivedValue)}

    def read(self, path: str) -> Stored:
        """Return what there is of a secret; sends two requests if it exists."""
        metadata = read_data(self._session, metadata_path(path, self._mount))
        if metadata is None:
            return Stored()
        notes = metadata.get("custom_metadata") or {}
        check_format(notes, f"secret {path}")
        check_notes(notes, self._owner, f"secret {path}")
        version = _version(metadata, path)
        if not version:
            return Stored(exists=True)
        found = self._read_version(path)
        if found.template is not None:
            raise ConfigurationError(
                f"{path} is adopted on the server but not in the declaration; declare it, or go "
                "back with strongroom adopt --undo"
            )
        entry = from_fields(path, found.fields)
        return Stored(exists=True, entry=entry, version=found.version)

    def _read_version(self, path: str) -> payloads.KvVersion:
        request = data_path(path, self._mount)
        try:
            response = self._session.get(request)
        except RequestRefused as refused:
            if refused.status != HTTPStatus.NOT_FOUND:
                raise
            raise SecretDeleted(
                f"{path}: its latest version was deleted; undelete it, or delete its metadata"
            ) from None
        return payloads.parse_kv_version(response, request, None)

    def check(self, path: str, entry: Entry) -> None:
        """Raise an error if the server would store another value. See :class:`SecretBackend`."""
        check_secret_value(path, entry.text)
        entry.check_numbers(path)

    def write(self, path: str, entry: Entry, stored: Stored) -> None:
        """Write the next version, with check-and-set. See :class:`SecretBackend`."""
        self._create(path, stored)
        with self._explaining(path, stored):
            seen = int(stored.version or 0)
            write_fields(self._session, path, entry.fields(), cas=seen, mount=self._mount)

    def compose(self, path: str, stored: Stored) -> None:
        """Compose a derived value of its parts. See :class:`SecretBackend`."""
        self._create(path, stored)
        with self._explaining(path, stored):
            self._derived[path].write(self._session, {"version": stored.version or 0})

    def _create(self, path: str, stored: Stored) -> None:
        if not stored.exists:
            self._metadata[path].write(self._session, None)

    @contextmanager
    def _explaining(self, path: str, stored: Stored) -> Iterator[None]:
        """Say of a refused write that another writer came first, if one did."""
        try:
            yield
        except RequestRefused:
            metadata = read_data(self._session, metadata_path(path, self._mount)) or {}
            if _version(metadata, path) == (stored.version or 0):
                raise
            raise ValueChanged(path) from None


def _version(metadata: dict[str, Any], path: str) -> int:
    version = metadata.get("current_version")
    if type(version) is not int:
        raise UnexpectedAnswer(f"{path}: its metadata has no version; check STRONGROOM_KV_MOUNT")
    return version
