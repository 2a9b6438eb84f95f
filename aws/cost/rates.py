"""Rates of use, on which the requests and so the cost depend."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Rates:
    """Rates of use by one instance of a service. An instance is one process.

    Attributes:
        reads: Reads of each secret in a second.
        encrypts: Values encrypted with each key in a second.
        decrypts: Values decrypted with each key in a second.
        starts: Times that an instance is started in a month; its caches are empty then.
        days: Days in which the values were written that are read now.
        measured: Name of a secret → its measured reads in a second, in place of *reads*.

    """

    reads: float = 1.0
    encrypts: float = 1.0
    decrypts: float = 1.0
    starts: float = 30.0
    days: float = 30.0
    measured: Mapping[str, float] = field(default_factory=dict)
