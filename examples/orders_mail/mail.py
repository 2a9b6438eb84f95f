"""Mail over SMTP, with a login, and never with the password in plaintext on a network."""

from __future__ import annotations

import smtplib
import ssl
from email.headerregistry import Address
from email.message import EmailMessage
from typing import Final

from examples.config_sections import Smtp
from examples.orders_mail.orders import Order
from examples.orders_mail.outcomes import Postponed, Rejected

TIMEOUT: Final = 10.0  # seconds, to connect and for each answer
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
_PERMANENT: Final = 500  # the lowest reply code that says that no retry helps


def build_message(order: Order, recipient: str) -> EmailMessage:
    """Return the mail about *order*."""
    message = EmailMessage()
    message["To"] = Address(addr_spec=recipient)
    message["Subject"] = "Your order"
    # The same for each repetition, so that a mail server or reader recognises one.
    message["Message-ID"] = f"<{order.id}@orders-mail>"
    message.set_content(f"We received your order {order.id}:\n\n{order.quantity} x {order.item}\n")
    return message


def send(smtp: Smtp, message: EmailMessage) -> None:
    """Send *message* from the account *smtp*.

    Raises Rejected or Postponed if the mail server refuses it for good or for now.
    """
    message["From"] = smtp.sender or f"{smtp.username}@{smtp.host}"
    with smtplib.SMTP(smtp.host, smtp.port, timeout=TIMEOUT) as server:
        _start_tls(server, smtp.host)
        server.login(smtp.username, smtp.password.get_secret_value())
        try:
            server.send_message(message)
        except smtplib.SMTPRecipientsRefused as error:
            codes = [code for code, _ in error.recipients.values()]
            raise _refusal("recipient", max(codes)) from None
        except smtplib.SMTPDataError as error:
            raise _refusal("message", error.smtp_code) from None


def _refusal(what: str, code: int) -> Rejected | Postponed:
    # Without the server's text, because it may repeat the address.
    text = f"the mail server refused the {what} with {code}"
    return Rejected(text) if code >= _PERMANENT else Postponed(text)


def _start_tls(server: smtplib.SMTP, host: str) -> None:
    server.ehlo()
    if server.has_extn("starttls"):
        server.starttls(context=ssl.create_default_context())
    elif host not in _LOOPBACK:
        raise smtplib.SMTPNotSupportedError("the mail server offers no TLS")
