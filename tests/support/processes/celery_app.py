"""Celery application on leased Redis users, whose task writes down that it was executed."""

from __future__ import annotations

import os
from pathlib import Path

from celery import Celery

from app_integration.integrations.celery import use_leased_redis

app = Celery("visits")
app.conf.worker_hijack_root_logger = False
# So that a message that a worker received, and could not return, is delivered again in the test.
# But not while the worker waits for a lease, because it would execute the task twice.
app.conf.broker_transport_options = {
    "visibility_timeout": 20,
    "unacked_restore_interval": 1,
    "unacked_restore_throttle": 1,
}
use_leased_redis(app, url=os.environ["VISITS_REDIS"])


@app.task(name="visits.record")  # type: ignore[untyped-decorator] # Celery has no types
def record(number: int) -> int:
    with Path(os.environ["VISITS_EXECUTED"]).open("a", encoding="ascii", buffering=1) as file:
        file.write(f"{number}\n")
    return number
