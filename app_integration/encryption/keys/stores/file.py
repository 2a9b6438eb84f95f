"""Wrapped data keys in a file, for a single machine: a script, a batch job or a test."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from app_integration._internal import formats, private_file
from app_integration.encryption.keys.row_format import check_row_format
from app_integration.encryption.keys.stores import WrappedKey
from app_integration.errors import KeyUnavailable


class FileDataKeys:
    """A :class:`~app_integration.encryption.keys.stores.DataKeyStore` in one JSON file.

    The file has mode 0600 and is replaced as a whole, under a lock that processes share. A write
    that is interrupted leaves the file as it was.
    """

    def __init__(self, path: str | Path) -> None:
        """Create a store in the file *path*.

        Args:
            path: The file. It is created when the first key is added; its folder must exist.

        """
        self._path = Path(path)

    def add(self, key: WrappedKey) -> bool:
        """Store *key* durably; return False, and store nothing, if its number is taken."""
        with self._edit_keys() as keys:
            if key.number in keys:
                return False
            keys[key.number] = key
        return True

    def get(self, numbers: Iterable[int]) -> list[WrappedKey]:
        """Return the rows with *numbers*; numbers without a row are left out."""
        with self._translate_errors():
            keys = self._read()
        return [keys[number] for number in numbers if number in keys]

    def list_by_scope(self, scope: str) -> list[WrappedKey]:
        """Return the rows of *scope*."""
        with self._translate_errors():
            keys = self._read()
        return [key for key in keys.values() if key.scope == scope]

    def rewrap(self, key: WrappedKey, wrapped: bytes, version: int) -> bool:
        """Replace the wrapped key of a row, unless the row differs from *key* by now.

        See :meth:`DataKeyStore.rewrap`.
        """
        with self._edit_keys() as keys:
            if keys.get(key.number) != key:
                return False
            keys[key.number] = WrappedKey(
                key.number, key.scope, wrapped, key.commitment, key.created, version
            )
        return True

    @contextmanager
    def _edit_keys(self) -> Iterator[dict[int, WrappedKey]]:
        """Yield all keys, to be changed in place, and write them back.

        It holds the lock, so that no other process changes the file.
        """
        with (
            self._translate_errors(),
            private_file.lock(self._path.with_name(self._path.name + ".lock")),
        ):
            keys = self._read()
            before = dict(keys)
            yield keys
            if keys != before:
                text = json.dumps([_row(key) for key in keys.values()], indent=1)
                private_file.write_private(self._path, f"{text}\n")

    def _read(self) -> dict[int, WrappedKey]:
        """Return all keys.

        A file of format 1 is an array. One of a newer format is an object with its number.
        """
        try:
            content = json.loads(self._path.read_text(encoding="ascii"))
        except FileNotFoundError:
            return {}
        if isinstance(content, dict):
            if refusal := formats.KEYS.describe_refusal(content["format"]):
                raise KeyUnavailable(f"{self._path} {refusal}")
            raise TypeError
        keys = {row["id"]: _key(row) for row in content}
        for key in keys.values():
            check_row_format(key.wrapped, str(self._path), key.number)
        return keys

    @contextmanager
    def _translate_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise KeyUnavailable(
                f"cannot use {self._path}: {error.strerror}; check the path and its mode"
            ) from None
        except (ValueError, TypeError, KeyError):
            raise KeyUnavailable(
                f"{self._path} is not a file of data keys; restore it from a backup"
            ) from None


def _row(key: WrappedKey) -> dict[str, Any]:
    return {
        "id": key.number,
        "scope": key.scope,
        "wrapped": key.wrapped.hex(),
        "commitment": key.commitment.hex(),
        "created": key.created.isoformat(),
        "version": key.version,
    }


def _key(row: dict[str, Any]) -> WrappedKey:
    return WrappedKey(
        number=row["id"],
        scope=row["scope"],
        wrapped=bytes.fromhex(row["wrapped"]),
        commitment=bytes.fromhex(row["commitment"]),
        created=datetime.fromisoformat(row["created"]),
        version=row["version"],
    )
