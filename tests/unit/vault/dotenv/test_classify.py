from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app_integration.secret import Secret
from vault.dotenv.classify import Kind, classify

SECRETS = [
    ("SMTP_PASSWORD", "hunter2"),
    ("DB_PASS", "x"),
    ("JWT_SECRET", "correct horse"),
    ("API_TOKEN", ""),
    ("STRIPE_API_KEY", "anything"),
    ("DATABASE_URL", "postgresql+psycopg://store:hunter2@db.example.com/store"),
    ("CACHE", "redis://:hunter2@localhost:6379/0"),
    ("DSN", "host=db dbname=store user=store password=hunter2"),
    ("WEBHOOK", "https://example.com/hook?access_token=abc"),
    ("CERTS", "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----"),
    ("ACCOUNT", '{"type": "service_account", "private_key": "x"}'),
    ("BILLING", "sk_live_4eC39HqLyjWDarjtT1zdp7dc"),
    ("GITHUB", "ghp_16C7e42F292c6912E7710c838347Ae178B4a"),
    ("SESSION", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln"),
]
SETTINGS = [
    ("DEBUG", "true"),
    ("PORT", "8080"),
    ("LOG_LEVEL", "info"),
    ("SMTP_HOST", "mail.example.com"),
    ("BASE_URL", "https://store.example.com/shop"),
    ("REDIS_URL", "redis://localhost:6379/0"),
    ("TOKEN_TTL", "3600"),
    ("PASSWORD_MIN_LENGTH", "12"),
    ("JWT_ALGORITHM", "HS256"),
    ("UPLOAD_DIR", "/srv/store/uploads"),
    ("ALLOWED_HOSTS", "a.example.com,b.example.com"),
    ("LISTEN", "127.0.0.1:8080"),
]
UNSURE = [
    ("MAGIC", "hunter2"),
    ("GREETING", "hello"),
    ("BUILD_HOST", "550e8400-e29b-41d4-a716-446655440000"),
    ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
    ("JWT_PUBLIC_KEY", "-----BEGIN PUBLIC KEY-----"),
    ("SENTRY_DSN", "https://0123abc@o1.ingest.sentry.io/1"),
    ("SLACK", "https://hooks.slack.com/services/T0000/B0000/x8Kf93jfLe83Mf0qPz72bNcd"),
    ("SECRETS_BACKEND", "vault"),
]


@pytest.mark.parametrize(("name", "value"), SECRETS, ids=[name for name, _ in SECRETS])
def test_a_secret_is_known_by_its_name_or_value(name: str, value: str) -> None:
    assert classify(name, value).kind is Kind.SECRET


@pytest.mark.parametrize(("name", "value"), SETTINGS, ids=[name for name, _ in SETTINGS])
def test_a_setting_is_known_by_its_name_or_value(name: str, value: str) -> None:
    assert classify(name, value).kind is Kind.SETTING


@pytest.mark.parametrize(("name", "value"), UNSURE, ids=[name for name, _ in UNSURE])
def test_somebody_is_asked_where_neither_decides(name: str, value: str) -> None:
    assert classify(name, value).kind is None


@given(st.text(st.sampled_from("abcdef0123456789"), min_size=32, max_size=64))
def test_a_value_that_could_be_random_is_no_setting_by_its_name(value: str) -> None:
    kind = classify("SOME_NAME", value).kind
    assert kind is None or len(set(value)) < 12


@given(st.text(), st.text())
def test_every_variable_gets_a_reason_without_its_value(name: str, value: str) -> None:
    verdict = classify(name, Secret(value))
    assert verdict == classify(name, value)
    assert verdict.reason
    assert len(value) < 8 or value not in verdict.reason
