"""Units of systemd: the agent, and the application that the delivery starts.

The first credential of an agent that logs in by AppRole is in two files of root, which systemd
copies to a folder of the unit. The deployer replaces them, and restarts the unit.

The application's user and its folder in ``/run`` are named like the service, and systemd takes over
what exists: it gives ``/run/user`` to a user ``user``, so that no other user can log in, and a user
``shadow`` gets the group ``shadow``, which may read all password hashes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from agent.file_templates import render
from agent.quoting import escape_line, quote_command, quote_word, shorten
from agent.targets.host import Host, check_reach
from agent.targets.settings import Places, TargetSettings
from app_integration.errors import ConfigurationError

_MAX_ACCOUNT: Final = 31  # characters
_ACCOUNTS: Final = (
    "adm apache audio avahi backup bin cdrom chrony clock crontab daemon dialout dip disk docker "
    "fax floppy ftp games gnats halt input irc kmem kvm list lp mail man mem messagebus netdev "
    "news nobody nogroup operator plugdev polkitd proxy render root sasl sgx shadow shutdown src "
    "sshd ssl-cert staff sudo sync sys systemd-coredump systemd-journal systemd-network "
    "systemd-oom systemd-resolve systemd-timesync tape tcpdump tss tty users utmp uucp video voice "
    "wheel www-data"
)
_FOLDERS: Final = (
    "blkid cloud-init containerd credentials cryptsetup dbus faillock host initctl lock log lvm "
    "mount netns network podman runc screen secrets setrans shm systemd udev udisks2 user utmp"
)
#: Names of Debian's and Red Hat's base systems.
SYSTEM_NAMES: Final = frozenset(f"{_ACCOUNTS} {_FOLDERS}".split())


def build(settings: TargetSettings, host: Host) -> dict[str, str]:
    """Return the text of each file, by its path in the built folder."""
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
        "folder": escape_line(folder),
        "variables": [quote_word(f"{name}={value}") for name, value in variables.items()],
        "audit": settings.audit_key if host.command else None,
        "command": host.command,
        "start": quote_command([*start, *host.command] if host.command else start[:-1]),
    }


def _agent_unit(settings: TargetSettings) -> str:
    return f"strongroom-{settings.instance}-agent.service"


def _staging(settings: TargetSettings) -> Path:
    return Path("/run") / f"strongroom-{settings.instance}" / settings.config.file


def check_instance(name: str) -> None:
    """Check that a machine does not have *name* for itself."""
    if name in SYSTEM_NAMES:
        raise ConfigurationError(
            f"a machine has a user, a group or a folder /run/{name} of its own, which the unit "
            f"of {name} would take over; build it for compose, or rename the service"
        )


def account(name: str) -> str:
    """Return *name* as a name of a user or group, which has 31 characters at most."""
    return shorten(name, _MAX_ACCOUNT)
