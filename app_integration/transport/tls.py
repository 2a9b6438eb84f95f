"""Whom a connection trusts, and what it shows of itself."""

from __future__ import annotations

import ssl
from pathlib import Path

import certifi

from app_integration.errors import ConfigurationError


def create_ssl_context(
    cacert: Path | None, certificate: tuple[Path, Path] | None
) -> ssl.SSLContext:
    """Who is trusted, and the client's own certificate.

    Raises:
        ConfigurationError: a file can't be read, or isn't what it should be.

    """
    try:
        context = ssl.create_default_context(cafile=str(cacert or certifi.where()))
    except ssl.SSLError:
        raise ConfigurationError(f"VAULT_CACERT: {cacert} holds no certificate in PEM") from None
    except OSError as error:
        raise ConfigurationError(
            f"VAULT_CACERT: {cacert} can't be read: {error.strerror}"
        ) from None
    if certificate is not None:
        _add_certificate(context, certificate)
    return context


def _add_certificate(context: ssl.SSLContext, certificate: tuple[Path, Path]) -> None:
    where = "VAULT_CLIENT_CERT, VAULT_CLIENT_KEY: {} and {}".format(*certificate)
    try:
        # A password is refused rather than asked for at a terminal.
        context.load_cert_chain(*certificate, password="")
    except ssl.SSLError:
        raise ConfigurationError(
            f"{where} hold no certificate with its key in PEM, without a password"
        ) from None
    except OSError as error:
        raise ConfigurationError(f"{where} can't be read: {error.strerror}") from None
