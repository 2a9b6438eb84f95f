"""Names of users, groups and folders that a machine under systemd has for itself.

The application's user and its folder in ``/run`` are named like the service, and systemd takes over
what exists: it gives ``/run/user`` to a user ``user``, so that no other user can log in, and a user
``shadow`` gets the group ``shadow``, which may read all password hashes.
"""

from __future__ import annotations

from typing import Final

from agent.targets.short_name import shorten
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
