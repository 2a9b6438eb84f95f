"""Redaction of Django's error pages and mails."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

VALUE = "hunter2-hunter2"
CODE = """
import sys
import django
from django.conf import settings
settings.configure(
    DEBUG=True,
    SECRET_KEY="x",
    DEFAULT_EXCEPTION_REPORTER="app_integration.integrations.django.service.ScrubbingReporter",
)
django.setup()
from django.views.debug import get_exception_reporter_class
from app_integration import redaction

value = "".join(["hunter2-", "hunter2"])
redaction.live.add(value)
nested = {"url": ["redis://:" + value + "@host"]}
try:
    raise ValueError("bad " + value)
except ValueError:
    kind = get_exception_reporter_class(None)
    if sys.argv[1] == "django":
        kind = kind.__base__
    reporter = kind(None, *sys.exc_info())
    sys.stdout.write(reporter.get_traceback_text() + reporter.get_traceback_html())
"""


def report(reporter: str) -> str:
    process = subprocess.run(
        [sys.executable, "-c", CODE, reporter],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[3],
    )
    return process.stdout


def test_scrubbing_reporter_redacts_locals_and_exception_text() -> None:
    shown = report("strongroom")
    assert VALUE not in shown
    assert "bad [REDACTED]" in shown
    assert "redis://:[REDACTED]@host" in shown


def test_django_reporter_shows_the_secret() -> None:
    assert VALUE in report("django")
