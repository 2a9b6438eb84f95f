"""Durations such as ``30s``, ``5m``, ``1h`` and ``90d``, and those that Vault returns, in seconds.

The declaration, the comparison with the server and the agent's configuration all use this module,
so that a duration has the same meaning everywhere.
"""

from __future__ import annotations

import re

MINUTE = 60
HOUR = 60 * MINUTE
DAY = 24 * HOUR

_UNITS = {"d": DAY, "h": HOUR, "m": MINUTE, "s": 1}
_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?", re.ASCII)
MAX_LENGTH = 40  # characters; longer than any real duration, and limits the cost of int()


def parse(text: str) -> int:
    """Return the seconds in *text*: whole numbers with units, largest unit first (``1h30m``)."""
    match = _DURATION.fullmatch(text) if 0 < len(text) <= MAX_LENGTH else None
    if match is None:
        raise ValueError("not a duration; expected whole numbers with units, such as 30s or 1h30m")
    amounts = zip(match.groups(), _UNITS.values(), strict=True)
    return sum(int(amount) * unit for amount, unit in amounts if amount)


def pattern(longest: int) -> str:
    """Return a regular expression of every duration up to *longest* seconds, for a JSON Schema.

    It matches some longer durations too, and empty text.
    """
    return "".join(f"(?:{_amount(longest // size)}{unit})?" for unit, size in _UNITS.items())


def _amount(largest: int) -> str:
    return f"0*[0-9]{{1,{len(str(largest))}}}" if largest else "0+"


def render(seconds: int) -> str:
    """Return *seconds* as text in the largest unit that divides it: 5400 → ``90m``, 0 → ``0s``."""
    if seconds < 0:
        raise ValueError(f"invalid duration of {seconds} s; expected 0 or more")
    if seconds == 0:
        return "0s"
    unit = next(name for name, size in _UNITS.items() if seconds % size == 0)
    return f"{seconds // _UNITS[unit]}{unit}"


def whole_days(seconds: int) -> int:
    """Return *seconds* in days, rounded up."""
    return -(-seconds // DAY)


def normalise(value: int | str) -> int:
    """Return the seconds in a duration of the server: ``3600``, ``"3600"``, ``"1h0m0s"``, ``""``.

    Empty text means 0.
    """
    if isinstance(value, int):
        return value
    if not value:
        return 0
    return int(value) if value.isascii() and value.isdigit() else parse(value)
