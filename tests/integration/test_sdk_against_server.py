"""Acceptance tests of the SDK, counted in the server's audit log."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import Counter
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

import app_integration
from app_integration import (
    aget_secret,
    decrypt_field,
    default_client,
    encrypt_field,
    get_secret,
    get_secret_info,
)
from app_integration.client import Client
from app_integration.encryption.transit import Transit
from app_integration.errors import (
    AccessDenied,
    DecryptionFailed,
    RequestRefused,
    SecretNotFound,
    Unreachable,
)
from app_integration.secret import REQUIRED
from app_integration.settings import Limits, from_environment
from app_integration.testing.ports import free_ports
from tests.support.servers.deployment import Deployment

pytestmark = pytest.mark.requires("embedded")

JWT = "secret/data/gaara-store/dev/jwt-secret"
ROLE = "gaara-store-dev"  # the application's; its agent reads the same path under another
IMPATIENT = Limits(deadline=0.5, connect_timeout=0.2)


@pytest.mark.usefixtures("default_client_on_server")
def test_get_secret_cached_is_one_request_and_forced_is_two(deployment: Deployment) -> None:
    others = tokens(deployment.audit_lines(JWT, ROLE)).keys()
    assert get_secret("jwt-secret") == get_secret("jwt-secret")
    assert own(deployment, others) == [1]
    get_secret("jwt-secret", force_refresh=True)
    assert own(deployment, others) == [2]


def tokens(lines: list[str]) -> Counter[str]:
    """Return the number of audit *lines* of each token, by its HMAC."""
    return Counter(json.loads(line)["auth"]["client_token"] for line in lines)


def own(deployment: Deployment, others: Collection[str]) -> list[int]:
    """Return the reads of the signing secret of each token that is none of *others*."""
    found = tokens(deployment.audit_lines(JWT, ROLE))
    return [count for token, count in found.items() if token not in others]


@pytest.mark.usefixtures("default_client_on_server")
def test_access_record_has_request_id_of_server(deployment: Deployment) -> None:
    get_secret("jwt-secret", force_refresh=True)
    records = Path(deployment.variables["STRONGROOM_AUDIT_FILE"]).read_text().splitlines()
    record = json.loads(records[-1])
    (line,) = [line for line in deployment.audit_lines(JWT) if record["request_id"] in line]
    assert record["accessor"] == json.loads(line)["auth"]["accessor"]
    assert record["accessor"].startswith("hmac-sha256:")


def test_token_without_audit_hash_right_has_no_accessor(
    deployment: Deployment, tmp_path: Path
) -> None:
    log = tmp_path / "access.jsonl"
    client = Client(replace(deployment.settings, audit_device="audit-2", audit_file=log))
    assert client.secrets.get("jwt-secret")
    client.close()
    assert "accessor" not in json.loads(log.read_text())


@pytest.mark.usefixtures("default_client_on_server")
def test_database_url_secret_connects_unchanged() -> None:
    engine = create_engine(get_secret("database-url"))
    with engine.connect() as connection:
        assert connection.execute(text("SELECT 1")).scalar() == 1
    engine.dispose()


@pytest.mark.usefixtures("default_client_on_server")
def test_secret_is_in_neither_logs_nor_exceptions(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    secret = get_secret("jwt-secret")
    encrypt_field("ada@example.com", context={"user_id": 7})
    logging.getLogger("shop").warning("using %s", secret)
    assert "[REDACTED]" in str(ValueError(f"Invalid secret: {secret}"))
    assert "using [REDACTED]" in caplog.text
    assert secret.reveal() not in caplog.text


@pytest.mark.usefixtures("default_client_on_server")
def test_get_secret_unknown_in_development_falls_back_to_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("TEST_SECRET=from file\nOTHER_SECRET='from file too'\n")
    monkeypatch.setenv("TEST_SECRET", "from environment")
    assert get_secret("test-secret") == "from environment"
    assert get_secret("other-secret") == "from file too"
    sources = [get_secret_info(name) for name in ("test-secret", "other-secret")]
    assert [info and info.source for info in sources] == ["environment", "dotenv"]


@pytest.mark.usefixtures("default_client_on_server")
@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_get_secret_undeclared_with_default_in_development_asks_environment_first(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    *,
    is_async: bool,
) -> None:
    def get(name: str) -> object:
        if is_async:
            return asyncio.run(aget_secret(name, default="spare-1"))
        return get_secret(name, default="spare-1")

    (tmp_path / ".env").write_text("FEATURE_TOKEN=file-1\nOTHER_TOKEN=file-2\n")
    monkeypatch.setenv("FEATURE_TOKEN", "set-1")
    assert get("feature-token") == "set-1"
    assert get("other-token") == "file-2"
    assert [get("third-token") for _ in range(2)] == ["spare-1"] * 2
    warnings = [each.getMessage() for each in caplog.records if each.levelno == logging.WARNING]
    (warning,) = [text for text in warnings if text.startswith("third-token ")]
    assert "is denied or not declared, so its default is used" in warning
    assert 'add path "secret/data/gaara-store/dev/third-token"' in warning
    for value in ("spare-1", "set-1", "file-1", "file-2"):
        assert value not in caplog.text


def test_get_secret_without_server_in_development_falls_back(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TEST_SECRET", "from environment")
    nowhere = f"http://127.0.0.1:{free_ports(1)[0]}"
    variables = {**deployment.variables, "VAULT_ADDR": nowhere}
    settings = replace(from_environment(variables), limits=IMPATIENT, dotenv_file=tmp_path / ".env")
    client = Client(settings)
    assert client.secrets.get("test-secret") == "from environment"
    client.close()


@pytest.mark.parametrize("environment", ["staging", "production"])
def test_get_secret_outside_development_has_no_fallback(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch, environment: str
) -> None:
    monkeypatch.setenv("TEST_SECRET", "from environment")
    nowhere = f"http://127.0.0.1:{free_ports(1)[0]}"
    for address, expected, limits in (
        (nowhere, Unreachable, IMPATIENT),
        (deployment.variables["VAULT_ADDR"], AccessDenied, Limits()),
    ):
        variables = {**deployment.variables, "VAULT_ADDR": address, "ENVIRONMENT": environment}
        client = Client(replace(from_environment(variables), limits=limits))
        for default in (REQUIRED, ""):
            with pytest.raises(expected):
                client.secrets.get("test-secret", default=default)
        client.close()


def test_get_secret_deleted_returns_default(deployment: Deployment, service: Client) -> None:
    path = "gaara-store/dev/smtp-password"
    version = deployment.operator.get(f"secret/data/{path}")["data"]["metadata"]["version"]
    deployment.operator.delete(f"secret/data/{path}")
    try:
        assert service.secrets.get("smtp-password", default="") == ""
        with pytest.raises(SecretNotFound, match="deleted"):
            service.secrets.get("smtp-password")
    finally:
        deployment.operator.post(f"secret/undelete/{path}", {"versions": [version]})
    assert service.secrets.get("smtp-password", force_refresh=True)


def test_get_secret_denied_has_policy_rule(service: Client) -> None:
    with pytest.raises(AccessDenied) as caught:
        service.secrets.get("payment-key")
    assert 'path "secret/data/gaara-store/dev/payment-key" { capabilities = ["read"] }' in str(
        caught.value
    )


@pytest.mark.usefixtures("default_client_on_server")
def test_encrypt_field_of_100_values_takes_one_data_key(deployment: Deployment) -> None:
    path = "transit/encrypt/gaara-store-dev-pii"
    before = len(deployment.audit_lines(path))
    tokens = [encrypt_field(f"user{n}@example.com", context={"user_id": n}) for n in range(100)]
    assert len(deployment.audit_lines(path)) == before + 1
    assert decrypt_field(tokens[42], context={"user_id": 42}) == "user42@example.com"
    with pytest.raises(DecryptionFailed):
        decrypt_field(tokens[42], context={"user_id": 43})


def test_decrypt_field_in_another_process_succeeds(deployment: Deployment, service: Client) -> None:
    token = service.cipher("pii").encrypt_field("ada@example.com", {"user_id": 7})
    other = Client(deployment.settings)
    assert other.cipher("pii").decrypt_field(token, {"user_id": 7}) == "ada@example.com"
    other.close()


@pytest.mark.usefixtures("default_client_on_server")
def test_transit_encrypts_at_server(deployment: Deployment) -> None:
    plain = app_integration.transit()
    sealed = plain.encrypt(b"ada@example.com", context=b"row 7")
    rewrapped = Transit(deployment.operator.post, "gaara-store-dev-pii").rewrap(
        sealed, context=b"row 7"
    )
    assert plain.decrypt(rewrapped, context=b"row 7") == b"ada@example.com"


def test_revoked_token_causes_one_login(deployment: Deployment, service: Client) -> None:
    service.secrets.get("jwt-secret")
    login = "auth/approle/login"
    before = len(deployment.audit_lines(login, ROLE))
    accessor = service.session.get("auth/token/lookup-self")["data"]["accessor"]
    deployment.operator.post("auth/token/revoke-accessor", {"accessor": accessor})
    service.secrets.get("jwt-secret", force_refresh=True)
    service.secrets.get("redis-url", force_refresh=True)
    assert len(deployment.audit_lines(login, ROLE)) == before + 1


def test_close_revokes_token(deployment: Deployment) -> None:
    client = Client(deployment.settings)
    accessor = client.session.get("auth/token/lookup-self")["data"]["accessor"]
    client.close()
    with pytest.raises(RequestRefused, match="invalid accessor"):
        deployment.operator.post("auth/token/lookup-accessor", {"accessor": accessor})


def test_public_functions_build_client_from_environment(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    default_client.close()
    for name, value in deployment.variables.items():
        monkeypatch.setenv(name, value)
    assert get_secret("jwt-secret")
    app_integration.close()
