"""Mail over SMTP, with a login, and never with the password in plaintext on a network."""

from __future__ import annotations

import smtplib
import ssl
from email.message import EmailMessage
from typing import Final

from examples.config_sections import Smtp
from examples.gaara_store.problems import Unavailable

TIMEOUT: Final = 10.0  # seconds, to connect and for each answer
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


def send(smtp: Smtp, message: EmailMessage) -> None:
    """Send *message* from the account *smtp*."""
    message["From"] = smtp.sender or f"{smtp.username}@{smtp.host}"
    try:
        with smtplib.SMTP(smtp.host, smtp.port, timeout=TIMEOUT) as server:
            _start_tls(server, smtp.host)
            server.login(smtp.username, smtp.password.get_secret_value())
            server.send_message(message)
    except (OSError, smtplib.SMTPException, UnicodeError) as error:
        # Name only the error's class, because a UnicodeError contains the password.
        raise Unavailable("the mail server", f"SMTP: {type(error).__name__}") from None


def _start_tls(server: smtplib.SMTP, host: str) -> None:
    server.ehlo()
    if server.has_extn("starttls"):
        server.starttls(context=ssl.create_default_context())
    elif host not in _LOOPBACK:
        raise smtplib.SMTPNotSupportedError("the mail server offers no TLS")
