"""Models of an environment on AWS, which has an account in place of a Vault server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

from pydantic import ConfigDict, Field, model_validator

from app_integration._internal.aws_variables import REGION_PATTERN
from vault.declare.schema.aws_monitoring import AwsMonitoring
from vault.declare.schema.base import Section
from vault.declare.schema.text_types import Matching

#: Sections of an environment's file that a Vault server needs, with values for AWS, where nothing
#: reads them.
_OF_VAULT: Final[Mapping[str, Any]] = {
    "tokens": {"period": "1h", "secret_id_ttl": "1h", "wrap_ttl": "2m"},
    "agent": {"render_interval": "5m"},
}

AccountId = Annotated[str, Matching("[0-9]{12}", "the twelve digits of an AWS account, in quotes")]
Region = Annotated[str, Matching(REGION_PATTERN, "a region of AWS, such as eu-central-1")]


class AwsAccount(Section):
    """The account and region of an environment on AWS."""

    account: AccountId = Field(description="the twelve digits of an AWS account, in quotes")
    region: Region = Field(description="a region of AWS, such as eu-central-1")
    monitoring: AwsMonitoring | None = Field(
        None, description="a mapping with page and ticket, topics of SNS"
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
