"""Problems of several checks, reported at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from app_integration.errors import ConfigurationError
from vault.declare.errors import FileError
from vault.dotenv.parse import InvalidDotenv

Result = TypeVar("Result")


class Problems:
    """Collector of the errors of checks that do not depend on each other."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._faults: list[FileError] = []

    def __bool__(self) -> bool:
        """Return whether a check has failed."""
        return bool(self._texts or self._faults)

    def attempt(self, check: Callable[[], Result]) -> Result | None:
        """Return the result of *check*, or None if it fails, whose error is kept."""
        try:
            return check()
        except InvalidDotenv as error:
            self._faults += error.errors
        except ConfigurationError as error:
            self._texts.append(str(error))
        return None

    def error(self) -> ConfigurationError:
        """Return one error with a line for each problem; InvalidDotenv if all are in the file."""
        if self._texts:
            return ConfigurationError("\n".join([*self._texts, *map(str, sorted(self._faults))]))
        return InvalidDotenv(self._faults)
