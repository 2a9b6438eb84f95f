"""Whether a variable is a secret or a plain setting, judged by its name and its value.

A wrong "setting" leaves a secret in a file, so a variable is one only for a reason; without a
reason for either, somebody has to say. Reasons never repeat the value.
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
    """What a variable is, or what is to be done with it."""

    SECRET = "secret"  # noqa: S105 (a kind, not a password)
    SETTING = "setting"
    SKIP = "skip"  # left in the file as it is, and declared nowhere


@dataclass(frozen=True, slots=True)
class Verdict:
    """*kind* is None when neither name nor value decides; *reason* is for the person asked."""

    kind: Kind | None
    reason: str


_SECRET_WORD: Final = re.compile(
    "APIKEY|AUTH|CREDENTIALS?|KEYS?|PASS|PASSPHRASE|PASSWD|PASSWORDS?|PEPPER|PIN|PRIVATE|PW|PWD"
    "|SALT|SECRETS?|SIGNATURE|TOKENS?"
)
#: As the last word they tell that the name is about a secret, and not one itself: TOKEN_TTL.
_ABOUT: Final = re.compile(
    "ALGORITHM|BACKEND|COUNT|DAYS|DIR|ENABLED|EXPIRES|EXPIRY|FILE|HEADER|HOST|HOURS|ID|ISSUER"
    "|LENGTH|LEVEL|LIFETIME|MAX|METHOD|MIN|MINUTES|MODE|NAME|PATH|PORT|PREFIX|PROVIDER|REQUIRED"
    "|ROUNDS|SECONDS|SIZE|TIMEOUT|TTL|TYPE|URI|URL|USER|USERNAME|VERSION"
)
#: As the last word they tell that the variable is a setting, whatever its value.
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
_CERTAIN: Final = (
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY"), "holds a private key"),
    (
        re.compile(r"(?i)(?:password|passwd|pwd|passphrase|secret|token|api_?key)\s*=\s*\S"),
        "names a credential",
    ),
    (re.compile(r'(?i)"(?:\w*password|private_key|client_secret)"\s*:'), "holds a credential"),
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
_RANDOM_BITS: Final = 3.0  # Shannon entropy per character; sixteen random hex digits have more


def classify(name: str, value: str) -> Verdict:
    """What the variable *name* with *value* is, as far as one can tell."""
    return _by_value(value) or _by_secret_name(name, value) or _by_setting(name, value)


def _by_value(value: str) -> Verdict | None:
    plain = value + ""  # a Secret shows its characters to no other operation
    for pattern, reason in _CERTAIN:
        if pattern.search(plain):
            return Verdict(Kind.SECRET, f"its value {reason}")
    url = _url(plain)
    if url is None:
        return None
    if url.password or any(_speaks_of_secret(key) for key, _ in parse_qsl(url.query)):
        return Verdict(Kind.SECRET, "its value is a URL with credentials")
    if url.username or _looks_random(url.path):
        return Verdict(None, "its value is a URL that may itself be the credential")
    return None


def _by_secret_name(name: str, value: str) -> Verdict | None:
    if not _speaks_of_secret(name):
        return None
    *_, last = words = name.upper().split("_")
    about = _ABOUT.fullmatch(last)
    if (about and _plain(value)) or _BOOLEAN.fullmatch(value + ""):
        return Verdict(Kind.SETTING, "it only tells something about a secret")
    if about or "PUBLIC" in words or not _SECRET_WORD.fullmatch(last):
        return Verdict(None, "its name speaks of a secret, and may only tell something about it")
    return Verdict(Kind.SECRET, "its name says so")


def _by_setting(name: str, value: str) -> Verdict:
    url = _url(value + "")
    if _plain(value) or (url is not None and url.hostname):
        return Verdict(Kind.SETTING, "its value is a number, a switch or an address")
    if _looks_random(value):
        return Verdict(None, "its value looks random")
    if _SETTING_WORD.fullmatch(name.upper().rpartition("_")[2]):
        return Verdict(Kind.SETTING, "its name says so")
    return Verdict(None, "neither its name nor its value tells")


def _speaks_of_secret(name: str) -> bool:
    return any(map(_SECRET_WORD.fullmatch, re.split(r"[_.-]", name.upper())))


def _plain(value: str) -> bool:
    """Whether *value* is of a form that no secret has."""
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
    """Letters mixed with digits, long and varied enough to have been drawn at random.

    Of a path, one of its parts.
    """
    plain = value + ""
    if plain.startswith("/"):
        return any(map(_looks_random, plain.split("/")))
    mixed = any(map(str.isdigit, plain)) and any(map(str.isalpha, plain))
    return bool(mixed and _RANDOM.fullmatch(plain)) and _entropy(plain) >= _RANDOM_BITS


def _entropy(text: str) -> float:
    counts = Counter(text).values()
    return -sum(n / len(text) * math.log2(n / len(text)) for n in counts)
