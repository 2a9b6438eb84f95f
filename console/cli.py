"""Command line ``strongroom``.

The exit code is 0; 1 after an error; 64 after a wrong command line; 130 after Ctrl-C; and 2 if
``plan`` has changes, ``adopt-kv --dry-run`` or ``aws copy-secrets --dry-run`` has something to
copy, ``audit anomalies``, ``audit devices``, ``audit ingest``, ``audit verify``, ``backup list``,
``check``, ``doctor``, ``environments diff``, ``ledger``, ``logs read``, ``policies explain``,
``policies test`` or ``rollout watch`` finds something, ``migrate`` must wait, or ``status`` finds
a part that does not work.
"""

from __future__ import annotations

import errno
import sys
from collections.abc import Sequence
from typing import Annotated, Final

USAGE_ERROR: Final = 64
#: What typer makes of Ctrl-C that no command handles, as shells do: 128 and the signal's number.
INTERRUPTED: Final = 130
#: What to do after an error of the system that no command handles.
_STEPS: Final = {
    errno.EACCES: "run this as the user whom it belongs to, or change its mode",
    errno.EDQUOT: "free some of your quota, then run the same command again",
    errno.ENOENT: "check the path, and the folder that you are in",
    errno.ENOSPC: "free some room on the disk, then run the same command again",
    errno.EROFS: "name a folder that can be written",
}

try:
    import typer
    from rich.console import Console
    from rich.markup import escape

    from app_integration.errors import StrongroomError
    from console.commands.command_group import CommandGroup
    from console.views.escapes import escape_unprintable
except KeyboardInterrupt:
    # The imports take most of the time before a command starts.
    sys.stderr.write("\nInterrupted; nothing was changed.\n")
    sys.exit(INTERRUPTED)

app = typer.Typer(
    cls=CommandGroup,
    invoke_without_command=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    help="Take a Python service off .env files and onto Vault, with proof that it holds.",
)
err = Console(stderr=True, soft_wrap=True, emoji=False)


def _show_version(is_wanted: bool) -> None:
    if is_wanted:
        from console.program_version import describe_version  # noqa: PLC0415 (no command needs it)

        typer.echo(f"strongroom {describe_version()}")
        raise typer.Exit


@app.callback()
def _strongroom(
    context: typer.Context,
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="print the version"),
    ] = False,
) -> None:
    """Show where you are if there is no command."""
    if context.invoked_subcommand is None:
        from console.commands.start.whereabouts import show_whereabouts  # noqa: PLC0415 (as above)

        show_whereabouts()


def _asks_for_help(arguments: Sequence[str]) -> bool:
    """Return whether *arguments* ask for help, and not a program behind ``--`` for its own."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    return "--help" in arguments[:end]


def _describe(error: OSError) -> str:
    """Return what the system refused, and what to do."""
    path = f"{error.filename}: " if error.filename else ""
    step = _STEPS.get(error.errno or 0, "correct it, then run the same command again")
    return f"{path}{error.strerror or type(error).__name__}; {step}"


def main() -> None:
    """Run the command line, and exit. An error becomes one message and an exit code."""
    if _asks_for_help(sys.argv):
        from console.commands.deferred_imports import defer_imports  # noqa: PLC0415 (no other run needs it)

        defer_imports()
    try:
        code = app(standalone_mode=False)
    except typer.Abort:
        step = "" if sys.stdin.isatty() else " Without a terminal nobody can answer; pass --yes."
        err.print(f"Aborted; nothing was changed.{step}")
        sys.exit(1)
    except StrongroomError as error:
        text = escape_unprintable(str(error), keep="\n\t")  # a hook's text may be in it
        err.print(f"[red]error:[/] {escape(text)}", highlight=False)
        sys.exit(1)
    except OSError as error:
        # No traceback, because the cause is for example a full disk or a missing folder.
        err.print(f"[red]error:[/] {escape(_describe(error))}", highlight=False)
        sys.exit(1)
    except Exception as error:
        # Recognise click's usage errors by a method, because typer does not export the class.
        if not hasattr(error, "format_message"):
            raise
        if message := error.format_message():  # a group alone has shown its help
            err.print(f"strongroom: {escape(message)}", highlight=False)
        sys.exit(USAGE_ERROR)
    if code == INTERRUPTED:
        err.print(
            "\nInterrupted; what was finished stays. To continue, run the same command again."
        )
    sys.exit(code or 0)
