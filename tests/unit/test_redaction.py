from __future__ import annotations

import io
import logging
import subprocess
import sys
from collections.abc import Iterator

import pytest

from app_integration import redaction
from app_integration.redaction import Register
from app_integration.secret import Secret

VALUE = "hunter2-hunter2"


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """A stream behind a logger of its own, with redaction installed for this test only."""
    factory, hook = logging.getLogRecordFactory(), sys.excepthook
    register = Register()
    register.add(Secret(VALUE))
    redaction.install(register)
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    logger = logging.getLogger("redaction-test")
    logger.addHandler(handler)
    yield stream
    logger.removeHandler(handler)
    logging.setLogRecordFactory(factory)
    sys.excepthook = hook


@pytest.mark.parametrize(
    ("message", "args"),
    [
        (f"password {VALUE}", ()),
        ("password %s", (VALUE,)),
        ("password %(p)s", ({"p": VALUE},)),
        ("%r", ([VALUE],)),
    ],
)
def test_a_live_value_never_reaches_a_handler(
    logged: io.StringIO, message: str, args: tuple[object, ...]
) -> None:
    logging.getLogger("redaction-test.child").error(message, *args)
    assert VALUE not in logged.getvalue()
    assert "[REDACTED]" in logged.getvalue()


def test_a_logged_traceback_is_scrubbed(logged: io.StringIO) -> None:
    try:
        raise ValueError(f"bad password {VALUE}")  # noqa: TRY301 (a traceback is wanted)
    except ValueError:
        logging.getLogger("redaction-test").exception("login failed for %s", VALUE)
    assert VALUE not in logged.getvalue()
    assert "ValueError: bad password [REDACTED]" in logged.getvalue()


def test_an_uncaught_exception_is_scrubbed() -> None:
    code = (
        "from app_integration import redaction\n"
        f"redaction.live.add('{VALUE[:7]}' + '{VALUE[7:]}')\n"
        "redaction.install()\n"
        f"raise ValueError('{VALUE[:7]}' + '{VALUE[7:]}')\n"
    )
    run = subprocess.run(  # the hook of a whole interpreter
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert run.returncode == 1
    assert VALUE not in run.stderr
    assert "ValueError: [REDACTED]" in run.stderr


def test_the_longer_of_two_nested_values_vanishes_whole() -> None:
    register = Register()
    register.add("password")
    register.add("password-of-the-shop")
    assert register.scrub("it is password-of-the-shop") == "it is [REDACTED]"


def test_short_values_do_not_blank_out_ordinary_words() -> None:
    register = Register()
    register.add("dev")
    assert register.scrub("a developer in dev") == "a developer in dev"


def test_importing_the_package_installs_nothing() -> None:
    code = (
        "import logging, sys; before = logging.getLogRecordFactory(), sys.excepthook\n"
        "import app_integration\n"
        "assert before == (logging.getLogRecordFactory(), sys.excepthook)\n"
    )
    run = subprocess.run([sys.executable, "-c", code], check=False)
    assert run.returncode == 0
