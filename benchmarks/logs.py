"""Benchmark of the handler that encrypts logs, beside the handler that does not.

python -m benchmarks.logs
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from app_integration.observability.encrypted_log import EncryptedLogHandler
from app_integration.testing.application import in_memory
from benchmarks.ratio import Case, Run, run_cases

TURNS: Final = 7
FORMAT: Final = "%(asctime)s %(levelname)s %(name)s %(message)s"


@contextmanager
def cases() -> Iterator[Iterator[Case]]:
    """Yield the cases, with both handlers on one disk."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(dir=Path.cwd())))
        app = stack.enter_context(in_memory("bench", folder))
        app.make_key("audit")
        encrypted = EncryptedLogHandler(app.client.files("audit"), folder)
        plain = logging.FileHandler(folder / "app.log", encoding="utf-8")
        subject, floor = (
            _logged(stack.enter_context(closing(handler))) for handler in (encrypted, plain)
        )
        yield iter([Case("encrypted log", subject, floor, "logging.FileHandler", bar=1.15)])


def _logged(handler: logging.Handler) -> Run:
    """Return a function that logs a record with *handler*, as a web server logs a request."""
    handler.setFormatter(logging.Formatter(FORMAT))
    logger = logging.Logger("shop.http")  # noqa: LOG001 (no handler of another logger)
    logger.addHandler(handler)

    def run(times: int) -> None:
        for number in range(times):
            logger.info("GET /orders/%d of customer %s: 200 in %.1f ms", number, "ada", 12.5)

    return run


if __name__ == "__main__":
    sys.exit(run_cases(__doc__, cases, TURNS))
