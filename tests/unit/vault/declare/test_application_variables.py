"""Variables that the tool writes for an application."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from redis.connection import parse_url

from agent.targets.settings import service_settings
from app_integration._internal.environment_variable import read_environment
from app_integration.names import Environment, Scope
from app_integration.settings import from_environment
from tests.support.models.rotations import change_service
from vault.declare.application_variables import (
    application_variables,
    find_database_url,
    find_redis_url,
    setting_variables,
)
from vault.declare.declaration import Declaration
from vault.declare.load import load
from vault.declare.schema.aws import AwsAccount
from vault.declare.schema.setting import Setting

STORE, PROD = Scope("gaara-store", Environment.DEV), Scope("gaara-store", Environment.PROD)
WORKER = Scope("orders-mail", Environment.DEV)
SETTING = Setting.model_validate({"type": "text", "description": "Of the application."})


def changed(**update: Any) -> Declaration:
    """Return the declaration with another one of the store."""
    return change_service(load(), "gaara-store", **update)


def names(declaration: Declaration) -> Mapping[str, str]:
    """Return the variables of the store on this machine that name the environment."""
    variables = application_variables(declaration, STORE, "development")
    return {name: value for name, value in variables.items() if name.endswith("ENVIRONMENT")}


def test_environment_is_named_by_the_common_variable() -> None:
    assert names(load()) == {"ENVIRONMENT": "development"}


def test_application_with_such_a_setting_keeps_its_variable() -> None:
    declaration = changed(settings={"environment": SETTING})
    assert names(declaration) == {"STRONGROOM_ENVIRONMENT": "development"}


def test_settings_are_variables_unless_a_config_delivers_them() -> None:
    port = Setting.model_validate({"type": "integer", "description": "x", "default": 25})
    tls = Setting.model_validate({"type": "boolean", "description": "x", "default": True})
    settings = {
        "mail-port": port,
        "mail-tls": tls,
        "path": SETTING.model_copy(update={"default": "/"}),
    }
    found = setting_variables(changed(settings=settings, config=None), STORE)
    assert {"MAIL_PORT": "25", "MAIL_TLS": "true"}.items() <= found.items()
    assert "PATH" not in found
    assert setting_variables(changed(settings=settings), STORE) == {}


def test_targets_elsewhere_have_the_same_variables() -> None:
    declaration = changed(settings={"environment": SETTING})
    variables = service_settings(declaration, PROD).variables
    assert variables == {
        **application_variables(declaration, PROD),
        "VAULT_ADDR": "https://vault.example.com:8200",
    }
    assert variables["STRONGROOM_ENVIRONMENT"] == "prod"


def test_application_elsewhere_keeps_the_name_that_it_had() -> None:
    declaration = changed(settings={"environment": SETTING.model_copy(update={"default": "local"})})
    found = application_variables(declaration, PROD)
    assert (found["STRONGROOM_ENVIRONMENT"], found["ENVIRONMENT"]) == ("prod", "prod")
    for value in ("production", "live"):
        spelt = declaration.with_deployment(PROD, settings={"environment": value})
        found = application_variables(spelt, PROD)
        assert (found["STRONGROOM_ENVIRONMENT"], found["ENVIRONMENT"]) == ("prod", value)
        assert read_environment(found) == PROD.environment


@pytest.fixture(scope="module")
def without_secrets() -> Declaration:
    """Return the store's declaration with no secret at all."""
    declaration = load()
    services = {
        name: service.model_copy(update={"secrets": {}})
        for name, service in declaration.services.items()
    }
    return replace(declaration, services=services)


@pytest.mark.parametrize("scope", [STORE, WORKER], ids=str)
def test_url_is_none_if_a_secret_has_it(scope: Scope) -> None:
    declaration = load()
    assert find_database_url(declaration, scope) is None
    assert find_redis_url(declaration, scope) is None


@pytest.mark.parametrize("scope", [STORE, WORKER], ids=str)
def test_database_url_has_the_owners_address_and_no_user(
    without_secrets: Declaration, scope: Scope
) -> None:
    found = find_database_url(without_secrets, scope)
    assert found == "postgresql+psycopg://127.0.0.1:15432/gaara_store"


def test_redis_url_without_a_ca_is_in_plain_text(without_secrets: Declaration) -> None:
    assert find_redis_url(without_secrets, STORE) == "redis://127.0.0.1:16379/0"
    assert find_redis_url(without_secrets, WORKER) is None


def test_redis_url_with_a_ca_is_trusted_by_it(without_secrets: Declaration) -> None:
    found = find_redis_url(without_secrets, PROD)
    assert found is not None
    options = parse_url(found)  # type: ignore[no-untyped-call]
    assert (options["host"], options["port"]) == ("redis.example.com", 6379)
    assert options["connection_class"].__name__ == "SSLConnection"
    assert options["ssl_ca_data"] == without_secrets.pems["redis-ca.pem"]


def test_variables_have_the_addresses_that_no_secret_has(without_secrets: Declaration) -> None:
    assert "STRONGROOM_DATABASE_URL" not in application_variables(load(), STORE)
    variables = service_settings(without_secrets, PROD).variables
    address = "postgresql+psycopg://postgres.example.com:5432/gaara_store?sslmode=require"
    assert variables["STRONGROOM_DATABASE_URL"] == address
    assert variables["STRONGROOM_REDIS_URL"] == find_redis_url(without_secrets, PROD)
    settings = from_environment(variables)
    assert (settings.database_url, settings.redis_url[:9]) == (address, "rediss://")


def test_environment_on_aws_has_no_addresses_as_it_leases_no_users(
    without_secrets: Declaration,
) -> None:
    account = AwsAccount.model_validate({"account": "123456789012", "region": "eu-central-1"})
    declared = without_secrets.environment("prod").model_copy(update={"aws": account})
    environments = {**without_secrets.environments, PROD.environment: declared}
    moved = replace(without_secrets, environments=environments)
    assert application_variables(moved, PROD).keys() == {"STRONGROOM_SERVICE", "ENVIRONMENT"}
