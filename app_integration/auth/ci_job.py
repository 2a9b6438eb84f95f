"""Auth methods of a CI job, which gets a JWT from its runner without a file."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from http.client import HTTPException
from typing import Any, Final
from urllib.parse import quote, urlsplit

from app_integration._internal.server_urls import is_local
from app_integration.auth.from_settings import add_accessor_hmac, build_auth_method
from app_integration.auth.methods import AuthMethod, Send, Token, log_in
from app_integration.errors import (
    AuthenticationFailed,
    ConfigurationError,
    UnexpectedAnswer,
    Unreachable,
)
from app_integration.names import JWT_MOUNT
from app_integration.secret import Secret
from app_integration.settings import Settings

#: Variable with a JWT itself, because GitLab gives a job its tokens in variables.
JWT_VARIABLE: Final = "STRONGROOM_JWT"
_AUDIENCE: Final = "STRONGROOM_JWT_AUDIENCE"
_GITHUB: Final = ("ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN")
_TIMEOUT: Final = 5.0  # seconds, one request to GitHub
_MAX_BYTES: Final = 64 * 1024  # of GitHub's response


def build_job_method(settings: Settings, variables: Mapping[str, str]) -> AuthMethod:
    """Return the auth method of a CI job. Nothing is read or sent.

    With ``STRONGROOM_AUTH=jwt`` and without ``STRONGROOM_JWT_FILE``, the JWT is that of the job.
    """
    if settings.auth.method != "jwt" or settings.auth.jwt_file is not None:
        return build_auth_method(settings)
    role, mount = str(settings.scope), settings.auth.mount or JWT_MOUNT
    if jwt := variables.get(JWT_VARIABLE, "").strip():
        return add_accessor_hmac(settings, JobVariable(Secret(jwt), role, mount))
    url, bearer = (variables.get(name, "") for name in _GITHUB)
    if not (url and bearer):
        raise ConfigurationError(
            "this CI job has no token to log in with: in GitHub, give it 'permissions: {id-token:"
            " write}', which a pull request of a fork does not get; in GitLab, name one"
            f" {JWT_VARIABLE} under 'id_tokens'; elsewhere, set STRONGROOM_JWT_FILE"
        )
    if not url.startswith("https://") and not is_local(url):
        raise ConfigurationError(f"{_GITHUB[0]} is not https; leave it as GitHub sets it")
    audience = variables.get(_AUDIENCE) or settings.require_address()
    return add_accessor_hmac(settings, GitHubJob(url, Secret(bearer), audience, role, mount))


@dataclass(frozen=True, slots=True)
class JobVariable(AuthMethod):
    """The JWT in a variable of a job, as GitLab gives it."""

    jwt: Secret
    role: str
    mount: str

    @property
    def hint(self) -> str:
        """Return the advice that follows in the error when the server rejects the login."""
        return (
            f"check that the role {self.role} accepts the audience and claims of the token in"
            f" {JWT_VARIABLE}, and that it has not expired"
        )

    def login(self, send: Send) -> Token:
        """Log in at ``auth/jwt/login``."""
        return log_in(send, self.mount, {"role": self.role, "jwt": self.jwt})


@dataclass(frozen=True, slots=True)
class GitHubJob(AuthMethod):
    """The JWT that GitHub signs for a job, requested at each login."""

    url: str
    bearer: Secret = field(repr=False)
    audience: str
    role: str
    mount: str

    @property
    def hint(self) -> str:
        """Return the advice that follows in the error when the server rejects the login."""
        return (
            f"check that the role {self.role} accepts the audience {self.audience}, and this job's"
            " claims, such as repository, event_name, ref and environment"
        )

    def login(self, send: Send) -> Token:
        """Request the JWT, and log in at ``auth/jwt/login``."""
        return log_in(send, self.mount, {"role": self.role, "jwt": self._request_jwt()})

    def _request_jwt(self) -> Secret:
        failed = f"{urlsplit(self.url).netloc} gave this job no token"
        try:
            content = self._get()
        except urllib.error.HTTPError as error:
            error.close()
            if error.code >= HTTPStatus.INTERNAL_SERVER_ERROR:
                raise Unreachable(f"{failed}: status {error.code}; run the job again") from None
            raise AuthenticationFailed(
                f"{failed}: status {error.code}; give it 'permissions: {{id-token: write}}'"
            ) from None
        except (OSError, HTTPException) as error:
            reason = getattr(error, "reason", error)
            raise Unreachable(f"{failed}: {reason}; check the runner's network") from None
        jwt = _parse_value(content)
        if jwt is None:
            raise UnexpectedAnswer(f"{failed}: its response has no 'value'; run the job again")
        return jwt

    def _get(self) -> bytes:
        separator = "&" if urlsplit(self.url).query else "?"
        request = urllib.request.Request(  # noqa: S310 (build_job_method checks the scheme)
            f"{self.url}{separator}audience={quote(self.audience, safe='')}",
            headers={"Authorization": f"bearer {self.bearer.reveal()}"},
        )
        with _opener.open(request, timeout=_TIMEOUT) as response:
            content: bytes = response.read(_MAX_BYTES)
        return content


def _parse_value(content: bytes) -> Secret | None:
    """Return the JWT in GitHub's response, or None if there is none."""
    try:
        jwt = json.loads(content)["value"]
    except (ValueError, TypeError, KeyError):
        return None
    return Secret(jwt) if isinstance(jwt, str) and jwt else None


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect is an error, because a request that follows it would carry the bearer token."""

    def redirect_request(self, *_: Any) -> None:
        """Return no further request."""


_opener: Final = urllib.request.build_opener(_NoRedirect)
