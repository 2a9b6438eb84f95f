"""TLS settings of a connection: trusted authorities and the client's certificate."""

from __future__ import annotations

import ssl
from pathlib import Path

import certifi

from app_integration.errors import ConfigurationError


def create_ssl_context(
    cacert: Path | None, certificate: tuple[Path, Path] | None
) -> ssl.SSLContext:
    """Create a TLS context that trusts *cacert*, else certifi's bundle, and has *certificate*."""
    try:
        context = ssl.create_default_context(cafile=str(cacert or certifi.where()))
    except ssl.SSLError:
        raise ConfigurationError(
            f"VAULT_CACERT: {cacert} holds no PEM certificate; name a PEM file of the authorities"
        ) from None
    except OSError as error:
        raise ConfigurationError(
            f"VAULT_CACERT: {cacert} cannot be read: {error.strerror}; name a readable PEM file"
        ) from None
    if certificate is not None:
        _add_certificate(context, certificate)
    return context


def _add_certificate(context: ssl.SSLContext, certificate: tuple[Path, Path]) -> None:
    where = "VAULT_CLIENT_CERT, VAULT_CLIENT_KEY: {} and {}".format(*certificate)
    try:
        # An empty password, because OpenSSL would otherwise prompt for one at a terminal.
        context.load_cert_chain(*certificate, password="")
    except ssl.SSLError:
        raise ConfigurationError(
            f"{where} are not a PEM certificate and its key without a password; write them so"
        ) from None
    except OSError as error:
        raise ConfigurationError(
            f"{where} cannot be read: {error.strerror}; check the paths and their modes"
        ) from None
