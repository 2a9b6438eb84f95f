"""Members of a team: the public keys that can open what it shares, one a line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from app_integration._internal.input_file import read_input
from app_integration.encryption.files.recipient import MAX_RECIPIENTS
from app_integration.encryption.files.x25519 import PRIVATE_PREFIX, parse_public_key
from app_integration.errors import ConfigurationError, EncryptionError

FILE: Final = "members"
_EXPECTED: Final = "expected a public key of age, which begins with age1, and a name"


def read_members(path: Path) -> Mapping[str, str]:
    """Return the name of each member by public key; none if there is no file."""
    try:
        text = read_input(path).decode()
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise ConfigurationError(f"{path} cannot be read: {reason}; correct it") from None
    members: dict[str, str] = {}
    for place, key, name in _lines(path, text):
        if key in members:
            raise ConfigurationError(f"{place}: the key is there twice; remove one of the lines")
        members[key] = name
    if len(members) > MAX_RECIPIENTS:
        raise ConfigurationError(
            f"{path} has {len(members)} members, and a file has room for {MAX_RECIPIENTS}; let "
            "several share a key"
        )
    return members


def _lines(path: Path, text: str) -> Iterator[tuple[str, str, str]]:
    """Yield place, key and name of each line that is neither empty nor a comment."""
    for number, line in enumerate(text.splitlines(), start=1):
        key, name = (*line.split(None, 1), "", "")[:2]
        if not key or key.startswith("#"):
            continue
        place = f"{path}:{number}"
        if PRIVATE_PREFIX in line.lower():
            raise ConfigurationError(
                f"{place}: the line has a private key; remove it, make another key pair, and add "
                "that one's public key"
            )
        try:
            parse_public_key(key)
        except EncryptionError:
            raise ConfigurationError(f"{place}: the line has no key ({_EXPECTED})") from None
        if not name.strip().isprintable() or not name.strip():
            raise ConfigurationError(f"{place}: the key has no name ({_EXPECTED})")
        yield place, key, name.strip()
