"""What differs between the backends by design. Each has a row in docs/Backends.md."""

from __future__ import annotations

import json

import pytest

from app_integration.errors import ConfigurationError, SecretNotFound, SecretsMissing
from tests.support.servers.secret_backends import ServerBackend

NAME = "jwt-secret"


def test_numbered_version_is_on_vault_only(server: ServerBackend) -> None:
    server.put(NAME, "one")
    server.put(NAME, "two")
    secrets = server.client.secrets
    assert secrets.get(NAME) == "two"
    info = secrets.get_info(NAME)
    assert info is not None
    if server.source == "vault":
        assert info.version == 2
        assert secrets.get(NAME, version=1) == "one"
        with pytest.raises(ConfigurationError, match="a KV version has a number; pass an int"):
            secrets.get(NAME, version="AWSPREVIOUS", default=None)
        return
    assert isinstance(info.version, str)
    sent = server.count_reads()
    with pytest.raises(SecretNotFound, match="an id and labels, and no number"):
        secrets.get(NAME, version=1)
    assert server.count_reads() == sent


def test_field_is_a_key_of_a_json_text(server: ServerBackend) -> None:
    server.put(NAME, "whole", user="gaara")
    secrets = server.client.secrets
    whole = "whole" if server.source == "vault" else json.dumps({"user": "gaara"})
    assert secrets.get(NAME) == whole
    assert secrets.get(NAME, field="value") == whole
    assert secrets.get(NAME, field="user") == "gaara"


def test_denied_required_secret_names_the_permission(server: ServerBackend) -> None:
    server.put(NAME, "one")
    with server.denied(), pytest.raises(SecretsMissing) as caught:
        server.client.secrets.require([NAME])
    secret = server.client.settings.scope.secret(NAME)
    arn = f"arn:aws:secretsmanager:*:*:secret:{secret}-??????"
    rule = f'path "secret/data/{secret}" {{ capabilities = ["read"] }}'
    expected = rule if server.source == "vault" else f"secretsmanager:GetSecretValue on {arn}"
    assert str(caught.value).endswith(f"add {expected}")
