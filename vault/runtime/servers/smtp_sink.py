"""A mail server that delivers nothing: every message becomes a file.

Run as ``python -m vault.runtime.servers.smtp_sink``, with ``--port N --mail-dir D --user U
--password-file F``.
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
from app_integration.secret import Secret
from vault.runtime.files import read_or_create_password
from vault.runtime.ports import HOST


@dataclass(frozen=True)  # no slots: aiosmtpd reads every member, which fails on Python 3.11.2
class Sink:
    """Keeps each message as ``<nanoseconds>-<random>.eml``, in order of arrival."""

    folder: Path
    now: Callable[[], int] = time.time_ns  # nanoseconds since 1970

    async def handle_DATA(  # noqa: N802 - the name that aiosmtpd calls
        self, _server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        """Write the message, below two headers with the addresses it was handed over with."""
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
    """Lets one user in."""

    user: str
    password: Secret

    def __call__(
        self, _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, given: Any
    ) -> AuthResult:
        """Whether *given* is that user's name and password."""
        success = isinstance(given, LoginPassword) and (
            hmac.compare_digest(given.login, self.user.encode())
            and hmac.compare_digest(given.password, self.password.encode())
        )
        return AuthResult(success=success, handled=False)


async def serve(host: str, port: int, sink: Sink, authenticator: Authenticator) -> None:
    """Take messages on *host*:*port* until SIGTERM."""
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stopped.set)

    def connection() -> SMTP:
        return SMTP(
            sink,
            hostname="localhost",
            auth_required=True,
            auth_require_tls=False,
            authenticator=authenticator,
        )

    async with await loop.create_server(connection, host, port):
        await stopped.wait()


def main() -> None:
    """Serve as the command line says."""
    parser = argparse.ArgumentParser(description="Keep every message as a file.")
    parser.add_argument("--host", default=HOST, help="address to listen on")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--mail-dir", type=Path, required=True)
    parser.add_argument("--user", required=True)
    parser.add_argument("--password-file", type=Path, required=True)
    given = parser.parse_args()
    # AUTH without TLS is what this is for: nobody beyond this machine reaches it.
    logging.getLogger("mail.log").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", message="Requiring AUTH while not requiring TLS")
    authenticator = Authenticator(given.user, read_or_create_password(given.password_file))
    asyncio.run(serve(given.host, given.port, Sink(given.mail_dir), authenticator))


if __name__ == "__main__":
    main()
