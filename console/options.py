"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final

import typer

from app_integration import names
from app_integration.errors import ConfigurationError
from app_integration.names import Scope
from console import operate
from vault.declare.declaration import Declaration
from vault.declare.errors import InvalidValue, join_names
from vault.declare.schema.field_types import Within
from vault.prometheus.alertmanager import check_alertmanager_url
from vault.prometheus.client import check_prometheus_url
from vault.runtime.layout import DEPLOYMENT

#: Durations of most options that have one.
_WAITS: Final = Within("1s", "30d")


def _resolve(text: str | None) -> str | None:
    """Return the declared environment that an option names, before any request."""
    return None if text is None else operate.resolve_environment(text)


def _resolve_on_host(text: str | None) -> str | None:
    """Return the environment that an option names. A host without a repository has it, too."""
    declaration = operate.find_declaration()
    if text is None or declaration is None:
        return text and names.parse_environment(text)
    return declaration.resolve_environment(text)


def build_duration_parser(option: str, within: Within = _WAITS) -> Callable[[str], int]:
    """Return the parser of the duration that *option* has, such as ``24h``, in seconds."""

    def parse(text: str) -> int:
        try:
            return within.check(text)
        except InvalidValue as error:
            raise typer.BadParameter(f"{option} {error.what} (expected {error.expected})") from None

    return parse


def find_role(declaration: Declaration, scope: Scope, colour: str) -> str:
    """Return the AppRole of one colour of a service.

    Raises:
        ConfigurationError: If it is not declared.

    """
    colours = declaration.deployment(scope).colours
    if colour not in colours:
        raise ConfigurationError(
            f"{scope.service} has no colour {colour!r} in {scope.environment} (expected "
            f"{join_names(colours)}); declare it under 'colours' there"
        )
    return scope.colour(colour)


def _build_url_parser(check: Callable[[str], str]) -> Callable[[str], str]:
    def parse(url: str) -> str:
        try:
            return check(url)
        except ConfigurationError as error:
            raise typer.BadParameter(str(error)) from None

    return parse


def _find_root(root: Path) -> Path:
    """Return the folder of the local deployment. The default one is checked when it is opened."""
    if root != operate.DEFAULT_ROOT:
        DEPLOYMENT.check_option(root)
    return operate.local_root(root)


_parse_prometheus = _build_url_parser(check_prometheus_url)


ENV = typer.Option("--env", help="the name of a file in environments/", callback=_resolve)
Env = Annotated[str, ENV]
HOST_ENV = typer.Option("--env", help="the environment", callback=_resolve_on_host)
HostEnv = Annotated[str, HOST_ENV]
Service = Annotated[str, typer.Option("--service", help="the name of a file in services/")]
OnlyService = Annotated[
    str | None, typer.Option("--service", help="the only service; all if none is named")
]
Colour = Annotated[
    str | None, typer.Option("--colour", help="one of the service's colours in the environment")
]
Identity = Annotated[
    Path | None,
    typer.Option("--identity", help="a file of age private keys, in place of the server"),
]
Root = Annotated[
    Path, typer.Option("--root", help="folder of the local deployment", callback=_find_root)
]
Given = Annotated[
    Path | None,
    typer.Option(
        "--given",
        help="folder of operator-provided values, in files named by API path",
        exists=True,
        file_okay=False,
    ),
]
Yes = Annotated[bool, typer.Option("--yes", help="do not ask")]
AsJson = Annotated[bool, typer.Option("--json", help="for programs")]
#: Of commands that copy values.
Replace = Annotated[
    bool, typer.Option("--replace", help="replace values that are different, after asking")
]
CopyDryRun = Annotated[
    bool,
    typer.Option("--dry-run", help="change nothing; exit code 2 if there is something to copy"),
]
WrapTtl = Annotated[
    int | None,
    typer.Option(
        "--wrap-ttl",
        parser=build_duration_parser("--wrap-ttl"),
        metavar="DURATION",
        help="wrap each secret-id, so that it is opened once, within this time: 24h",
    ),
]
AuditLog = Annotated[
    list[Path] | None,
    typer.Option("--audit-log", help="a file of the server's audit device; may be repeated"),
]
Prometheus = Annotated[
    str | None,
    typer.Option(
        "--prometheus",
        parser=_parse_prometheus,
        metavar="URL",
        help="a server that scrapes the consumers, asked without an audit log",
    ),
]
PrometheusUrl = Annotated[
    str,
    typer.Option(
        "--prometheus",
        parser=_parse_prometheus,
        metavar="URL",
        help="a server that scrapes both colours",
    ),
]
Alertmanager = Annotated[
    str | None,
    typer.Option(
        "--alertmanager",
        parser=_build_url_parser(check_alertmanager_url),
        metavar="URL",
        help="the Alertmanager whose alerts the page shows",
    ),
]

#: Most days of ``--keep``. So many are before no year that a date can have.
MAX_KEEP: Final = 36_500
