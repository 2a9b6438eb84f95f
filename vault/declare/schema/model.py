"""Models of service and environment files: one immutable class for each mapping.

The description of a field is the text after "expected" in the error of a missing key or a value of
the wrong type, up to :data:`.base.WITHOUT`, and a row of the reference in docs. So write it for the
person who edits the file: its form, with an example, then what it is. Durations are in seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import Field, ValidationInfo, field_validator

from app_integration.mounts import Mounts
from app_integration.names import DEFAULT_ROLE
from vault.declare import durations, server_names
from vault.declare.errors import InvalidValue
from vault.declare.schema.adopted_secret import Adoption
from vault.declare.schema.aws import AwsRoles, KmsKeyArn, OnVaultOrAws, SecretArn
from vault.declare.schema.aws_monitoring import RoleName
from vault.declare.schema.base import Section
from vault.declare.schema.database import ServiceDatabase
from vault.declare.schema.field_types import (
    FORMATS,
    AnyPath,
    DatabaseEndpoint,
    EnvironmentName,
    HealthTime,
    ImportString,
    Owner,
    PageUrl,
    PartName,
    ReloadWay,
    RenderInterval,
    SecretIdTime,
    SecretName,
    ServiceName,
    SettingValue,
    TemplateName,
    TokenPeriod,
    WrapTime,
    not_below,
)
from vault.declare.schema.keys import IndexDeclaration, IndexName, TransitKey
from vault.declare.schema.list_types import Distinct
from vault.declare.schema.logins import (
    AbsolutePath,
    AgentMethod,
    AppRoleLogin,
    Auth,
    Group,
    Jobs,
    ServiceLogin,
)
from vault.declare.schema.paired_secret import Pairing
from vault.declare.schema.people import Lockout, PasswordPolicy, Person, Quota
from vault.declare.schema.redis import Redis, RedisServer
from vault.declare.schema.secret_sources import SecretSource
from vault.declare.schema.server import Server
from vault.declare.schema.setting import Setting
from vault.declare.server_names import DEFAULT_DEPLOYMENT

#: Interpreter of an application that declares none, relative to its folder.
DEFAULT_PYTHON = ".venv/bin/python"


def role_suffix(name: str) -> str | None:
    """Return what the name of a role on the server ends with; None for the default role."""
    return None if name == DEFAULT_ROLE else name


class Config(Section):
    """File that the agent delivers to the service."""

    template: TemplateName = Field(description="a file in the service's template folder")
    model: ImportString = Field(
        description="package.module:Class, the class that checks the delivered file"
    )
    settings: tuple[SecretName, ...] = Field(
        (), description="a list of the settings that the template uses"
    )
    path: AnyPath = Field(
        ".", description="a folder, relative to the project's folder, with the model's package"
    )
    python: AnyPath = Field(
        DEFAULT_PYTHON, description="an interpreter, relative to path, that imports the model"
    )
    reload: ReloadWay = Field(
        "none",
        description="none, restart, a signal such as SIGHUP, or a URL: how the application"
        " learns of a new file",
    )
    health: PageUrl | None = Field(
        None,
        description="the URL of the application's health page; by default it is healthy while"
        " it runs",
    )
    settle: HealthTime = Field(
        3,
        description="a duration such as 3s, longer than a reload takes: so long it must be"
        " healthy on a new file",
    )
    within: HealthTime = Field(
        30,
        description="a duration such as 30s, no shorter than settle, after which a new file is"
        " taken back",
    )

    _not_below_settle = field_validator("within")(not_below("settle"))

    def folder(self, project: Path) -> Path:
        """Return the folder that the model is imported from, relative to the folder *project*."""
        return project / self.path

    def interpreter(self, project: Path) -> Path:
        """Return the interpreter that imports the model, relative to the folder *project*.

        The path is not resolved, because a virtual environment's interpreter is often a link.
        """
        return self.folder(project) / self.python

    @property
    def file(self) -> str:
        """Return the name of the delivered file, such as ``app.yaml``."""
        return self.template.removesuffix(".j2")

    @property
    def format(self) -> str:
        """Return the format of the delivered file, a value of :data:`.field_types.FORMATS`."""
        return FORMATS[self.file.rpartition(".")[2]]


class ServiceDeclaration(Section):
    """A file in ``services/``: the needs of one service, the same in every environment."""

    service: ServiceName = Field(description="the service's name, as in the file's name")
    owner: Owner = Field(description="an e-mail address or a team")
    description: str = Field(description="text: what the service does")
    secrets: Mapping[SecretName, SecretSource] = Field(
        {}, description="entries like 'smtp-password: {source: given}'; a value never stands here"
    )
    keys: Mapping[PartName, TransitKey] = Field(
        {}, description="entries like 'pii: {allow: [encrypt, decrypt], rotate_every: 90d}'"
    )
    indexes: Mapping[IndexName, IndexDeclaration] = Field(
        {},
        description="entries like 'users.email: {hooks: {rotate: [a], count: [b], retire: [c]}}'",
    )
    database: ServiceDatabase | None = Field(
        None, description="a mapping with engine, name and roles, or with of and roles"
    )
    redis: Redis | None = Field(None, description="a mapping with roles")
    config: Config | None = Field(None, description="a mapping with template, model and settings")
    settings: Mapping[SecretName, Setting] = Field(
        {}, description="entries like 'smtp-port: {type: integer, default: 25}'"
    )


class Tokens(Section):
    """Lifetimes of Vault tokens, secret-ids and wrapping tokens of services."""

    period: TokenPeriod = Field(description="a duration such as 1h: tokens are renewed within it")
    secret_id_ttl: SecretIdTime = Field(
        description="a duration such as 30d, after which a secret-id expires"
    )
    wrap_ttl: WrapTime = Field(
        description="a duration such as 2m: a secret-id is unwrapped within it"
    )

    @field_validator("wrap_ttl")
    @classmethod
    def _within_secret_id_ttl(cls, value: int, info: ValidationInfo) -> int:
        ttl = info.data.get("secret_id_ttl")
        if ttl is not None and value > ttl:
            raise InvalidValue("is longer than secret_id_ttl", f"{durations.render(ttl)} or less")
        return value


class Agent(Section):
    """Settings of the agent. Paths are on the machine where the agent runs."""

    render_interval: RenderInterval = Field(
        description="a duration such as 5m, after which the agent reads secrets again"
    )
    login: AgentMethod = Field(
        "approle", description="approle, jwt, kubernetes or cert: how agents log in"
    )
    token_file: AbsolutePath | None = Field(
        None, description="the path of the token, which jwt and kubernetes require"
    )
    certificate_file: AbsolutePath | None = Field(
        None, description="the path of the client certificate, which cert requires"
    )
    key_file: AbsolutePath | None = Field(
        None, description="the path of its private key, which cert requires"
    )


class Deployment(Section):
    """A service's entry in an environment file: the values that are specific to it."""

    database: DatabaseEndpoint | None = Field(
        None, description="host:port of the database that the service owns"
    )
    redis: RedisServer | None = Field(None, description="a mapping with address and ca")
    settings: Mapping[SecretName, SettingValue] = Field(
        {}, description="entries like 'smtp-port: 587', in place of defaults of the service's file"
    )
    login: ServiceLogin = Field(
        ServiceLogin(approle=AppRoleLogin()),
        description="a mapping with approle, jwt and the like; by default 'approle: {}'",
    )
    colours: Distinct[PartName] = Field(
        (), description="a list such as [blue, green], each with an AppRole of its own"
    )
    password_policy: PartName | None = Field(
        None, description="one of 'password_policies', for the passwords of its database users"
    )
    adopted: Mapping[SecretName, Adoption] = Field(
        {},
        description="entries like 'database-url: {username: shop_app}', given secrets whose"
        " passwords the server rotates",
    )
    paired: Mapping[SecretName, Pairing] = Field(
        {},
        description="entries like 'database-url: {usernames: [shop_app_a, shop_app_b]}', given"
        " secrets with two users in turn",
    )
    iam_roles: Distinct[RoleName] = Field(
        (), description="a list of the IAM roles of its processes on AWS, such as [shop-task]"
    )
    roles: AwsRoles | None = Field(
        None, description="a mapping with trust and oidc, in place of that of 'aws'"
    )
    secret_arns: Mapping[SecretName, SecretArn] = Field(
        {},
        description="entries like 'db:"
        " arn:aws:secretsmanager:eu-central-1:123456789012:secret:db-AbCdEf', given secrets that"
        " others write",
    )
    kms_key: KmsKeyArn | None = Field(
        None,
        description="the ARN of the KMS key that encrypts its secrets; by default that of 'aws'",
    )


class EnvironmentDeclaration(OnVaultOrAws):
    """A file in ``environments/``: a server or account, its access rules, the services there."""

    environment: EnvironmentName = Field(description="the environment, as in the file's name")
    like: EnvironmentName | None = Field(
        None, description="an environment such as prod, whose checks apply to this one too"
    )
    owner: Owner = Field(description="an e-mail address or a team")
    deployment: PartName = Field(
        DEFAULT_DEPLOYMENT,
        description="the deployment's id on a server that it shares; by default that of"
        " 'strongroom.yaml'",
    )
    tags: Mapping[PartName, str] = Field(
        {}, description="entries like 'cost-centre: shop', set on every secret"
    )
    vault: Server = Field(Server(), description="a mapping with address, audit_device and the like")
    tokens: Tokens = Field(description="a mapping with period, secret_id_ttl and wrap_ttl")
    agent: Agent = Field(description="a mapping with render_interval and login")
    people: Mapping[PartName, Person] = Field(
        {}, description="entries like 'developer: {policies: [strongroom-plan]}', in dev only"
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
    jobs: Jobs = Field(Jobs(), description="a mapping with plan, apply, rotator or auditor")
    services: Mapping[ServiceName, Deployment] = Field(
        description="entries like 'gaara-store: {database: 127.0.0.1:5432}'"
    )

    @property
    def mounts(self) -> Mounts:
        """Return the mounts of this environment's engines and of its AppRole method."""
        return self.vault.mounts.as_mounts()

    @property
    def is_scoped(self) -> bool:
        """Return whether the apply role may write what is this deployment's, and nothing else."""
        return self.vault.apply_role == "scoped"

    def server_name(self, name: str) -> str:
        """Return what *name* is called on the server. See :mod:`vault.declare.server_names`."""
        return server_names.server_name(self.deployment, name)
