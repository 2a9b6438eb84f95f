"""Count of the stored ciphertexts that need old versions of a key, as a hook prints it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from app_integration.errors import ConfigurationError

_LINE: Final = re.compile(r"(\d{1,18})(?:[ \t]+(\S.*))?", re.ASCII)
#: Place of a number that is printed alone.
_PLACE: Final = "what the application has stored"


@dataclass(frozen=True, slots=True)
class PlaceCount:
    """Number of ciphertexts in one place, such as a table."""

    place: str
    number: int


def parse_counts(text: str, hook: str) -> list[PlaceCount]:
    """Return the counts in *text*: on each line a number, and the place that it is of."""
    shapes = [_LINE.fullmatch(line.strip()) for line in text.splitlines() if line.strip()]
    if not shapes or None in shapes:
        raise ConfigurationError(
            f"the hook {hook} printed no count; let it print a line such as '12 data_keys' for "
            "each place, with 0 if nothing is left"
        )
    return [PlaceCount(shape[2] or _PLACE, int(shape[1])) for shape in shapes if shape is not None]
