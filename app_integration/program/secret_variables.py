"""Variables in which a program finds the secrets of its service."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app_integration._internal.secret_value import check_secret_value
from app_integration.errors import ConfigurationError
from app_integration.names import BACKEND_VARIABLE
from app_integration.secret import Secret

#: Linux takes this many bytes of one variable, with its name, "=" and the NUL at its end.
MAX_VARIABLE: Final = 32 * 4096
#: Variables of this package, of servers and of their clients. They lead to credentials. Those of
#: AWS stay, because a program may need them, and so do files such as ``~/.vault-token``.
_OURS: Final = ("STRONGROOM_", "VAULT_", "BAO_")


@dataclass(frozen=True, slots=True)
class SecretPlaces:
    """Where a program finds each secret.

    *names* maps a secret to its variable, and *files* to the absolute path of its file. That path
    is in a variable of another name then, ``…_FILE``.
    """

    names: Mapping[str, str]
    files: Mapping[str, Path]

    def build_variables(
        self, variables: Mapping[str, str], values: Mapping[str, Secret]
    ) -> dict[str, str | bytes]:
        """Return the variables of the program: *variables* without ours, and its secrets."""
        for name, value in values.items():
            check_secret_value(name, value)
        added = {
            self.names[name]: _to_variable(name, self.names[name], value)
            for name, value in values.items()
            if name not in self.files
        }
        paths = {self.file_variable(name): str(path) for name, path in self.files.items()}
        return {**scrub(variables), **paths, **added}

    def file_variable(self, name: str) -> str:
        """Return the variable with the path of the file of the secret *name*."""
        return f"{self.names[name]}_FILE"


def scrub(variables: Mapping[str, str]) -> dict[str, str]:
    """Return *variables* without ours."""
    return {
        name: value
        for name, value in variables.items()
        if not name.startswith(_OURS) and name != BACKEND_VARIABLE
    }


def _to_variable(name: str, variable: str, value: Secret) -> bytes:
    """Return the bytes of *value*, as UTF-8 whatever the locale is."""
    data = value.reveal().encode()
    if len(variable) + len(data) + 2 > MAX_VARIABLE:
        raise ConfigurationError(
            f"the secret {name} has {len(data)} bytes, and a variable holds"
            f" {MAX_VARIABLE} with its name; pass --file {name}=PATH"
        )
    return data
