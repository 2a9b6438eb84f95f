"""URLs of the servers of a service that has no secret with them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from redis.connection import parse_url

from app_integration.names import Environment, Scope
from console.service_urls import find_database_url, find_redis_url
from vault.declare.declaration import Declaration
from vault.declare.load import load

STORE, PROD = Scope("gaara-store", Environment.DEV), Environment("prod")
WORKER = Scope("orders-mail", Environment.DEV)


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
    found = find_redis_url(without_secrets, Scope("gaara-store", PROD))
    assert found is not None
    options = parse_url(found)  # type: ignore[no-untyped-call]
    assert (options["host"], options["port"]) == ("redis.example.com", 6379)
    assert options["connection_class"].__name__ == "SSLConnection"
    assert options["ssl_ca_data"] == without_secrets.pems["redis-ca.pem"]
