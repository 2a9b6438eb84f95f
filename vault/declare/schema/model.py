"""What a declaration may say: one class for each mapping in its files, frozen once read.

A field's description is what a message gives as "expected" when the key is missing or its value
is of the wrong type, so each is written for the person who edits the file. Durations are seconds.
"""

from __future__ import annotations

import string
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from app_integration.names import Environment
from vault.declare import derived, durations
from vault.declare.faults import InvalidValue, shown
from vault.declare.schema.adopted import Adopted, Adoption
from vault.declare.schema.base import Section as _Mapping
from vault.declare.schema.field_types import (
    FORMATS,
    Address,
    DatabaseEndpoint,
    DatabaseName,
    EnvironmentName,
    ImportString,
    LeaseTime,
    Owner,
    PartName,
    RenderInterval,
    RotationPeriod,
    SecretIdTime,
    SecretName,
    ServiceName,
    SettingValue,
    TemplateName,
    TokenPeriod,
    WrapTime,
    distinct,
)
from vault.declare.schema.logins import (
    AbsolutePath,
    AgentMethod,
    AppRoleLogin,
    Auth,
    Group,
    ServiceLogin,
)
from vault.declare.schema.people import Lockout, PasswordPolicy, Person, Quota

#: The characters a generated secret is drawn from. With the shortest length of 32 characters each
#: gives 128 bits or more.
ALPHABETS = {
    "alphanumeric": string.ascii_letters + string.digits,
    "hex": "0123456789abcdef",
    "urlsafe": string.ascii_letters + string.digits + "-_",
}

#: The database role that a service gets when it names none.
DEFAULT_ROLE = "default"

_TYPES: dict[str, type] = {"text": str, "integer": int, "boolean": bool}


class _Source(_Mapping):
    description: str = Field("", description="text: what the secret is for")
    environments: Annotated[tuple[EnvironmentName, ...], AfterValidator(distinct)] = Field(
        tuple(Environment), description="a list of the environments that have this secret"
    )


class Given(_Source):
    """A secret whose value a person or an import supplies."""

    source: Literal["given"] = Field(description="given, generated or derived")
    rotate_every: RotationPeriod | None = Field(None, description="a duration such as 90d")


class Generated(_Source):
    """A secret that is drawn at random, and written only when absent."""

    source: Literal["generated"] = Field(description="given, generated or derived")
    length: int = Field(ge=32, le=1024, description="a whole number of characters from 32 to 1024")
    alphabet: Literal["alphanumeric", "hex", "urlsafe"] = Field(
        "alphanumeric", description="alphanumeric, hex or urlsafe"
    )
    rotate_every: RotationPeriod | None = Field(None, description="a duration such as 90d")


class Derived(_Source):
    """A secret composed of others; it changes when they do, so it has no rotation of its own."""

    rotate_every: ClassVar[None] = None

    source: Literal["derived"] = Field(description="given, generated or derived")
    format: str = Field(description="text with {secret-name} where values of secrets go")

    @field_validator("format")
    @classmethod
    def _well_formed(cls, value: str) -> str:
        derived.references(value)
        return value

    @property
    def references(self) -> tuple[str, ...]:
        """The secrets whose values it holds."""
        return derived.references(self.format)


SecretSource = Annotated[Given | Generated | Derived, Field(discriminator="source")]
#: Where a secret comes from in one environment.
Source = Given | Generated | Derived | Adopted


class TransitKey(_Mapping):
    """An encryption key, and what the service may do with it."""

    allow: Annotated[tuple[Literal["encrypt", "decrypt"], ...], AfterValidator(distinct)] = Field(
        description="a list of encrypt, decrypt or both"
    )
    rotate_every: RotationPeriod | None = Field(None, description="a duration such as 90d")
    description: str = Field("", description="text: what the key protects")


class DatabaseRole(_Mapping):
    """How long a leased database user lives: *ttl*, renewed up to *max_ttl*."""

    ttl: LeaseTime = Field(description="a duration such as 1h")
    max_ttl: LeaseTime = Field(description="a duration such as 24h, no shorter than ttl")

    @field_validator("max_ttl")
    @classmethod
    def _not_below_ttl(cls, value: int, info: ValidationInfo) -> int:
        ttl = info.data.get("ttl")
        if ttl is not None and value < ttl:
            raise InvalidValue("is shorter than ttl", f"{durations.render(ttl)} or more")
        return value


class Database(_Mapping):
    """The service's database, and the roles under which it leases users."""

    engine: Literal["postgresql"] = Field(description="postgresql")
    name: DatabaseName = Field(description="the database's name, such as gaara_store")
    roles: Mapping[PartName, DatabaseRole] = Field(
        description="entries like 'default: {ttl: 1h, max_ttl: 24h}'"
    )


class Config(_Mapping):
    """The file that the agent delivers to the service."""

    template: TemplateName = Field(description="a file in the service's template folder")
    model: ImportString = Field(description="package.module:Class")
    settings: tuple[SecretName, ...] = Field((), description="a list of names of settings")

    @property
    def file(self) -> str:
        """Name of the delivered file: ``app.yaml``."""
        return self.template.removesuffix(".j2")

    @property
    def format(self) -> str:
        """The format that the template's suffix stands for; a value of :data:`fields.FORMATS`."""
        return FORMATS[self.file.rpartition(".")[2]]


class Setting(_Mapping):
    """A value that is no secret; an environment may override it."""

    type: Literal["text", "integer", "boolean"] = Field(description="text, integer or boolean")
    default: SettingValue | None = Field(None, description="text, a whole number, true or false")
    description: str = Field("", description="text: what the setting does")

    @field_validator("default")
    @classmethod
    def _of_its_type(cls, value: SettingValue, info: ValidationInfo) -> SettingValue:
        wrong = mistyped(info.data.get("type"), value)
        if wrong:
            raise wrong
        return value


class ServiceDeclaration(_Mapping):
    """A file in ``services/``: what one service needs, in whichever environment it runs."""

    service: ServiceName = Field(description="the service's name, as in the file's name")
    owner: Owner = Field(description="an e-mail address or a team")
    description: str = Field(description="text: what the service does")
    secrets: Mapping[SecretName, SecretSource] = Field(
        {}, description="entries like 'smtp-password: {source: given}'; a value never stands here"
    )
    keys: Mapping[PartName, TransitKey] = Field(
        {}, description="entries like 'pii: {allow: [encrypt, decrypt], rotate_every: 90d}'"
    )
    database: Database | None = Field(None, description="a mapping with engine, name and roles")
    config: Config | None = Field(None, description="a mapping with template, model and settings")
    settings: Mapping[SecretName, Setting] = Field(
        {}, description="entries like 'smtp-port: {type: integer, default: 25}'"
    )


class Server(_Mapping):
    """Where the environment's Vault answers; None leaves it to the local runtime."""

    address: Address | None = Field(None, description="https://host:port")
    audit_device: PartName | None = Field(
        None, description="an audit device such as file: services may ask it for HMACs"
    )


class Tokens(_Mapping):
    """How long the credentials of services last."""

    period: TokenPeriod = Field(description="a duration such as 1h: a token lives on if renewed")
    secret_id_ttl: SecretIdTime = Field(description="a duration such as 30d")
    wrap_ttl: WrapTime = Field(description="a duration such as 2m: to unwrap a secret-id in")

    @field_validator("wrap_ttl")
    @classmethod
    def _within_secret_id_ttl(cls, value: int, info: ValidationInfo) -> int:
        ttl = info.data.get("secret_id_ttl")
        if ttl is not None and value > ttl:
            raise InvalidValue("is longer than secret_id_ttl", f"{durations.render(ttl)} or less")
        return value


class Agent(_Mapping):
    """How the agent logs in and renders; its files are on the machine where it runs."""

    render_interval: RenderInterval = Field(description="a duration such as 5m")
    login: AgentMethod = Field("approle", description="approle, jwt, kubernetes or cert")
    token_file: AbsolutePath | None = Field(None, description="a path, for jwt and kubernetes")
    certificate_file: AbsolutePath | None = Field(None, description="a path, for cert")
    key_file: AbsolutePath | None = Field(None, description="a path, for cert")


class Deployment(_Mapping):
    """One service in one environment: what is different there."""

    database: DatabaseEndpoint | None = Field(None, description="host:port of the database")
    settings: Mapping[SecretName, SettingValue] = Field(
        {}, description="entries like 'smtp-port: 587'"
    )
    login: ServiceLogin = Field(
        ServiceLogin(approle=AppRoleLogin()), description="a mapping with approle, jwt and the like"
    )
    password_policy: PartName | None = Field(
        None, description="one of 'password_policies', for the passwords of its database users"
    )
    adopted: Mapping[SecretName, Adoption] = Field(
        {}, description="entries like 'database-url: {username: shop_app}'"
    )


class EnvironmentDeclaration(_Mapping):
    """A file in ``environments/``: where services run, and with what."""

    environment: EnvironmentName = Field(description="the environment, as in the file's name")
    owner: Owner = Field(description="an e-mail address or a team")
    tags: Mapping[PartName, str] = Field({}, description="entries like 'cost-centre: shop'")
    vault: Server = Field(Server(), description="a mapping with address and audit_device")
    tokens: Tokens = Field(description="a mapping with period, secret_id_ttl and wrap_ttl")
    agent: Agent = Field(description="a mapping with render_interval")
    people: Mapping[PartName, Person] = Field(
        {}, description="entries like 'developer: {policies: [strongroom-plan]}'"
    )
    lockout: Lockout | None = Field(
        None, description="a mapping with threshold, duration and reset_after"
    )
    quotas: Mapping[PartName, Quota] = Field(
        {}, description="entries like 'logins: {path: auth/approle, rate: 50}'"
    )
    password_policies: Mapping[PartName, PasswordPolicy] = Field(
        {}, description="entries like 'database: {length: 32}'"
    )
    auth: Auth = Field(Auth(), description="a mapping with jwt, kubernetes, cert or oidc")
    groups: Mapping[PartName, Group] = Field(
        {}, description="entries like 'operators: {claim: platform, policies: [strongroom-plan]}'"
    )
    services: Mapping[ServiceName, Deployment] = Field(
        description="entries like 'gaara-store: {database: 127.0.0.1:5432}'"
    )


def mistyped(kind: object, value: object) -> InvalidValue | None:
    """What is wrong with *value* for a setting of type *kind*; unknown kinds accept anything."""
    if not isinstance(kind, str) or type(value) is _TYPES.get(kind, type(value)):
        return None
    near = str(value).lower() if str(value).lower() in {"true", "false"} else None
    expected = {"integer": "a whole number", "boolean": "true or false", "text": "text; quote it"}
    return InvalidValue(f"is {shown(value)}", f"{expected[kind]}, as its type is {kind}", near)
