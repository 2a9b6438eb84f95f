"""Names of services, environments and secrets, and the server paths built from them.

The grammar is strict because an HTTP client resolves ``..`` before sending: a secret named
``../../sys/mounts`` would become a request for ``sys/mounts``. Such a name is rejected here, before
any request.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar, Self

from app_integration.errors import InvalidName

KV_MOUNT = "secret"
TRANSIT_MOUNT = "transit"
DATABASE_MOUNT = "database"
APPROLE_MOUNT = "approle"
JWT_MOUNT = "jwt"
KUBERNETES_MOUNT = "kubernetes"
CERT_MOUNT = "cert"

#: The role that a service's connections use if they name none.
DEFAULT_ROLE = "default"
#: Segment of the names of Redis connections and roles in the database engine.
REDIS_ROLE = "redis"

#: The key under which a KV secret holds its value, always a string.
VALUE_KEY = "value"
#: The key under which a signing key's entry holds, beside its value, the one that is announced.
NEXT_KEY = "strongroom_next"
#: The key under which an adopted secret holds, instead, a URL with the placeholders ``{username}``
#: and ``{password}`` for the credentials of its static database role. During the adoption the entry
#: holds the old value too.
TEMPLATE_KEY = "template"
USERNAME_PLACEHOLDER = "{username}"
PASSWORD_PLACEHOLDER = "{password}"  # noqa: S105 (a placeholder, not a password)
#: The metadata key that marks an adopted secret, whatever fields its entry has. Its value is the
#: version that holds a template and no password; "0" while there is none yet.
COMPOSED_KEY = "composed_version"

#: The keys in the metadata of a secret-id and of its tokens: its name, and the host it is for.
ISSUED_KEY = "issued"
HOST_KEY = "host"
#: The name of all secret-ids with which agents log in. The starter's policy allows no other.
AGENT_ISSUED = "agent"

#: Variable of hooks with a version of a key: what is stored must have it, or is counted below it.
KEY_VERSION_VARIABLE = "STRONGROOM_KEY_VERSION"
#: Variable with the backend of an application, and of dev for the tool.
BACKEND_VARIABLE = "SECRETS_BACKEND"

MAX_NAME_LENGTH = 256  # characters
MAX_SERVICE_LENGTH = 40  # characters, because a PostgreSQL name with its suffixes has at most 63
MAX_ENVIRONMENT_LENGTH = 20  # characters

#: Other spellings of two environments, in the variable ``ENVIRONMENT`` and in commands.
LONG_FORMS = {"development": "dev", "production": "prod"}

_SEGMENT = r"[a-z0-9](?:[a-z0-9_-]*[a-z0-9])?"
#: Regular expressions of a secret name, and of a service or environment. A JSON Schema uses them
#: too, so they are in the syntax that Python and ECMAScript share.
SECRET_PATTERN = rf"{_SEGMENT}(?:/{_SEGMENT})*"
SERVICE_PATTERN = r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*"
_NAME = re.compile(SECRET_PATTERN, re.ASCII)
_SERVICE = re.compile(SERVICE_PATTERN, re.ASCII)
_VARIABLE = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*", re.ASCII)


class Environment(str):
    """The name of an environment; a path segment and the name of a file in ``environments/``.

    Any well-formed name is an environment, because an application does not read those files. Only
    :attr:`DEV` has the fallbacks of a developer's machine; every other name is strict.

    Raises:
        InvalidName: If the name is malformed, or is the long form of another one.

    """

    __slots__ = ()

    DEV: ClassVar[Environment]
    STAGING: ClassVar[Environment]
    PROD: ClassVar[Environment]

    def __new__(cls, name: str) -> Self:
        """Return the environment *name* after checking it."""
        return super().__new__(cls, _check_environment_name(name))

    @property
    def is_dev(self) -> bool:
        """Return whether this is a developer's machine, the only lenient environment."""
        return self == "dev"

    @property
    def value(self) -> str:
        """Return the name as plain text."""
        return str(self)


def parse_environment(text: str) -> Environment:
    """Return the environment that *text* names, as in the variable ``ENVIRONMENT``.

    ``development`` and ``production`` are long forms of ``dev`` and ``prod``.
    """
    return Environment(LONG_FORMS.get(text, text))


def _check_environment_name(name: str) -> str:
    """Return *name* if it has the form of a name, and is no long form of another one."""
    if name in LONG_FORMS:
        raise InvalidName(f"environment {name!r} is spelt {LONG_FORMS[name]!r} here; write that")
    if len(name) > MAX_ENVIRONMENT_LENGTH or not _SERVICE.fullmatch(name):
        near = name.strip().lower()
        hint = f"; did you mean {near!r}?" if near in {*LONG_FORMS, *LONG_FORMS.values()} else ""
        raise InvalidName(
            f"environment {name!r}: use at most {MAX_ENVIRONMENT_LENGTH} lower-case letters, "
            f"digits and single '-', beginning with a letter{hint}"
        )
    return name


Environment.DEV, Environment.STAGING, Environment.PROD = map(
    Environment, ("dev", "staging", "prod")
)


def check_secret_name(name: str) -> str:
    """Return *name* if it is a valid secret name.

    A name has segments of lower-case letters, digits, ``-`` and ``_``, separated by ``/``; a
    segment starts and ends with a letter or digit.
    """
    if not isinstance(name, str):
        raise _no_text(name, "secret")
    if len(name) > MAX_NAME_LENGTH:
        raise InvalidName(
            f"a secret name has {len(name)} characters; use at most {MAX_NAME_LENGTH}"
        )
    if not _NAME.fullmatch(name):
        near = _name_for_variable(name)
        is_variable = _VARIABLE.fullmatch(name) and _NAME.fullmatch(near)
        hint = f"; did you mean {near!r}?" if is_variable else ""
        raise InvalidName(
            f"secret name {name!r}: use lower-case letters, digits, '-' and '_', "
            f"with '/' between segments{hint}"
        )
    return name


def check_service_name(name: str, kind: str = "service") -> str:
    """Return *name* if it is a valid service name: lower-case words separated by ``-``."""
    if not isinstance(name, str):
        raise _no_text(name, kind)
    if len(name) > MAX_SERVICE_LENGTH or not _SERVICE.fullmatch(name):
        raise InvalidName(
            f"{kind} name {name!r}: use at most {MAX_SERVICE_LENGTH} lower-case letters, digits "
            "and single '-', beginning with a letter"
        )
    return name


def _no_text(name: object, kind: str) -> InvalidName:
    """Return the error for a *name* of another type, such as None for an unset variable."""
    return InvalidName(f"a {kind} name cannot be of type {type(name).__name__}; pass a str")


def variable_name(secret: str) -> str:
    """Return the environment variable for *secret*: ``SMTP_PASSWORD`` for ``smtp-password``."""
    return check_secret_name(secret).replace("-", "_").replace("/", "_").upper()


def secret_name(variable: str) -> str:
    """Return the secret for an environment variable: ``smtp-password`` for ``SMTP_PASSWORD``."""
    if not _VARIABLE.fullmatch(variable):
        raise InvalidName(
            f"{variable!r} is not the name of an environment variable; use letters, digits and '_'"
        )
    return check_secret_name(_name_for_variable(variable))


def _name_for_variable(variable: str) -> str:
    return variable.lower().replace("_", "-").strip("-")


@dataclass(frozen=True, slots=True)
class Scope:
    """A service in an environment; all its names on the server start with this prefix."""

    service: str
    environment: Environment

    def __post_init__(self) -> None:
        check_service_name(self.service)
        # Check a plain string too, because it becomes a path segment.
        object.__setattr__(self, "environment", Environment(self.environment))

    def __str__(self) -> str:
        return f"{self.service}-{self.environment}"

    def secret(self, name: str) -> str:
        """Return the KV path below the mount: ``gaara-store/dev/jwt-secret``."""
        return f"{self.service}/{self.environment}/{check_secret_name(name)}"

    def key(self, name: str) -> str:
        """Return the name of a Transit key: ``gaara-store-dev-pii``."""
        return f"{self}-{check_service_name(name, 'key')}"

    def database_role(self, name: str | None = None) -> str:
        """Return a database role: ``gaara-store-dev``, or ``gaara-store-dev-reports``.

        *name* is the suffix; None for the service's default role.
        """
        return f"{self}-{check_service_name(name, 'role')}" if name else str(self)

    def redis_role(self, name: str | None = None) -> str:
        """Return a role of Redis users: ``gaara-store-dev-redis``, or ``…-redis-reports``.

        *name* is the suffix; None for the service's default role.
        """
        return self.database_role(f"{REDIS_ROLE}-{name}" if name else REDIS_ROLE)

    def static_role(self, secret: str) -> str:
        """Return the static role of an adopted secret: ``gaara-store-dev-database-url``."""
        return f"{self}-{check_secret_name(secret).replace('_', '-').replace('/', '-')}"

    def first_static_role(self, secret: str) -> str:
        """Return a static role of a paired secret: ``gaara-store-dev-database-url-a``."""
        return f"{self.static_role(secret)}-a"

    def second_static_role(self, secret: str) -> str:
        """Return the other static role of it: ``gaara-store-dev-database-url-b``."""
        return f"{self.static_role(secret)}-b"

    def colour(self, name: str) -> str:
        """Return the AppRole and policy of one colour: ``gaara-store-dev-green``."""
        return f"{self}-{check_service_name(name, 'colour')}"

    @property
    def starter(self) -> str:
        """Return the AppRole and policy that start the agent: ``gaara-store-dev-starter``."""
        return f"{self}-starter"

    @property
    def manager_role(self) -> str:
        """Return the PostgreSQL role that creates and drops leased users: ``gaara_store_manager``.

        Each service has its own, because the server rotates its password, and only the server knows
        it.
        """
        return f"{self.service.replace('-', '_')}_manager"

    @property
    def owner_role(self) -> str:
        """Return the PostgreSQL role that owns the service's objects: ``gaara_store_owner``."""
        return f"{self.service.replace('-', '_')}_owner"

    @property
    def readonly_role(self) -> str:
        """Return the PostgreSQL role that reads the owner's objects: ``gaara_store_readonly``."""
        return f"{self.service.replace('-', '_')}_readonly"

    @property
    def app_role(self) -> str:
        """Return the application's user, whose password no lease changes: ``gaara_store_app``.

        The local deployment and most teams use this name.
        """
        return f"{self.service.replace('-', '_')}_app"
