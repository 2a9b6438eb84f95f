"""Prices of Secrets Manager and KMS, in one place."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

from app_integration._internal.input_file import read_input
from app_integration.errors import ConfigurationError

#: Requests that a price is for.
LOT: Final = 10_000


@dataclass(frozen=True, slots=True)
class Prices:
    """Prices in US dollars, those of requests for :data:`LOT` of them.

    KMS also bills the first two rotations of a key, which no price here contains.
    """

    key_month: float = 1.0
    kms_requests: float = 0.03
    secret_month: float = 0.40
    secret_requests: float = 0.05

    def storage(self, *, secrets: int, keys: int) -> float:
        """Return the price of *secrets* and *keys* for a month."""
        return self.secret_month * secrets + self.key_month * keys

    def requests(self, *, secrets: float, kms: float) -> float:
        """Return the price of requests to Secrets Manager and to KMS."""
        return (self.secret_requests * secrets + self.kms_requests * kms) / LOT


def read_prices(path: Path) -> Prices:
    """Return the prices in a JSON file; those that it leaves out are the default ones."""
    known = ", ".join(asdict(Prices()))
    try:
        found = json.loads(read_input(path))
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be read: {error.strerror}; name a readable file"
        ) from None
    except ValueError:
        raise ConfigurationError(f"{path} is not JSON; expected an object with {known}") from None
    if not isinstance(found, dict) or not all(map(_is_price, found.values())):
        raise ConfigurationError(f"{path}: expected an object with numbers of dollars for {known}")
    if unknown := sorted(found.keys() - asdict(Prices()).keys()):
        raise ConfigurationError(f"{path} has {unknown[0]!r}; expected some of {known}")
    return replace(Prices(), **found)


def _is_price(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return math.isfinite(value) and value >= 0
