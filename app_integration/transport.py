"""One request to the server, through hvac's adapter, with its answer or one of our errors.

hvac's own exceptions are never raised: their text is the response body, which for a Transit batch
holds other items' plaintexts.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import requests
from hvac.adapters import RawAdapter

from app_integration.errors import (
    AccessDenied,
    DeadlineExceeded,
    RateLimited,
    RequestRefused,
    Sealed,
    ServerError,
    ServerFault,
    StrongroomError,
    Unreachable,
)
from app_integration.names import Need

_CAPABILITY: Final = {"GET": "read", "POST": "update", "LIST": "list", "DELETE": "delete"}
_STANDBY: Final = {429, 472, 473}
_SEALED: Final = {501, 503}
#: Below these paths an answer's words may repeat what was sent or stored.
_SILENT: Final = ("transit/", "secret/", "cubbyhole/", "database/creds/", "sys/wrapping/")
_MAX_EXPLANATION: Final = 300  # characters of the server's own words in an error


class Transport:
    """Sends single requests to one server address. Holds no token, never retries."""

    def __init__(self, address: str, *, cacert: Path | None, connect_timeout: float) -> None:
        """Args: *connect_timeout* in seconds; *cacert* a PEM file, or None for the system's."""
        self.address = address
        self._connect_timeout = connect_timeout
        session = requests.Session()
        # Neither a proxy nor ~/.netrc of the surrounding shell has a say in where a token goes.
        session.trust_env = False
        session.verify = str(cacert) if cacert else True
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
        adapter = RawAdapter(
            base_uri=self.address, token=token, session=self._session, allow_redirects=True
        )
        try:
            response = adapter.request(
                method,
                f"/v1/{path}",
                raise_exception=False,
                json=body,
                timeout=(min(self._connect_timeout, timeout), timeout),
                wrap_ttl=wrap_ttl,
            )
        except requests.ReadTimeout:
            raise DeadlineExceeded(
                f"no answer from {self.address} to {method} {path} within {timeout:.1f} s"
            ) from None
        except requests.exceptions.SSLError:
            raise Unreachable(
                f"{self.address} has no certificate that VAULT_CACERT vouches for"
            ) from None
        except requests.RequestException as error:
            raise Unreachable(
                f"{self.address} can't be reached ({type(error).__name__}); "
                "is it running, and is VAULT_ADDR right?"
            ) from None
        return _decode(method, path, response)

    def close(self) -> None:
        """Close the pooled connections."""
        self._session.close()


def _decode(method: str, path: str, response: requests.Response) -> dict[str, Any]:
    body = _json(response)
    if not response.ok:
        raise _failure(method, path, response.status_code, body)
    return body


def _json(response: requests.Response) -> dict[str, Any]:
    if response.status_code == HTTPStatus.NO_CONTENT or not response.content:
        return {}
    try:
        body = response.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _failure(method: str, path: str, status: int, body: Mapping[str, Any]) -> StrongroomError:
    where = f"{method} {path}"
    words = _explanation(path, body)
    if status == HTTPStatus.FORBIDDEN:
        rule = Need(path, _CAPABILITY[method]).rule()
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


def _explanation(path: str, body: Mapping[str, Any]) -> str:
    errors = body.get("errors")
    if path.startswith(_SILENT) or not isinstance(errors, list) or not errors:
        return ""
    return f": {' '.join('; '.join(map(str, errors)).split())[:_MAX_EXPLANATION]}"
