from __future__ import annotations

import asyncio
import base64
import gc
import io
import json
import logging
import secrets
import statistics
import subprocess
import sys
import threading
import time
import timeit
import traceback
from collections.abc import Iterator
from random import Random
from typing import Any, NamedTuple
from urllib.parse import quote, quote_plus

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from app_integration.observability import redaction, scrubber, secret_registry
from app_integration.observability.redaction import SecretRegistry
from app_integration.secret import Secret

VALUE = "hunter2-hunter2"


def registry_of(*values: str) -> SecretRegistry:
    registry = SecretRegistry()
    for value in values:
        registry.add(value)
    return registry


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """Yield a stream that a test's logger writes to, with redaction installed for the test."""
    registry = registry_of(Secret(VALUE))
    redaction.install(registry)
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    logger = logging.getLogger("redaction-test")
    logger.addHandler(handler)
    yield stream
    logger.removeHandler(handler)
    redaction.uninstall()


@pytest.mark.parametrize(
    ("message", "args"),
    [
        (f"password {VALUE}", ()),
        ("password %s", (VALUE,)),
        ("password %(p)s", ({"p": VALUE},)),
        ("%r", ([VALUE],)),
    ],
)
def test_logged_value_is_redacted(
    logged: io.StringIO, message: str, args: tuple[object, ...]
) -> None:
    logging.getLogger("redaction-test.child").error(message, *args)
    assert VALUE not in logged.getvalue()
    assert "[REDACTED]" in logged.getvalue()


def test_logged_traceback_is_redacted(logged: io.StringIO) -> None:
    try:
        raise ValueError(f"bad password {VALUE}")  # noqa: TRY301 (the test needs a traceback)
    except ValueError:
        logging.getLogger("redaction-test").exception("login failed for %s", VALUE)
    assert VALUE not in logged.getvalue()
    assert "ValueError: bad password [REDACTED]" in logged.getvalue()


#: Code that raises an exception which nobody catches, and the exit code of the interpreter.
UNCAUGHT = {
    "main thread": ("fail()", 1),
    "thread": ("thread = threading.Thread(target=fail); thread.start(); thread.join()", 0),
    "finalizer": ("type('Leaky', (), {'__del__': fail})()", 0),
    "exit handler": ("atexit.register(fail)", 0),
}


@pytest.mark.parametrize(("code", "exit_code"), UNCAUGHT.values(), ids=UNCAUGHT)
def test_uncaught_exception_is_redacted(code: str, exit_code: int) -> None:
    head = (
        "import atexit, threading\n"
        "from app_integration import redaction\n"
        f"value = '{VALUE[:7]}' + '{VALUE[7:]}'\n"
        "redaction.live.add(value)\n"
        "redaction.install()\n"
        "def fail(*_): raise ValueError(value)\n"
    )
    run = subprocess.run(  # because the hooks belong to a whole interpreter
        [sys.executable, "-c", head + code], capture_output=True, text=True, check=False
    )
    assert run.returncode == exit_code
    assert VALUE not in run.stderr
    assert "ValueError: [REDACTED]" in run.stderr


@pytest.mark.parametrize("owner", [sys, threading])
def test_custom_exception_hook_gets_a_redacted_exception(
    owner: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    def show(*args: Any) -> None:
        error = args[1] if len(args) > 1 else args[0].exc_value
        shown = [error, *error.exceptions, error.__context__, error.__notes__]
        seen.append(" ".join(map(str, shown[1:])) + "".join(traceback.format_exception(error)))

    error = ExceptionGroup(f"a {VALUE}", [ValueError(f"b {VALUE}"), KeyError((f"c {VALUE}",))])
    error.add_note(f"d {VALUE}")
    error.__context__ = FileNotFoundError(2, "no such file", f"e {VALUE}")
    registry = registry_of(VALUE)
    monkeypatch.setattr(owner, "excepthook", show)
    try:
        redaction.install(registry)
        args = (type(error), error, None)
        owner.excepthook(*(args if owner is sys else [threading.ExceptHookArgs((*args, None))]))
    finally:
        redaction.uninstall()
    assert VALUE not in seen[0]
    assert all(f"{letter} [REDACTED]" in seen[0] for letter in "abcde")


def test_extra_fields_are_redacted(logged: io.StringIO) -> None:
    handler = logging.getLogger("redaction-test").handlers[0]
    handler.setFormatter(logging.Formatter("%(message)s %(password)s"))
    logging.getLogger("redaction-test").error("login", extra={"password": VALUE})
    assert logged.getvalue() == "login [REDACTED]\n"


def test_extra_fields_of_a_record_without_an_attribute_are_redacted() -> None:
    registry = registry_of(Secret(VALUE))
    record = logging.makeLogRecord({"user": VALUE})
    del record.processName
    redaction.scrub_record(record, registry)
    assert record.__dict__["user"] == "[REDACTED]"


def test_record_without_a_secret_keeps_its_arguments(logged: io.StringIO) -> None:
    handler = logging.getLogger("redaction-test").handlers[0]
    records: list[logging.LogRecord] = []

    def keep(record: logging.LogRecord) -> bool:
        records.append(record)
        return True

    handler.addFilter(keep)
    logging.getLogger("redaction-test").error("%s of %d", "three", 7)
    assert records[0].args == ("three", 7)
    assert logged.getvalue() == "three of 7\n"


def test_handler_and_formatter_added_later_are_redacted(logged: io.StringIO) -> None:
    class Json(logging.Formatter):
        def format(self, record: logging.LogRecord) -> str:
            assert record.exc_info
            trace = traceback.TracebackException(*record.exc_info, capture_locals=True)
            return json.dumps({"event": record.getMessage(), "trace": list(trace.format())})

    later = io.StringIO()
    handler = logging.StreamHandler(later)
    handler.setFormatter(Json())
    logger = logging.getLogger("redaction-test.grown.later")
    logger.addHandler(handler)
    plain = Secret(VALUE).reveal()
    try:
        raise ValueError(plain)  # noqa: TRY301 (the test needs a traceback)
    except ValueError:
        logger.exception("failed")
    logger.removeHandler(handler)
    assert "plain = '[REDACTED]'" in later.getvalue()
    assert VALUE not in later.getvalue() + logged.getvalue()


@pytest.mark.usefixtures("logged")
def test_captured_locals_are_redacted_in_each_traceback_format() -> None:
    plain = {"url": f"redis://:{VALUE}@host/0"}
    try:
        raise KeyError(VALUE)  # noqa: TRY301 (the test needs a traceback)
    except KeyError as error:
        trace = traceback.TracebackException.from_exception(error, capture_locals=True)
    assert plain
    shown = ["".join(trace.format()), "".join(trace.stack.format())]
    shown.append("".join(trace.format_exception_only()))
    assert [VALUE in text for text in shown] == [False] * 3
    assert all("[REDACTED]" in text for text in shown)


@pytest.mark.filterwarnings("ignore:coroutine")
def test_asyncio_error_report_is_redacted(logged: io.StringIO) -> None:
    async def fail() -> None:
        raise ValueError(f"bad {VALUE}")

    async def drop_a_task() -> None:
        task = asyncio.create_task(fail(), name=VALUE)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        del task
        gc.collect()

    handler = logging.getLogger("redaction-test").handlers[0]
    logging.getLogger("asyncio").addHandler(handler)
    asyncio.run(drop_a_task(), debug=True)
    logging.getLogger("asyncio").removeHandler(handler)
    assert "Task exception was never retrieved" in logged.getvalue()
    assert VALUE not in logged.getvalue()


class TestStructlog:
    """Redaction of structlog's events, with its renderers and through logging."""

    @pytest.fixture
    def printed(self, logged: io.StringIO) -> Iterator[io.StringIO]:  # noqa: ARG002 (installs)
        stream = io.StringIO()
        yield stream
        structlog.reset_defaults()

    @pytest.mark.parametrize(
        "renderer",
        [
            structlog.processors.JSONRenderer(),
            structlog.processors.KeyValueRenderer(),
            structlog.dev.ConsoleRenderer(colors=False),
        ],
        ids=["json", "key-value", "console"],
    )
    def test_event_of_each_renderer_is_redacted(self, printed: io.StringIO, renderer: Any) -> None:
        structlog.configure(
            processors=[structlog.processors.format_exc_info, renderer],
            logger_factory=structlog.PrintLoggerFactory(printed),
        )
        logger = structlog.get_logger().bind(url=f"redis://:{VALUE}@host")
        try:
            raise ValueError(VALUE)  # noqa: TRY301 (the test needs a traceback)
        except ValueError:
            logger.exception("login failed", nested={"list": [VALUE]})
        assert printed.getvalue().count("[REDACTED]") >= 3
        assert VALUE not in printed.getvalue()

    @pytest.mark.usefixtures("printed")
    def test_event_sent_through_logging_is_redacted(self, logged: io.StringIO) -> None:
        structlog.configure(
            processors=[structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
            logger_factory=structlog.stdlib.LoggerFactory(),
        )
        handler = logging.getLogger("redaction-test").handlers[0]
        handler.setFormatter(
            structlog.stdlib.ProcessorFormatter(processor=structlog.processors.JSONRenderer())
        )
        structlog.get_logger("redaction-test").error("login", password=VALUE)
        assert json.loads(logged.getvalue()) == {"event": "login", "password": "[REDACTED]"}


def test_second_install_covers_what_was_imported_since(monkeypatch: pytest.MonkeyPatch) -> None:
    own = structlog.BoundLoggerBase._process_event
    monkeypatch.delitem(sys.modules, "structlog")
    redaction.install()
    try:
        assert structlog.BoundLoggerBase._process_event is own
        monkeypatch.undo()
        redaction.install()
        covered, hook = structlog.BoundLoggerBase._process_event, sys.excepthook
        assert covered is not own
        redaction.install()
        assert (structlog.BoundLoggerBase._process_event, sys.excepthook) == (covered, hook)
    finally:
        redaction.uninstall()
    assert structlog.BoundLoggerBase._process_event is own


def test_scrubbed_containers_keep_their_type() -> None:
    class Pair(NamedTuple):
        name: str
        value: str

    registry = registry_of(VALUE)
    dirty = [{VALUE: (VALUE, 7)}, Pair("a", VALUE), {VALUE}, VALUE.encode(), Secret("dev")]
    clean = "[REDACTED]"
    assert redaction.scrubbed(dirty, registry) == [
        {clean: (clean, 7)},
        Pair("a", clean),
        {clean},
        clean.encode(),
        clean,
    ]
    harmless = {"list": [1, "two", (None, b"\xff")], "set": frozenset({"x"})}
    assert redaction.scrubbed(harmless, registry) is harmless


def test_scrubbed_covers_containers_beyond_the_depth() -> None:
    registry = registry_of(VALUE)
    deep: Any = VALUE
    for _ in range(2 * scrubber.MAX_DEPTH):
        deep = {"inner": deep}
    assert VALUE not in str(redaction.scrubbed(deep, registry))


def test_scrubbed_of_a_recursive_container_returns() -> None:
    endless: list[Any] = []
    endless.append(endless)
    assert redaction.scrubbed(endless, SecretRegistry()) is not None


@pytest.mark.parametrize("user", ["", "u", "us", "user"])
def test_password_in_basic_authentication_is_redacted(user: str) -> None:
    registry = registry_of(VALUE)
    sent = base64.b64encode(f"{user}:{VALUE}".encode()).decode()
    scrubbed = registry.scrub(f"Authorization: Basic {sent}")
    assert "[REDACTED]" in scrubbed
    assert VALUE[1:-1] not in base64.b64decode(scrubbed.split("Basic ")[1] + "==").decode("latin-1")
    assert len(scrubbed) < len("Authorization: Basic [REDACTED]") + 12


@given(
    values=st.lists(st.text(alphabet="ab\u00e9", min_size=8, max_size=12), max_size=5),
    noise=st.text(alphabet="ab\u00e9", max_size=30),
    order=st.randoms(),
)
def test_scrub_leaves_no_value_in_any_concatenation(
    values: list[str], noise: str, order: Random
) -> None:
    registry = registry_of(*values)
    parts = [noise[:10], *values, noise[10:]]
    order.shuffle(parts)
    scrubbed = registry.scrub("".join(parts))
    assert [value for value in values if value in scrubbed] == []


#: A log message of about 200 bytes, as a service writes it.
LINE = (
    "GET /orders/1234567 for customer 998877 took 12.5 ms and returned 200 with 17 rows from the "
    "replica in zone eu-west-1b; the cache hit ratio was 0.93, the queue held 3 jobs, memory "
    "512 MiB, load 0.42."
)


@pytest.mark.untraced
def test_redaction_of_ten_thousand_values_costs_at_most_twice_the_formatting() -> None:
    assert len(LINE) >= 199
    registry = registry_of(*(secrets.token_urlsafe(24) for _ in range(10_000)))
    record = logging.LogRecord("shop.orders", logging.INFO, "orders.py", 7, LINE, (), None)
    handler = logging.StreamHandler(io.StringIO())
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    bare = handler.format

    def scrub_and_format() -> None:
        redaction.scrub_record(record, registry)
        handler.format(record)

    costs = []
    # Compared in pairs, because a core may run twice as fast for a turn. Each is much shorter than
    # a turn, so that hardly one has another process's in it, which empties the caches.
    for _ in range(400):
        plain = timeit.timeit(lambda: bare(record), timer=time.thread_time, number=10)
        redaction.install(registry)
        try:
            covered = timeit.timeit(scrub_and_format, timer=time.thread_time, number=10)
        finally:
            redaction.uninstall()
        costs.append((covered - plain) / plain)
    assert statistics.median(costs) <= 2


@pytest.mark.parametrize("value", ['it\'s "quoted" \\ /x', "pässwörd/+&=?", "line\nbreak"])
def test_encoded_and_escaped_forms_are_redacted(value: str) -> None:
    registry = registry_of(value)
    forms = [
        value,
        repr(value)[1:-1],
        json.dumps(value)[1:-1],
        quote(value),
        quote(value, safe=""),
        quote_plus(value),
        value.encode().hex(),
        base64.b64encode(value.encode()).decode().rstrip("="),
        base64.urlsafe_b64encode(value.encode()).decode().rstrip("="),
    ]
    assert [registry.scrub(form) for form in forms] == ["[REDACTED]"] * len(forms)


def test_registry_is_bounded_in_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secret_registry, "MAX_VALUES", 2)
    registry = registry_of("first-value", "second-value", "first-value", "third-value")
    text = "first-value second-value third-value"
    assert registry.scrub(text) == "[REDACTED] second-value [REDACTED]"
    assert registry.scrub(base64.b64encode(b"second-value").decode()) == "c2Vjb25kLXZhbHVl"


def test_registry_is_bounded_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secret_registry, "MAX_BYTES", 200_000)
    registry = registry_of(*(f"{number:04} is a value" for number in range(200)))
    kept = [f"{number:04} is a value" in registry._values for number in range(200)]
    assert 0 < sum(kept) < 100
    assert kept == sorted(kept)  # the latest values are kept
    assert registry._bytes <= 200_000


def test_value_with_many_parts_takes_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secret_registry, "MAX_PARTS_BYTES", secret_registry.MAX_PARTS_BYTES // 16)
    text = "\n".join(f"line {number:08} of a long value" for number in range(1_000))
    registry = registry_of(text)
    assert registry._bytes < 2 * secret_registry.MAX_PARTS_BYTES
    assert registry.scrub(f"it is {text}!") == "it is [REDACTED]!"
    assert registry.scrub("line 00000000 of a long value") == "[REDACTED]"


def test_values_with_a_common_prefix_share_positions() -> None:
    values = [f"postgresql://shop:{number:06}@db/shop" for number in range(2_000)]
    registry = registry_of(*values)
    assert max(map(len, registry._wide.positions.values())) < 40
    assert registry.scrub(f"{values[0]} {values[-1]}") == "[REDACTED] [REDACTED]"


def test_removed_values_leave_no_index_entries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secret_registry, "MAX_VALUES", 1)
    alike = [f"postgresql://shop:{number:06}@db/shop" for number in range(3)]
    registry = registry_of(*alike, "first-value-and-long/", "short-01", "the last value")
    alone = registry_of("the last value")
    for one, other in ((registry._wide, alone._wide), (registry._narrow, alone._narrow)):
        assert (one.positions, one._duplicates) == (other.positions, other._duplicates)
    assert (registry._keys, registry._bytes) == (alone._keys, alone._bytes)


def test_longer_of_two_nested_values_is_redacted_whole() -> None:
    registry = registry_of("password", "password-of-the-shop")
    assert registry.scrub("it is password-of-the-shop") == "it is [REDACTED]"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://shop:correct-horse@db/shop", "correct-horse"),
        ("redis://:correct-horse@cache:6379/0", "correct-horse"),
        ("postgresql://shop:gr%C3%BC%2Fne-Tinte@db/shop", "grü/ne-Tinte"),
        ("postgresql://[fe80::1:correct-horse@db/shop", None),  # no URL
        ("https://shop@example.com/a:b@c", None),  # no password
    ],
)
def test_password_of_a_url_is_redacted_by_itself(url: str, shown: str | None) -> None:
    registry = registry_of(Secret(url))
    assert registry.scrub(f"failed: {url}") == "failed: [REDACTED]"
    if shown is None:
        assert list(registry._values) == [url]
    else:
        assert registry.scrub(f"failed: {shown!r}") == "failed: '[REDACTED]'"


def test_short_value_is_not_redacted() -> None:
    registry = registry_of("dev")
    assert registry.scrub("a developer in dev") == "a developer in dev"


def test_import_installs_no_hook() -> None:
    code = (
        "import logging, sys; before = logging.Logger.handle, sys.excepthook\n"
        "import app_integration\n"
        "assert before == (logging.Logger.handle, sys.excepthook)\n"
    )
    run = subprocess.run([sys.executable, "-c", code], check=False)
    assert run.returncode == 0
