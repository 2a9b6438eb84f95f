"""How a command answers when it is called wrongly."""

from __future__ import annotations

import argparse
import sys
from typing import Final, NoReturn

USAGE_ERROR: Final = 64  # EX_USAGE: told apart from 1, a check that doesn't hold


class ArgumentParser(argparse.ArgumentParser):
    """argparse with the exit code of this project."""

    def error(self, message: str) -> NoReturn:
        """Say how the command is used, and exit with :data:`USAGE_ERROR`."""
        self.print_usage(sys.stderr)
        self.exit(USAGE_ERROR, f"{self.prog}: {message}\n")
