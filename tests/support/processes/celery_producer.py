"""Program that sends tasks until its standard input ends, and prints what became of them."""

from __future__ import annotations

import itertools
import json
import sys
import threading
import time
from typing import Any

from celery import exceptions

from tests.support.processes.celery_app import app, record

_PAUSE = 0.02  # seconds between two tasks
_PATIENCE = 60.0  # seconds for all results


def main() -> None:
    """Send numbered tasks, then wait for the result of each that the broker has accepted."""
    ended = threading.Event()
    threading.Thread(target=_wait_for_end, args=[ended], daemon=True).start()
    accepted, failures = _send(ended)
    end = time.monotonic() + _PATIENCE
    unanswered = [
        number for number, result in accepted.items() if not _has_result(result, number, end)
    ]
    found = {"accepted": list(accepted), "unanswered": unanswered, "failures": failures}
    json.dump(found, sys.stdout)


def _wait_for_end(ended: threading.Event) -> None:
    sys.stdin.read()
    ended.set()


def _has_result(result: Any, number: int, end: float) -> bool:
    """Return whether *result* arrives before *end*. One that has arrived is returned at once."""
    try:
        return bool(result.get(timeout=max(0.0, end - time.monotonic())) == number)
    except exceptions.TimeoutError:
        return False


def _send(ended: threading.Event) -> tuple[dict[int, Any], list[str]]:
    """Return the accepted tasks by number, and the errors of those that were not accepted."""
    accepted: dict[int, Any] = {}
    failures: list[str] = []
    for number in itertools.count():
        if ended.wait(_PAUSE):
            return accepted, failures
        try:
            accepted[number] = record.delay(number)
        except app.connection_for_write().connection_errors as error:
            failures.append(f"{type(error).__name__}: {error}")
            time.sleep(_PAUSE)
    raise AssertionError("the count has no end")


if __name__ == "__main__":
    main()
