"""Durations: ``30s``, ``5m``, ``1h``, ``90d`` and what the server answers, in seconds.

Part of no other package's rules: the declaration, the comparison with the server and the agent's
configuration all read and write durations through here.
"""

from __future__ import annotations

import re

MINUTE = 60
HOUR = 60 * MINUTE
DAY = 24 * HOUR

_UNITS = {"d": DAY, "h": HOUR, "m": MINUTE, "s": 1}
_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?", re.ASCII)
_MAX_LENGTH = 40  # characters; far above any duration in use, and keeps int() cheap


def parse(text: str) -> int:
    """Seconds in *text*: whole numbers, each with its unit, largest first (``1h30m``).

    Raises:
        ValueError: *text* is anything else; a bare number has no unit and is refused.

    """
    match = _DURATION.fullmatch(text) if 0 < len(text) <= _MAX_LENGTH else None
    if match is None:
        raise ValueError("not a duration; expected whole numbers with units, such as 30s or 1h30m")
    amounts = zip(match.groups(), _UNITS.values(), strict=True)
    return sum(int(amount) * unit for amount, unit in amounts if amount)


def render(seconds: int) -> str:
    """*seconds* in the largest unit that divides them: 5400 → ``90m``, 0 → ``0s``.

    Raises:
        ValueError: *seconds* is negative.

    """
    if seconds < 0:
        raise ValueError(f"a duration of {seconds} s; expected 0 or more")
    if seconds == 0:
        return "0s"
    unit = next(name for name, size in _UNITS.items() if seconds % size == 0)
    return f"{seconds // _UNITS[unit]}{unit}"


def normalise(value: int | str) -> int:
    """Seconds in a duration as the server writes it: ``3600``, ``"3600"``, ``"1h0m0s"``, ``""``.

    Raises:
        ValueError: *value* is none of these.

    """
    if isinstance(value, int):
        return value
    if not value:
        return 0
    return int(value) if value.isascii() and value.isdigit() else parse(value)
