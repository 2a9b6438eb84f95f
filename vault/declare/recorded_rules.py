"""Rules of a Redis role for the commands, keys and channels that a program was seen to use."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import accumulate, pairwise
from typing import Final

from vault.declare.errors import InvalidValue
from vault.declare.schema.redis import check_rule

#: Parts of a name that differ from one to the next: a UUID, a number, random text. In this order,
#: because a UUID has numbers, and what is left of it is no random text.
_VARIABLE: Final = (
    re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE),
    re.compile(r"(?<![0-9A-Za-z])[0-9]+(?![0-9A-Za-z])"),
    re.compile(r"(?<![\w-])(?=[A-Za-z_-]*[0-9])[\w-]{16,}", re.ASCII),
)
_LEVEL: Final = re.compile(r"[^:./]*[:./]|[^:./]+")
#: Different names under one parent, such as ``rq:``, that make all under it the program's.
_SIBLINGS: Final = 3


@dataclass(frozen=True, slots=True)
class RecordedRules:
    """Rules for what was recorded: those declared and then *added*, without those *refused*."""

    rules: list[str]
    added: list[str]
    refused: list[str]


def find_rules(
    declared: Sequence[str],
    commands: Collection[str],
    keys: Collection[bytes],
    channels: Collection[bytes],
    patterns: Collection[bytes],
    category: Callable[[str], Collection[str]],
) -> RecordedRules:
    """Return the declared rules, and with them what else was recorded.

    A command of a container is ``client|list``. A rule must repeat *patterns* of channels
    literally; *category* returns the commands of one of Redis' categories.
    """
    granted = _granted(declared, category)
    rules = [
        *_names("~", keys, declared),
        *_names("&", channels, [*declared, *(literal := _literal(patterns, declared))]),
        *literal,
        *(f"+{name}" for name in sorted(commands) if not {name, _container(name)} & granted),
    ]
    refused = [rule for rule in rules if _is_refused(rule)]
    added = [rule for rule in rules if rule not in refused]
    return RecordedRules([*declared, *added], added, refused)


def generalise(names: Iterable[bytes]) -> list[str]:
    """Return patterns as Redis writes them that match *names*, and others like them."""
    patterns = {_generalise_one(name) for name in names if name}
    steps = {step for each in patterns for step in pairwise(accumulate(_LEVEL.findall(each)))}
    parents = Counter(parent for parent, _ in steps)
    patterns |= {f"{each}*" for each, count in parents.items() if count >= _SIBLINGS}
    return sorted(each for each in patterns if not _is_covered(each, patterns - {each}))


def _generalise_one(name: bytes) -> str:
    pattern = _escape(name)
    for variable in _VARIABLE:
        pattern = variable.sub("*", pattern)
    return pattern


def _escape(name: bytes) -> str:
    """Return the pattern of *name*, with ``?`` for what a rule cannot have."""
    text = re.sub(rb"[^!-~]", b"\0", name).decode("ascii")
    return re.sub(r"([\\*?\[\]])", r"\\\1", text).replace("\0", "?")


def _names(kind: str, names: Iterable[bytes], declared: Iterable[str]) -> list[str]:
    """Return the rules that *names* need beside those that are declared."""
    known = {rule[1:] for rule in declared if rule.startswith(kind)}
    return [f"{kind}{each}" for each in generalise(names) if not _is_covered(each, known)]


def _literal(patterns: Iterable[bytes], declared: Collection[str]) -> list[str]:
    rules = (f"&{each.decode('ascii', 'replace')}" for each in sorted(patterns))
    return [rule for rule in rules if rule not in declared]


def _is_covered(pattern: str, others: Iterable[str]) -> bool:
    return any(fnmatchcase(pattern, other) for other in others)


def _granted(declared: Iterable[str], category: Callable[[str], Collection[str]]) -> set[str]:
    """Return the commands that the declared rules grant, one after the other."""
    granted: set[str] = set()
    for rule in declared:
        if rule[0] not in "+-":
            continue
        name = rule[1:]
        found = set(category(name[1:])) if name.startswith("@") else {name}
        if rule[0] == "+":
            granted |= found
        else:
            granted = {each for each in granted if not {each, _container(each)} & found}
    return granted


def _container(command: str) -> str:
    return command.partition("|")[0]


def _is_refused(rule: str) -> bool:
    try:
        check_rule(rule)
    except InvalidValue:
        return True
    return False
