"""Command ``python -m app_integration run``: a program with the secrets of its service.

They are variables of the program, or files that its variables name. This process stays beside it:
it passes signals on, and can restart the program with new values.
"""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

from app_integration._internal.cli import ArgumentParser, split_command
from app_integration.client import Client
from app_integration.config.application import ChildApplication
from app_integration.errors import ConfigurationError
from app_integration.host_commands import options as shared
from app_integration.host_commands.option_catalogue import NAME, RESTART, SECRET_FILE
from app_integration.program.secret_files import SecretFiles
from app_integration.program.secret_variables import SecretPlaces
from app_integration.program.supervision import Supervision, has_terminal
from app_integration.secret_store.declared_names import check_declared, name_variables
from app_integration.settings import Settings


def main(arguments: Sequence[str]) -> int:
    """Run the program after ``--`` with the secrets of a service.

    Returns:
        The exit code of the program, as a shell reports it; 1 if it was not started.

    """
    made, (own, command) = _parser(), split_command(arguments)
    options = made.parse_args(own)
    if not command:
        made.error("expected -- and a command")
    return shared.run(made.prog, partial(_run, options, command))


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

    Args:
        client: Client of the service.
        places: Where the program finds its secrets.
        command: The program and its arguments.
        variables: Variables that the program gets, too, but for ours.
        restarts: Whether it is restarted when one of them has a new value.

    Raises:
        OSError: If it cannot be started, or a file not be written.
        StrongroomError: If a secret cannot be read, or a variable not hold it.

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

    Args:
        settings: Settings of the service.
        named: Secrets; empty for all that are declared.
        files: Entries ``NAME=PATH``.

    Raises:
        ConfigurationError: If an entry has no ``=``, a secret or path is named twice, a secret is
            not declared, or two have the same variable.

    """
    pairs = [entry.partition("=") for entry in files]
    paths = {name: Path(path).absolute() for name, _, path in pairs}
    is_whole = all(separator and path for _, separator, path in pairs)
    if not is_whole or len({*paths.values()}) < len(pairs):
        raise ConfigurationError("--file takes NAME=PATH, with each name and path once")
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
