"""Limits of time and memory that a service may change by variables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Final

from app_integration.errors import ConfigurationError

_PREFIX: Final = "STRONGROOM_LIMIT_"
_HOUR: Final = 3_600
_DAY: Final = 86_400
#: Of a branch key, if there are any: on AWS, where each request about a data key is paid for.
BRANCH_KEY_AGE: Final = 30.0 * _DAY  # seconds


@dataclass(frozen=True, slots=True)
class Range:
    """Values that a limit may have."""

    unit: str
    least: float
    most: float
    is_whole: bool = False

    def parse(self, name: str, text: str) -> float:
        """Return the value that *text* is."""
        try:
            value = int(text) if self.is_whole else float(text)
        except ValueError:
            value = None
        if value is None or not isfinite(value) or not self.least <= value <= self.most:
            number = "a whole number" if self.is_whole else "a number"
            raise ConfigurationError(
                f"{name} is {text!r}; expected {number}{self.unit} from {self.least:.12g} to"
                f" {self.most:.12g}"
            )
        return value


_SHARE: Final = ", the share of a TTL,"
#: Variable → values of the limit. A shorter cache or a longer deadline suits some services; other
#: limits keep a server or this process from harm.
RANGES: Final[Mapping[str, Range]] = {
    "STRONGROOM_LIMIT_BRANCH_KEY_AGE": Range(" of seconds", 0, 366 * _DAY),
    "STRONGROOM_LIMIT_CACHE_ENTRIES": Range(" of secrets", 1, 2**20, is_whole=True),
    "STRONGROOM_LIMIT_CACHE_TTL": Range(" of seconds", 1, _DAY),
    "STRONGROOM_LIMIT_DATA_KEY_AGE": Range(" of seconds", 60, 30 * _DAY),
    "STRONGROOM_LIMIT_DATA_KEY_CACHE": Range(" of data keys", 1, 2**20, is_whole=True),
    "STRONGROOM_LIMIT_DATA_KEY_MESSAGES": Range(" of values", 1, 2**32, is_whole=True),
    "STRONGROOM_LIMIT_DEADLINE": Range(" of seconds", 0.1, 300),
    "STRONGROOM_LIMIT_INDEX_REFRESH": Range(" of seconds", 1, _DAY),
    "STRONGROOM_LIMIT_LEASE_ROTATE_AT": Range(_SHARE, 0.1, 0.9),
    "STRONGROOM_LIMIT_NEGATIVE_TTL": Range(" of seconds", 0, 3600),
    "STRONGROOM_LIMIT_STALE_LIMIT": Range(" of seconds", 0, 7 * _DAY),
}
#: Variable → field of ``Limits``.
FIELDS: Final = {name: name.removeprefix(_PREFIX).lower() for name in RANGES}


def read_emf_interval(env: Mapping[str, str]) -> float | None:
    """Return the seconds in ``STRONGROOM_EMF_INTERVAL``, None if it is not set."""
    name = "STRONGROOM_EMF_INTERVAL"
    text = env.get(name)
    return Range(" of seconds", 1, _HOUR).parse(name, text) if text else None


def read_limits(env: Mapping[str, str], *, on_aws: bool = False) -> dict[str, float]:
    """Return the limits that the backend or variables change, by their field.

    An empty variable changes nothing.
    """
    own = {"branch_key_age": BRANCH_KEY_AGE} if on_aws else {}
    for name in env:
        if name.startswith(_PREFIX) and name not in RANGES:
            raise _unknown(name)
    found = ((name, allowed, env.get(name)) for name, allowed in RANGES.items())
    return own | {FIELDS[name]: allowed.parse(name, text) for name, allowed, text in found if text}


def _unknown(name: str) -> ConfigurationError:
    import difflib  # noqa: PLC0415 (for an error)

    near = difflib.get_close_matches(name, RANGES, 1, 0.9)
    hint = f"did you mean {near[0]}?" if near else f"use one of {', '.join(RANGES)}"
    return ConfigurationError(f"{name}: no variable changes this limit; {hint}")
