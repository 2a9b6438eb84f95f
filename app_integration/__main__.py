"""Commands for an application's host: ``python -m app_integration COMMAND …``."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from typing import Final

from app_integration._internal.cli import USAGE_ERROR

#: Command → module whose ``main(arguments)`` runs it. The module is imported on use.
COMMANDS: Final = {
    "check": "app_integration.diagnosis.command",
    "ci-env": "app_integration.ci_env",
    "decrypt-file": "app_integration.host_commands.decrypt_file",
    "deliver": "app_integration.config.deliver_command",
    "encrypt-file": "app_integration.host_commands.encrypt_file",
    "inspect-file": "app_integration.host_commands.inspect_file",
    "migrate-keys": "app_integration.host_commands.migrate_keys",
    "rewrap-file": "app_integration.host_commands.rewrap_file",
    "rewrap-keys": "app_integration.host_commands.rewrap_keys",
    "run": "app_integration.program.command",
}


def main(arguments: Sequence[str]) -> int:
    """Run the command that *arguments* name."""
    if arguments and (module := COMMANDS.get(arguments[0])):
        code: int = importlib.import_module(module).main(arguments[1:])
        return code
    print(f"usage: python -m app_integration {{{','.join(COMMANDS)}}} …", file=sys.stderr)  # noqa: T201 (a command's output)
    return USAGE_ERROR


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
