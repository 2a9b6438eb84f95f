"""Rates of use, on which the requests and so the cost depend."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Rates:
    """Rates of use by one instance of a service. An instance is one process.

    *reads* of each secret, *encrypts* and *decrypts* with each key are those of a second, and
    *starts* of a month. What is read was written in the last *days*. *measured* maps a secret to
    its reads in a second.
    """

    reads: float = 1.0
    encrypts: float = 1.0
    decrypts: float = 1.0
    starts: float = 30.0
    days: float = 30.0
    measured: Mapping[str, float] = field(default_factory=dict)
