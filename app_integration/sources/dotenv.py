"""The process environment, then a ``.env`` file: for development only."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from dotenv import dotenv_values

from app_integration import names
from app_integration.errors import SecretNotFound
from app_integration.secret import Secret
from app_integration.sources import Fetched, plain_only


class DotenvSource:
    """Finds ``smtp-password`` as ``SMTP_PASSWORD``; the process environment wins over the file."""

    decides: ClassVar = False

    def __init__(self, path: Path, variables: Mapping[str, str] | None = None) -> None:
        """Args: *variables* stands for ``os.environ``; *path* need not exist."""
        self._path = path
        self._variables = os.environ if variables is None else variables

    def fetch(self, name: str, version: int | None = None, field: str | None = None) -> Fetched:
        """As :meth:`Source.fetch`; the file is read each time, so that edits show at once."""
        plain_only(str(self._path), version, field)
        variable = names.variable_name(name)
        if variable in self._variables:
            return Fetched(Secret(self._variables[variable]), source="environment")
        value = dotenv_values(self._path).get(variable)
        if value is None:
            raise SecretNotFound(
                f"{variable} is neither in the process environment nor in {self._path}"
            )
        return Fetched(Secret(value), source="dotenv")
