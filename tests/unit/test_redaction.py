from __future__ import annotations

import base64
import io
import json
import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from urllib.parse import quote

import pytest

from app_integration import redaction
from app_integration.redaction import Register
from app_integration.secret import Secret

VALUE = "hunter2-hunter2"


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """A stream behind a logger of its own, with redaction installed for this test only."""
    make, hook, thread_hook = logging.Logger.makeRecord, sys.excepthook, threading.excepthook
    register = Register()
    register.add(Secret(VALUE))
    redaction.install(register)
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    logger = logging.getLogger("redaction-test")
    logger.addHandler(handler)
    yield stream
    logger.removeHandler(handler)
    logging.Logger.makeRecord = make  # type: ignore[method-assign] # put back
    sys.excepthook, threading.excepthook = hook, thread_hook


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


def test_an_uncaught_exception_in_a_thread_is_scrubbed() -> None:
    code = (
        "import threading\n"
        "from app_integration import redaction\n"
        f"redaction.live.add('{VALUE[:7]}' + '{VALUE[7:]}')\n"
        "redaction.install()\n"
        f"def fail(): raise ValueError('{VALUE[:7]}' + '{VALUE[7:]}')\n"
        "thread = threading.Thread(target=fail); thread.start(); thread.join()\n"
    )
    run = subprocess.run(  # as above
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert VALUE not in run.stderr
    assert "ValueError: [REDACTED]" in run.stderr


def test_anothers_exception_hook_is_called_with_nothing_to_show() -> None:
    seen: list[str] = []
    register = Register()
    register.add(VALUE)
    before = sys.excepthook
    make, thread_hook = logging.Logger.makeRecord, threading.excepthook
    try:
        sys.excepthook = lambda _kind, error, _traceback: seen.append(str(error))
        redaction.install(register)
        sys.excepthook(ValueError, ValueError(f"bad {VALUE}"), None)
    finally:
        sys.excepthook, threading.excepthook = before, thread_hook
        logging.Logger.makeRecord = make  # type: ignore[method-assign] # put back
    assert seen == ["bad [REDACTED]"]


def test_extra_fields_are_scrubbed(logged: io.StringIO) -> None:
    handler = logging.getLogger("redaction-test").handlers[0]
    handler.setFormatter(logging.Formatter("%(message)s %(password)s"))
    logging.getLogger("redaction-test").error("login", extra={"password": VALUE})
    assert logged.getvalue() == "login [REDACTED]\n"


def test_a_record_without_a_secret_keeps_its_arguments(logged: io.StringIO) -> None:
    handler = logging.getLogger("redaction-test").handlers[0]
    records: list[logging.LogRecord] = []

    def keep(record: logging.LogRecord) -> bool:
        records.append(record)
        return True

    handler.addFilter(keep)
    logging.getLogger("redaction-test").error("%s of %d", "three", 7)
    assert records[0].args == ("three", 7)
    assert logged.getvalue() == "three of 7\n"


def test_a_wrong_format_string_is_loggings_to_report(
    logged: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging, "raiseExceptions", False)
    logging.getLogger("redaction-test").error("%d items", "x")
    assert logged.getvalue() == ""


@pytest.mark.parametrize("value", ['it\'s "quoted" \\ /x', "pässwörd/+&=?", "line\nbreak"])
def test_encoded_and_escaped_forms_are_scrubbed(value: str) -> None:
    register = Register()
    register.add(value)
    forms = [
        value,
        repr(value)[1:-1],
        json.dumps(value)[1:-1],
        quote(value),
        quote(value, safe=""),
        base64.b64encode(value.encode()).decode().rstrip("="),
        base64.urlsafe_b64encode(value.encode()).decode().rstrip("="),
    ]
    assert [register.scrub(form) for form in forms] == ["[REDACTED]"] * len(forms)


def test_the_register_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redaction, "MAX_VALUES", 2)
    register = Register()
    for value in ("first-value", "second-value", "third-value"):
        register.add(value)
    text = "first-value second-value third-value"
    assert register.scrub(text) == "first-value [REDACTED] [REDACTED]"


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
        "import logging, sys; before = logging.Logger.makeRecord, sys.excepthook\n"
        "import app_integration\n"
        "assert before == (logging.Logger.makeRecord, sys.excepthook)\n"
    )
    run = subprocess.run([sys.executable, "-c", code], check=False)
    assert run.returncode == 0
