"""WSGI application for gunicorn whose log is encrypted, by a handler from before the fork."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from app_integration import encrypted_log_handler

logger = logging.getLogger("shop.http")
logger.setLevel(logging.INFO)
logger.addHandler(encrypted_log_handler(Path(os.environ["TMPDIR"]), log="http"))
logger.info("%d is ready", os.getpid())


def application(environ: dict[str, Any], start: Callable[..., object]) -> Iterable[bytes]:
    logger.info("%d got %s", os.getpid(), environ["PATH_INFO"])
    start("200 OK", [("Content-Type", "text/plain")])
    return [b"%d" % os.getpid()]
