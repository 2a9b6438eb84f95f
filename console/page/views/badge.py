"""Words with a colour, and what stands for a number that is not known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

#: Colours of a state, each with a word beside it.
GOOD, WARN, BAD, PLAIN = "good", "warn", "bad", "plain"
#: Text of a number that is not known.
UNKNOWN: Final = "\N{EN DASH}"


@dataclass(frozen=True, slots=True)
class Badge:
    """A word with a colour."""

    text: str
    tone: str
