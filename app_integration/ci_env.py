"""Command ``python -m app_integration ci-env``: a command of a CI job, with secrets as variables.

The secrets are read, and the Vault token is revoked, before the command starts. Then the command
replaces this process: signals, exit code and terminal are its own, and it finds no Vault token.
"""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import Final, NoReturn

from app_integration._internal.cli import ArgumentParser, split_command
from app_integration._internal.environment_variable import environment_variables
from app_integration._internal.secret_value import check_secret_value
from app_integration.auth.ci_job import JWT_VARIABLE, build_job_method
from app_integration.auth.methods import AuthMethod
from app_integration.client import Client
from app_integration.errors import ConfigurationError, StrongroomError
from app_integration.host_commands.option_catalogue import NAME
from app_integration.secret import Secret
from app_integration.secret_store.declared_names import name_variables
from app_integration.secret_store.required import check_required
from app_integration.session.from_settings import open_session
from app_integration.settings import Settings, from_environment
from app_integration.sources.from_settings import build_policy_rule

#: Signals with which a runner or a person cancels a job.
_ENDING: Final = frozenset({signal.SIGHUP, signal.SIGINT, signal.SIGTERM})
#: Signals that Python ignores for itself. The command would inherit that.
_IGNORED: Final = (signal.SIGPIPE, signal.SIGXFSZ)


def main(arguments: Sequence[str]) -> int:
    """Run the command after ``--`` with the secrets of a service as variables.

    It returns 1 if the command was not started; otherwise the command has replaced this process.
    """
    parser, (own, command) = _parser(), split_command(arguments)
    options = parser.parse_args(own)
    if not command:
        parser.error("expected -- and a command")
    try:
        settings = read_settings(os.environ, options.service, options.env)
        run(settings, options.name or (), command, os.environ)
    except StrongroomError as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)  # noqa: T201 (a command's output)
        return 1


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="python -m app_integration ci-env",
        usage="%(prog)s --service S --env E [--name NAME …] -- CMD …",
        description="Run a command of a CI job with secrets as variables.",
    )
    parser.add_argument("--service", required=True, help="the service whose secrets are read")
    parser.add_argument("--env", required=True, help="the environment, such as prod")
    NAME.add_to(parser)
    return parser


def read_settings(variables: Mapping[str, str], service: str, environment: str) -> Settings:
    """Return the settings of a job: a login by JWT, and secrets from the server only."""
    job = {
        "STRONGROOM_SERVICE": service,
        "STRONGROOM_SOURCES": "vault",
        **environment_variables(environment),
    }
    method = variables.get("STRONGROOM_AUTH") or "jwt"
    return from_environment({**variables, **job, "STRONGROOM_AUTH": method})


def run(
    settings: Settings,
    wanted: Collection[str],
    command: Sequence[str],
    variables: Mapping[str, str],
) -> NoReturn:
    """Replace this process by *command*, with secrets as variables.

    An empty *wanted* stands for all secrets that ``STRONGROOM_DECLARATION`` lists. After an error
    the Vault token is revoked, too.
    """
    names, login = name_variables(settings, wanted), build_job_method(settings, variables)
    with _hold_signals():
        values = _read(settings, names, login)
    if variables.get("GITHUB_ACTIONS") == "true":
        # To standard error, which a script does not capture as the command's output.
        print(*mask(values.values()), sep="\n", file=sys.stderr, flush=True)  # noqa: T201 (as above)
    # As UTF-8, whatever the locale of the job is.
    added = {names[name]: value.reveal().encode() for name, value in values.items()}
    kept = {name: value for name, value in variables.items() if name != JWT_VARIABLE}
    _replace_process(command, {**kept, **added})


def mask(values: Iterable[Secret]) -> Iterator[str]:
    """Yield the workflow commands that make GitHub hide *values* in the log of a job.

    There is one for each line, because GitHub compares line by line.
    """
    for value in values:
        for line in re.split(r"[\r\n]+", value.reveal()):
            if line.strip():
                yield f"::add-mask::{line.replace('%', '%25')}"


def _read(settings: Settings, names: Iterable[str], login: AuthMethod) -> dict[str, Secret]:
    """Return the secrets *names*, and revoke the token that read them."""
    values: dict[str, Secret] = {}
    with closing(Client(settings, session=open_session(settings, login))) as client:

        def read(name: str) -> None:
            values[name] = client.secrets.get(name)
            check_secret_value(name, values[name])

        check_required(names, read, build_policy_rule(settings))
    return values


@contextmanager
def _hold_signals() -> Iterator[None]:
    """Delay signals that stop this process until the block is left.

    Otherwise one of them within the block, after a login, would leave a valid token.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # so that Ctrl-C prints no traceback
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _replace_process(command: Sequence[str], variables: Mapping[str, str | bytes]) -> NoReturn:
    """Replace this process by *command*."""
    sys.stdout.flush()
    for number in _IGNORED:
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execvpe(command[0], list(command), variables)  # noqa: S606 (without a shell on purpose)
    except OSError as error:
        raise ConfigurationError(
            f"{command[0]} cannot be started: {error.strerror}; check the command after --"
        ) from None
