"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from app_integration import names
from app_integration.errors import ConfigurationError
from app_integration.host_commands.option_catalogue import FILE_KEY, FROM, IDENTITY, NO_KEY, TO
from console.target.checkout import share_checkout
from console.target.local_folder import DEFAULT_ROOT, local_root
from local.layout import DEPLOYMENT
from vault.declare.errors import InvalidValue


def _resolve(context: typer.Context, text: str | None) -> str | None:
    """Return the declared environment that an option names, before any request."""
    if text is None:
        return None
    return share_checkout(context).declaration.resolve_environment(text)


def _resolve_on_host(context: typer.Context, text: str | None) -> str | None:
    """Return the environment that an option names. A host without a repository has it, too."""
    declaration = share_checkout(context).find_declaration()
    if text is None or declaration is None:
        return text and names.parse_environment(text)
    return declaration.resolve_environment(text)


def build_keep_option(text: str) -> Any:
    """Return the option of the days for which something is kept, with *text* as its help."""
    return typer.Option("--keep", min=1, max=36_500, help=text)  # no date is earlier than so many


def build_duration_parser(option: str, low: str = "1s", high: str = "30d") -> Callable[[str], int]:
    """Return the parser of the duration that *option* has, such as ``24h``, in seconds."""

    def parse(text: str) -> int:
        from vault.declare.schema.field_types import Within  # noqa: PLC0415 (it loads pydantic)

        try:
            return Within(low, high).check(text)
        except InvalidValue as error:
            raise typer.BadParameter(f"{option} {error.what} (expected {error.expected})") from None

    return parse


def _parse_prometheus(url: str) -> str:
    from vault.prometheus.http_api import check_url  # noqa: PLC0415 (few commands have it)

    return _parse_url(url, partial(check_url, "--prometheus"))


def _parse_alertmanager(url: str) -> str:
    from vault.prometheus.alertmanager import check_alertmanager_url  # noqa: PLC0415 (as above)

    return _parse_url(url, check_alertmanager_url)


def _parse_url(url: str, check: Callable[[str], str]) -> str:
    try:
        return check(url)
    except ConfigurationError as error:
        raise typer.BadParameter(str(error)) from None


def _check_store(folder: Path | None) -> Path | None:
    from vault.audit.store import STORE  # noqa: PLC0415 (few commands have it, and it takes long)

    return STORE.check_option(folder)


def _find_root(root: Path) -> Path:
    """Return the folder of the local deployment. The default one is checked when it is opened."""
    if root != DEFAULT_ROOT:
        DEPLOYMENT.check_option(root)
    return local_root(root)


_ENV_HELP: Final = "the environment, such as prod"
#: Its default is dev in the panels "Start" and "Every day". Apply, and readers of files, have none;
#: elsewhere it must be named.
ENV = typer.Option("--env", help=_ENV_HELP, callback=_resolve)
Env = Annotated[str, ENV]
#: Of a command that a host without a repository runs, too.
HOST_ENV = typer.Option("--env", help=_ENV_HELP, callback=_resolve_on_host)
HostEnv = Annotated[str, HOST_ENV]
Service = Annotated[str, typer.Option("--service", help="the service")]
#: Of the panels "Start" and "Every day". See :meth:`.Target.find_scope`.
OnlyService = Annotated[
    str | None, typer.Option("--service", help="the service; the only one by default")
]
ServiceFilter = Annotated[
    str | None, typer.Option("--service", help="only this service; all by default")
]
KeyService = Annotated[
    str | None, typer.Option("--service", help="the service whose key decrypts it")
]
Key = Annotated[str, typer.Option(FILE_KEY.flag, help=FILE_KEY.help)]
Identity = Annotated[
    Path | None,
    typer.Option(IDENTITY.flag, help=IDENTITY.help),
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
Replace = Annotated[
    bool, typer.Option("--replace", help="replace values that are different, after asking")
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="change nothing, and show what would be done")
]
Credentials = Annotated[
    Path | None,
    typer.Option("--credentials", help="folder with <environment>/role-id and secret-id"),
]
Recipients = Annotated[
    list[str] | None,
    typer.Option("--recipient", help="an age public key that can decrypt it too; may be repeated"),
]
NoKey = Annotated[bool, typer.Option(NO_KEY.flag, help=NO_KEY.help)]
Host = Annotated[
    str | None, typer.Option("--host", help="the host in the metadata of the secret-id's tokens")
]
From = Annotated[str, typer.Option(FROM.flag, help=FROM.help)]
To = Annotated[str, typer.Option(TO.flag, help=TO.help)]
OutFile = Annotated[Path | None, typer.Option("--out", help="file to write")]
WrapTtl = Annotated[
    int | None,
    typer.Option(
        "--wrap-ttl",
        parser=build_duration_parser("--wrap-ttl"),
        metavar="DURATION",
        help="wrap each secret-id, so that it is opened once, within this time: 24h",
    ),
]
Since = Annotated[
    str, typer.Option("--since", help="start of the period: 30d, 2026-05-01 or a time in UTC")
]
DEFAULT_SINCE: Final = "30d"
Until = Annotated[str | None, typer.Option("--until", help="its end; now by default")]
AuditLog = Annotated[
    list[Path] | None,
    typer.Option(
        "--audit-log",
        help="a file of the server's audit device, or the folder of an archive; may be repeated",
    ),
]
#: Of the commands that look after the devices themselves, which no archive is one of.
DeviceFile = Annotated[
    list[Path] | None,
    typer.Option("--audit-log", help="a file of the server's audit device; may be repeated"),
]
Records = Annotated[
    list[Path] | None,
    typer.Option("--records", help="a file or folder of access records; may be repeated"),
]
Store = Annotated[
    Path | None,
    typer.Option(
        "--store",
        help="folder of the store; default: one in --root",
        callback=_check_store,
    ),
]
RulesFile = Annotated[
    Path | None,
    typer.Option("--rules", help="a rules file in place of the declaration's"),
]
_PROMETHEUS_HELP: Final = "a Prometheus that scrapes the applications"
Prometheus = Annotated[
    str | None,
    typer.Option(
        "--prometheus",
        parser=_parse_prometheus,
        metavar="URL",
        help=_PROMETHEUS_HELP,
    ),
]
PrometheusUrl = Annotated[
    str,
    typer.Option(
        "--prometheus",
        parser=_parse_prometheus,
        metavar="URL",
        help=_PROMETHEUS_HELP,
    ),
]
Alertmanager = Annotated[
    str | None,
    typer.Option(
        "--alertmanager",
        parser=_parse_alertmanager,
        metavar="URL",
        help="the Alertmanager whose alerts the page shows",
    ),
]
