"""WSGI application for gunicorn that reads secrets before the workers are forked."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from typing import Any

from app_integration import default_client, get_secret, get_secret_info, on_change

get_secret("jwt-secret")
get_secret("redis-url")
on_change("redis-url", print)


def application(environ: dict[str, Any], start: Callable[..., object]) -> Iterable[bytes]:
    """Return the state of this worker as JSON. ``/ask`` first forces a refresh of a secret."""
    if environ["PATH_INFO"] == "/ask":
        get_secret("jwt-secret", force_refresh=True)
    get_secret("jwt-secret")
    client, info = default_client.get_default_client(), get_secret_info("jwt-secret")
    state = {
        "pid": os.getpid(),
        "token": client.session._tokens.cached_token is not None,
        "refreshes": client.secrets.fetcher.refresher.worker.is_running,
        "version": info and info.version,
    }
    start("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(state).encode()]
