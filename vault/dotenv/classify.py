"""Classifier that decides by name and value whether a variable is a secret or a setting.

A secret that is classified as a setting would stay in the file. So a variable needs a reason to be
a setting, and the operator must decide if there is no reason for either. Reasons never contain the
value.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import filterfalse
from typing import Final
from urllib.parse import SplitResult, parse_qsl, urlsplit

from vault.dotenv import words


class Kind(StrEnum):
    """Kind of a variable, which decides what the import does with it."""

    SECRET = "secret"  # noqa: S105 (a kind, not a password)
    SETTING = "setting"
    SKIP = "skip"  # left in the file as it is, and declared nowhere
    PART = "part"  # of an account whose URL is a secret: removed from the file, declared nowhere


@dataclass(frozen=True, slots=True)
class Verdict:
    """Result of a classification; *kind* is None if the operator must decide.

    *reason* is shown to the operator, and never contains the value.
    """

    kind: Kind | None
    reason: str


_SECRET_PATTERNS: Final = (
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY"), "contains a private key"),
    (
        re.compile(r"(?i)(?:password|passwd|pwd|passphrase|secret|token|api_?key)\s*=\s*\S"),
        "names a credential",
    ),
    (re.compile(r'(?i)"(?:\w*password|private_key|client_secret)"\s*:'), "contains a credential"),
    (
        re.compile(
            r"(?:sk|rk)_(?:live|test)_\w+|gh[pousr]_\w{20,}|github_pat_\w{20,}|glpat-[\w-]{15,}"
            r"|xox[abprs]-[\w-]{10,}|hv[sb]\.[\w-]{20,}|eyJ[\w-]+\.eyJ[\w-]+\.[\w-]*"
            r"|SG\.[\w-]{16,}\.[\w-]{16,}|AIza[\w-]{30,}"
        ),
        "looks like a token",
    ),
)
_RANDOM: Final = re.compile(r"[A-Za-z0-9+/=_.~-]{16,}", re.ASCII)
#: Value that turns debugging on → the one that turns it off.
_OFF: Final = {"true": "false", "True": "False", "1": "0", "on": "off", "yes": "no"}
_RANDOM_BITS: Final = 3.0  # minimum Shannon entropy per character; 16 random hex digits have more


def classify(name: str, value: str) -> Verdict:
    """Return whether the variable *name* is a secret or a setting, with the reason.

    The value is checked first for the form of a credential, then the name for words of secrets,
    then both for signs of a setting. An empty value is no question, because it tells nothing.
    """
    if not value + "":
        return _by_name_of_empty(name)
    return _by_value(value) or _by_secret_name(name, value) or _by_setting(name, value)


def turn_off_debugging(name: str, value: str) -> str | None:
    """Return the value that turns *name* off, if it turns debugging on, such as ``APP_DEBUG=1``."""
    return _OFF.get(value + "") if "DEBUG" in _split(name) else None


def _by_name_of_empty(name: str) -> Verdict:
    parts = _split(name)
    last = parts[-1] if parts else ""
    kinds = (words.QUANTITY, words.PLACE, words.FILE)
    if not _mentions_secret(name) or any(_matches(each, last) for each in kinds):
        return Verdict(Kind.SETTING, "its value is empty")
    return Verdict(Kind.SECRET, "its name says so, although its value is empty")


def _by_value(value: str) -> Verdict | None:
    plain = value + ""  # concatenation returns the plain text of a Secret
    for pattern, reason in _SECRET_PATTERNS:
        if pattern.search(plain):
            return Verdict(Kind.SECRET, f"its value {reason}")
    url = _url(plain)
    if url is None:
        return None
    if url.password or any(_has_secret_word(key) for key, _ in parse_qsl(url.query)):
        return Verdict(Kind.SECRET, "its value is a URL with credentials")
    if url.username or _looks_random(url.path):
        return Verdict(None, "its value is a URL that may itself be the credential")
    return None


def _by_secret_name(name: str, value: str) -> Verdict | None:
    if not _mentions_secret(name):
        return None
    parts, plain = _split(name), value + ""
    last = parts[-1] if parts else ""
    if _describes_secret(parts, last, plain):
        return Verdict(Kind.SETTING, "it only describes a secret")
    may_describe = words.BOOLEAN.fullmatch(plain) or words.FILE.fullmatch(last)
    if may_describe or "PUBLIC" in name.upper() or not _is_secret_word(last):
        return Verdict(None, "its name mentions a secret, but may only describe it")
    return Verdict(Kind.SECRET, "its name says so")


def _describes_secret(parts: Sequence[str], last: str, plain: str) -> bool:
    """Return whether the value *plain* is of the kind that the name announces, and no secret."""
    if words.BOOLEAN.fullmatch(plain):
        return any(map(words.SWITCH.fullmatch, parts)) or _matches(words.SWITCH_END, last)
    if words.QUANTITY.fullmatch(last) or words.COUNTED.fullmatch("_".join(parts)):
        return _matches(words.NUMBER, plain)
    if words.PLACE.fullmatch(last):
        return _matches(words.ADDRESS, plain) or _matches(words.PLAIN_URL, plain)
    return _matches(words.FILE, last) and _matches(words.PATH, plain) and not _looks_random(plain)


def _by_setting(name: str, value: str) -> Verdict:
    parts, plain = _split(name), value + ""
    if _is_never_secret(parts, plain):
        return Verdict(Kind.SETTING, "its value is a number, a switch or an address")
    if _looks_random(plain):
        return Verdict(None, "its value looks random")
    last = parts[-1] if parts else ""
    if _matches(words.URL, last) and not (plain.startswith("/") or "://" in plain):
        return Verdict(None, "its name is that of a URL, and its value is none")
    if _matches(words.SETTING, last) and not words.USER_AND_PASSWORD.search(plain):
        return Verdict(Kind.SETTING, "its name says so")
    if words.PATH.fullmatch(plain):
        return Verdict(Kind.SETTING, "its value is a path")
    return Verdict(None, "neither its name nor its value decides")


def _is_never_secret(parts: Sequence[str], plain: str) -> bool:
    """Return whether the value *plain* has a form that no secret under such a name has."""
    url = _url(plain)
    if url is not None and url.hostname:
        return True
    if words.NUMBER.fullmatch(plain) and any(map(words.SETTING.fullmatch, parts)):
        return True
    forms = (
        words.BOOLEAN,
        words.CHOICE,
        words.SHORT_NUMBER,
        words.ADDRESS,
    )
    return any(_matches(form, plain) for form in forms)


def _split(name: str) -> list[str]:
    """Return the words of *name* in upper case, without numbers.

    A capital begins a word, except inside of a word for a secret: ``hasLo`` is no *has*.
    """
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    if _mentions_secret(name) and not _mentions_secret(parted):
        parted = name
    parts = (part.strip("0123456789") for part in re.split(r"[^A-Z0-9]+", _normalise(parted)))
    return [part for part in parts if part]


def _normalise(name: str) -> str:
    """Return *name* in upper case and without accents."""
    letters = unicodedata.normalize("NFKD", name.upper().replace("Ł", "L").replace("Ø", "O"))
    return "".join(filterfalse(unicodedata.combining, letters))


def _mentions_secret(name: str) -> bool:
    return words.SECRET_MENTION.search(words.INNOCENT.sub("_", _normalise(name))) is not None


def _has_secret_word(name: str) -> bool:
    return any(map(_is_secret_word, _split(name)))


def _is_secret_word(word: str) -> bool:
    return _matches(words.SECRET_WORD, word) and not words.INNOCENT.fullmatch(word)


def _matches(pattern: re.Pattern[str], text: str) -> bool:
    return pattern.fullmatch(text) is not None


def _url(value: str) -> SplitResult | None:
    if "://" not in value:
        return None
    try:
        return urlsplit(value)
    except ValueError:
        return None


def _looks_random(value: str) -> bool:
    """Return whether *value*, or one part of a path, looks like a random key.

    Such a text has letters and digits, at least 16 characters, and a high entropy.
    """
    plain = value + ""
    if plain.startswith("/"):
        return any(map(_looks_random, plain.split("/")))
    mixed = any(map(str.isdigit, plain)) and any(map(str.isalpha, plain))
    return bool(mixed and _RANDOM.fullmatch(plain)) and _entropy(plain) >= _RANDOM_BITS


def _entropy(text: str) -> float:
    counts = Counter(text).values()
    return -sum(n / len(text) * math.log2(n / len(text)) for n in counts)
