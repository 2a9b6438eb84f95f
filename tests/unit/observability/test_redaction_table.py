"""Tests of the table in docs/Redaction.md: each way to output a value is redacted or leaks.

The result *scrubbed* means that the output has ``[REDACTED]`` in place of the value. The result
*leaks* means that the output has the value.
"""

from __future__ import annotations

import base64
import html
import io
import json
import logging
import logging.handlers
import pickle
import queue
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import redirect_stderr
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import httpx
import loguru
import markupsafe
import psycopg
import pytest
import redis.exceptions
import requests
import sentry_sdk
import sentry_sdk.envelope
import sentry_sdk.logger
import sentry_sdk.transport
import sqlalchemy.exc
import structlog
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from rich.console import Console
from rich.logging import RichHandler

from app_integration.observability import redaction
from app_integration.observability.redaction import SecretRegistry
from app_integration.secret import REDACTED, Secret

SECURITY: Final = Path(__file__).parents[3] / "docs" / "Redaction.md"
SCRUBBED, LEAKS = "scrubbed", "leaks"

VALUE: Final = "correct-horse-battery"
#: A value with all characters that a URL, an HTML page or JSON encodes.
ODD: Final = "p&ss w\"rd's/<hunter2>+?=[é]~!#%(x)*:;@,$"
#: The same without the characters that end a path.
ODD_IN_URLS: Final = ODD.translate({ord(each): None for each in "?#[]"})
PEM: Final = (
    generate_private_key(65537, 2048)
    .private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    .decode()
)
PEM_LINES: Final = PEM.splitlines()[1:-1]
ACCOUNT: Final = json.dumps({"project": "shop", "client_email": f"{VALUE}@x", "private_key": PEM})


@dataclass(frozen=True)
class Holder:
    """An object with a secret, as an application logs it."""

    password: str


class Json(logging.Formatter):
    """A JSON formatter as applications write it."""

    def format(self, record: logging.LogRecord) -> str:
        shown = {key: value for key, value in record.__dict__.items() if key in {"held", "exc"}}
        if record.exc_info:
            shown["exc"] = str(record.exc_info[1])
        return json.dumps({"event": record.getMessage(), **shown}, default=self.plain)

    def plain(self, value: object) -> object:
        if isinstance(value, Holder):
            return asdict(value)
        return dict(value) if isinstance(value, Mapping) else repr(value)


@dataclass(frozen=True)
class Row:
    """One way to output a value."""

    show: Callable[[str], str]
    value: str = VALUE
    shown: Sequence[str] = ()


def through(handler: logging.Handler, act: Callable[[logging.Logger], None]) -> None:
    # Not from getLogger, because pytest adds its own handlers to registered loggers.
    logger = logging.Logger("redaction-table")  # noqa: LOG001 (see above)
    logger.addHandler(handler)
    try:
        act(logger)
    finally:
        logger.removeHandler(handler)
        handler.close()


def written(act: Callable[[logging.Logger], None], formatter: logging.Formatter | None) -> str:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    with redirect_stderr(stream):
        through(handler, act)
    return stream.getvalue()


def with_extra(held: object) -> str:
    return written(lambda logger: logger.error("login", extra={"held": held}), Json())


def failing(error: BaseException, formatter: logging.Formatter | None) -> str:
    def act(logger: logging.Logger) -> None:
        try:
            raise error
        except type(error):
            logger.exception("failed")

    return written(act, formatter)


def with_a_note(value: str) -> str:
    error = ValueError("no key")
    error.add_note(value)
    return failing(error, None)


def queued(value: str) -> str:
    """Return what a QueueHandler sends to another process, which formats it."""
    waiting: queue.Queue[Any] = queue.Queue()
    handler = logging.handlers.QueueHandler(waiting)
    through(handler, lambda logger: logger.error("login", extra={"held": Holder(value)}))
    return pickle.dumps(waiting.get()).decode("latin-1")


def sent_pickled(value: str) -> str:
    sent: list[bytes] = []

    class Recording(logging.handlers.SocketHandler):
        def send(self, data: Any) -> None:
            sent.append(bytes(data))

    through(Recording("", 0), lambda logger: logger.error("login", extra={"held": Holder(value)}))
    return b"".join(sent).decode("latin-1")


def sent_over_http(value: str) -> str:
    sent: list[str] = []

    class Recording(logging.handlers.HTTPHandler):
        def emit(self, record: logging.LogRecord) -> None:
            sent.append(str(self.mapLogRecord(record)))

    through(
        Recording("h", "/"), lambda logger: logger.error("login", extra={"held": Holder(value)})
    )
    return "".join(sent)


def line_by_line(value: str) -> str:
    def act(logger: logging.Logger) -> None:
        for line in value.splitlines():
            logger.error("%s", line)

    return written(act, None)


def by_rich(value: str) -> str:
    stream = io.StringIO()
    console = Console(file=stream, width=200)
    handler = RichHandler(console=console, rich_tracebacks=True, tracebacks_show_locals=True)

    def act(logger: logging.Logger) -> None:
        held = value
        try:
            raise ValueError(len(held))  # noqa: TRY301 (the test needs a traceback)
        except ValueError:
            logger.exception("failed")

    through(handler, act)
    return stream.getvalue()


def formatted_by_hand(value: str) -> str:
    record = logging.makeLogRecord({"msg": "login", "held": Holder(value)})
    return Json().format(record)


def by_a_handler_of_its_own(value: str) -> str:
    shown: list[str] = []

    class Own(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            shown.append(repr(record.__dict__["held"]))

    through(Own(), lambda logger: logger.error("login", extra={"held": Holder(value)}))
    return "".join(shown)


def structlog_formatter(value: str) -> str:
    formatter = structlog.stdlib.ProcessorFormatter(
        processors=[structlog.processors.dict_tracebacks, structlog.processors.JSONRenderer()]
    )
    return failing(ValueError(f"bad {value}"), formatter)


def structlog_printer(value: str) -> str:
    stream = io.StringIO()
    processors: list[Any] = [structlog.processors.dict_tracebacks]
    processors.append(structlog.processors.JSONRenderer())
    logger = structlog.wrap_logger(structlog.PrintLogger(stream), processors=processors)
    try:
        raise ValueError(f"bad {value}")  # noqa: TRY301 (the test needs a traceback)
    except ValueError:
        logger.exception("failed", held=Holder(value).password)
    return stream.getvalue()


def by_loguru(value: str, sink: Callable[[Any], None], **options: Any) -> None:
    """Log *value* as a message, in an exception, and as a variable that its traceback shows."""
    number, held = loguru.logger.add(sink, diagnose=True, **options), Secret(value)
    try:
        raise ValueError(f"bad {value} {len(held)}")  # noqa: TRY301 (the test needs a traceback)
    except ValueError:
        loguru.logger.bind(held=held).exception("failed with {}", value)
    finally:
        loguru.logger.remove(number)


def loguru_text(value: str) -> str:
    lines: list[str] = []
    by_loguru(value, lines.append, colorize=True, format="{message} {extra} {exception}")
    by_loguru(value, lines.append, serialize=True)
    assert len(lines) == 2
    return "".join(lines)


def loguru_record(value: str) -> str:
    shown: list[str] = []
    by_loguru(value, lambda line: shown.append(line.record["message"]))
    return "".join(shown)


def driver_errors(value: str) -> str:
    inner = psycopg.OperationalError(f"no host {value}")
    wrapped = sqlalchemy.exc.OperationalError("SELECT 1", {}, inner)
    unread = sqlalchemy.exc.ArgumentError(f"no URL: {value}")
    errors = (inner, wrapped, unread, redis.exceptions.ConnectionError(value))
    return " ".join(f"{each} {each!r}" for each in errors)


def sent_to_sentry(act: Callable[[], None]) -> str:
    sent: list[str] = []

    class Recording(sentry_sdk.transport.Transport):
        def capture_envelope(self, envelope: sentry_sdk.envelope.Envelope) -> None:
            sent.extend(item.get_bytes().decode() for item in envelope.items)

    sentry_sdk.init(
        dsn="https://key@sentry.invalid/1",
        transport=Recording,
        default_integrations=False,
        traces_sample_rate=1.0,
        enable_logs=True,
        **redaction.sentry_options(registry_of(VALUE)),
    )
    try:
        act()
        sentry_sdk.flush()
    finally:
        sentry_sdk.get_client().close()
        sentry_sdk.get_global_scope().set_client(None)
    assert sent
    return "".join(sent)


def sentry_error(value: str) -> str:
    def act() -> None:
        held = f"{value}!"
        try:
            raise ValueError(held)  # noqa: TRY301 (the test needs a traceback)
        except ValueError as error:
            sentry_sdk.add_breadcrumb(message=f"tried {value}")
            sentry_sdk.capture_exception(error)

    return sent_to_sentry(act)


def sentry_transaction(value: str) -> str:
    def act() -> None:
        with sentry_sdk.start_transaction(name=f"GET /{value}") as transaction:
            transaction.set_data("key", value)
            with transaction.start_child(op="db", name=f"SELECT '{value}'") as span:
                span.set_data("key", [value])

    return sent_to_sentry(act)


def sentry_log(value: str) -> str:
    return sent_to_sentry(lambda: sentry_sdk.logger.error("tried {key}", key=value))


def run(code: str) -> str:
    """Return the output of *code* in a new interpreter with ``value`` and redaction installed."""
    head = (
        "import logging, os, subprocess, sys, traceback, warnings\n"
        "from app_integration import redaction\n"
        f"value = {VALUE[:7]!r} + {VALUE[7:]!r}\n"
        "redaction.live.add(value)\n"
        "redaction.install()\n"
    )
    command = [sys.executable, "-c", head + code]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    return process.stdout + process.stderr


def scrub(text: str, value: str = ODD) -> str:
    return registry_of(value).scrub(text)


def registry_of(value: str) -> SecretRegistry:
    registry = SecretRegistry()
    registry.add(value)
    return registry


def in_urls(value: str) -> list[str]:
    """Return *value* as HTTP clients encode it in the path and the query of a URL."""
    prepared = requests.Request("GET", f"http://h/{value}", params={"k": value}).prepare()
    return [
        str(httpx.URL("http://h/", params={"k": value})).partition("k=")[2],
        httpx.URL(f"http://h/{value}").raw_path.decode()[1:],
        str(prepared.url).partition("k=")[2],
        str(prepared.url).partition("?")[0].removeprefix("http://h/"),
    ]


#: Row of the table in the document → the function that tests it.
ROWS: Final[dict[str, Row]] = {
    "a dataclass in `extra=`, under a formatter that writes JSON": Row(
        lambda value: with_extra(Holder(value))
    ),
    "an exception in `extra=`, under such a formatter": Row(
        lambda value: with_extra(ValueError(value))
    ),
    "a mapping in `extra=`, under such a formatter": Row(
        lambda value: with_extra(MappingProxyType({"key": value}))
    ),
    "a formatter's `str(record.exc_info[1])`": Row(
        lambda value: failing(ValueError(f"bad {value}"), Json())
    ),
    "a traceback, its notes included": Row(with_a_note),
    "the notes of an exception that hold a PEM key": Row(with_a_note, PEM, PEM_LINES),
    "a group of exceptions, indented, that holds a PEM key": Row(
        lambda value: failing(ExceptionGroup("two", [ValueError(value)]), None), PEM, PEM_LINES
    ),
    "a PEM key, a record for each line": Row(line_by_line, PEM, PEM_LINES),
    "a wrong format string, with an object as its argument": Row(
        lambda value: written(lambda logger: logger.error("%d", Holder(value)), None)
    ),
    "`QueueHandler` to another process, with an object in `extra=`": Row(queued),
    "`SocketHandler`, the same": Row(sent_pickled),
    "`HTTPHandler`, the same": Row(sent_over_http),
    "structlog's `ProcessorFormatter` with `dict_tracebacks`": Row(structlog_formatter),
    "structlog's `PrintLogger` with `dict_tracebacks`": Row(structlog_printer),
    "loguru: messages, `bind`, variables of `diagnose`, `serialize=True`": Row(loguru_text),
    "Sentry with `sentry_options()`: errors, local variables, breadcrumbs": Row(sentry_error),
    "Sentry with `sentry_options()`: transactions and spans": Row(sentry_transaction),
    "Sentry with `sentry_options()`: logs": Row(sentry_log),
    "an excepthook set later that prints a traceback": Row(
        lambda _: run(
            "sys.excepthook = lambda *args: traceback.print_exception(*args)\n"
            "raise ValueError(value)"
        )
    ),
    "`logging.captureWarnings(True)`": Row(
        lambda _: run("logging.basicConfig(); logging.captureWarnings(True); warnings.warn(value)")
    ),
    "an excepthook set later that shows `str(error)`": Row(
        lambda _: run(
            "sys.excepthook = lambda kind, error, trace: print(error)\nraise ValueError(value)"
        )
    ),
    "rich's `RichHandler` with `tracebacks_show_locals=True`": Row(by_rich),
    "a handler that shows objects of a record by itself": Row(by_a_handler_of_its_own),
    "a formatter that is called without a handler": Row(formatted_by_hand),
    "loguru, a sink that reads `message.record`": Row(loguru_record),
    "structlog or loguru, when it is first imported after `install()`": Row(
        lambda _: run("import structlog; structlog.get_logger().info('login', key=value)")
    ),
    "`str(error)` of psycopg, SQLAlchemy or redis": Row(driver_errors),
    "`print(value)`, `print(error)`": Row(lambda _: run("print(ValueError(value))")),
    "`warnings.warn(value)`": Row(lambda _: run("warnings.warn(value)")),
    "a write to a file descriptor": Row(lambda _: run("os.write(2, value.encode())")),
    "what another process prints": Row(lambda _: run("subprocess.run(['/bin/echo', value])")),
    "JSON, also with `\\/` or escaped for a page": Row(
        lambda value: scrub(
            f"{json.dumps(value)} {json.dumps(value, ensure_ascii=False)} "
            + json.dumps(value).replace("/", "\\/")
            + re.sub(r"[<>&']", lambda found: f"\\u{ord(found[0]):04x}", json.dumps(value))
        ),
        ODD,
        ("hunter2",),
    ),
    "HTML, as `html.escape` and markupsafe write it": Row(
        lambda value: scrub(html.escape(value) + str(markupsafe.escape(value))), ODD, ("hunter2",)
    ),
    "URLs, as requests and httpx write them": Row(
        lambda value: scrub(" ".join(in_urls(value)), value), ODD_IN_URLS, ("hunter2",)
    ),
    "base64, also in lines, and each line": Row(
        lambda value: scrub(
            base64.encodebytes(value.encode()).decode()
            + " ".join(base64.encodebytes(value.encode()).decode().split()),
            value,
        ),
        VALUE * 5,
        base64.encodebytes((VALUE * 5).encode()).decode().split(),
    ),
    "the value without the white space around it": Row(
        lambda value: scrub(value.strip(), value), f"{VALUE}\n", (VALUE,)
    ),
    "a text inside a value that is JSON": Row(
        lambda value: scrub(json.loads(value)["client_email"] + "\n" + PEM, value),
        ACCOUNT,
        (f"{VALUE}@x", *PEM_LINES),
    ),
    "a line of 16 characters or more": Row(
        lambda value: scrub(value.splitlines()[1], value),
        "# settings\nTOKEN=abcdefghijklmnop\nx=1\n",
        ("TOKEN=abcdefghijklmnop",),
    ),
    "a shorter line, another part": Row(
        lambda value: scrub(value[:12], value), shown=(VALUE[:12],)
    ),
    "another case": Row(lambda value: scrub(value.upper(), value), shown=(VALUE.upper(),)),
    "encoded twice, compressed, encrypted": Row(
        lambda value: scrub(base64.b64encode(value.encode().hex().encode()).decode(), value),
        shown=(base64.b64encode(VALUE.encode().hex().encode()).decode(),),
    ),
    "a value under 8 characters": Row(lambda value: scrub(f"a {value}", value), "hunter2"),
}


@pytest.fixture
def installed(request: pytest.FixtureRequest) -> Iterator[Row]:
    row: Row = request.param
    redaction.install(registry_of(row.value))
    yield row
    redaction.uninstall()


def result_of(row: Row) -> str:
    out = row.show(row.value)
    assert out
    leaked = [each for each in row.shown or (row.value,) if each in out]
    assert leaked or REDACTED in out
    return LEAKS if leaked else SCRUBBED


def documented() -> dict[str, str]:
    """Return the result of each way from the table in the document."""
    text = SECURITY.read_text().partition("## Redaction, and what it misses")[2]
    rows = re.findall(r"^\| (.+?) \| (scrubbed|leaks) \|", text.partition("\n## ")[0], re.MULTILINE)
    return dict(rows)


@pytest.mark.parametrize("installed", ROWS.values(), ids=ROWS, indirect=True)
def test_way_to_output_a_value_has_the_documented_result(
    installed: Row, request: pytest.FixtureRequest
) -> None:
    way = next(name for name, row in ROWS.items() if row is installed)
    assert result_of(installed) == documented()[way], request.node.name


def test_documented_table_lists_all_ways() -> None:
    assert list(documented()) == list(ROWS)


def test_pem_borders_are_not_redacted() -> None:
    assert registry_of(PEM).scrub("-----BEGIN PRIVATE KEY-----") == "-----BEGIN PRIVATE KEY-----"
