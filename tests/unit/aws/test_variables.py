"""Settings of an application whose backend is AWS."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from app_integration.errors import ConfigurationError
from app_integration.settings import from_environment

ARN = "arn:aws:secretsmanager:eu-central-1:210987654321:secret:rds!db-12ab-AbCdEf"
GOOD = {
    "STRONGROOM_SERVICE": "parcels",
    "ENVIRONMENT": "production",
    "SECRETS_BACKEND": "aws",
    "AWS_REGION": "eu-central-1",
}


def test_backend_needs_a_region_and_no_vault() -> None:
    settings = from_environment(GOOD)
    assert (settings.aws_region, settings.vault_addr) == ("eu-central-1", "")
    assert settings.source_order == ("aws",)


@pytest.mark.parametrize(
    ("variables", "region"),
    [
        ({"AWS_REGION": "us-gov-west-1", "AWS_DEFAULT_REGION": "eu-west-1"}, "us-gov-west-1"),
        ({"AWS_REGION": "", "AWS_DEFAULT_REGION": "eu-west-1"}, "eu-west-1"),
    ],
)
def test_region_is_read_before_the_default_region(variables: dict[str, str], region: str) -> None:
    assert from_environment({**GOOD, **variables}).aws_region == region


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"AWS_REGION": ""}, "AWS_REGION is not set"),
        ({"AWS_REGION": "eu_central"}, "AWS_REGION is 'eu_central'"),
        ({"AWS_REGION": "eu-1.evil.example"}, "AWS_REGION is"),
        (
            {"AWS_ENDPOINT_URL": "http://127.0.0.1:5000"},
            "AWS_ENDPOINT_URL is an address",
        ),
        ({"AWS_ENDPOINT_URL_STS": "HTTP://proxy"}, "AWS_ENDPOINT_URL_STS is an address"),
        (
            {"STRONGROOM_KMS_KEYS": "arn:aws:kms:eu-west-1:123456789012:key/1"},
            "AWS_REGION is 'eu-cent.*and arn:aws:kms:.* of STRONGROOM_KMS_KEYS .*in eu-west-1",
        ),
        (
            {"STRONGROOM_SECRET_ARNS": f"db={ARN.replace('central', 'west')}"},
            "AWS_REGION is 'eu-central-1', and arn:aws:sec.*STRONGROOM_SECRET_ARNS is in eu-west-1",
        ),
        ({"STRONGROOM_SECRET_ARNS": "db=rds!db-1"}, "STRONGROOM_SECRET_ARNS lists 'db=rds!db-1'"),
        ({"STRONGROOM_SECRET_ARNS": f"db={ARN},db={ARN}"}, "once for each name"),
        ({"STRONGROOM_SECRET_ARNS": f"DB={ARN}"}, "'DB'"),
        ({"STRONGROOM_AWS_REPLICAS": "eu_west"}, "STRONGROOM_AWS_REPLICAS is 'eu_west'"),
        ({"STRONGROOM_AWS_REPLICAS": "eu-central-1"}, "other than AWS_REGION"),
        ({"SECRETS_BACKEND": "gcp"}, "expected one of vault, aws"),
        ({"STRONGROOM_SOURCES": "vault,aws"}, "VAULT_ADDR is not set"),
        ({"SECRETS_BACKEND": "vault", "STRONGROOM_SOURCES": "aws", "AWS_REGION": ""}, "AWS_REGION"),
    ],
)
def test_settings_error_names_the_variable(change: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        from_environment({**GOOD, **change})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"secret_arns": {"db": "x"}}, "'x' of STRONGROOM_SECRET_ARNS is not a whole ARN"),
        ({"secret_arns": {"db": f"{ARN}\n"}}, "of STRONGROOM_SECRET_ARNS is not a whole ARN"),
        ({"kms_keys": (ARN,)}, "of STRONGROOM_KMS_KEYS is not a whole ARN"),
    ],
)
def test_settings_of_a_program_are_refused_without_whole_arns(
    change: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigurationError, match=words):
        replace(from_environment(GOOD), **change)


def test_replicas_and_arns_are_read() -> None:
    further = {
        "STRONGROOM_AWS_REPLICAS": "eu-west-1,eu-west-2",
        "STRONGROOM_SECRET_ARNS": f"db={ARN}",
    }
    settings = from_environment({**GOOD, **further})
    assert settings.aws_replicas == ("eu-west-1", "eu-west-2")
    assert settings.secret_arns == {"db": ARN}


def test_endpoint_with_tls_is_allowed() -> None:
    settings = from_environment({**GOOD, "AWS_ENDPOINT_URL_KMS": "https://vpce.example.com"})
    assert settings.aws_region == GOOD["AWS_REGION"]


def test_development_without_region_reads_the_environment_only() -> None:
    settings = from_environment({**GOOD, "ENVIRONMENT": "dev", "AWS_REGION": ""})
    assert settings.source_order == ("dotenv",)
    local = {"AWS_ENDPOINT_URL": "http://127.0.0.1:5000"}
    settings = from_environment({**GOOD, **local, "ENVIRONMENT": "dev"})
    assert settings.source_order == ("aws", "dotenv")


def test_both_servers_may_be_sources() -> None:
    both = {"VAULT_ADDR": "https://vault.example.com", "STRONGROOM_SOURCES": "aws,vault"}
    settings = from_environment({**GOOD, **both})
    assert settings.source_order == ("aws", "vault")
    assert settings.vault_addr == "https://vault.example.com"
