"""Private folders, and passwords that are generated on first use."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

from app_integration._internal.private_file import write_private
from app_integration.errors import ConfigurationError
from app_integration.secret import Secret

PASSWORD_BYTES = 24  # random bytes; they become 32 characters of base64url


def read_or_create_password(path: Path) -> Secret:
    """Return the password in *path*, and generate one if there is no such file."""
    if not path.exists():
        write_private(path, secrets.token_urlsafe(PASSWORD_BYTES))
    password = path.read_text().strip()
    if not password:
        raise ConfigurationError(f"{path} is empty; erase the deployment with: strongroom reset")
    return Secret(password)


def ensure_private_folder(path: Path) -> None:
    """Create the folder *path*, or check it, and set its mode to 0700.

    Only its owner, the user that runs this process, can enter it.
    """
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:
        pass
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be created in {path.absolute().parent}: {error.strerror}; create that"
            " folder first, or pass another one with --root"
        ) from None
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise ConfigurationError(f"{path} must be a folder, not a link or a file; move it away")
    if found.st_uid != os.geteuid():
        raise ConfigurationError(
            f"{path} belongs to user id {found.st_uid}, not to {os.geteuid()}, which runs this"
            " command; run it as that user, or move the folder away"
        )
    path.chmod(0o700)
