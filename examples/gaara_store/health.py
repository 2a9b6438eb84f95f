"""What works now, part by part; no login needed, so no details."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from contextlib import closing
from http import HTTPStatus
from pathlib import Path
from typing import Final

from flask import Blueprint, Response, jsonify
from sqlalchemy.exc import SQLAlchemyError

from app_integration.config.deliver import State, status_file
from app_integration.config.loader import ConfigFile
from app_integration.errors import StrongroomError
from app_integration.settings import from_environment
from app_integration.transport.http import Transport
from examples.gaara_store.config import StoreConfig
from examples.gaara_store.keys import GONE
from examples.gaara_store.problems import Unavailable
from examples.gaara_store.store import current_store

log = logging.getLogger(__name__)
blueprint = Blueprint("health", __name__)

VAULT_TIMEOUT: Final = 2.0  # seconds


@blueprint.get("/health")
def health() -> tuple[Response, HTTPStatus]:
    """200 while the store can serve anybody, also when some part is away; else 503."""
    store = current_store()
    gone = store.users.keys.gone()
    parts = {
        "vault": _works("vault", _ping_vault),
        "database": _works("database", store.users.ping),
        "redis": _works("redis", store.attempts.ping),
        "config": _in_effect(store.config_file),
        "keys": not gone,
    }
    body = jsonify(
        status="ok" if all(parts.values()) else "degraded",
        parts=parts,
        config_age_seconds=_age(store.config_file.path, time.time()),
        **({"message": GONE} if gone else {}),
    )
    # Nothing can be answered without the database, nor for long with the keys gone. All else is
    # missed by some requests only.
    serves = parts["database"] and parts["keys"]
    return body, HTTPStatus.OK if serves else HTTPStatus.SERVICE_UNAVAILABLE


def _works(part: str, ping: Callable[[], None]) -> bool:
    try:
        ping()
    except (StrongroomError, SQLAlchemyError, Unavailable) as error:
        log.warning("%s doesn't answer: %s", part, error)
        return False
    return True


def _ping_vault() -> None:
    settings = from_environment()
    with closing(
        Transport(
            settings.require_address(),
            cacert=settings.vault_cacert,
            connect_timeout=VAULT_TIMEOUT,
        )
    ) as transport:
        transport.send("GET", "sys/health?standbyok=true", timeout=VAULT_TIMEOUT)


def _in_effect(config_file: ConfigFile[StoreConfig]) -> bool:
    """Whether the newest config is the one in use: neither delivery nor the store refused it."""
    config_file.current()  # looks for a newer file
    try:
        delivery = json.loads(status_file(config_file.path).read_text(encoding="utf-8"))["state"]
    except FileNotFoundError:  # not delivered by an agent
        delivery = None
    held_up = delivery in {State.REFUSED, State.WAITING}
    return config_file.rejected is None and not held_up


def _age(path: Path, now: float) -> float | None:
    """Seconds since the file at *path* was delivered; None when it is gone."""
    try:
        return round(now - path.stat().st_mtime, 1)
    except OSError:
        return None
