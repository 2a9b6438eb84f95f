"""Parts of a policy that is longer than a server stores."""

from __future__ import annotations

import json
import re
from collections.abc import Container, Iterator
from itertools import count, pairwise, takewhile
from typing import Final

#: Bytes of a policy in JSON, which escapes its lines and quotation marks. Raft storage takes 1 MiB
#: for it with its name and encryption, and Vault 1 MiB for a text of a request.
LARGEST: Final = 1_000_000
#: The start of a rule, with the comment above it.
_RULE: Final = re.compile(r"^(?:#.*\n)*path\s", re.MULTILINE)


def split_policy(name: str, text: str, largest: int = LARGEST) -> dict[str, str]:
    """Return the policies that together grant what *text* grants: the name of each → its HCL text.

    The first is called *name*, the others ``<name>-2`` and so on. A single rule is not split.
    """
    parts: list[list[str]] = [[]]
    size = 0
    for rule in _rules(text):
        length = stored_size(rule)
        if parts[-1] and size + length > largest:
            parts.append([])
            size = 0
        parts[-1].append(rule)
        size += length
    return {_name(name, number): "".join(part) for number, part in enumerate(parts, 1)}


def stored_size(text: str) -> int:
    """Return the bytes of *text* in JSON, as the server stores it, without quotation marks."""
    return len(json.dumps(text)) - len('""')


def part_names(name: str, policies: Container[str]) -> tuple[str, ...]:
    """Return the names of all parts of the policy *name*."""
    further = (_name(name, number) for number in count(2))
    return (name, *takewhile(policies.__contains__, further))


def _rules(text: str) -> Iterator[str]:
    """Yield each rule with the comment above it; together they are *text*."""
    starts = [match.start() for match in _RULE.finditer(text)]
    for start, end in pairwise([0, *starts[1:], len(text)]):
        yield text[start:end]


def _name(name: str, number: int) -> str:
    return name if number == 1 else f"{name}-{number}"
