"""Models of an environment on AWS, which has an account in place of a Vault server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

from pydantic import ConfigDict, Field, model_validator

from app_integration._internal.aws_variables import REGION_PATTERN
from app_integration.settings import Limits
from vault.declare.schema.aws_monitoring import AwsMonitoring
from vault.declare.schema.base import Section
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


def min_rotation_age(retire_after: int | None) -> int:
    """Return the seconds that a version must have been current before the next rotation.

    The rotation ends the version before it, which a process may use from its cache for that long.

    Args:
        retire_after: The declared seconds for which the old value stays valid besides, or None.

    """
    cached = int(_LIMITS.cache_ttl + _LIMITS.stale_limit)
    return cached + (retire_after or DEFAULT_RETIRE_AFTER)


class AwsAccount(Section):
    """The account and region of an environment on AWS, and what rotates its secrets there."""

    account: AccountId = Field(description="the twelve digits of an AWS account, in quotes")
    region: Region = Field(description="a region of AWS, such as eu-central-1")
    monitoring: AwsMonitoring | None = Field(
        None, description="a mapping with page and ticket, topics of SNS"
    )
    rotation_function: FunctionName | None = Field(
        None, description="the name of the Lambda function that rotates its secrets"
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
