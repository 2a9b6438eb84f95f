"""Check of a secret's value before it is stored."""

from __future__ import annotations

from typing import Final

from app_integration.errors import InvalidName

MAX_VALUE_LENGTH: Final = 512 * 1024  # bytes of UTF-8; a raft entry holds 1 MiB


def check_secret_value(name: str, value: str) -> None:
    """Raise InvalidName for a *value* that the server would store changed, or not at all.

    The error never contains the value.
    """
    # Concatenation returns a plain str, also for a Secret, whose str() would be redacted.
    plain = value + ""
    if "\0" in plain:
        raise InvalidName(
            f"the value of {name} holds a NUL character, which no variable can hold; remove it"
        )
    try:
        size = len(plain.encode())
    except UnicodeEncodeError:
        raise InvalidName(f"the value of {name} holds a lone surrogate: read it as UTF-8") from None
    if size > MAX_VALUE_LENGTH:
        raise InvalidName(f"the value of {name} has {size} bytes; use at most {MAX_VALUE_LENGTH}")
