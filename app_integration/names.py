"""Service, environment and secret names, and the paths they become.

The grammar is strict because an HTTP client folds ``..`` before sending: a secret named
``../../sys/mounts`` would leave as a request for ``sys/mounts``. It is refused here, before any
request.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from app_integration.errors import InvalidName

KV_MOUNT = "secret"
TRANSIT_MOUNT = "transit"
DATABASE_MOUNT = "database"
APPROLE_MOUNT = "approle"
JWT_MOUNT = "jwt"
KUBERNETES_MOUNT = "kubernetes"
CERT_MOUNT = "cert"

#: The key under which a KV secret holds its value, always a string.
VALUE_KEY = "value"
#: An adopted secret holds, instead, a URL with ``{username}`` and ``{password}`` where those of its
#: static database role go; while it is being adopted, its old value too.
TEMPLATE_KEY = "template"
#: The metadata key by which an adopted secret is known, whatever fields an entry has: the version
#: that holds a template and no password, "0" while there is none yet.
COMPOSED_KEY = "composed_version"

MAX_NAME_LENGTH = 256  # characters
MAX_SERVICE_LENGTH = 40  # characters; PostgreSQL's names hold 63
MAX_VALUE_LENGTH = 512 * 1024  # bytes of UTF-8; a raft entry holds 1 MiB

_SEGMENT = r"[a-z0-9](?:[a-z0-9_-]*[a-z0-9])?"
_NAME = re.compile(rf"{_SEGMENT}(?:/{_SEGMENT})*", re.ASCII)
_SERVICE = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*", re.ASCII)
_VARIABLE = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*", re.ASCII)


class Environment(StrEnum):
    """Where a service runs. Its value is the path segment and the directory name."""

    DEV = "dev"
    STAGING = "staging"
    PROD = "prod"


_ENVIRONMENTS = {
    "dev": Environment.DEV,
    "development": Environment.DEV,
    "staging": Environment.STAGING,
    "prod": Environment.PROD,
    "production": Environment.PROD,
}


def environment(text: str) -> Environment:
    """The environment that *text* names, as in the variable ``ENVIRONMENT``.

    Raises:
        InvalidName: *text* is none of dev, development, staging, prod, production.

    """
    try:
        return _ENVIRONMENTS[text]
    except KeyError:
        known = ", ".join(_ENVIRONMENTS)
        raise InvalidName(f"unknown environment {text!r}; expected one of {known}") from None


def check_secret_name(name: str) -> str:
    """*name* itself, when it fits the grammar of secret names.

    Lower-case letters, digits, ``-`` and ``_``, in segments parted by ``/``; a segment begins and
    ends with a letter or digit.

    Raises:
        InvalidName: anything else, or more than :data:`MAX_NAME_LENGTH` characters.

    """
    if len(name) > MAX_NAME_LENGTH:
        raise InvalidName(f"a secret name of {len(name)} characters; at most {MAX_NAME_LENGTH}")
    if not _NAME.fullmatch(name):
        raise InvalidName(
            f"secret name {name!r}: use lower-case letters, digits, '-' and '_', "
            "with '/' between segments"
        )
    return name


def check_secret_value(name: str, value: str) -> None:
    """Refuse a *value* that the server would keep in another form, or not at all.

    Raises:
        InvalidName: NUL (no variable or config file can hold it), a lone surrogate (the server
            would silently store U+FFFD), or more than :data:`MAX_VALUE_LENGTH` bytes. The message
            names *name*, never the value.

    """
    # Through concatenation: a Secret shows its characters to no other operation.
    plain = value + ""
    if "\0" in plain:
        raise InvalidName(f"the value of {name} holds a NUL character, which no variable can hold")
    try:
        size = len(plain.encode())
    except UnicodeEncodeError:
        raise InvalidName(
            f"the value of {name} holds a lone surrogate: it wasn't read as UTF-8"
        ) from None
    if size > MAX_VALUE_LENGTH:
        raise InvalidName(f"the value of {name} has {size} bytes; at most {MAX_VALUE_LENGTH}")


def check_service_name(name: str) -> str:
    """*name* itself, when it can name a service: lower-case words parted by ``-``.

    Raises:
        InvalidName: anything else, or more than :data:`MAX_SERVICE_LENGTH` characters.

    """
    if len(name) > MAX_SERVICE_LENGTH or not _SERVICE.fullmatch(name):
        raise InvalidName(
            f"service name {name!r}: use at most {MAX_SERVICE_LENGTH} lower-case letters, digits "
            "and single '-', beginning with a letter"
        )
    return name


def variable_name(secret: str) -> str:
    """The environment variable that stands for *secret*: ``smtp-password`` → ``SMTP_PASSWORD``."""
    return check_secret_name(secret).replace("-", "_").replace("/", "_").upper()


def secret_name(variable: str) -> str:
    """The secret that an environment variable becomes: ``SMTP_PASSWORD`` → ``smtp-password``.

    Raises:
        InvalidName: *variable* isn't a variable name, or its name fits no secret name.

    """
    if not _VARIABLE.fullmatch(variable):
        raise InvalidName(f"{variable!r} is not the name of an environment variable")
    return check_secret_name(variable.lower().replace("_", "-").strip("-"))


@dataclass(frozen=True, slots=True)
class Scope:
    """A service in an environment: the prefix of everything that belongs to it."""

    service: str
    environment: Environment

    def __post_init__(self) -> None:
        check_service_name(self.service)

    def __str__(self) -> str:
        return f"{self.service}-{self.environment}"

    def secret(self, name: str) -> str:
        """KV path below the mount: ``gaara-store/dev/jwt-secret``."""
        return f"{self.service}/{self.environment}/{check_secret_name(name)}"

    def key(self, name: str) -> str:
        """Transit key: ``gaara-store-dev-pii``."""
        return f"{self}-{check_service_name(name)}"

    def database_role(self, name: str | None = None) -> str:
        """Database role: ``gaara-store-dev``, or ``gaara-store-dev-reports`` for *name*."""
        return f"{self}-{check_service_name(name)}" if name else str(self)

    def static_role(self, secret: str) -> str:
        """Static database role behind the adopted *secret*: ``gaara-store-dev-database-url``."""
        return f"{self}-{check_secret_name(secret).replace('_', '-').replace('/', '-')}"

    @property
    def starter(self) -> str:
        """AppRole and policy of whoever starts the service's agent: ``gaara-store-dev-starter``."""
        return f"{self}-starter"

    @property
    def manager_role(self) -> str:
        """PostgreSQL role that makes and drops leased users: ``gaara_store_manager``.

        One for each service: its password is rotated by the server, which then alone knows it.
        """
        return f"{self.service.replace('-', '_')}_manager"

    @property
    def owner_role(self) -> str:
        """PostgreSQL role that owns the service's objects: ``gaara_store_owner``."""
        return f"{self.service.replace('-', '_')}_owner"
