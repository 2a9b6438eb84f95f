"""Policy of the auditor: it decrypts what services may only encrypt, and nothing else."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from app_integration.names import Environment
from policies.render import render_policies
from vault.declare.declaration import Declaration
from vault.declare.load import load
from vault.declare.schema.keys import TransitKey


def with_keys(**allow: list[str]) -> Declaration:
    """Return the project's declaration, in which the store has other keys."""
    declaration = load()
    keys = {name: TransitKey.model_validate({"allow": tuple(each)}) for name, each in allow.items()}
    store = declaration.services["gaara-store"].model_copy(update={"keys": keys})
    return replace(declaration, services={**declaration.services, "gaara-store": store})


def decrypted_keys(declaration: Declaration, environment: Environment) -> list[str]:
    text = render_policies(declaration, environment)["strongroom-auditor"]
    return re.findall(r'path "transit/decrypt/([^"]+)"', text)


@pytest.mark.parametrize("environment", [Environment.DEV, Environment.STAGING, Environment.PROD])
def test_auditor_decrypts_with_the_audit_key_of_the_store(environment: Environment) -> None:
    assert decrypted_keys(load(), environment) == [f"gaara-store-{environment}-audit"]


@pytest.mark.parametrize("allow", [["decrypt"], ["encrypt", "decrypt"], ["decrypt", "encrypt"]])
def test_auditor_does_not_decrypt_with_a_key_that_the_service_decrypts_with(
    allow: list[str],
) -> None:
    declaration = with_keys(audit=allow, pii=["encrypt"])
    assert decrypted_keys(declaration, Environment.STAGING) == []


def test_auditor_of_services_without_an_audit_key_decrypts_nothing() -> None:
    assert decrypted_keys(with_keys(pii=["encrypt"]), Environment.STAGING) == []


@pytest.mark.parametrize("environment", [Environment.DEV, Environment.STAGING, Environment.PROD])
def test_auditor_reads_metadata_and_no_value(environment: Environment) -> None:
    text = render_policies(load(), environment)["strongroom-auditor"]
    paths = re.findall(r'path "([^"]+)"', text)
    assert [path for path in paths if path.startswith("secret/")] == ["secret/metadata/*"]
    assert not [path for path in paths if re.match(r"[+*]|database/(static-)?creds", path)]
    assert not re.search(r'"(create|patch|delete)"', text)
