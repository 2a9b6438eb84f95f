"""Behaviour of other libraries with a `Secret`, tested for real: the table of docs/Redaction.md.

There are three verdicts. *works*: the library has the value where it needs it, or shows
``[REDACTED]`` where it would show it. *needs reveal()*: it gets ``[REDACTED]`` or raises; nothing
is disclosed. *leaks*: the value comes out in the clear.
"""

from __future__ import annotations

import base64
import csv
import io
import json
import logging
import pickle
import re
import smtplib
import subprocess
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import httpx
import jinja2
import jwt
import loguru
import orjson
import psycopg
import psycopg_pool
import pydantic
import pytest
import redis
import requests
import sentry_sdk
import sentry_sdk.envelope
import sentry_sdk.transport
import structlog
import yaml
from rich.console import Console
from sqlalchemy import URL, create_engine, make_url, text
from sqlalchemy.exc import SQLAlchemyError

from app_integration.database import driver_url
from app_integration.observability import redaction
from app_integration.secret import Secret
from tests.support.servers.deployment import Deployment

pytestmark = pytest.mark.requires("embedded")

SECURITY: Final = Path(__file__).parents[2] / "docs" / "Redaction.md"
VALUE: Final = "correct-horse-battery-staple-correct-horse"
SECRET: Final = Secret(VALUE)
WORKS, NEEDS, LEAKS = "works", "needs reveal()", "leaks"


class Echo(BaseHTTPRequestHandler):
    """A handler that answers 200 to a request with VALUE in a header or the body, else 401."""

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        carried = VALUE in f"{self.headers} {body}"
        self.send_response(HTTPStatus.OK if carried else HTTPStatus.UNAUTHORIZED)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Print nothing, to keep the test's output quiet."""


@dataclass(frozen=True)
class Servers:
    """Addresses and credentials of the servers that the calls use."""

    database: Secret
    redis: Secret
    smtp: Secret
    smtp_address: tuple[str, int]
    smtp_user: str
    http: str


@pytest.fixture(scope="module")
def servers(deployment: Deployment) -> Iterator[Servers]:
    given = deployment.local.service("gaara-store").access.provided_secrets()
    echo = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    thread = threading.Thread(target=echo.serve_forever)
    thread.start()
    yield Servers(
        database=given["database-url"],
        redis=given["redis-url"],
        smtp=given["smtp-password"],
        smtp_address=("127.0.0.1", deployment.ports.smtp),
        smtp_user=deployment.local.service("gaara-store").scope.service,
        http=f"http://127.0.0.1:{echo.server_port}/",
    )
    echo.shutdown()
    thread.join()
    echo.server_close()


@dataclass(frozen=True)
class Use:
    """A call that needs a value."""

    value: Callable[[Servers], Secret]
    attempt: Callable[[Servers, str], bool]

    def verdict(self, servers: Servers) -> str:
        secret = self.value(servers)
        if self._succeeds(servers, secret):
            return WORKS
        assert self._succeeds(servers, secret.reveal()), "it fails with the plain value too"
        return NEEDS

    def _succeeds(self, servers: Servers, value: str) -> bool:
        try:
            return self.attempt(servers, value)
        except (psycopg.Error, SQLAlchemyError, smtplib.SMTPException, requests.RequestException):
            return False


@dataclass(frozen=True)
class Show:
    """A call that turns a value into text."""

    show: Callable[[str], str]

    def verdict(self, _servers: Servers) -> str:
        shown, refused = self._shown(SECRET)
        assert not (refused and VALUE in shown), "the refusal shows it"
        assert not self._shown(VALUE)[1], "the plain value is refused too"
        if refused:
            return NEEDS
        assert VALUE in shown or "REDACTED" in shown or "***" in shown
        return LEAKS if VALUE in shown else WORKS

    def _shown(self, value: str) -> tuple[str, bool]:
        """Return the text and False; if the call raises, its traceback and True."""
        try:
            return self.show(value), False
        except (TypeError, yaml.YAMLError) as error:
            return "".join(traceback.format_exception(error)), True


def connects(servers: Servers, **options: Any) -> bool:
    """Return whether psycopg logs in with *options*; host, user and database are set."""
    url = make_url(servers.database.reveal())
    with psycopg.connect(
        host=url.host,
        port=url.port,
        dbname=url.database,
        user=url.username,
        connect_timeout=5,
        **options,
    ) as connection:
        return connection.execute("SELECT 1").fetchone() == (1,)


def opens(url: URL | str, **options: Any) -> bool:
    """Return whether an engine for *url* connects."""
    engine = create_engine(url, **options)
    try:
        with engine.connect() as connection:
            return bool(connection.scalar(text("SELECT 1")) == 1)
    finally:
        engine.dispose()


def database_password(servers: Servers) -> Secret:
    return Secret(make_url(servers.database.reveal()).password or "")


def database_address(servers: Servers) -> URL:
    return make_url(servers.database.reveal()).set(password=None)


def unread_url_error(password: str) -> str:
    """Return the text of psycopg's error for a URL in SQLAlchemy's form."""
    with pytest.raises(psycopg.ProgrammingError) as caught:
        psycopg.connect("postgresql+psycopg://shop:" + password + "@127.0.0.1/shop")
    return f"{caught.value} {caught.value!r}"


def redacted_url_error(password: str) -> str:
    registry = redaction.SecretRegistry()
    registry.add(password)
    redaction.install(registry)
    try:
        return unread_url_error(password)
    finally:
        redaction.uninstall()


def url_connects(_servers: Servers, url: str) -> bool:
    with psycopg.connect(driver_url(url), connect_timeout=5) as connection:
        return connection.execute("SELECT 1").fetchone() == (1,)


def pool_connects(_servers: Servers, url: str) -> bool:
    try:
        with psycopg_pool.ConnectionPool(driver_url(url), min_size=1, timeout=5, open=True) as pool:
            pool.wait(5)
            with pool.connection() as connection:
                return connection.execute("SELECT 1").fetchone() == (1,)
    except psycopg_pool.PoolTimeout:
        return False


def parameter_arrives(servers: Servers, value: str) -> bool:
    with psycopg.connect(driver_url(servers.database)) as connection:
        row = connection.execute("SELECT %s = %s", [value, VALUE]).fetchone()
    return row == (True,)


def bound_parameter_arrives(servers: Servers, value: str) -> bool:
    engine = create_engine(servers.database.reveal())
    with engine.connect() as connection:
        same = connection.scalar(text("SELECT :given = :plain"), {"given": value, "plain": VALUE})
    engine.dispose()
    return bool(same)


def redis_password(servers: Servers) -> Secret:
    return Secret(redis.Redis.from_url(servers.redis.reveal()).get_connection_kwargs()["password"])


def pings(client: redis.Redis) -> bool:
    with client:
        try:
            return bool(client.ping())
        except redis.AuthenticationError:
            return False


def mails(servers: Servers, mechanism: str, password: str) -> bool:
    with smtplib.SMTP(*servers.smtp_address, timeout=5) as server:
        server.ehlo()
        server.user, server.password = servers.smtp_user, password
        method = server.auth_plain if mechanism == "PLAIN" else server.auth_login
        code, _ = server.auth(mechanism, method)
        return code == 235  # RFC 4954: authentication succeeded


def answers(servers: Servers, **options: Any) -> bool:
    return requests.get(servers.http, timeout=5, **options).ok


def signs(_servers: Servers, key: str) -> bool:
    return jwt.encode({"sub": "7"}, key, "HS256") == jwt.encode({"sub": "7"}, VALUE, "HS256")


def verifies(_servers: Servers, key: str) -> bool:
    try:
        return jwt.decode(jwt.encode({"sub": "7"}, VALUE, "HS256"), key, ["HS256"]) == {"sub": "7"}
    except jwt.InvalidSignatureError:
        return False


def logged(message: str, *arguments: object) -> str:
    return logging.LogRecord("x", logging.INFO, "", 1, message, arguments, None).getMessage()


def written(value: str) -> str:
    stream = io.StringIO()
    stream.write(value)
    return stream.getvalue()


def printed(value: str) -> str:
    stream = io.StringIO()
    print(value, file=stream)
    return stream.getvalue()


def printed_by_rich(value: str) -> str:
    stream = io.StringIO()
    Console(file=stream, width=200).print(value)
    return stream.getvalue()


def structlog_line(value: str, renderer: Any) -> str:
    stream = io.StringIO()
    logger = structlog.wrap_logger(structlog.PrintLogger(stream), processors=[renderer])
    logger.info("login", key=value)
    return stream.getvalue()


def loguru_line(log: Callable[[Any], None], **options: Any) -> str:
    lines: list[str] = []
    number = loguru.logger.add(lines.append, format="{message} {extra}", **options)
    try:
        log(loguru.logger)
    finally:
        loguru.logger.remove(number)
    return "".join(lines)


def sent_to_sentry(work: Callable[[sentry_sdk.Scope], None], before_send: Any = None) -> str:
    """Return the event that Sentry's client sends for a ValueError raised after *work*."""
    sent: list[str] = []

    class Kept(sentry_sdk.transport.Transport):
        def capture_envelope(self, envelope: sentry_sdk.envelope.Envelope) -> None:
            sent.extend(item.get_bytes().decode() for item in envelope.items)

    client = sentry_sdk.Client(
        dsn="https://key@sentry.invalid/1",
        transport=Kept,
        default_integrations=False,
        before_send=before_send,
    )
    with sentry_sdk.new_scope() as scope:
        scope.set_client(client)
        try:
            work(scope)
        except ValueError as error:
            scope.capture_exception(error)
    client.close()
    return "".join(sent)


def fail_with_a_local(_scope: sentry_sdk.Scope, value: str) -> None:
    held = {"key": [value]}
    raise ValueError(len(held))


def fail_with_context(scope: sentry_sdk.Scope, value: str) -> None:
    scope.set_extra("key", value)
    raise ValueError


def fail_with_a_plain_local(_scope: sentry_sdk.Scope, value: str) -> None:
    plain = value + "!"
    raise ValueError(plain)


def captured_locals(value: str) -> str:
    with pytest.raises(ValueError, match="1") as caught:
        fail_with_a_local(sentry_sdk.Scope(), value)
    trace = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    return "".join(trace.format())


def before_send(event: Any, _hint: Any) -> Any:
    registry = redaction.SecretRegistry()
    registry.add(VALUE)
    return redaction.scrubbed(event, registry)


def authorizes(_servers: Servers, password: str) -> bool:
    request = requests.Request("GET", "http://host/", auth=("shop", password)).prepare()
    return base64.b64decode(request.headers["Authorization"][6:]).decode() == f"shop:{VALUE}"


def httpx_answers(servers: Servers, value: str) -> bool:
    return httpx.get(servers.http, headers={"X-Token": value}, timeout=5).is_success


def csv_line(value: str) -> str:
    stream = io.StringIO()
    csv.writer(stream).writerow([value])
    return stream.getvalue()


class Plain(pydantic.BaseModel):
    key: str


class Hidden(pydantic.BaseModel):
    key: pydantic.SecretStr


class Number(pydantic.BaseModel):
    key: int


def validation_error(value: str) -> str:
    with pytest.raises(pydantic.ValidationError) as caught:
        Number.model_validate({"key": value})
    return str(caught.value)


def statement_error(value: str) -> str:
    engine = create_engine("sqlite://")
    with engine.connect() as connection, pytest.raises(SQLAlchemyError) as caught:
        connection.execute(text("SELECT :key FROM nowhere"), {"key": value})
    engine.dispose()
    return str(caught.value)


def anything(_servers: Servers) -> Secret:
    return SECRET


#: Call, as the table of docs/Redaction.md writes it → how it is tried.
CALLS: Final[Mapping[str, Use | Show]] = {
    "psycopg.connect(driver_url(secret_url))": Use(lambda servers: servers.database, url_connects),
    "str(error) of psycopg.connect(secret_url)": Show(unread_url_error),
    "str(error) of psycopg.connect(secret_url), redaction.install()": Show(redacted_url_error),
    "psycopg.connect(password=secret)": Use(
        database_password, lambda servers, value: connects(servers, password=value)
    ),
    'connection.execute("… %s", [secret])': Use(anything, parameter_arrives),
    "create_engine(secret_url)": Use(
        lambda servers: servers.database, lambda _servers, value: opens(value)
    ),
    "str(make_url(secret_url))": Show(
        lambda value: str(make_url("postgresql://shop:" + value + "@host/shop"))
    ),
    "URL.create(password=secret)": Use(
        database_password,
        lambda servers, value: opens(database_address(servers).set(password=value)),
    ),
    'create_engine(…, connect_args={"password": secret})': Use(
        database_password,
        lambda servers, value: opens(database_address(servers), connect_args={"password": value}),
    ),
    'connection.execute(text("… :key"), {"key": secret})': Use(anything, bound_parameter_arrives),
    "str(error) of a statement with a secret parameter": Show(statement_error),
    "redis.Redis.from_url(secret_url)": Use(
        lambda servers: servers.redis, lambda _servers, value: pings(redis.Redis.from_url(value))
    ),
    "redis.Redis(password=secret)": Use(
        redis_password,
        lambda servers, value: pings(
            redis.Redis(
                port=redis.Redis.from_url(servers.redis.reveal()).get_connection_kwargs()["port"],
                password=value,
            )
        ),
    ),
    "repr(redis.Redis(password=secret))": Show(lambda value: repr(redis.Redis(password=value))),
    "SMTP.login(user, secret), AUTH PLAIN": Use(
        lambda servers: servers.smtp, lambda servers, value: mails(servers, "PLAIN", value)
    ),
    "SMTP.login(user, secret), AUTH LOGIN": Use(
        lambda servers: servers.smtp, lambda servers, value: mails(servers, "LOGIN", value)
    ),
    "psycopg_pool.ConnectionPool(driver_url(secret_url))": Use(
        lambda servers: servers.database, pool_connects
    ),
    "jwt.encode(claims, secret)": Use(anything, signs),
    "jwt.decode(token, secret)": Use(anything, verifies),
    'requests.get(headers={"X-Token": secret})': Use(
        anything, lambda servers, value: answers(servers, headers={"X-Token": value})
    ),
    'requests.get(headers={"Authorization": f"Bearer {secret}"})': Use(
        anything,
        lambda servers, value: answers(servers, headers={"Authorization": f"Bearer {value}"}),
    ),
    'requests.get(json={"key": secret})': Use(
        anything, lambda servers, value: answers(servers, json={"key": value})
    ),
    'requests.get(auth=("shop", secret))': Use(anything, authorizes),
    'httpx.get(headers={"X-Token": secret})': Use(anything, httpx_answers),
    'httpx.get(params={"key": secret})': Use(
        anything, lambda _servers, value: VALUE in str(httpx.QueryParams({"key": value}))
    ),
    'requests.get(params={"key": secret})': Show(
        lambda value: str(
            requests.Request("GET", "http://host/", params={"key": value}).prepare().url
        )
    ),
    'json.dumps({"key": secret})': Show(lambda value: json.dumps({"key": value})),
    'orjson.dumps({"key": secret})': Show(lambda value: orjson.dumps({"key": value}).decode()),
    "orjson.dumps(…, option=orjson.OPT_PASSTHROUGH_SUBCLASS)": Show(
        lambda value: orjson.dumps(value, option=orjson.OPT_PASSTHROUGH_SUBCLASS).decode()
    ),
    'yaml.safe_dump({"key": secret})': Show(lambda value: yaml.safe_dump({"key": value})),
    'yaml.dump({"key": secret})': Show(lambda value: yaml.dump({"key": value})),
    'logging.info("%s", secret)': Show(lambda value: logged("%s", value)),
    'logging.info("%s", {"key": secret})': Show(lambda value: logged("%s", [{"key": value}])),
    'logging.info("key " + secret)': Show(lambda value: logged("key " + value)),
    "traceback.TracebackException(…, capture_locals=True)": Show(captured_locals),
    "structlog, JSONRenderer": Show(
        lambda value: structlog_line(value, structlog.processors.JSONRenderer())
    ),
    "structlog, ConsoleRenderer": Show(
        lambda value: structlog_line(value, structlog.dev.ConsoleRenderer(colors=False))
    ),
    "structlog, KeyValueRenderer": Show(
        lambda value: structlog_line(value, structlog.processors.KeyValueRenderer())
    ),
    'loguru.logger.info("{}", secret)': Show(
        lambda value: loguru_line(lambda to: to.info("{}", value))
    ),
    "loguru, bind(key=secret), serialize=True": Show(
        lambda value: loguru_line(lambda to: to.bind(key=value).info("x"), serialize=True)
    ),
    "sentry_sdk.capture_exception(), a Secret among local variables": Show(
        lambda value: sent_to_sentry(partial(fail_with_a_local, value=value))
    ),
    'sentry_sdk.set_extra("key", secret)': Show(
        lambda value: sent_to_sentry(partial(fail_with_context, value=value))
    ),
    "sentry_sdk.capture_exception(), a revealed value among local variables": Show(
        lambda value: sent_to_sentry(partial(fail_with_a_plain_local, value=value))
    ),
    "sentry_sdk.init(before_send=…scrubbed(event))": Show(
        lambda value: sent_to_sentry(partial(fail_with_a_plain_local, value=value), before_send)
    ),
    "repr(model) with a field: str": Show(lambda value: repr(Plain(key=value))),
    "repr(model) with a field: SecretStr": Show(
        lambda value: repr(Hidden(key=pydantic.SecretStr(value)))
    ),
    "str(ValidationError) of a secret input": Show(validation_error),
    "jinja2.Template.render(key=secret)": Show(
        lambda value: jinja2.Template("{{ key }}", autoescape=True).render(key=value)
    ),
    "urllib.parse.urlencode({…: secret})": Use(
        anything, lambda _servers, value: VALUE in urlencode({"key": value})
    ),
    "rich.print(secret)": Show(printed_by_rich),
    "csv.writer.writerow([secret])": Show(csv_line),
    "pickle.dumps(secret)": Show(lambda value: pickle.dumps(value).decode(errors="replace")),
    "subprocess.run([…, secret])": Show(
        lambda value: (
            subprocess.run(["/bin/echo", value], capture_output=True, text=True, check=True).stdout
        )
    ),
    "print(secret)": Show(printed),
    'f"{secret}", "%s" % secret': Show(lambda value: f"{value} %s" % value),
    "file.write(secret)": Show(written),
    '",".join([secret, …])': Show(lambda value: ",".join([value] * 2)),
    'secret + "…"': Show(lambda value: value + "more"),
}


def documented() -> dict[str, str]:
    """Return call → verdict, as in the table."""
    rows = re.findall(
        r"^\| [^|]+ \| `+ ?(.+?) ?`+ \| (works|needs `reveal\(\)`|leaks)[ |]",
        SECURITY.read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    return {call: verdict.replace("`", "") for call, verdict in rows}


@pytest.mark.parametrize("call", CALLS)
def test_library_treats_secret_as_documented(servers: Servers, call: str) -> None:
    assert CALLS[call].verdict(servers) == documented()[call]


def test_documented_table_lists_exactly_these_calls() -> None:
    assert documented().keys() == CALLS.keys()
