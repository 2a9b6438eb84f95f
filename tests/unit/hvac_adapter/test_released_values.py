"""Which values of a response redaction gets to know."""

from __future__ import annotations

import json
from typing import Any

import pytest

from app_integration.hvac_adapter.released_values import secret_texts

VALUE = "a-value-that-is-secret"
OTHER = "a-word-of-the-logs"


@pytest.mark.parametrize(
    ("method", "target", "body"),
    [
        (
            "GET",
            "secret/data/x?version=1",
            {"data": {"data": {"a": VALUE}, "metadata": {"b": OTHER}}},
        ),
        ("GET", "secret/data/x", {"data": {"data": {"username": [VALUE]}, "metadata": {}}}),
        ("GET", "one/x", {"data": {"password": VALUE, "username": OTHER}}),
        ("GET", "one/sign/x", {"data": {"password": {"deep": [VALUE]}}}),
        ("GET", "database/creds/x", {"data": {"password": VALUE, "username": OTHER}}),
        ("POST", "auth/approle/login", {"auth": {"client_token": VALUE, "accessor": OTHER}}),
        ("POST", "auth/approle/role/x/secret-id", {"data": {"secret_id": VALUE, "a": OTHER}}),
        ("GET", "auth/token/lookup-self", {"data": {"id": VALUE, "path": OTHER}}),
        ("GET", "one/x", {"data": None, "wrap_info": {"token": VALUE, "creation_path": OTHER}}),
        ("POST", "sys/wrapping/unwrap", {"data": {"secret_id": VALUE}}),
        ("POST", "sys/wrapping/unwrap", {"data": {"data": {"a": VALUE}, "metadata": {"b": OTHER}}}),
        ("GET", "identity/oidc/client/x", {"data": {"client_secret": VALUE, "key": OTHER}}),
        ("POST", "identity/mfa/method/totp/generate", {"data": {"url": VALUE, "id": OTHER}}),
        ("PUT", "sys/init", {"keys": [VALUE], "keys_base64": [VALUE], "root_token": VALUE}),
        ("POST", "transit/datakey/plaintext/x", {"data": {"plaintext": VALUE, "name": OTHER}}),
        ("GET", "transit/export/encryption-key/x", {"data": {"keys": {"1": VALUE}, "name": OTHER}}),
    ],
)
def test_secret_values_are_found(method: str, target: str, body: dict[str, Any]) -> None:
    found = set(secret_texts(method, target, json.dumps(body).encode()))
    assert VALUE in found
    assert OTHER not in found


@pytest.mark.parametrize(
    ("method", "target", "body"),
    [
        ("LIST", "secret/metadata/x", {"data": {"keys": [OTHER]}}),
        ("GET", "secret/metadata/x?list=True", {"data": {"keys": [OTHER]}}),
        ("GET", "sys/policy", {"keys": [OTHER], "data": {"keys": [OTHER]}}),
        ("GET", "sys/mounts", {"data": {"secret/": {"type": OTHER, "accessor": OTHER}}}),
        ("GET", "identity/entity/id/x", {"data": {"id": OTHER}}),
        ("POST", "transit/decrypt/x", {"data": {"plaintext": OTHER}}),
        ("POST", "transit/decrypt/x", {"data": {"batch_results": [{"plaintext": OTHER}]}}),
        ("PUT", "transit/sign/x", {"data": {"signature": OTHER}}),
        ("GET", "one/x", {"data": {"token": "vault:v1:AAAA"}}),
        ("GET", "one/x", [OTHER]),
    ],
)
def test_names_and_data_of_the_application_are_not(method: str, target: str, body: Any) -> None:
    assert list(secret_texts(method, target, json.dumps(body).encode())) == []


@pytest.mark.parametrize("content", [b"", b"{", b"\x1f\x8b", b"{" * 100_000])
def test_content_that_is_no_object_has_none(content: bytes) -> None:
    assert list(secret_texts("GET", "one/x", content)) == []


def test_text_in_base64_is_found_decoded() -> None:
    found = set(
        secret_texts("GET", "one/x", b'{"data": {"a": "YS12YWx1ZS10aGF0LWlzLXNlY3JldA=="}}')
    )
    assert "a-value-that-is-secret" in found
