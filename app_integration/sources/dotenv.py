"""Secrets from the process environment or a ``.env`` file, for development only."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from dotenv import dotenv_values

from app_integration import names
from app_integration.errors import ConfigurationError, SecretNotFound
from app_integration.secret import Secret
from app_integration.sources import FetchedSecret, Version, reject_version_and_field


class DotenvSource:
    """A source that reads ``smtp-password`` from ``SMTP_PASSWORD``.

    The process environment has precedence over the file.
    """

    is_authoritative: ClassVar = False

    def __init__(self, path: Path, variables: Mapping[str, str] | None = None) -> None:
        """Read nothing yet."""
        self._path = path
        self._variables = os.environ if variables is None else variables

    def fetch(self, name: str, version: Version = None, field: str | None = None) -> FetchedSecret:
        """Return the value of *name*; read the file each time, so that edits take effect."""
        reject_version_and_field(str(self._path), version, field)
        variable = names.variable_name(name)
        if variable in self._variables:
            return FetchedSecret(Secret(self._variables[variable]), source="environment")
        value = self._read().get(variable)
        if value is None:
            raise SecretNotFound(
                f"{variable} is neither in the process environment nor in {self._path}; set it in"
                " one of them"
            )
        return FetchedSecret(Secret(value), source="dotenv")

    def _read(self) -> Mapping[str, str | None]:
        """Return the variables of the file."""
        try:
            return dotenv_values(self._path)
        except UnicodeDecodeError:
            fault = "is not valid UTF-8; save the file as UTF-8"
        except OSError as error:
            fault = f"cannot be read: {error.strerror}; correct the file, or STRONGROOM_DOTENV"
        # Here, because as its context the decoding error would carry the content of the file.
        raise ConfigurationError(f"{self._path} {fault}")
