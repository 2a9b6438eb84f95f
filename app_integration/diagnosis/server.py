"""Checks of the server that need no login: address, TLS, clock, seal."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

from app_integration._internal.server_urls import port_of
from app_integration.diagnosis.check import Broken
from app_integration.errors import ConfigurationError
from app_integration.transport.tls import create_ssl_context

#: Seconds for one connection.
TIMEOUT: Final = 5.0
#: A difference of the clocks up to this one breaks neither certificates nor signed tokens.
TOLERANCE: Final = timedelta(seconds=60)
#: Keys of the seal status that every server has.
_STATUS: Final = ("initialized", "sealed", "version")
_EXPIRED: Final = 10  # X509_V_ERR_CERT_HAS_EXPIRED
_NOT_YET: Final = 9  # X509_V_ERR_CERT_NOT_YET_VALID
_HOSTNAME: Final = frozenset({62, 64})  # X509_V_ERR_HOSTNAME_MISMATCH, …_IP_ADDRESS_MISMATCH


class Server:
    """Server at *address*, trusted by the authorities in *cacert*."""

    def __init__(self, address: str, cacert: Path | None) -> None:
        self._address = address
        self._cacert = cacert
        self._parts: SplitResult = urlsplit(address)
        self._response: tuple[dict[str, Any], str | None] | None = None

    def check_address(self) -> str:
        """Connect to the server's port."""
        try:
            self._connect().close()
        except (socket.gaierror, UnicodeError):  # the latter if a part of the name is empty
            raise Broken(
                f"the host of {self._address} is unknown", "correct VAULT_ADDR, or the name server"
            ) from None
        except OSError as error:
            raise Broken(
                f"{self._address} accepts no connection: {error.strerror or 'no response'}",
                "start the server (locally: strongroom up), or correct VAULT_ADDR",
            ) from None
        return f"{self._address} accepts connections"

    def check_tls(self) -> str:
        """Negotiate TLS, and verify the server's certificate."""
        if self._parts.scheme != "https":
            return "not needed: the address is on this machine"
        try:
            context = create_ssl_context(self._cacert, None)
            with context.wrap_socket(self._connect(), server_hostname=self._parts.hostname) as tls:
                return str(tls.version())
        except ConfigurationError as error:
            raise Broken(str(error), "correct VAULT_CACERT") from None
        except ssl.SSLCertVerificationError as error:
            raise Broken(f"its certificate: {error.verify_message}", _remedy(error)) from None
        except (ssl.SSLError, ConnectionError, TimeoutError):
            raise Broken(
                f"{self._address} does not speak TLS", "correct the port, or http in VAULT_ADDR"
            ) from None

    def check_api(self) -> str:
        """Check that a Vault or OpenBao responds."""
        status, _ = self._read_status()
        return f"version {status['version']}"

    def check_clock(self, now: datetime) -> str:
        """Compare this machine's time, *now*, with the server's."""
        _, date = self._read_status()
        if date is None:
            return "the server does not report its time"
        ahead = now - parsedate_to_datetime(date)
        if abs(ahead) > TOLERANCE:
            seconds, word = (
                round(abs(ahead).total_seconds()),
                "ahead of" if ahead > timedelta() else "behind",
            )
            raise Broken(
                f"this machine's clock is {seconds} s {word} the server's",
                "synchronise the clocks: certificates and signed tokens have times",
            )
        return f"within {TOLERANCE.seconds} s of the server's"

    def check_seal(self) -> str:
        """Check that the server is initialised and unsealed."""
        status, _ = self._read_status()
        if not status["initialized"]:
            raise Broken(
                "the server is not initialised", "'operator init' of bao or vault, then unseal it"
            )
        if status["sealed"]:
            raise Broken(
                "the server is sealed",
                "'operator unseal' of bao or vault, with the unseal keys"
                " (locally: strongroom down, then strongroom up)",
            )
        return "the server is unsealed"

    def _connect(self) -> socket.socket:
        if self._parts.scheme == "unix":
            found = socket.socket(socket.AF_UNIX)
            found.settimeout(TIMEOUT)
            found.connect(self._parts.path)
            return found
        port = port_of(self._parts)
        return socket.create_connection((self._parts.hostname, port), TIMEOUT)

    def _read_status(self) -> tuple[dict[str, Any], str | None]:
        """Return the seal status, and the time of the response."""
        if self._response is None:
            self._response = self._fetch_status()
        return self._response

    def _fetch_status(self) -> tuple[dict[str, Any], str | None]:
        connection = http.client.HTTPConnection(
            self._parts.hostname or "localhost", timeout=TIMEOUT
        )
        try:
            connection.sock = self._connect()
            if self._parts.scheme == "https":
                context = create_ssl_context(self._cacert, None)
                connection.sock = context.wrap_socket(
                    connection.sock, server_hostname=self._parts.hostname
                )
            connection.request("GET", "/v1/sys/seal-status", headers={"X-Vault-Request": "true"})
            response = connection.getresponse()
            status = dict(json.loads(response.read()))
            return {key: status[key] for key in _STATUS}, response.headers["Date"]
        except (OSError, ValueError, TypeError, KeyError, http.client.HTTPException):
            raise Broken(
                f"what listens at {self._address} is no Vault or OpenBao", "correct VAULT_ADDR"
            ) from None
        finally:
            connection.close()


def _remedy(error: ssl.SSLCertVerificationError) -> str:
    if error.verify_code == _EXPIRED:
        return "renew the server's certificate or its authority's, or correct this machine's clock"
    if error.verify_code == _NOT_YET:
        return "correct this machine's clock"
    if error.verify_code in _HOSTNAME:
        return "use a name of the certificate in VAULT_ADDR, or issue one for this name"
    return "set VAULT_CACERT to the certificate of the authority that signed it"
