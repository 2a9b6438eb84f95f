"""Declared secrets in Secrets Manager, for a copy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Final

from app_integration import names
from app_integration._internal.secret_value import check_secret_value
from app_integration.aws.connection import AwsConnection
from app_integration.errors import SecretDeleted, SecretError
from app_integration.names import Scope
from app_integration.sources.aws import AwsSource
from aws.reader import AwsReader
from aws.resources import AwsResource
from aws.resources.secret import TAGS, AwsSecret, describe
from aws.resources.secret_version import (
    WrittenSince,
    check_size,
    current_version,
    write_version,
)
from aws.resources.values import AwsDerivedValue
from aws.secret_copy.backend import Stored, ValueChanged
from aws.secret_copy.entry import CONTENT_TAG, FIELDS, Entry, from_text
from vault.reconcile.resources.ownership import Owner, check_notes


class AwsSecrets:
    """The secrets of one environment in an account and region."""

    name: Final = "aws"

    def __init__(
        self, connection: AwsConnection, owner: Owner, resources: Iterable[AwsResource]
    ) -> None:
        self._connection = connection
        self._owner = owner
        found = [*resources]
        self._secrets = {each.name: each for each in found if isinstance(each, AwsSecret)}
        self._derived = {each.name: each for each in found if isinstance(each, AwsDerivedValue)}

    def read(self, path: str) -> Stored:
        """Return what there is of a secret; sends two requests if it has a value."""
        # A reader for each secret, because a reader caches, and a read-back must not be cached.
        found = describe(AwsReader(self._connection), path)
        if found is None:
            return Stored()
        if "DeletedDate" in found:
            raise SecretDeleted(f"{path} is being deleted; restore it, or wait until it is gone")
        keys = {each["Key"]: None for each in found.get("Tags", ())}
        tags = TAGS.decode(keys, found.get("Tags", ()))
        check_notes(tags, self._owner, f"secret {path}")
        content = tags.get(CONTENT_TAG)
        if current_version(found) is None:
            return Stored(exists=True, content=content)
        service, environment, name = path.split("/", 2)
        scope = Scope(service, names.parse_environment(environment))
        fetched = AwsSource(self._connection, scope).fetch(name)
        if fetched.is_binary:
            raise SecretError(f"{path} is binary; write it again as text, with SecretString")
        entry = from_text(fetched.value, has_fields=content == FIELDS)
        return Stored(exists=True, entry=entry, version=fetched.version, content=content)

    def check(self, path: str, entry: Entry) -> None:
        """Raise an error if AWS does not take the value. See :class:`SecretBackend`."""
        check_secret_value(path, entry.text)
        check_size(path, entry.text)

    def write(self, path: str, entry: Entry, stored: Stored) -> None:
        """Write the next version, and make it current. See :class:`SecretBackend`."""
        seen = None if stored.version is None else str(stored.version)
        with self._marked(path, FIELDS if entry.has_fields else None, stored):
            write_version(self._connection, path, entry.text, seen)

    def compose(self, path: str, stored: Stored) -> None:
        """Compose a derived value of its parts. See :class:`SecretBackend`."""
        before = None if stored.version is None else {"version": stored.version}
        with self._marked(path, None, stored):
            self._derived[path].write(self._connection, before)

    @contextmanager
    def _marked(self, path: str, content: str | None, stored: Stored) -> Iterator[None]:
        """Create the secret, or correct its tag, before its value is written in the block.

        So a value that was copied is never without the tag. If another writer came first, the tag
        is that of the other value again.
        """
        self._mark(path, content, stored)
        try:
            yield
        except WrittenSince:
            self._set_tag(path, stored.content, content)
            raise ValueChanged(path) from None

    def _mark(self, path: str, content: str | None, stored: Stored) -> None:
        if stored.exists:
            self._set_tag(path, content, stored.content)
            return
        secret = self._secrets[path]
        tags = {**secret.tags, CONTENT_TAG: content}
        replace(secret, tags=tags).write(self._connection, None)

    def _set_tag(self, path: str, content: str | None, before: str | None) -> None:
        TAGS.write(self._connection, path, {CONTENT_TAG: content}, {CONTENT_TAG: before})
