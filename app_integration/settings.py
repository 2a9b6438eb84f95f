"""Settings of an application from its environment, and every limit of the SDK with its unit."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from app_integration import names
from app_integration._internal import arns, aws_variables, server_urls
from app_integration._internal.environment_variable import read_environment
from app_integration._internal.limit_variables import read_emf_interval, read_limits
from app_integration._internal.variables import (
    read_choice,
    read_name,
    read_path,
    read_path_pair,
    read_reader_group,
    read_sources,
    require_variable,
)
from app_integration.errors import ConfigurationError
from app_integration.mounts import DEFAULT_MOUNTS, Mounts, read_mount, read_mounts
from app_integration.names import BACKEND_VARIABLE, Scope

AUDIT_MODES = ("each", "aggregate")
#: The backend without a server: secrets of a ``.env`` file, and keys without a secret.
MEMORY: Final = "memory"
SERVERS = ("vault", "aws")  # the backends that have one
BACKENDS = (*SERVERS, MEMORY)
AUTH_METHODS = ("approle", "approle-wrapped", "jwt", "kubernetes", "cert", "token", "proxy")
#: The value of ``STRONGROOM_DATA_KEYS`` that means the table in the service's own database.
DATABASE = "database"


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of time and memory. Nothing waits longer, or is kept beyond them."""

    deadline: float = 10.0  # seconds, over one call with all its retries
    connect_timeout: float = 3.0  # seconds, one connection attempt
    retry_window: float = 10.0  # seconds in which a failed attempt may be followed by another
    retry_base: float = 0.1  # seconds, first backoff; doubles, with full jitter
    retry_max: float = 2.0  # seconds, longest backoff
    cache_ttl: float = 300.0  # seconds for which a cached secret is fresh
    stale_limit: float = 3600.0  # seconds for which it may be served during an outage
    cache_entries: int = 1024  # cached secrets
    negative_ttl: float = 5.0  # seconds for which a missing or denied name is not requested again
    negative_entries: int = 256  # cached missing or denied names
    fetch_threads: int = 8  # threads that fetch for asyncio callers
    login_retry_base: float = 1.0  # seconds, first backoff after a rejected login; doubles
    login_retry_max: float = 30.0  # seconds, longest backoff after a rejected login
    renew_at: float = 0.5  # share of a token's TTL after which it is renewed
    lease_rotate_at: float = 0.6  # share of a lease's TTL after which it is renewed or replaced
    data_key_messages: int = 2**24  # values under one data key (SP 800-38D allows 2**32)
    data_key_bytes: int = 64 * 2**30  # bytes under one data key
    data_key_age: float = 86_400.0  # seconds for which one data key encrypts
    data_key_cache: int = 1024  # unwrapped data keys cached for decryption
    branch_key_age: float = 0.0  # seconds for which one branch key wraps; 0: there is none
    index_refresh: float = 300.0  # seconds until the versions of an index key are read again
    batch_items: int = 249  # Transit items in one request; the server rejects about 1000 strings
    aws_threads: int = 64  # requests to AWS at a time, including abandoned ones


#: A shorter retry window, because a developer's server that is not running stays so, and there is a
#: fallback.
DEVELOPMENT_LIMITS: Final = Limits(retry_window=1.0)


@dataclass(frozen=True, slots=True)
class Auth:
    """Auth method of a process. Each method reads other files.

    Attributes:
        method: One of :data:`AUTH_METHODS`.
        mount: The path of the method below ``auth/``; empty for the method's own name.
        certificate: PEM files of a client certificate and its key, which each connection presents.

    """

    method: str = AUTH_METHODS[0]
    mount: str = ""
    jwt_file: Path | None = None
    token_file: Path | None = None
    certificate: tuple[Path, Path] | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of one application; ``docs/reference/Variables.md`` describes each variable."""

    scope: Scope
    vault_addr: str
    extra_addresses: tuple[str, ...] = ()
    vault_namespace: str = ""
    vault_cacert: Path | None = None
    database_url: str = ""  # driver, host and database, without a user; empty: a secret has it
    redis_url: str = ""  # the same for Redis
    role_id_file: Path | None = None
    secret_id_file: Path | None = None
    auth: Auth = field(default_factory=Auth)
    mounts: Mounts = DEFAULT_MOUNTS
    config_file: Path | None = None
    audit_mode: str = "each"
    audit_file: Path | None = None
    audit_key: str | None = None  # encrypts access records; None: they are not encrypted
    audit_device: str | None = None
    metrics_token_file: Path | None = None
    dotenv_file: Path = Path(".env")
    data_keys: str = ""  # DATABASE, or a file's path; empty: tokens contain their own data key
    backend: str = "vault"
    aws_region: str = ""  # of Secrets Manager and KMS; empty: neither is used
    aws_replicas: tuple[str, ...] = ()  # regions that secrets are read from in an outage
    secret_arns: Mapping[str, str] = field(default_factory=dict)  # secret → ARN, for its name
    kms_keys: tuple[str, ...] = ()  # ARNs of the KMS keys that may wrap, the oldest first
    sources: tuple[str, ...] = ()  # in order; empty: those of the environment, see `source_order`
    emf_interval: float | None = None  # seconds between two lines of metrics; None: no lines
    declaration: Path | None = None  # lists the names that may be read; None: any name
    ttls: Mapping[str, float] = field(default_factory=dict)  # secret → seconds, for `cache_ttl`
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        """Reject settings that contradict each other, before any request is sent.

        Raises:
            ConfigurationError: If a source is not allowed, its variable is not set, encrypted
                access records have no folder, or an ARN is in another region.
            InvalidName: If a key of ``ttls`` is not a secret name.

        """
        if "dotenv" in self.sources and not self.is_development:
            raise ConfigurationError(
                f"STRONGROOM_SOURCES: dotenv is for development only, not for {self.scope}; "
                "remove it"
            )
        if self.backend == MEMORY and not self.is_development:
            raise ConfigurationError(
                f"SECRETS_BACKEND: {MEMORY} is for development only, not for {self.scope}; "
                "set vault or aws"
            )
        if self.backend == MEMORY and (named := [each for each in self.sources if each in SERVERS]):
            raise ConfigurationError(
                f"STRONGROOM_SOURCES names {named[0]}, but SECRETS_BACKEND={MEMORY} has no server; "
                "unset one of them"
            )
        if "rendered" in self.sources:
            self.require_rendered_file()
        if self.audit_key is not None and self.audit_file is None:
            raise ConfigurationError(
                "STRONGROOM_AUDIT_KEY needs STRONGROOM_AUDIT_FILE, which is not set: encrypted "
                "access records are files in its folder; set both"
            )
        if self.aws_region:
            arns.check_arns(self.aws_region, self.kms_keys, self.secret_arns.values())
        for name in self.ttls:
            names.check_secret_name(name)

    @property
    def source_order(self) -> tuple[str, ...]:
        """Return the sources in order.

        By default that is the server; in development the environment and ``.env`` follow.
        """
        if self.sources:
            return self.sources
        servers = {"vault": self.vault_addr, "aws": self.aws_region}
        server = (self.backend,) if servers.get(self.backend) else ()
        return (*server, "dotenv") if self.is_development else server

    @property
    def is_development(self) -> bool:
        """Return whether the fallbacks of a developer's machine apply."""
        return self.scope.environment.is_dev

    def address(self, *, is_redis: bool) -> str:
        """Return the declared URL of the database or of Redis; "" if a secret has it."""
        return self.redis_url if is_redis else self.database_url

    def require_address(self) -> str:
        """Return the address of the server.

        Raises:
            ConfigurationError: If none is set.

        """
        if self.backend == MEMORY:
            raise ConfigurationError(f"SECRETS_BACKEND={MEMORY} has no server; unset it for this")
        if not self.vault_addr:
            hint = f", or SECRETS_BACKEND={MEMORY} without a server" if self.is_development else ""
            raise ConfigurationError(f"VAULT_ADDR is not set; expected http(s)://host:port{hint}")
        return self.vault_addr

    def require_rendered_file(self) -> Path:
        """Return the file of the source ``rendered``.

        Raises:
            ConfigurationError: If none is set.

        """
        if self.config_file is None:
            raise ConfigurationError(
                "STRONGROOM_SOURCES: rendered needs STRONGROOM_CONFIG, which is not set; "
                "set it to the path of the delivered file"
            )
        return self.config_file


def from_environment(variables: Mapping[str, str] | None = None) -> Settings:
    """Return the settings from environment variables. Nothing is sent.

    Args:
        variables: The environment; None for ``os.environ``.

    Raises:
        ConfigurationError: If a variable is missing or wrong; the message names it.

    """
    env = os.environ if variables is None else variables
    scope = read_scope(env)
    sources, backend = read_sources(env), read_choice(env, BACKEND_VARIABLE, BACKENDS)
    addresses = server_urls.read_addresses(env, scope.environment)
    if not addresses and _needs("vault", backend, env, sources):
        require_variable(env, "VAULT_ADDR")
    read_reader_group(env)  # here only so that a wrong one is rejected at the start
    aws_region = _aws_region(env, backend, sources)
    return Settings(
        scope=scope,
        vault_addr=addresses[0] if addresses else "",
        extra_addresses=addresses[1:],
        vault_namespace=server_urls.read_namespace(env),
        vault_cacert=read_path(env, "VAULT_CACERT"),
        database_url=server_urls.read_plain_url(env, server_urls.DATABASE_URL),
        redis_url=server_urls.read_plain_url(env, server_urls.REDIS_URL),
        role_id_file=read_path(env, "STRONGROOM_ROLE_ID_FILE"),
        secret_id_file=read_path(env, "STRONGROOM_SECRET_ID_FILE"),
        auth=_auth(env),
        mounts=read_mounts(env),
        config_file=read_path(env, "STRONGROOM_CONFIG"),
        audit_mode=read_choice(env, "STRONGROOM_AUDIT", AUDIT_MODES),
        audit_file=read_path(env, "STRONGROOM_AUDIT_FILE"),
        audit_key=read_name(env, "STRONGROOM_AUDIT_KEY"),
        audit_device=read_name(env, "STRONGROOM_AUDIT_DEVICE"),
        metrics_token_file=read_path(env, "STRONGROOM_METRICS_TOKEN_FILE"),
        dotenv_file=read_path(env, "STRONGROOM_DOTENV") or Path(".env"),
        data_keys=env.get("STRONGROOM_DATA_KEYS", ""),
        backend=backend,
        aws_region=aws_region,
        aws_replicas=aws_variables.read_replicas(env, aws_region),
        secret_arns=arns.read_secret_arns(env),
        kms_keys=arns.read_kms_keys(env),
        sources=sources,
        emf_interval=read_emf_interval(env),
        declaration=read_path(env, "STRONGROOM_DECLARATION"),
        limits=_limits(env, scope, backend),
    )


def read_scope(variables: Mapping[str, str]) -> Scope:
    """Return the service and the environment that the variables name.

    Raises:
        ConfigurationError: If a variable is missing or wrong; the message names it.

    """
    return Scope(require_variable(variables, "STRONGROOM_SERVICE"), read_environment(variables))


def _limits(env: Mapping[str, str], scope: Scope, backend: str) -> Limits:
    limits = DEVELOPMENT_LIMITS if scope.environment.is_dev else Limits()
    changes: Any = read_limits(env, on_aws=backend == "aws")
    return replace(limits, **changes)


def _needs(server: str, backend: str, env: Mapping[str, str], sources: tuple[str, ...]) -> bool:
    """Return whether the variables of *server* are required.

    They are if *sources* name it, or by default for the *backend*, except in dev, which has a
    fallback.
    """
    return server in sources if sources else server == backend and not read_environment(env).is_dev


def _aws_region(env: Mapping[str, str], backend: str, sources: tuple[str, ...]) -> str:
    """Return the region; "" if AWS is not used, or is optional and no region is set."""
    if "aws" not in {backend, *sources} and not env.get(arns.KMS_KEYS):
        return ""
    aws_variables.check_endpoints(env, read_environment(env))
    return aws_variables.read_region(env, optional=not _needs("aws", backend, env, sources))


def _auth(env: Mapping[str, str]) -> Auth:
    return Auth(
        method=read_choice(env, "STRONGROOM_AUTH", AUTH_METHODS),
        mount=read_mount(env, "STRONGROOM_AUTH_MOUNT", "", "approle-east, without auth/"),
        jwt_file=read_path(env, "STRONGROOM_JWT_FILE"),
        token_file=read_path(env, "STRONGROOM_TOKEN_FILE"),
        certificate=read_path_pair(env, "VAULT_CLIENT_CERT", "VAULT_CLIENT_KEY"),
    )
