"""Private folders, and the passwords that are made on first use."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Callable
from pathlib import Path

from app_integration._internal.private_file import write_private
from app_integration.errors import ConfigurationError
from app_integration.secret import Secret

PASSWORD_BYTES = 24  # of randomness; 32 characters as base64url


def _new_password() -> str:
    return secrets.token_urlsafe(PASSWORD_BYTES)


def read_or_create_password(path: Path, generate: Callable[[], str] = _new_password) -> Secret:
    """The password kept in *path*, which is written first when it isn't there.

    Raises:
        ConfigurationError: the file is there and empty.

    """
    if not path.exists():
        write_private(path, generate())
    password = path.read_text().strip()
    if not password:
        raise ConfigurationError(f"{path} is empty; erase the deployment with: make vault-reset")
    return Secret(password)


def private_folder(path: Path) -> None:
    """Make *path* a folder that only its owner, the user we run as, may enter (0700).

    Raises:
        ConfigurationError: *path* is a symlink, no folder, or belongs to another user; or it can't
            be made, as the folder that it goes into isn't there, say.

    """
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:
        pass
    except OSError as error:
        raise ConfigurationError(
            f"{path} can't be made in {path.absolute().parent}: {error.strerror}; make that folder"
            " first, or name another by --root"
        ) from None
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise ConfigurationError(f"{path} must be a folder, not a link or a file; move it away")
    if found.st_uid != os.geteuid():
        raise ConfigurationError(
            f"{path} belongs to user id {found.st_uid}, not to {os.geteuid()} that runs this;"
            " run it as that user, or move the folder away"
        )
    path.chmod(0o700)
