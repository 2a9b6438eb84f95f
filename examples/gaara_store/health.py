"""Health check of the store and its parts. It gives no details, because it needs no login."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path

from flask import Blueprint, Response, jsonify
from sqlalchemy.exc import SQLAlchemyError

from app_integration.config.deliver import State, status_file
from app_integration.config.loader import ConfigFile
from app_integration.errors import StrongroomError
from examples.gaara_store.config import StoreConfig
from examples.gaara_store.keys import KEYS_LOST
from examples.gaara_store.problems import Unavailable
from examples.gaara_store.secrets_server import ping_secrets
from examples.gaara_store.store import current_store

log = logging.getLogger(__name__)
blueprint = Blueprint("health", __name__)


@blueprint.get("/health")
def health() -> tuple[Response, HTTPStatus]:
    """Return the state of each part.

    The status is 200 while the store can answer some requests, and 503 if it cannot answer any.
    """
    store = current_store()
    are_keys_lost = store.users.keys.are_lost()
    parts = {
        "secrets": _is_available("the secrets server", ping_secrets),
        "database": _is_available("database", store.users.ping),
        "redis": _is_available("redis", store.attempts.ping),
        "config": _is_config_current(store.config_file),
        "keys": not are_keys_lost,
    }
    body = jsonify(
        status="ok" if all(parts.values()) else "degraded",
        parts=parts,
        config_age_seconds=_age(store.config_file.path, time.time()),
        **({"message": KEYS_LOST} if are_keys_lost else {}),
    )
    # Without the database no request can be answered, and with lost keys none for long. The other
    # parts are needed by some requests only.
    is_serving = parts["database"] and parts["keys"]
    return body, HTTPStatus.OK if is_serving else HTTPStatus.SERVICE_UNAVAILABLE


def _is_available(part: str, ping: Callable[[], None]) -> bool:
    try:
        ping()
    except (StrongroomError, SQLAlchemyError, Unavailable) as error:
        log.warning("%s is unavailable: %s", part, error)
        return False
    return True


def _is_config_current(config_file: ConfigFile[StoreConfig]) -> bool:
    """Return whether the newest config is in use: neither delivery nor the store rejected it."""
    config_file.current()  # because this loads a newer file, and sets `rejected` if it is invalid
    try:
        delivery = json.loads(status_file(config_file.path).read_text(encoding="utf-8"))["state"]
    except FileNotFoundError:  # because no agent delivered the file
        delivery = None
    is_blocked = delivery in {State.REFUSED, State.ROLLED_BACK, State.WAITING}
    return config_file.rejected is None and not is_blocked


def _age(path: Path, now: float) -> float | None:
    """Return the seconds since the file at *path* was delivered, or None if it is missing."""
    try:
        return round(now - path.stat().st_mtime, 1)
    except OSError:
        return None
