"""Options and parsing of command-line arguments."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NoReturn

USAGE_ERROR: Final = 64  # EX_USAGE, so that it differs from 1, the code of a failed check


class ArgumentParser(argparse.ArgumentParser):
    """An ``argparse`` parser that exits with :data:`USAGE_ERROR` on wrong usage."""

    def error(self, message: str) -> NoReturn:
        """Print the usage and *message*, and exit with :data:`USAGE_ERROR`."""
        self.print_usage(sys.stderr)
        self.exit(USAGE_ERROR, f"{self.prog}: {message}\n")


@dataclass(frozen=True, slots=True)
class Option:
    """Option or argument of a command, from which the operator's tool builds its own, too."""

    flag: str
    help: str
    name: str = ""
    type: type = str
    default: str | None = None
    metavar: str | None = None
    choices: Sequence[str] | None = None
    is_required: bool = False
    is_repeatable: bool = False

    @property
    def is_argument(self) -> bool:
        """Return whether it is found by its position."""
        return not self.flag.startswith("--")

    @property
    def key(self) -> str:
        """Return the name of the parsed value."""
        return self.name or self.flag.removeprefix("--").replace("-", "_")

    def add_to(self, parser: ArgumentParser) -> None:
        """Add it to *parser*."""
        if self.type is bool:
            parser.add_argument(self.flag, action="store_true", help=self.help)
            return
        given: dict[str, Any] = {"help": self.help, "type": self.type, "metavar": self.metavar}
        if self.is_argument:
            optional = None if self.default is None else "?"
            given["nargs"] = "+" if self.is_repeatable else optional
        else:
            given |= {"dest": self.key, "required": self.is_required, "choices": self.choices}
            given["action"] = "append" if self.is_repeatable else "store"
            if self.default is not None:
                given["help"] += f"; {self.default} by default"
        parser.add_argument(self.flag, default=self.default, **given)


def split_command(arguments: Sequence[str]) -> tuple[Sequence[str], Sequence[str] | None]:
    """Return the arguments before ``--``, and the command after it; None without ``--``."""
    if "--" not in arguments:
        return arguments, None
    at = arguments.index("--")
    return arguments[:at], arguments[at + 1 :]
