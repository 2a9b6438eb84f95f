"""Models of an environment on AWS, which has an account in place of a Vault server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import ConfigDict, Field, field_validator, model_validator

from app_integration._internal.arns import KEY_ARN, SECRET_ARN
from app_integration._internal.aws_variables import REGION_PATTERN
from app_integration.settings import Limits
from vault.declare import durations
from vault.declare.errors import InvalidValue
from vault.declare.schema.aws_monitoring import AwsMonitoring
from vault.declare.schema.base import Section
from vault.declare.schema.list_types import Distinct
from vault.declare.schema.secret_sources import DEFAULT_RETIRE_AFTER
from vault.declare.schema.text_types import Matching

#: Sections of an environment's file that a Vault server needs, with values for AWS, where nothing
#: reads them.
_OF_VAULT: Final[Mapping[str, Any]] = {
    "tokens": {"period": "1h", "secret_id_ttl": "1h", "wrap_ttl": "2m"},
    "agent": {"render_interval": "5m"},
}

AccountId = Annotated[str, Matching("[0-9]{12}", "the twelve digits of an AWS account, in quotes")]
FunctionName = Annotated[
    str, Matching("[A-Za-z0-9_-]{1,64}", "the name of a Lambda function, without its ARN")
]
Region = Annotated[str, Matching(REGION_PATTERN, "a region of AWS, such as eu-central-1")]
_LIMITS: Final = Limits()
#: The key of AWS for secrets, under which a reader needs no permission of KMS.
AWS_KEY: Final = "alias/aws/secretsmanager"
#: Seconds between two rotations of a KMS key that declares none, as AWS has it.
KMS_ROTATE_EVERY: Final = 365 * durations.DAY
#: What stands for the service's name in a key policy.
SERVICE_PLACEHOLDER: Final = "{service}"
KmsKeyArn = Annotated[str, Matching(KEY_ARN, "the ARN of a KMS key, which is no alias")]
SecretArn = Annotated[
    str,
    Matching(SECRET_ARN, "the whole ARN of a secret, which ends with - and six characters"),
]
ReplicaKey = Annotated[
    str, Matching(f"{AWS_KEY}|{KEY_ARN}", f"the ARN of a KMS key, or {AWS_KEY} for that of AWS")
]
OidcIssuer = Annotated[
    str,
    Matching(
        "https://[a-z0-9.-]+(/[A-Za-z0-9._-]+)*",
        "the https:// address of an issuer, without a slash at its end",
    ),
]
OidcSubject = Annotated[
    str, Matching(r"([^*?$\s{}]|\{service\})+", "a whole subject, without * and ?")
]
OidcAudience = Annotated[str, Matching(r"[^*?$\s{}]+", "one audience, without * and ?")]
#: Keys of a statement. It has exactly one of each row.
_STATEMENT: Final = (
    ("Effect",),
    ("Principal", "NotPrincipal"),
    ("Action", "NotAction"),
    ("Resource",),
)


def min_rotation_age(retire_after: int | None) -> int:
    """Return the seconds that a version must have been current before the next rotation.

    The rotation retires the version before it, which a process may use from its cache until then.

    Args:
        retire_after: The declared seconds for which the old value stays valid besides, or None.

    """
    cached = int(_LIMITS.cache_ttl + _LIMITS.stale_limit)
    return cached + (retire_after or DEFAULT_RETIRE_AFTER)


class KeyPolicy(Section):
    """A key policy, as KMS has it, with the keys of IAM's language."""

    Version: Literal["2012-10-17"] = Field(description='"2012-10-17"')
    Id: str | None = Field(None, description="text that names the policy")
    Statement: tuple[Mapping[str, Any], ...] = Field(
        min_length=1, description="a list of statements with Effect, Principal, Action and Resource"
    )

    @field_validator("Statement")
    @classmethod
    def _has_each_part(cls, value: tuple[Mapping[str, Any], ...]) -> tuple[Mapping[str, Any], ...]:
        for number, statement in enumerate(value, 1):
            for names in _STATEMENT:
                if not statement.keys() & {*names}:
                    what = f"has no {names[0]} in statement {number}"
                    raise InvalidValue(what, " or ".join(names))
        return value


class Kms(Section):
    """What the KMS keys of an environment have besides what services declare."""

    policy: KeyPolicy | None = Field(
        None, description="a key policy, in whose texts {service} is the name of the key's service"
    )


class Oidc(Section):
    """Tokens that let their subject have a role: of a cluster of Kubernetes, or of a CI job."""

    issuer: OidcIssuer = Field(description="the address of who issues the tokens")
    subject: OidcSubject = Field(
        description="the subject of the tokens, such as"
        " 'system:serviceaccount:shop:{service}', in which {service} is the service's name"
    )
    audience: OidcAudience = Field(
        "sts.amazonaws.com", description="the audience that the tokens are for"
    )

    @property
    def provider(self) -> str:
        """Return the name that IAM has for the issuer."""
        return self.issuer.removeprefix("https://")


class AwsRoles(Section):
    """What has the roles of services."""

    trust: Distinct[Literal["task", "ec2", "lambda"]] = Field(
        (), description="a list of task, ec2 and lambda, or some of them, which run the processes"
    )
    oidc: Oidc | None = Field(None, description="a mapping with issuer and subject")

    @model_validator(mode="after")
    def _trusts_something(self) -> AwsRoles:
        if not self.trust and self.oidc is None:
            raise InvalidValue("trusts nothing", "trust, oidc or both")
        return self


class AwsAccount(Section):
    """The account and region of an environment on AWS, and what rotates its secrets there."""

    account: AccountId = Field(description="the twelve digits of an AWS account, in quotes")
    region: Region = Field(description="a region of AWS, such as eu-central-1")
    monitoring: AwsMonitoring | None = Field(
        None, description="a mapping with page and ticket, topics of SNS, or {} for made ones"
    )
    rotation_function: FunctionName | None = Field(
        None, description="the name of the Lambda function that rotates its secrets"
    )
    roles: AwsRoles | None = Field(
        None, description="a mapping with trust and oidc: each service gets a role, which they have"
    )
    kms: Kms = Field(Kms(), description="a mapping with policy")
    kms_key: KmsKeyArn | None = Field(
        None, description="the ARN of the KMS key that encrypts its secrets"
    )
    replicas: Mapping[Region, ReplicaKey] = Field(
        {}, description=f"entries like 'eu-west-1: {AWS_KEY}', regions that have a copy of secrets"
    )


def _require_vault_or_aws(schema: dict[str, Any]) -> None:
    """Require in a JSON Schema what a Vault server needs, unless the environment is on AWS."""
    schema["required"] = [name for name in schema["required"] if name not in _OF_VAULT]
    schema["if"] = {"not": {"required": ["aws"]}}
    schema["then"] = {"required": [*_OF_VAULT]}


class OnVaultOrAws(Section):
    """A file in ``environments/``, which leaves out what a Vault server needs if it has none."""

    model_config = ConfigDict(json_schema_extra=_require_vault_or_aws)

    aws: AwsAccount | None = Field(None, description="a mapping with account and region")

    @model_validator(mode="before")
    @classmethod
    def _add_what_vault_needs(cls, data: Any) -> Any:
        if isinstance(data, Mapping) and "aws" in data:
            return {**_OF_VAULT, **data}
        return data
