"""Auth methods from settings; an error names the missing setting before anything is sent."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from app_integration.auth.agent import Proxy, TokenFile
from app_integration.auth.from_settings import SERVICE_ACCOUNT_TOKEN, build_auth_method
from app_integration.auth.methods import AppRole, AuthMethod, Certificate, JwtFile
from app_integration.auth.wrapped_approle import WrappedAppRole
from app_integration.errors import ConfigurationError, Unreachable
from app_integration.settings import from_environment
from app_integration.transport.http import Transport
from tests.support.servers.local_server import write_certificate

BASE = {
    "STRONGROOM_SERVICE": "shop",
    "ENVIRONMENT": "prod",
    "VAULT_ADDR": "https://vault.example.com:8200",
    "STRONGROOM_ROLE_ID_FILE": "/r",
    "STRONGROOM_SECRET_ID_FILE": "/s",
}
PAIR = {"VAULT_CLIENT_CERT": "/c.pem", "VAULT_CLIENT_KEY": "/k.pem"}


def login(**variables: str) -> AuthMethod:
    return build_auth_method(from_environment({**BASE, **variables}))


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, AppRole(Path("/r"), Path("/s"), "approle")),
        (
            {"STRONGROOM_AUTH_MOUNT": "east/approle"},
            AppRole(Path("/r"), Path("/s"), "east/approle"),
        ),
        (
            {"STRONGROOM_AUTH": "jwt", "STRONGROOM_JWT_FILE": "/j"},
            JwtFile(Path("/j"), "shop-prod", "jwt"),
        ),
        (
            {"STRONGROOM_AUTH": "kubernetes"},
            JwtFile(SERVICE_ACCOUNT_TOKEN, "shop-prod", "kubernetes"),
        ),
        (
            {"STRONGROOM_AUTH": "kubernetes", "STRONGROOM_AUTH_MOUNT": "east"},
            JwtFile(SERVICE_ACCOUNT_TOKEN, "shop-prod", "east"),
        ),
        ({"STRONGROOM_AUTH": "cert", **PAIR}, Certificate("shop-prod", "cert")),
    ],
)
def test_auth_method_has_default_mount_and_role_of_scope(
    variables: dict[str, str], expected: AuthMethod
) -> None:
    assert login(**variables) == expected


def test_auth_method_for_agent_is_token_file_or_proxy() -> None:
    proxy = {"STRONGROOM_AUTH": "proxy", "VAULT_ADDR": "http://127.0.0.1:8100"}
    assert isinstance(login(**proxy), Proxy)
    sink = login(STRONGROOM_AUTH="token", STRONGROOM_TOKEN_FILE="/t")
    assert isinstance(sink, TokenFile)
    assert not sink.owns_token


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"STRONGROOM_AUTH": "userpass"}, "expected one of approle, approle-wrapped, jwt"),
        ({"STRONGROOM_AUTH_MOUNT": "../sys"}, "STRONGROOM_AUTH_MOUNT is '../sys'"),
        ({"STRONGROOM_AUTH_MOUNT": "auth/jwt/"}, "STRONGROOM_AUTH_MOUNT"),
        ({"STRONGROOM_AUTH": "jwt"}, "STRONGROOM_JWT_FILE is not set"),
        ({"STRONGROOM_AUTH": "token"}, "STRONGROOM_TOKEN_FILE is not set"),
        ({"STRONGROOM_AUTH": "cert"}, "VAULT_CLIENT_CERT is not set"),
        ({"STRONGROOM_AUTH": "cert", "VAULT_CLIENT_CERT": "/c"}, "VAULT_CLIENT_KEY is not set"),
        ({"STRONGROOM_AUTH": "cert", "VAULT_CLIENT_KEY": "/k"}, "VAULT_CLIENT_CERT is not set"),
        (
            {"STRONGROOM_AUTH": "cert", "VAULT_ADDR": "http://127.0.0.1:8200", **PAIR},
            "cert needs https",
        ),
        ({"STRONGROOM_AUTH": "proxy"}, "needs an agent on this machine"),
        (
            {"STRONGROOM_ROLE_ID_FILE": ""},
            "STRONGROOM_ROLE_ID_FILE is not set; it and STRONGROOM_SECRET_ID_FILE name the files",
        ),
        (
            {"STRONGROOM_SECRET_ID_FILE": ""},
            "STRONGROOM_SECRET_ID_FILE is not set; it and STRONGROOM_ROLE_ID_FILE name the files",
        ),
        ({"STRONGROOM_ROLE_ID_FILE": ""}, "a credential that strongroom issue-secret-id writes"),
        ({"STRONGROOM_ROLE_ID_FILE": ""}, "or select another login with STRONGROOM_AUTH"),
    ],
)
def test_auth_method_without_setting_names_variable(variables: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        login(**variables)
    assert words in str(caught.value)


def test_client_certificate_without_key_is_rejected(tmp_path: Path) -> None:
    one, other = (write_certificate(tmp_path / name) for name in ("one.pem", "other.pem"))
    Transport("https://vault", cacert=None, certificate=(one, one), connect_timeout=1).close()
    for pair in ((one, other), (tmp_path / "none", one)):
        with pytest.raises(ConfigurationError, match="VAULT_CLIENT_CERT, VAULT_CLIENT_KEY"):
            Transport("https://vault", cacert=None, certificate=pair, connect_timeout=1)


def test_token_file_replaced_has_new_credential(tmp_path: Path) -> None:
    sink, fresh = tmp_path / "sink", tmp_path / "fresh"
    sink.write_text("one\n")
    method = TokenFile(sink)
    first = method.login(_never)
    assert (first.value, method.has_new_credential()) == ("one", False)
    fresh.write_text("two\n")
    os.utime(fresh, ns=(0, 0))
    fresh.replace(sink)
    assert method.has_new_credential()
    assert method.login(_never).value == "two"
    sink.unlink()
    assert not method.has_new_credential()
    with pytest.raises(ConfigurationError, match="STRONGROOM_TOKEN_FILE"):
        method.login(_never)


def test_wrapping_token_that_no_server_has_seen_stays_a_new_credential(tmp_path: Path) -> None:
    role_id, wrapping = tmp_path / "role-id", tmp_path / "wrapping-token"
    for file in (role_id, wrapping):
        file.write_text("text")
    method = WrappedAppRole("shop-prod", role_id, wrapping)
    with pytest.raises(Unreachable):
        method.login(_unreachable)
    assert method.has_new_credential()


def _never(method: str, path: str, *_: object, **__: object) -> dict[str, object]:
    raise AssertionError(method, path)  # because a token in a file needs no request


def _unreachable(*_: object, **__: object) -> dict[str, object]:
    raise Unreachable("no server")
