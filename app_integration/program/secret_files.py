"""Private files in which a program finds secrets while it runs."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from app_integration._internal.private_file import write_private
from app_integration.secret import Secret


class SecretFiles:
    """Files of one program, each with one secret."""

    def __init__(self, paths: Mapping[str, Path]) -> None:
        """Write nothing yet.

        Args:
            paths: Secret → path of its file.

        """
        self._paths = paths
        self._written: set[Path] = set()

    def write(self, values: Mapping[str, Secret]) -> None:
        """Write or replace the files, each readable by its owner only.

        Raises:
            OSError: If one cannot be written.

        """
        for name, path in self._paths.items():
            write_private(path, values[name].reveal())
            self._written.add(path)

    def remove(self) -> None:
        """Remove the files that were written. Another one at such a path stays as it is."""
        for path in self._written:
            with suppress(OSError):  # so that the others go, too
                path.unlink(missing_ok=True)
