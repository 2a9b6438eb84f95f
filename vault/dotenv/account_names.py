"""Names of variables that are the parts of one account, such as ``EMAIL_HOST_PASSWORD``."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

#: Part of an account → the last words of its variables.
_PARTS: Final = {
    "host": "HOST|HOSTNAME|SERVER",
    "port": "PORT",
    "user": "HOST_USER|USER|USERNAME|LOGIN",
    "password": "HOST_PASSWORD|PASSWORD|PASS|PWD",
    "database": "DB|NAME|DATABASE|DBNAME",
}
_WORDS: Final = "|".join(f"(?P<{part}>{words})" for part, words in _PARTS.items())
#: A switch of TLS is no part of a database's account, because its URL does not have it.
_TLS: Final = "(?P<tls>USE_TLS|USE_SSL|TLS|SSL|STARTTLS|SSL_TLS)"
_MAIL: Final = re.compile(rf"(?P<prefix>(?:[A-Z0-9]+_)*?(?:EMAIL|MAIL|SMTP)_)(?:{_WORDS}|{_TLS})")
DATABASE: Final = re.compile(
    r"(?P<prefix>(?:[A-Z0-9]+_)*?(?:POSTGRES(?:QL)?|DB|DATABASE|MYSQL|MARIADB)_|PG_?)"
    rf"(?:{_WORDS})"
)


def mail_parts(names: Iterable[str]) -> dict[str, dict[str, str]]:
    """Return the part that each variable of a mail account is, for each account with a host."""
    groups = group(_MAIL, names)
    return {prefix: parts for prefix, parts in groups.items() if "host" in parts.values()}


def mail_passwords(names: Iterable[str]) -> list[str]:
    """Return those of *names* that are the password of a mail account with a host."""
    accounts = mail_parts(names).values()
    return [name for each in accounts for name, part in each.items() if part == "password"]


def group(pattern: re.Pattern[str], names: Iterable[str]) -> dict[str, dict[str, str]]:
    """Return the part of each of *names* that *pattern* matches, for each prefix.

    A part is its first name. Only switches of TLS are several, one for each way to use it.
    """
    groups: dict[str, dict[str, str]] = {}
    for name in names:
        match = pattern.fullmatch(name.upper())
        if match:
            part, parts = match.lastgroup or "", groups.setdefault(match["prefix"], {})
            if part == "tls" or part not in parts.values():
                parts[name] = part
    return groups
