"""Operator-provided values, looked up by their API path."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from app_integration._internal.input_file import read_input
from app_integration.errors import ConfigurationError
from app_integration.secret import Secret


@dataclass(frozen=True, slots=True)
class Inputs:
    """Operator-provided values, from memory first, then from files."""

    values: Mapping[str, Secret] = field(default_factory=dict, repr=False)
    folder: Path | None = None

    def get(self, path: str) -> Secret | None:
        """Return the value for *path* without a final line break, None if there is none."""
        if path in self.values:
            return self.values[path]
        if self.folder is None or not (file := self.folder / path).is_file():
            return None
        try:
            value = read_input(file).decode().removesuffix("\n")
        except UnicodeDecodeError:
            raise ConfigurationError(
                f"{file} is not UTF-8 text; write the value to it as text"
            ) from None
        if not value:
            raise ConfigurationError(f"{file} is empty; write the value to it, or remove it")
        return Secret(value)

    def get_required(self, path: str) -> Secret:
        """Return the value for *path* without a final line break."""
        value = self.get(path)
        if value is None:
            raise ConfigurationError(
                f"no value is provided for {path}; write it to the file GIVEN/{path} (mode 0600) "
                "and pass --given GIVEN"
            )
        return value
