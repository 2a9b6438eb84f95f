"""Parsing of command-line arguments."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Final, NoReturn

USAGE_ERROR: Final = 64  # EX_USAGE, so that it differs from 1, the code of a failed check


class ArgumentParser(argparse.ArgumentParser):
    """An ``argparse`` parser that exits with :data:`USAGE_ERROR` on wrong usage."""

    def error(self, message: str) -> NoReturn:
        """Print the usage and *message*, and exit with :data:`USAGE_ERROR`."""
        self.print_usage(sys.stderr)
        self.exit(USAGE_ERROR, f"{self.prog}: {message}\n")


def split_command(arguments: Sequence[str]) -> tuple[Sequence[str], Sequence[str] | None]:
    """Return the arguments before ``--``, and the command after it; None without ``--``."""
    if "--" not in arguments:
        return arguments, None
    at = arguments.index("--")
    return arguments[:at], arguments[at + 1 :]
