"""Files with one credential, such as a secret-id."""

from __future__ import annotations

from pathlib import Path

from app_integration._internal.input_file import read_input
from app_integration._internal.private_file import stamp
from app_integration.errors import ConfigurationError
from app_integration.secret import Secret


def content_stamp(path: Path) -> tuple[int, ...] | None:
    """Return the stamp of *path* without its last part (ctime), which a mere chmod changes too."""
    found = stamp(path)
    return None if found is None else found[:-1]


def read_credential(path: Path, setting: str) -> Secret:
    """Return the credential in *path*, which *setting* names, without surrounding whitespace."""
    try:
        text = read_input(path).decode().strip()
    except OSError as error:
        raise ConfigurationError(
            f"{path} ({setting}) cannot be read: {error.strerror}; check the path and its mode"
        ) from None
    except UnicodeDecodeError:
        raise ConfigurationError(
            f"{path} ({setting}) is not UTF-8 text; write the credential alone into it"
        ) from None
    if not text:
        raise ConfigurationError(f"{path} ({setting}) is empty; issue a new credential into it")
    if not text.isprintable():
        raise ConfigurationError(
            f"{path} ({setting}) has a line break within, or another character that is not "
            "printable; write the credential alone into it, on one line"
        )
    return Secret(text)
