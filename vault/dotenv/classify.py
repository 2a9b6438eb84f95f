"""Classifier that decides by name and value whether a variable is a secret or a setting.

A secret that is classified as a setting would stay in the file. So a variable needs a reason to be
a setting, and the operator must decide if there is no reason for either. Reasons never contain the
value.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from urllib.parse import SplitResult, parse_qsl, urlsplit


class Kind(StrEnum):
    """Kind of a variable, which decides what the import does with it."""

    SECRET = "secret"  # noqa: S105 (a kind, not a password)
    SETTING = "setting"
    SKIP = "skip"  # left in the file as it is, and declared nowhere


@dataclass(frozen=True, slots=True)
class Verdict:
    """Result of a classification.

    Attributes:
        kind: Kind of the variable, or None if the operator must decide.
        reason: Reason, to show to the operator. It does not contain the value.

    """

    kind: Kind | None
    reason: str


_SECRET_WORD: Final = re.compile(
    "APIKEY|AUTH|CREDENTIALS?|KEYS?|PASS|PASSPHRASE|PASSWD|PASSWORDS?|PEPPER|PIN|PRIVATE|PW|PWD"
    "|SALT|SECRETS?|SIGNATURE|TOKENS?"
)
#: Last words of a name that describes a secret, but is not one itself, such as TOKEN_TTL.
_ATTRIBUTE_WORD: Final = re.compile(
    "ALGORITHM|BACKEND|COUNT|DAYS|DIR|ENABLED|EXPIRES|EXPIRY|FILE|HEADER|HOST|HOURS|ID|ISSUER"
    "|LENGTH|LEVEL|LIFETIME|MAX|METHOD|MIN|MINUTES|MODE|NAME|PATH|PORT|PREFIX|PROVIDER|REQUIRED"
    "|ROUNDS|SECONDS|SIZE|TIMEOUT|TTL|TYPE|URI|URL|USER|USERNAME|VERSION"
)
#: Last words of the name of a setting, unless the value looks random.
_SETTING_WORD: Final = re.compile(
    "ADDR|ADDRESS|ALGORITHM|BACKEND|BUCKET|COUNT|DATABASE|DAYS|DB|DEBUG|DIR|DOMAIN|EMAIL|ENABLED"
    "|ENV|ENVIRONMENT|FILE|FORMAT|FROM|HOSTS?|HOURS|INTERVAL|ISSUER|LANG|LANGUAGE|LENGTH|LEVEL"
    "|LIFETIME|LIMIT|LOCALE|LOG|MAX|METHOD|MIN|MINUTES|MODE|NAME|NAMESPACE|ORIGINS?|PATH|PORT"
    "|PREFIX|PROTOCOL|PROVIDER|REGION|REQUIRED|RETRIES|ROUNDS|SECONDS|SENDER|SIZE|TESTING|THREADS"
    "|TIMEOUT|TIMEZONE|TTL|TYPE|TZ|USER|USERNAME|VERSION|WORKERS|ZONE"
)

_BOOLEAN: Final = re.compile(r"true|false|yes|no|on|off", re.IGNORECASE)
_NUMBER: Final = re.compile(r"[-+]?\d{1,6}(?:\.\d{1,6})?", re.ASCII)
_ADDRESS: Final = re.compile(
    r"(?:localhost|(?:\d{1,3}\.){3}\d{1,3}|(?:[a-z0-9-]+\.)+[a-z]{2,})(?::\d{1,5})?", re.ASCII
)
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
_RANDOM_BITS: Final = 3.0  # minimum Shannon entropy per character; 16 random hex digits have more


def classify(name: str, value: str) -> Verdict:
    """Return whether the variable *name* is a secret or a setting, with the reason.

    The value is checked first for the form of a credential, then the name for words of secrets,
    then both for signs of a setting.
    """
    return _by_value(value) or _by_secret_name(name, value) or _by_setting(name, value)


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
    if not _has_secret_word(name):
        return None
    *_, last = words = name.upper().split("_")
    about = _ATTRIBUTE_WORD.fullmatch(last)
    if (about and _is_never_secret(value)) or _BOOLEAN.fullmatch(value + ""):
        return Verdict(Kind.SETTING, "it only describes a secret")
    if about or "PUBLIC" in words or not _SECRET_WORD.fullmatch(last):
        return Verdict(None, "its name mentions a secret, but may only describe it")
    return Verdict(Kind.SECRET, "its name says so")


def _by_setting(name: str, value: str) -> Verdict:
    url = _url(value + "")
    if _is_never_secret(value) or (url is not None and url.hostname):
        return Verdict(Kind.SETTING, "its value is a number, a switch or an address")
    if _looks_random(value):
        return Verdict(None, "its value looks random")
    if _SETTING_WORD.fullmatch(name.upper().rpartition("_")[2]):
        return Verdict(Kind.SETTING, "its name says so")
    return Verdict(None, "neither its name nor its value decides")


def _has_secret_word(name: str) -> bool:
    return any(map(_SECRET_WORD.fullmatch, re.split(r"[_.-]", name.upper())))


def _is_never_secret(value: str) -> bool:
    """Return whether *value* is a switch, a number or an address, forms that no secret has."""
    plain = value + ""
    return any(form.fullmatch(plain) for form in (_BOOLEAN, _NUMBER, _ADDRESS))


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
