"""Names of the SDK with which an application uses a secret, a key or a role, and the arguments."""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

#: Text that is not known, in a name.
UNKNOWN: Final = "*"


class Kind(enum.Enum):
    """What a name is the name of, in the words of a declaration."""

    SECRET = "secret"  # noqa: S105 (no value)
    KEY = "key"
    DATABASE_ROLE = "database role"
    REDIS_ROLE = "redis role"


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter that names what is used, and the operations on it.

    Args:
        kind: What it names.
        operations: Keys of :data:`app_integration.permissions.OPERATIONS`.
        keyword: Its name; empty if the function has no such parameter, and uses *default*.
        position: Its place among positional arguments, if it may be one.
        default: The name that is used without it; None if nothing is.
        is_certain: Whether all *operations* are certain to be used.
        unless: Keywords with which nothing is used.

    """

    kind: Kind
    operations: tuple[str, ...]
    keyword: str = ""
    position: int | None = None
    default: str | None = None
    is_certain: bool = True
    unless: tuple[str, ...] = ()


_READ: Final = ("read-secret",)
_LEASE: Final = ("lease-database-user",)
_OF_KEYS: Final = ("encrypt", "decrypt", "rewrap")
_NAME: Final = Parameter(Kind.SECRET, _READ, "name", 0)
_NAMES: Final = Parameter(Kind.SECRET, _READ, "names", 0)
_INDEX: Final = Parameter(Kind.KEY, ("encrypt", "decrypt"), default="index")


def _key(*operations: str, default: str = "pii") -> Parameter:
    return Parameter(Kind.KEY, operations, "key", default=default)


def _any(kind: Kind, *operations: str) -> Parameter:
    return Parameter(kind, operations, default=UNKNOWN, is_certain=False)


def _user(kind: Kind, secret: str, position: int = 0) -> tuple[Parameter, ...]:
    """Return what a connection uses: a leased user, or one of a secret, and perhaps a URL."""
    others = ("secret", "credentials")
    return (
        Parameter(kind, _LEASE, "role", position, "default", unless=others),
        Parameter(Kind.SECRET, _READ, "secret"),
        Parameter(Kind.SECRET, _READ, default=secret, is_certain=False, unless=("url", "secret")),
    )


_DATABASE: Final = _user(Kind.DATABASE_ROLE, "database-url")
_REDIS: Final = _user(Kind.REDIS_ROLE, "redis-url")
#: What may be used by code that has a client, whose requests are not known.
ANYTHING: Final = (
    _any(Kind.SECRET, *_READ),
    _any(Kind.KEY, *_OF_KEYS),
    _any(Kind.DATABASE_ROLE, *_LEASE),
    _any(Kind.REDIS_ROLE, *_LEASE),
)
#: Name of a function or class → what it uses.
NAMES: Final[Mapping[str, tuple[Parameter, ...]]] = {
    **dict.fromkeys(("get_secret", "aget_secret", "get_secret_info", "on_change"), (_NAME,)),
    **dict.fromkeys(("current_and_previous", "acurrent_and_previous"), (_NAME,)),
    **dict.fromkeys(("verification_keys", "averification_keys", "FromStrongroom"), (_NAME,)),
    **dict.fromkeys(("require", "arequire"), (_NAMES,)),
    **dict.fromkeys(("encrypt_field", "aencrypt_field", "encrypt_file"), (_key("encrypt"),)),
    **dict.fromkeys(("decrypt_field", "adecrypt_field"), (_key("decrypt"),)),
    **dict.fromkeys(("field", "Encrypted", "EncryptedField"), (_key("encrypt", "decrypt"),)),
    "encrypted_log_handler": (_key("encrypt", default="audit"),),
    "transit": (Parameter(Kind.KEY, _OF_KEYS, "key", 0, "pii", is_certain=False),),
    # The key of a file is in the file, and that of a stored data key in its row.
    **dict.fromkeys(("decrypt_file", "use_data_keys"), (_any(Kind.KEY, "decrypt"),)),
    "open_encrypted": (_any(Kind.KEY, "encrypt", "decrypt"),),
    **dict.fromkeys(("use_index_keys", "declare_index", "blind_index"), (_INDEX,)),
    **dict.fromkeys(("Index", "CompoundIndex", "BlindIndexField"), (_INDEX,)),
    **dict.fromkeys(("database_engine", "async_database_engine"), _DATABASE),
    **dict.fromkeys(("database_pool", "async_database_pool"), _DATABASE),
    **dict.fromkeys(("redis_client", "async_redis_client"), _REDIS),
    "use_leased_redis": _user(Kind.REDIS_ROLE, "redis-url", position=1),
    "hvac_client": ANYTHING,
}
#: Modules below the SDK's front door, with which code may do anything. Tables of keys may not.
INNER: Final = re.compile(
    r"app_integration\.(?:client|default_client|encryption(?!.*\.stores\b))\b"
)
#: Start of Django's ``ENGINE`` or ``BACKEND`` → what its ``OPTIONS`` use.
DJANGO: Final = {
    "app_integration.integrations.django.postgresql": _DATABASE,
    "app_integration.integrations.django.redis_cache": _REDIS,
}
#: Command of ``python -m app_integration`` → what it uses, by names that are not looked for.
COMMANDS: Final = {
    **dict.fromkeys(("run", "ci-env"), (_any(Kind.SECRET, *_READ),)),
    **dict.fromkeys(
        ("encrypt-file", "decrypt-file", "rewrap-file", "rewrap-keys", "migrate-keys"),
        (_any(Kind.KEY, *_OF_KEYS),),
    ),
}
