"""Options that the host commands share."""

from __future__ import annotations

import os
import sys
import time
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from io import FileIO
from pathlib import Path
from typing import NoReturn

from app_integration._internal.cli import ArgumentParser, Option
from app_integration._internal.environment_variable import environment_variables
from app_integration._internal.escapes import escape_unprintable
from app_integration._internal.input_file import open_input
from app_integration._internal.pending_file import PendingFile
from app_integration.client import Client
from app_integration.encryption.files.file_cipher import FileCipher
from app_integration.encryption.files.recipient import ServiceKey
from app_integration.errors import ConfigurationError, DecryptionFailed, StrongroomError
from app_integration.host_commands.option_catalogue import PIPE
from app_integration.host_commands.progress_bar import ProgressBar
from app_integration.names import Scope
from app_integration.settings import Settings, from_environment, read_scope


def parser(name: str, description: str, *options: Option) -> ArgumentParser:
    """Return a parser with *options*, and those of every command that needs a service."""
    made = ArgumentParser(prog=f"python -m app_integration {name}", description=description)
    made.add_argument("--service", help="the service; that of STRONGROOM_SERVICE by default")
    made.add_argument("--env", help="its environment; that of this process's variables by default")
    for option in options:
        option.add_to(made)
    return made


def read_context(entries: Sequence[str] | None) -> Mapping[str, str] | None:
    """Return the context that ``--context`` describes; None without the option."""
    pairs = [entry.partition("=") for entry in entries or ()]
    context = {name: text for name, _, text in pairs}
    if len(context) < len(pairs) or not all(separator for _, separator, _ in pairs):
        raise ConfigurationError("--context is not NAME=TEXT, or has a name twice; pass each once")
    return context or None


@contextmanager
def open_cipher(
    options: Namespace, key: str | None, *, needs_server: bool = True
) -> Iterator[FileCipher]:
    """Open the file cipher of the service that the options or the variables name.

    Without *needs_server* read no variables of one, which a break-glass machine does not have.
    """
    if not needs_server:
        yield offline_cipher(read_scope(_read_variables(options)))
        return
    with closing(Client(read_settings(options))) as client:
        yield client.files(key)


def read_settings(options: Namespace) -> Settings:
    """Return the settings of the service that the options or the variables name."""
    return from_environment(_read_variables(options))


def _read_variables(options: Namespace) -> Mapping[str, str]:
    named = {"STRONGROOM_SERVICE": options.service, **environment_variables(options.env)}
    return {**os.environ, **{name: value for name, value in named.items() if value}}


def offline_cipher(scope: Scope) -> FileCipher:
    """Return a file cipher for age keys alone, which needs no server."""
    return FileCipher(_reject_service, scope, None)


def _reject_service(key: ServiceKey) -> NoReturn:
    raise ConfigurationError(
        f"the key {key.text} needs the server; leave out --no-key, or the recipient"
    )


@contextmanager
def open_source(name: str) -> Iterator[FileIO]:
    """Open a file, or standard input for ``-``."""
    with FileIO(0, closefd=False) if name == PIPE else open_input(Path(name)) as file:
        yield file


@contextmanager
def open_target(name: str) -> Iterator[FileIO]:
    """Open a file that appears when the block ends without an exception, or standard output."""
    if name == PIPE:
        with FileIO(1, "w", closefd=False) as file:
            yield file
    else:
        with PendingFile(Path(name)) as pending:
            yield pending.file


def check_target(options: Namespace) -> None:
    """Check that the target may be written, before anything is sent."""
    if options.target != PIPE and not options.force and Path(options.target).exists():
        raise ConfigurationError(f"{options.target} exists; name another file, or add --force")


@contextmanager
def show_progress(source: str) -> Iterator[ProgressBar]:
    """Show on a terminal how much of *source* is done."""
    size = None if source == PIPE else Path(source).stat().st_size
    with closing(ProgressBar(size, sys.stderr, time.monotonic)) as bar:
        yield bar


@contextmanager
def name_rejected(file: str | Path) -> Iterator[None]:
    """Name *file* in the error of a failed decryption, which the SDK cannot always do."""
    try:
        yield
    except DecryptionFailed as error:
        name = "standard input" if file == PIPE else file
        raise DecryptionFailed(f"{name}: {error}; a context is --context NAME=TEXT") from None


def run(prog: str, command: Callable[..., int | None], *arguments: object) -> int:
    """Run *command*, and return its exit code, 0 for none; 1 after an error, which is printed."""
    try:
        return command(*arguments) or 0
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # it is flushed at exit
        return 1
    except OSError as error:
        named = f"{error.filename}: " if error.filename else ""
        _print_error(prog, f"{named}{error.strerror}")
        return 1
    except StrongroomError as error:
        _print_error(prog, str(error))
        return 1


def _print_error(prog: str, message: str) -> None:
    """Print *message*, which may have the name of a file from an untrusted user."""
    text = escape_unprintable(message, keep="\n")
    print(f"{prog}: {text}", file=sys.stderr)  # noqa: T201 (a command's output)
