"""Hold the words that this project does not write, and names that are too near each other."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Final

import pytest

from tests.support.packages import PRODUCT

ROOT: Final = Path(__file__).parents[3]
UNCLEAN: Final[tuple[str, ...]] = ()

_EXPIRES: Final = r"(?:token|secret[- ]id|lease|credential|password|certificate|value)s?"
#: What not to write, and what to write in its place.
WORDS: Final = {
    r"meanwhile": "name who acts: another process, another client",
    r"whoever|somebody": "name who acts: the operator, a client, another process",
    r"what (?:is|was) wrong": "the error, the finding",
    r"what (?:became|has become) of": "the outcome",
    r"(?:of|by) which": "a second sentence, or a clause with a subject of its own",
    r"(?:is|are|was|were) well": "is intact, is valid, is healthy",
    r"(?:is|are|was|were) woken|wakes? (?:people|a person|someone)": "is paged",
    # "Is given" stays: *given* is a source of secrets.
    r"(?:was|were|be|been) given": "was provided",
    rf"{_EXPIRES} (?:is |are |was |were |has |have |be )?(?:end|ends|ended)": "expire, revoke",
    rf"(?:end|ends|ended|ending) (?:the |its |their |an? |old |all )*{_EXPIRES}": "revoke, retire",
}
#: A server's own sentence, which the server in memory returns word for word.
QUOTED: Final = "neither a 'signature' nor an 'hmac' were given to verify"
FORBIDDEN: Final = re.compile(rf"\b(?:{'|'.join(WORDS)})\b", re.IGNORECASE)


def _strings(text: str) -> Iterator[tuple[int, str]]:
    """Yield each string of a module with its line; an f-string as one, without its fields."""
    tree = ast.parse(text)
    parts = {
        id(part)
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr)
        for part in node.values
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            constants = [part.value for part in node.values if isinstance(part, ast.Constant)]
            yield node.lineno, "…".join(map(str, constants))
        elif (
            isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in parts
        ):
            yield node.lineno, node.value


def _comments(text: str) -> Iterator[tuple[int, str]]:
    """Yield each comment of a module with its line; adjacent lines as one."""
    block: list[str] = []
    start = last = 0
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type != tokenize.COMMENT:
            continue
        line = token.start[0]
        if line != last + 1:
            yield start, " ".join(block)
            start, block = line, []
        block.append(token.string.lstrip("#: "))
        last = line
    yield start, " ".join(block)


def _findings(path: Path) -> Iterator[str]:
    text = path.read_text(encoding="utf-8")
    for line, prose in (*_strings(text), *_comments(text)):
        if prose == QUOTED:
            continue
        for found in FORBIDDEN.finditer(" ".join(prose.split())):
            yield f"{path.relative_to(ROOT)}:{line}: {found[0]}"


def _is_unclean(path: Path) -> bool:
    return any(path.is_relative_to(ROOT / room) for room in UNCLEAN)


def test_words_product_has_none_that_is_not_written() -> None:
    modules = [path for room in PRODUCT for path in sorted((ROOT / room).rglob("*.py"))]
    assert len(modules) > 900
    found = [each for path in modules if not _is_unclean(path) for each in _findings(path)]
    assert not found, "\n".join(found)


def _names(folder: Path) -> list[str]:
    """Return the public modules and packages in *folder*."""
    modules = {path.stem for path in folder.glob("[a-z]*.py")}
    return sorted(modules | {path.parent.name for path in folder.glob("[a-z]*/__init__.py")})


def _are_twins(first: str, second: str) -> bool:
    """Return whether two names differ in one letter, or in singular and plural."""
    short, long = sorted((first, second), key=len)
    if len(short) == len(long):
        return sum(a != b for a, b in zip(short, long, strict=True)) == 1
    plurals = {f"{short}s", f"{short}es", f"{short[:-1]}ies"}
    return long in plurals or any(long[:at] + long[at + 1 :] == short for at in range(len(long)))


def test_names_modules_of_one_package_are_no_twins() -> None:
    folders = [path.parent for room in PRODUCT for path in (ROOT / room).rglob("__init__.py")]
    assert len(folders) > 60
    twins = [
        f"{folder.relative_to(ROOT)}: {first}, {second}"
        for folder in sorted(folders)
        if not _is_unclean(folder)
        # A package may have the name of its main module, but not the plural of it.
        for first, second in combinations({folder.name, *_names(folder)}, 2)
        if _are_twins(first, second)
    ]
    assert not twins, "\n".join(twins)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("value", "values", True),
        ("entry", "entries", True),
        ("state", "stage", True),
        ("value", "value_age", False),
        ("archive", "archiver", True),
        ("token", "tree", False),
    ],
)
def test_twins_differ_in_a_letter_or_plural(first: str, second: str, expected: bool) -> None:
    assert _are_twins(first, second) is _are_twins(second, first) is expected


@pytest.mark.parametrize(
    "text",
    [
        "a value that somebody else wrote",
        "the token ends in a minute",
        "end the old password at once",
        "the columns of which one is new",
        "A file that is well has no entry.",
    ],
)
def test_words_forbidden_are_found(text: str) -> None:
    assert FORBIDDEN.search(text)


@pytest.mark.parametrize(
    "text", ["a value ending in a slash", "the end of the file", "is given in dev", "well known"]
)
def test_words_allowed_are_not_found(text: str) -> None:
    assert not FORBIDDEN.search(text)
