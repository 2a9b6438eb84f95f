"""Units of systemd: the agent, and the application that the delivery starts.

The first credential of an agent that logs in by AppRole is in two files of root, which systemd
copies to a folder of the unit. Whoever deploys replaces them, and restarts the unit.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from agent.file_templates import printable, render
from agent.targets.host import Host
from agent.targets.settings import Places, TargetSettings
from agent.targets.short_name import shorten
from agent.targets.systemd.system_names import check_instance
from app_integration.errors import ConfigurationError
from vault.declare.schema.model import Config

_MAX_ACCOUNT: Final = 31  # characters
#: Characters of a word that systemd takes as it is. A longer list would have to be quoted.
_PLAIN: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:=@,+")


def build(settings: TargetSettings, host: Host) -> dict[str, str]:
    """Return the text of each file, by its path in the built folder.

    Raises:
        ConfigurationError: If a path or a word of the command contains a control character, the
            delivery could not see or tell the application, or the machine has the service's name
            for itself.

    """
    check_reach(settings.config, settings.scope.service, host)
    service = settings.instance
    check_instance(service)
    places = Places(
        folder=Path("/etc/strongroom") / service,
        staging=_staging(settings),
        credentials=Path("/run/credentials") / _agent_unit(settings),
        cacert=host.cacert,
        perms="0640",
    )
    values = _values(settings, host, places)
    unit = f"{service}.service" if host.command else f"strongroom-{service}-delivery.service"
    files = {
        values["agent_unit"]: "agent.service.j2",
        unit: "application.service.j2",
        f"strongroom-{service}.sysusers.conf": "sysusers.conf.j2",
    }
    rendered = {
        name: render(f"targets/systemd/{file}", str, values) for name, file in files.items()
    }
    return {**settings.agent_files(places), **rendered}


def _values(settings: TargetSettings, host: Host, places: Places) -> dict[str, Any]:
    """Return the variables of the templates."""
    service = settings.instance
    runtime = f"strongroom-{service}"
    folder = host.folder or Path("/srv") / service
    live = Path("/run") / service / settings.config.file
    python = folder / settings.config.python
    start = settings.watch_command(str(python), _staging(settings), live)
    variables = {
        **settings.variables,
        **({"VAULT_CACERT": host.cacert} if host.cacert else {}),
        "STRONGROOM_READER_GROUP": account(runtime),
        "STRONGROOM_CONFIG": live,
        **(settings.audit_variables(Path("/var/log") / service) if host.command else {}),
    }
    return {
        "service": service,
        "environment": str(settings.scope.environment),
        "user": account(service),
        "agent_user": account(f"{runtime}-agent"),
        "group": account(runtime),
        "runtime": runtime,
        "agent_unit": _agent_unit(settings),
        "agent_start": quote_command(settings.agent_command("/usr/bin/bao", places)),
        "credentials": settings.needs_secret_id,
        "folder": escape(folder),
        "variables": [quote(f"{name}={value}") for name, value in variables.items()],
        "audit": settings.audit_key if host.command else None,
        "command": host.command,
        "start": quote_command([*start, *host.command] if host.command else start[:-1]),
    }


def _agent_unit(settings: TargetSettings) -> str:
    return f"strongroom-{settings.instance}-agent.service"


def _staging(settings: TargetSettings) -> Path:
    return Path("/run") / f"strongroom-{settings.instance}" / settings.config.file


def account(name: str) -> str:
    """Return *name* as a name of a user or group, which has 31 characters at most."""
    return shorten(name, _MAX_ACCOUNT)


def check_reach(config: Config, service: str, host: Host) -> None:
    """Check that the delivery can see and tell the application.

    Raises:
        ConfigurationError: If it cannot.

    """
    if host.command:
        return
    file = f"services/{service}.yaml"
    if config.reload == "restart" or config.reload.startswith("SIG"):
        raise ConfigurationError(
            f"config.reload in {file} is {config.reload!r}, for which the delivery must start the "
            "application; give its command after --"
        )
    if config.health is None:
        raise ConfigurationError(
            f"config.health in {file} is not declared, and without the application's command "
            "nothing else shows how it runs; declare it, or give the command after --"
        )


def quote_command(words: Sequence[str]) -> str:
    """Return *words* for ``ExecStart=``, which expands ``$`` and ``%`` otherwise."""
    return " ".join(quote(word).replace("$", "$$") for word in words)


def quote(value: object) -> str:
    """Return *value* as one word of a unit file.

    Raises:
        ConfigurationError: If it contains a control character.

    """
    text = escape(value)
    if text and _PLAIN.issuperset(text):
        return text
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{quoted}"'


def escape(value: object) -> str:
    """Return *value* for a key that takes the rest of the line, without quotes.

    Raises:
        ConfigurationError: If it contains a control character.

    """
    return printable(value).replace("%", "%%")
