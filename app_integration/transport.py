"""One request to the server, through hvac's adapter, with its answer or one of our errors.

hvac's own exceptions are never raised: their text is the response body, which for a Transit batch
holds other items' plaintexts.
"""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import SplitResult, urlsplit

import requests
import urllib3
from hvac.adapters import RawAdapter

from app_integration.errors import (
    AccessDenied,
    ConfigurationError,
    DeadlineExceeded,
    RateLimited,
    RequestRefused,
    Sealed,
    ServerError,
    ServerFault,
    StrongroomError,
    Unreachable,
)
from app_integration.settings import LOOPBACK
from app_integration.timely import TimelyAdapter

#: A POST to what isn't there yet takes "create".
_CAPABILITY: Final = {
    "GET": '"read"',
    "POST": '"create", "update"',
    "LIST": '"list"',
    "DELETE": '"delete"',
}
_SCHEMES: Final = {"http", "https"}
_REDIRECT: Final = {301, 302, 307, 308}
_STANDBY: Final = {429, 472, 473}
_SEALED: Final = {501, 503}
#: Below these paths an answer's words may repeat what was sent or stored.
_SILENT: Final = ("transit/", "secret/", "cubbyhole/", "database/creds/", "sys/wrapping/")
_MAX_EXPLANATION: Final = 300  # characters of the server's own words in an error
MAX_ANSWER: Final = 64 * 2**20  # bytes; a batch of the largest values stays below
_PIECE: Final = 64 * 1024  # bytes read at once
_LEAST_TIMEOUT: Final = 0.001  # seconds; 0 would mean "don't wait for a socket at all"


@dataclass(frozen=True, slots=True)
class _Request:
    """One request; it is shown without token and body."""

    method: str
    path: str
    token: str | None = field(repr=False)
    body: Mapping[str, Any] | None = field(repr=False)
    wrap_ttl: int | None  # seconds

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer read whole; *location* is where a redirect leads."""

    status: int
    content: bytes = field(repr=False)
    location: str = ""


class Sender(Protocol):
    """What a session sends its requests through: a :class:`Transport`, or one in memory."""

    def send(
        self,
        method: str,
        path: str,
        *,
        timeout: float,
        token: str | None = None,
        body: Mapping[str, Any] | None = None,
        wrap_ttl: int | None = None,
    ) -> dict[str, Any]:
        """As :meth:`Transport.send`."""
        ...

    def close(self) -> None:
        """Close what is open."""
        ...


class Transport:
    """Sends single requests to one server address. Holds no token, never retries."""

    def __init__(
        self,
        address: str,
        *,
        cacert: Path | None,
        certificate: tuple[Path, Path] | None = None,
        connect_timeout: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Args: *connect_timeout* in seconds; *cacert* a PEM file, or None for the system's.

        *certificate* is the client's, with its key, shown to a server that asks for one.

        Raises:
            ConfigurationError: *cacert* or *certificate* can't be read, or holds none.
        """
        _check_cacert(cacert)
        _check_certificate(certificate)
        self.address = address
        self._clock = clock
        self._connect_timeout = connect_timeout
        session = requests.Session()
        # Neither a proxy nor ~/.netrc of the surrounding shell has a say in where a token goes.
        session.trust_env = False
        session.verify = str(cacert) if cacert else True
        session.cert = (str(certificate[0]), str(certificate[1])) if certificate else None
        for scheme in _SCHEMES:
            session.mount(f"{scheme}://", TimelyAdapter())
        self._session = session

    def send(
        self,
        method: str,
        path: str,
        *,
        timeout: float,
        token: str | None = None,
        body: Mapping[str, Any] | None = None,
        wrap_ttl: int | None = None,
    ) -> dict[str, Any]:
        """The decoded answer; ``{}`` when there is none.

        Args:
            method: GET, POST, LIST or DELETE.
            path: API path without the leading ``/v1/``.
            timeout: seconds for the whole request.
            token: sent when given.
            body: sent as JSON.
            wrap_ttl: seconds; asks for a response-wrapped answer.

        Raises:
            ServerError: any of its kinds.
            AccessDenied: 403.
        """
        end = self._clock() + timeout
        request = _Request(method, path, token, body, wrap_ttl)
        answer = self._exchange(request, self.address, end)
        if answer.status in _REDIRECT:
            # A standby names the leader: one hop, the same request.
            answer = self._exchange(request, self._leader(request, answer.location), end)
        return decode(method, path, answer)

    def _exchange(self, request: _Request, address: str, end: float) -> Answer:
        """One request and its whole answer before *end*, on the clock."""
        adapter = RawAdapter(
            base_uri=address, token=request.token, session=self._session, allow_redirects=False
        )
        left = max(end - self._clock(), _LEAST_TIMEOUT)
        try:
            response = adapter.request(
                request.method,
                f"/v1/{request.path}",
                raise_exception=False,
                json=request.body,
                timeout=(min(self._connect_timeout, left), left),
                wrap_ttl=request.wrap_ttl,
                stream=True,
            )
            with closing(response):
                return _whole(request, response)
        except (requests.ReadTimeout, urllib3.exceptions.ReadTimeoutError):
            raise DeadlineExceeded(f"no whole answer from {address} to {request} in time") from None
        except requests.exceptions.SSLError:
            raise Unreachable(
                f"{address} has no certificate that VAULT_CACERT vouches for"
            ) from None
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            raise Unreachable(
                f"{address} can't be reached ({type(error).__name__}); "
                "is it running, and is VAULT_ADDR right?"
            ) from None

    def _leader(self, request: _Request, location: str) -> str:
        """The address in *location*, when it asks for the same over no weaker a connection."""
        here, there = urlsplit(self.address), urlsplit(location)
        weaker = there.scheme != "https" and (here.scheme == "https" or _leaves(here, there))
        if weaker or there.scheme not in _SCHEMES or there.path != f"/v1/{request.path}":
            raise Unreachable(
                f"{request}: {self.address} redirects to another place; check VAULT_ADDR"
            )
        return f"{there.scheme}://{there.netloc}"

    def close(self) -> None:
        """Close the pooled connections."""
        self._session.close()


def _leaves(here: SplitResult, there: SplitResult) -> bool:
    """Whether a redirect leads from this machine to another."""
    return here.hostname in LOOPBACK and there.hostname not in LOOPBACK


def _whole(request: _Request, response: requests.Response) -> Answer:
    """Read piece by piece: what is too large is refused before it is held."""
    pieces, size = [], 0
    while piece := response.raw.read1(_PIECE, decode_content=True):
        pieces.append(piece)
        size += len(piece)
        if size > MAX_ANSWER:
            raise ServerFault(f"{request}: the answer is larger than {MAX_ANSWER} bytes")
    return Answer(response.status_code, b"".join(pieces), response.headers.get("Location", ""))


def decode(method: str, path: str, answer: Answer) -> dict[str, Any]:
    """The object in *answer* to *method* on *path*; raises as :meth:`Transport.send` does."""
    body = _json(answer.content)
    if answer.status >= HTTPStatus.BAD_REQUEST:
        raise _failure(method, path, answer.status, body or {})
    if body is None or not HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
        raise ServerFault(f"{method} {path}: no answer of a Vault server; check VAULT_ADDR")
    return body


def _json(content: bytes) -> dict[str, Any] | None:
    """The object in *content*, ``{}`` for nothing; None for anything else."""
    if not content:
        return {}
    try:
        body = json.loads(content)
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def _failure(method: str, path: str, status: int, body: Mapping[str, Any]) -> StrongroomError:
    where = f"{method} {path}"
    words = _explanation(path, body)
    if status == HTTPStatus.FORBIDDEN:
        rule = f'path "{path.partition("?")[0]}" {{ capabilities = [{_CAPABILITY[method]}] }}'
        return AccessDenied(f"{where}: denied or absent; if it should be allowed, add {rule}")
    if status in _SEALED:
        return Sealed(f"{where}: the server is sealed or not initialised")
    kinds: list[tuple[bool, type[ServerError]]] = [
        (status in _STANDBY, RateLimited),
        (status >= HTTPStatus.INTERNAL_SERVER_ERROR, ServerFault),
    ]
    for matches, kind in kinds:
        if matches:
            return kind(f"{where}: status {status}{words}")
    data = body.get("data")
    return RequestRefused(
        f"{where}: status {status}{words}",
        status=status,
        data=data if isinstance(data, dict) else None,
    )


def _check_cacert(cacert: Path | None) -> None:
    if cacert is None:
        return
    try:
        ssl.create_default_context(cafile=str(cacert))
    except ssl.SSLError:
        raise ConfigurationError(f"VAULT_CACERT: {cacert} holds no certificate in PEM") from None
    except OSError as error:
        raise ConfigurationError(
            f"VAULT_CACERT: {cacert} can't be read: {error.strerror}"
        ) from None


def _check_certificate(certificate: tuple[Path, Path] | None) -> None:
    if certificate is None:
        return
    where = "VAULT_CLIENT_CERT, VAULT_CLIENT_KEY: {} and {}".format(*certificate)
    try:
        # A password is refused rather than asked for at a terminal.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_cert_chain(*certificate, password="")
    except ssl.SSLError:
        raise ConfigurationError(
            f"{where} hold no certificate with its key in PEM, without a password"
        ) from None
    except OSError as error:
        raise ConfigurationError(f"{where} can't be read: {error.strerror}") from None


def _explanation(path: str, body: Mapping[str, Any]) -> str:
    errors = body.get("errors")
    if path.startswith(_SILENT) or not isinstance(errors, list) or not errors:
        return ""
    return f": {' '.join('; '.join(map(str, errors)).split())[:_MAX_EXPLANATION]}"
