from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app_integration.secret import Secret
from vault.dotenv import words
from vault.dotenv.classify import Kind, classify

#: Variables beside those of REASONS.
KINDS = [
    ("DSN", "host=db dbname=store user=store password=hunter2", Kind.SECRET),
    ("WEBHOOK", "https://example.com/hook?access_token=abc", Kind.SECRET),
    ("CERTS", "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----", Kind.SECRET),
    ("ACCOUNT", '{"type": "service_account", "private_key": "x"}', Kind.SECRET),
    ("BILLING", "sk_live_4eC39HqLyjWDarjtT1zdp7dc", Kind.SECRET),
    ("GITHUB", "ghp_16C7e42F292c6912E7710c838347Ae178B4a", Kind.SECRET),
    ("SESSION", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", Kind.SECRET),
    ("DEBUG", "true", Kind.SETTING),
    ("REDIS_URL", "redis://localhost:6379/0", Kind.SETTING),
    ("PASSWORD_MIN_LENGTH", "12", Kind.SETTING),
    ("JWT_ALGORITHM", "HS256", Kind.SETTING),
    ("ALLOWED_HOSTS", "a.example.com,b.example.com", Kind.SETTING),
    ("LISTEN", "127.0.0.1:8080", Kind.SETTING),
    ("BUILD_HOST", "550e8400-e29b-41d4-a716-446655440000", None),
    ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE", None),
    ("JWT_PUBLIC_KEY", "-----BEGIN PUBLIC KEY-----", None),
]
BY_NAME = "its name says so"
ABOUT = "it only describes a secret"
MAYBE_ABOUT = "its name mentions a secret, but may only describe it"
PLAIN = "its value is a number, a switch or an address"
PATH = "its value is a path"
RANDOM = "its value looks random"
CREDENTIALS = "its value is a URL with credentials"
MAYBE_CREDENTIAL = "its value is a URL that may itself be the credential"
UNKNOWN = "neither its name nor its value decides"
#: Case → name, value, expected kind, and the reason that the operator sees.
REASONS = {
    "a secret by its last word": ("SMTP_PASSWORD", "x", Kind.SECRET, BY_NAME),
    "a secret in lower case": ("smtp_token", "x", Kind.SECRET, BY_NAME),
    "a number that a secret may be": ("PIN", "12", Kind.SECRET, BY_NAME),
    "a number about a secret": ("TOKEN_TTL", "3600", Kind.SETTING, ABOUT),
    "an address about a secret": ("TOKEN_HOST", "auth.example.com", Kind.SETTING, ABOUT),
    "a switch named as a secret": ("API_TOKEN", "TRUE", None, MAYBE_ABOUT),
    "a switch about a secret": ("REQUIRE_TOKEN", "TRUE", Kind.SETTING, ABOUT),
    "a switch by its last word": ("SMTP_AUTH", "on", Kind.SETTING, ABOUT),
    "a switch by another word": ("AUTH_TOKEN", "on", None, MAYBE_ABOUT),
    "a number of tokens": ("LLM_MAX_TOKENS", "4096", Kind.SETTING, ABOUT),
    "text as a number of tokens": ("LLM_MAX_TOKENS", "x", Kind.SECRET, BY_NAME),
    "a path about a secret": ("DB_PASSWORD_FILE", "/run/db/pass", Kind.SETTING, ABOUT),
    "a file that is no path": ("DB_PASSWORD_FILE", "hunter2", None, MAYBE_ABOUT),
    "a random path": ("KEY_FILE", "/srv/x8Kf93jfLe83Mf0q", None, MAYBE_ABOUT),
    "a file in one word": ("PGPASSFILE", "~/.pgpass", Kind.SETTING, ABOUT),
    "the key file of libpq": ("PGSSLKEY", "/etc/ssl/a.key", Kind.SETTING, ABOUT),
    "no path to it": ("PGSSLKEY", "x", None, MAYBE_ABOUT),
    "a URL about a secret": ("OIDC_TOKEN_URL", "https://a.b/oauth2", Kind.SETTING, ABOUT),
    "a URL that is one": ("TOKEN_URL", "https://a.b/x8K3", None, MAYBE_ABOUT),
    "a port about a secret": ("AUTH_PORT", "8080", Kind.SETTING, ABOUT),
    "an address as a port": ("AUTH_PORT", "a.example.com", None, MAYBE_ABOUT),
    "a user of a secret": ("AUTH_USER", "482910", None, MAYBE_ABOUT),
    "text about a secret": ("TOKEN_TTL", "long", None, MAYBE_ABOUT),
    "another last word": ("TOKEN_STORE", "5", None, MAYBE_ABOUT),
    "a public key": ("JWT_PUBLIC_KEY", "x", None, MAYBE_ABOUT),
    "a dot between words": ("db.password", "x", Kind.SECRET, BY_NAME),
    "words that are not parted": ("DBPASSWORD", "x", Kind.SECRET, BY_NAME),
    "a word inside of another": ("DBAUTH", "x", None, MAYBE_ABOUT),
    "a word in other letters": ("Hasło_2", "x", Kind.SECRET, BY_NAME),
    "a word with a stroke": ("API_nøkkel", "1234", Kind.SECRET, BY_NAME),
    "a word that contains one": ("AUTHOR_NAME", "x", Kind.SETTING, BY_NAME),
    "such a word behind one of a setting": ("DB_MONKEY", "hunter2", None, UNKNOWN),
    "such a word in a query": ("DATA", "https://a.b/?author=1", Kind.SETTING, PLAIN),
    "a word of two that may be one": ("PASSPORT", "hunter2", None, MAYBE_ABOUT),
    "a word across capitals": ("hasLo", "true", None, MAYBE_ABOUT),
    "both": ("MONKEY_KEY", "x", Kind.SECRET, BY_NAME),
    "capitals for parts": ("apiKey", "x", Kind.SECRET, BY_NAME),
    "a public key in one word": ("PUBLICKEY", "x", None, MAYBE_ABOUT),
    "no letters": ("_", "x", None, UNKNOWN),
    "a short number": ("DATA", "128MB", Kind.SETTING, PLAIN),
    "a number that may be a PIN": ("DATA", "4829", None, UNKNOWN),
    "a number of a setting": ("PORT_DATA", "4829", Kind.SETTING, PLAIN),
    "a domain that is none": ("DATA", "correct.horse", None, UNKNOWN),
    "a kind of encryption": ("DATA", "tls", Kind.SETTING, PLAIN),
    "a path": ("DATA", "/srv/store", Kind.SETTING, PATH),
    "a password before a host": ("DATA_HOST", "ada:hunter2@a", None, UNKNOWN),
    "a product before a word": ("PGHOST", "x", Kind.SETTING, BY_NAME),
    "a private key": ("DATA", "-----BEGIN PRIVATE KEY", Kind.SECRET, "contains a private key"),
    "a password in text": ("DATA", "user=a pwd=b", Kind.SECRET, "names a credential"),
    "a password in JSON": ("DATA", '{"db_password": "b"}', Kind.SECRET, "contains a credential"),
    "a token of a known form": ("DATA", "sk_test_a", Kind.SECRET, "looks like a token"),
    "a password in a URL": ("DATA", "redis://:p@localhost", Kind.SECRET, CREDENTIALS),
    "a key in a query": ("DATA", "https://a.b/?p=1&x-api-key=1", Kind.SECRET, CREDENTIALS),
    "an empty key in a query": ("DATA", "https://a.b/?p=1&token=", Kind.SETTING, PLAIN),
    "a query without a key": ("DATA", "https://a.b/?page=1", Kind.SETTING, PLAIN),
    "a user in a URL": ("DATA", "https://user@a.b/", None, MAYBE_CREDENTIAL),
    "16 in a URL": ("DATA", "https://a.b/x8Kf93jfLe83Mf0q", None, MAYBE_CREDENTIAL),
    "15 in a URL": ("DATA", "https://a.b/x8Kf93jfLe83Mf0", Kind.SETTING, PLAIN),
    "a URL without a path": ("DATA", "https://a.b", Kind.SETTING, PLAIN),
    "a URL without a host": ("DATA", "file:///tmp/x", None, UNKNOWN),
    "a URL that cannot be read": ("DATA", "http://[oops", None, UNKNOWN),
    "a colon and no URL": ("DATA", "a:b@c", None, UNKNOWN),
    "a setting by its last word": ("DATA_DIR", "anything", Kind.SETTING, BY_NAME),
    "a setting by its only word": ("dir", "anything", Kind.SETTING, BY_NAME),
    "a setting by no last word": ("DIR_DATA", "anything", None, UNKNOWN),
    "16 random characters": ("DATA_DIR", "x8Kf93jfLe83Mf0q", None, RANDOM),
    "15 of them": ("DATA_DIR", "x8Kf93jfLe83Mf0", Kind.SETTING, BY_NAME),
    "three bits each": ("DATA_DIR", "a1234567a1234567", None, RANDOM),
    "less than three bits each": ("DATA_DIR", "a123456a123456ab", Kind.SETTING, BY_NAME),
    "letters alone": ("DATA_DIR", "abcdefghijklmnop", Kind.SETTING, BY_NAME),
    "digits alone": ("DATA_DIR", "1234567890123456", Kind.SETTING, BY_NAME),
    "a space between": ("DATA_DIR", "x8Kf93jf Le83Mf0q", Kind.SETTING, BY_NAME),
    "a random part of a path": ("DATA_DIR", "/srv/x8Kf93jfLe83Mf0q/a", None, RANDOM),
    "a path of short parts": ("DATA_DIR", "/srv/store/v12/uploads", Kind.SETTING, BY_NAME),
    "the shortest path": ("DATA_DIR", "/", Kind.SETTING, BY_NAME),
}


@pytest.mark.parametrize(("name", "value", "kind"), KINDS, ids=[name for name, *_ in KINDS])
def test_variable_is_classified_by_name_or_value(name: str, value: str, kind: Kind | None) -> None:
    assert classify(name, value).kind is kind


@pytest.mark.parametrize(("name", "value", "kind", "reason"), REASONS.values(), ids=[*REASONS])
def test_verdict_has_a_reason(name: str, value: str, kind: Kind | None, reason: str) -> None:
    verdict = classify(name, Secret(value))
    assert verdict.kind is kind
    assert verdict.reason in {reason, f"its value {reason}"}


@given(st.text(st.sampled_from("abcdef0123456789"), min_size=32, max_size=64))
def test_random_value_is_not_a_setting_by_name(value: str) -> None:
    kind = classify("SOME_NAME", value).kind
    assert kind is None or len(set(value)) < 12


@given(st.text(), st.text())
def test_reason_does_not_contain_the_value(name: str, value: str) -> None:
    verdict = classify(name, Secret(value))
    assert verdict == classify(name, value)
    assert verdict.reason
    assert len(value) < 8 or value not in verdict.reason


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("SENTRY_DSN", Kind.SETTING),
        ("CLIENT_ID", Kind.SETTING),
        ("GREETING", Kind.SETTING),
        ("TOKEN_ISSUER", Kind.SETTING),
        ("PASSWORD_RESET_URL", Kind.SETTING),
        ("API_TOKEN", Kind.SECRET),
        ("AWS_ACCESS_KEY_ID", Kind.SECRET),
    ],
)
def test_empty_value_is_never_a_question(name: str, kind: Kind) -> None:
    assert classify(name, "").kind is kind


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "<your-connection>"),
        ("MONGODB_URI", "host=db user=shop pass:hunter2"),
        ("CLOUDINARY_URL", "shop"),
        ("WEBHOOK_URL", "hooks.chat/T0"),
    ],
)
def test_url_whose_value_is_none_is_asked_about(name: str, value: str) -> None:
    assert classify(name, value).kind is None


@pytest.mark.parametrize("pair", words.PAIRS, ids="-".join)
def test_alike_names_are_decided_alike(pair: tuple[str, str]) -> None:
    kinds = {classify(f"DOCKER_IMAGE_{word}", "shop/one").kind for word in pair}
    assert kinds == {Kind.SETTING}
