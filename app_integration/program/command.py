"""Command ``python -m app_integration run``: a program with the secrets of its service.

They are variables of the program, or files that its variables name. This process stays beside it:
it passes signals on, and can restart the program with new values.
"""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path

from app_integration._internal.cli import ArgumentParser, split_command
from app_integration._internal.private_file import write_private
from app_integration.client import Client
from app_integration.config.application import ChildApplication
from app_integration.errors import ConfigurationError
from app_integration.host_commands import options as shared
from app_integration.host_commands.option_catalogue import NAME, RESTART, SECRET_FILE
from app_integration.program.secret_variables import SecretPlaces
from app_integration.program.supervision import Supervision, has_terminal
from app_integration.secret import Secret
from app_integration.secret_store.declared_names import check_declared, name_variables
from app_integration.settings import Settings


class SecretFiles:
    """Files of one program, each with one secret."""

    def __init__(self, paths: Mapping[str, Path]) -> None:
        """Write nothing yet."""
        self._paths = paths
        self._written: dict[Path, int] = {}

    def write(self, values: Mapping[str, Secret]) -> None:
        """Write or replace the files, each readable by its owner only."""
        for name, path in self._paths.items():
            self._keep_open(path, write_private(path, values[name].reveal()))

    def _keep_open(self, path: Path, written: os.stat_result) -> None:
        """Keep the file that was written open, so that no other one gets its inode."""
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        if not os.path.samestat(os.fstat(descriptor), written):  # of another instance already
            os.close(descriptor)
            return
        if path in self._written:
            os.close(self._written[path])
        self._written[path] = descriptor

    def remove(self) -> None:
        """Remove the files that were written. One of another instance stays at such a path."""
        for path, descriptor in self._written.items():
            with suppress(OSError):  # so that the others go, too
                if os.path.samestat(path.lstat(), os.fstat(descriptor)):
                    path.unlink()
            os.close(descriptor)
        self._written.clear()


def main(arguments: Sequence[str]) -> int:
    """Run the program after ``--`` with the secrets of a service, and return its exit code."""
    made, (own, command) = _parser(), split_command(arguments)
    options = made.parse_args(own)
    if not command:
        made.error("expected -- and a command")
    return shared.run(made.prog, _run, options, command)


def _parser() -> ArgumentParser:
    text = "Run a program with the secrets of its service."
    made = shared.parser("run", text, NAME, SECRET_FILE, RESTART)
    made.usage = "%(prog)s [options] -- COMMAND …"
    return made


def _run(options: Namespace, command: Sequence[str]) -> int:
    settings = shared.read_settings(options)
    places = find_places(settings, options.name or (), options.file or ())
    with closing(Client(settings)) as client:
        return run(client, places, command, os.environ, restarts=options.restart_on_change)


def run(
    client: Client,
    places: SecretPlaces,
    command: Sequence[str],
    variables: Mapping[str, str],
    *,
    restarts: bool,
) -> int:
    """Run *command*, and return its exit code, as a shell reports it.

    The program gets *variables*, too, but for ours. If *restarts*, a secret's new value restarts
    it.
    """
    terminal, secrets, files = has_terminal(), client.secrets, SecretFiles(places.files)

    def deliver() -> Mapping[str, str | bytes]:
        secrets.require(places.names)
        values = {name: secrets.get(name) for name in places.names}
        given = places.build_variables(variables, values)
        files.write(values)
        if not restarts:
            for name in values:
                secrets.access_recorder.record_kept(name, places.names[name])
        return given

    program = ChildApplication(command, has_terminal=terminal, has_threads=True)
    supervision = Supervision(program, deliver, has_terminal=terminal)
    if restarts:
        for name in places.names:
            secrets.on_change(name, lambda _: supervision.restart())
    try:
        return supervision.run()
    finally:
        files.remove()


def find_places(settings: Settings, named: Sequence[str], files: Sequence[str]) -> SecretPlaces:
    """Return where the program finds each secret.

    *named* is empty for all secrets that are declared; *files* are entries ``NAME=PATH``.
    """
    pairs = [entry.partition("=") for entry in files]
    paths = {name: Path(path).absolute() for name, _, path in pairs}
    is_whole = all(separator and path for _, separator, path in pairs)
    if not is_whole or len({*paths.values()}) < len(pairs):
        raise ConfigurationError(
            "--file is not NAME=PATH, or has a name or path twice; pass each once"
        )
    is_listed = bool(named) or settings.declaration is None
    names = name_variables(settings, [*dict.fromkeys([*named, *paths])] if is_listed else ())
    places, secrets = SecretPlaces(names, paths), {each: name for name, each in names.items()}
    for name in paths:
        check_declared(name, names)
        if other := secrets.get(variable := places.file_variable(name)):
            raise ConfigurationError(
                f"{other} has the variable {variable}, as the file of {name} has; leave one out"
            )
    return places
