"""Check of a public key of age, before it is in a file or a command is run with it."""

from __future__ import annotations

import re
from typing import Final

from app_integration.errors import ConfigurationError

_RECIPIENT: Final = re.compile(r"age1[02-9ac-hj-np-z]{58}")
#: How a private key begins, also one of a plugin.
_PRIVATE_KEY: Final = "AGE-"


def check_recipient(recipient: str) -> None:
    """Check that *recipient* is a public key of age, and not the name of a key of a service.

    An error does not contain a private key, because it would be in a log then.
    """
    if _PRIVATE_KEY in recipient.upper():
        raise ConfigurationError(
            "--recipient is a private key; pass the public key, which begins with age1, and "
            "replace the private one: it may be in your shell's history now"
        )
    if not _RECIPIENT.fullmatch(recipient):
        raise ConfigurationError(
            f"--recipient {recipient!r} is not a public key of age; pass one, which is age1 and 58 "
            "more characters"
        )
