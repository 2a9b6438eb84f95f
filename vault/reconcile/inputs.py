"""Values that only a person, or the local runtime, can give: looked up by their API path."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from app_integration.errors import ConfigurationError
from app_integration.secret import Secret


@dataclass(frozen=True, slots=True)
class Inputs:
    """Given values, from memory first, then from files.

    Attributes:
        values: API path → value.
        folder: holds files named as their API path, such as ``secret/gaara-store/prod/redis-url``.

    """

    values: Mapping[str, Secret] = field(default_factory=dict, repr=False)
    folder: Path | None = None

    def get(self, path: str) -> Secret | None:
        """The value for *path*, without a final line break; None when nobody gave one."""
        if path in self.values:
            return self.values[path]
        if self.folder is None or not (self.folder / path).is_file():
            return None
        return Secret((self.folder / path).read_text(encoding="utf-8").removesuffix("\n"))

    def required(self, path: str) -> Secret:
        """As :meth:`get`.

        Raises:
            ConfigurationError: nobody gave one; the message says where to put it.

        """
        value = self.get(path)
        if value is None:
            raise ConfigurationError(
                f"no value was given for {path}; write it to a file GIVEN/{path} (mode 0600) and "
                "pass --given GIVEN"
            )
        return value
