"""A mail server that delivers no mail, and writes each message to a file.

Run as ``python -m local.servers.smtp_sink``, with ``--port N --mail-dir D --accounts A``.
"""

from __future__ import annotations

import argparse
import asyncio
import hmac
import logging
import secrets
import signal
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from app_integration._internal.private_file import write_private
from app_integration.errors import InvalidName
from app_integration.names import check_service_name
from local.ports import HOST


@dataclass(frozen=True)  # no slots: aiosmtpd reads every member, which fails on Python 3.11.2
class Sink:
    """A writer of each message to ``<nanoseconds>-<random>.eml``, sorted by time of arrival."""

    folder: Path
    now: Callable[[], int] = time.time_ns  # nanoseconds since 1970

    async def handle_DATA(  # noqa: N802 - the name that aiosmtpd calls
        self, _server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        """Write the message, with the envelope's addresses in two headers before its own."""
        headers = (
            f"X-Envelope-From: {envelope.mail_from}\r\n"
            f"X-Envelope-To: {', '.join(envelope.rcpt_tos)}\r\n"
        )
        content = envelope.original_content or b""
        name = f"{self.now():020d}-{secrets.token_hex(4)}.eml"
        write_private(self.folder / name, headers.encode() + content)
        return "250 Message kept"


@dataclass(frozen=True, slots=True)
class Authenticator:
    """A check of logins. *accounts* contains a file with the password of each user.

    The files are read at each login, so that an account can be added while the server runs.
    """

    accounts: Path

    def __call__(
        self, _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, login: Any
    ) -> AuthResult:
        """Return whether *login* has the name and password of an account."""
        success = isinstance(login, LoginPassword) and self._is_valid(login)
        return AuthResult(success=success, handled=False)

    def _is_valid(self, login: LoginPassword) -> bool:
        try:
            # The check of the name also keeps it from leading out of the folder.
            file = self.accounts / check_service_name(login.login.decode())
            password = file.read_bytes().strip()
        except (InvalidName, UnicodeDecodeError, OSError):
            return False
        return bool(password) and hmac.compare_digest(login.password, password)


class _Connection(SMTP):
    """Connection whose AUTH LOGIN asks with the words that Alertmanager expects, as most do."""

    AuthLoginUsernameChallenge = "Username:"
    AuthLoginPasswordChallenge = "Password:"


async def serve(host: str, port: int, sink: Sink, authenticator: Authenticator) -> None:
    """Accept messages on *host*:*port* until SIGTERM."""
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stopped.set)

    def connection() -> SMTP:
        return _Connection(
            sink,
            hostname="localhost",
            auth_required=True,
            auth_require_tls=False,
            authenticator=authenticator,
        )

    async with await loop.create_server(connection, host, port):
        await stopped.wait()


def main() -> None:
    """Run the mail server with the options of the command line."""
    parser = argparse.ArgumentParser(description="Keep every message as a file.")
    parser.add_argument("--host", default=HOST, help="address to listen on")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--mail-dir", type=Path, required=True)
    parser.add_argument("--accounts", type=Path, required=True)
    options = parser.parse_args()
    # Hide the warnings about AUTH without TLS, because only this machine can reach the server.
    logging.getLogger("mail.log").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", message="Requiring AUTH while not requiring TLS")
    sink, authenticator = Sink(options.mail_dir), Authenticator(options.accounts)
    asyncio.run(serve(options.host, options.port, sink, authenticator))


if __name__ == "__main__":
    main()
