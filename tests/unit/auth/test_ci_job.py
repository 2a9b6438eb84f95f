"""Auth method of a CI job: where its token comes from, and what GitHub may answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from app_integration.auth.ci_job import GitHubJob, JobVariable, build_job_method
from app_integration.auth.methods import AppRole, AuditedAuthMethod, AuthMethod, JwtFile, Token
from app_integration.errors import (
    AuthenticationFailed,
    ConfigurationError,
    StrongroomError,
    UnexpectedAnswer,
    Unreachable,
)
from app_integration.secret import Secret
from app_integration.settings import from_environment
from app_integration.testing.ports import free_ports
from tests.support.servers.github import BEARER, GitHub
from tests.support.servers.local_server import Server, serve

BASE = {
    "STRONGROOM_SERVICE": "ci-deploy",
    "ENVIRONMENT": "prod",
    "VAULT_ADDR": "https://vault.example.com:8200",
    "STRONGROOM_AUTH": "jwt",
}
GITHUB = {
    "ACTIONS_ID_TOKEN_REQUEST_URL": "https://github.example.com/token?v=1",
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN": BEARER,
}


def build(**variables: str) -> AuthMethod:
    environment = {**BASE, **variables}
    return build_job_method(from_environment(environment), environment)


def test_token_comes_from_the_file_then_the_variable_then_github() -> None:
    file, variable = {"STRONGROOM_JWT_FILE": "/j"}, {"STRONGROOM_JWT": "a.b.c\n"}
    assert isinstance(build(**file, **variable, **GITHUB), JwtFile)
    assert build(**variable, **GITHUB) == JobVariable(Secret("a.b.c"), "ci-deploy-prod", "jwt")
    url = GITHUB["ACTIONS_ID_TOKEN_REQUEST_URL"]
    expected = GitHubJob(url, Secret(BEARER), BASE["VAULT_ADDR"], "ci-deploy-prod", "jwt")
    assert build(**GITHUB) == expected


def test_settings_choose_mount_audience_audit_device_and_another_method() -> None:
    method = build(**GITHUB, STRONGROOM_AUTH_MOUNT="east", STRONGROOM_JWT_AUDIENCE="strongroom")
    assert isinstance(method, GitHubJob)
    assert (method.mount, method.audience) == ("east", "strongroom")
    assert isinstance(build(**GITHUB, STRONGROOM_AUDIT_DEVICE="file"), AuditedAuthMethod)
    files = {"STRONGROOM_ROLE_ID_FILE": "/r", "STRONGROOM_SECRET_ID_FILE": "/s"}
    assert isinstance(build(**GITHUB, **files, STRONGROOM_AUTH="approle"), AppRole)


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({}, "'permissions: {id-token: write}'"),
        ({"ACTIONS_ID_TOKEN_REQUEST_URL": "https://github.example.com"}, "has no token"),
        ({**GITHUB, "ACTIONS_ID_TOKEN_REQUEST_URL": "http://github.example.com"}, "is not https"),
        ({**GITHUB, "ACTIONS_ID_TOKEN_REQUEST_URL": "file:///etc/passwd"}, "is not https"),
    ],
)
def test_job_without_a_token_is_an_error(variables: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        build(**variables)


def test_method_does_not_show_its_token() -> None:
    assert "a.b.c" not in repr(build(STRONGROOM_JWT="a.b.c"))
    assert BEARER not in repr(build(**GITHUB))


def test_github_signs_a_token_for_the_audience() -> None:
    with serve(GitHub()) as github:
        assert isinstance(github, GitHub)
        sent = log_in(build(**github.variables))
    assert sent["role"] == "ci-deploy-prod"
    claims = github.signer.claims(sent["jwt"], BASE["VAULT_ADDR"])
    assert claims["aud"] == BASE["VAULT_ADDR"]


@pytest.mark.parametrize(
    ("server", "error", "words"),
    [
        (Server(status=403), AuthenticationFailed, "status 403; give it 'permissions:"),
        (Server(status=503), Unreachable, "status 503"),
        (Server(status=302, location="http://127.0.0.1:1/"), AuthenticationFailed, "status 302"),
        (Server(content=b"<html>"), UnexpectedAnswer, "no 'value'"),
        (Server(content=b"[1]"), UnexpectedAnswer, "no 'value'"),
        (Server(content=json.dumps({"value": ""}).encode()), UnexpectedAnswer, "no 'value'"),
    ],
    ids=["denied", "failing", "redirect", "page", "list", "empty"],
)
def test_answer_of_github_without_a_token_is_an_error(
    server: Server, error: type[StrongroomError], words: str
) -> None:
    with serve(server), pytest.raises(error, match=words) as caught:
        log_in(build(**at(server.address)))
    assert BEARER not in str(caught.value)
    assert len(server.seen) == 1


def test_github_that_cannot_be_reached_is_an_error() -> None:
    with pytest.raises(Unreachable, match="Connection refused; check the runner's network"):
        log_in(build(**at(f"http://127.0.0.1:{free_ports(1)[0]}")))


def at(address: str) -> dict[str, str]:
    return {**GITHUB, "ACTIONS_ID_TOKEN_REQUEST_URL": f"{address}/token"}


def log_in(method: AuthMethod) -> dict[str, str]:
    """Log in, and return the body of the request to the server."""
    sent: dict[str, str] = {}

    def send(
        method: str, path: str, body: Mapping[str, Any] | None = None, *, token: Token | None = None
    ) -> dict[str, Any]:
        assert (method, path, token) == ("POST", "auth/jwt/login", None)
        sent.update(body or {})
        return {"auth": {"client_token": "t", "lease_duration": 60, "renewable": True}}

    method.login(send)
    return sent
