"""Requests to the services of AWS under one identity, with one deadline for each call.

botocore makes single attempts, and the SDK repeats them itself: its deadline counts all of them,
and botocore's quota of retries, once spent, would turn a short outage into a long one.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any, Final, TypeVar

import boto3
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from app_integration._internal import fork_safety
from app_integration._internal.aws_variables import check_endpoint
from app_integration.aws.request import AwsRequest
from app_integration.aws.service_errors import reject_cut_body, translate
from app_integration.errors import (
    AuthenticationFailed,
    ConfigurationError,
    DeadlineExceeded,
    StrongroomError,
    UnexpectedAnswer,
)
from app_integration.observability import metrics
from app_integration.session.retry import Retry
from app_integration.settings import Limits
from app_integration.transport.request import HiddenBody

_T = TypeVar("_T")


class RequestThreads:
    """A bounded number of daemon threads that make one call each. Thread-safe.

    The timeouts of botocore are per read, so a body that arrives byte by byte never times out. A
    call has a deadline only if its caller can stop waiting for the thread.
    """

    def __init__(self, limit: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Start nothing yet."""
        self._free = threading.BoundedSemaphore(limit)
        self._clock = clock

    def run(self, call: Callable[[], _T], deadline: float, what: str) -> _T:
        """Return the result of *call*, made in a thread of its own.

        At the *deadline* the thread is abandoned, and counts until *call* returns.
        """
        if not self._free.acquire(timeout=self._left(deadline)):
            raise DeadlineExceeded(
                f"{what}: no thread was free in time; raise the limit aws_threads"
            )
        future: Future[_T] = Future()
        # No executor, because the interpreter would wait for its threads at exit.
        thread = threading.Thread(target=self._run, args=(call, future), daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the limit of the system
            self._free.release()
            raise
        try:
            return future.result(self._left(deadline))
        except TimeoutError:
            raise DeadlineExceeded(f"{what}: no complete response in time; call again") from None

    def _run(self, call: Callable[[], _T], future: Future[_T]) -> None:
        try:
            future.set_result(call())
        except BaseException as error:  # noqa: BLE001 (the caller's thread raises it)
            future.set_exception(error)
        finally:
            self._free.release()

    def _left(self, deadline: float) -> float:
        return max(deadline - self._clock(), 0.0)


#: Loggers whose DEBUG records have requests, responses or credentials among their arguments. A
#: filter of a logger does not apply to its children, so each is named.
_LOGGERS: Final = tuple(
    f"botocore.{module}"
    for module in (
        "auth",
        "awsrequest",
        "compress",
        "credentials",
        "discovery",
        "endpoint",
        "handlers",
        "history",
        "httpsession",
        "parsers",
        "retryhandler",
        "tokens",
        "utils",
    )
)


class _ArgumentFilter(logging.Filter):
    """A filter that drops the arguments of DEBUG records, and keeps their templates."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Return True, after the arguments of *record* are dropped."""
        if record.levelno <= logging.DEBUG:
            record.args = None
        return True


_FILTER: Final = _ArgumentFilter()


def _filter_logs() -> None:
    """Drop the arguments of botocore's DEBUG records from now on. A second call changes nothing.

    Redaction by value does not help, because botocore logs a response before the SDK has read it.
    """
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_FILTER)


class AwsConnection:
    """Clients of AWS services that share one identity and region. Thread-safe.

    The identity is the one that boto3 finds: variables, a profile, a web identity, that of a
    container or that of an instance. Outside development it must be a role's, whose credentials
    expire.
    """

    def __init__(
        self,
        region: str,
        *,
        development: bool = False,
        endpoint: str | None = None,
        access_key: tuple[str, str] | None = None,
        limits: Limits | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Send nothing yet."""
        self.region: Final = region
        self.replicas: Sequence[AwsConnection] = ()
        self._development = development
        self._endpoint = endpoint
        self._access_key = access_key
        self._limits = limits or Limits()
        self._clock = clock
        self._retry = Retry(self._limits, clock, sleep)
        _filter_logs()
        self.reset_after_fork()
        fork_safety.reset_in_child(self)

    def reset_after_fork(self) -> None:
        """Drop the clients with their connections, and recreate the locks."""
        self._lock = threading.Lock()
        self._session: Any = None
        self._clients: dict[str, Any] = {}
        self._threads = RequestThreads(self._limits.aws_threads, self._clock)

    def deadline(self) -> float:
        """Return the deadline of a call that begins now, on the connection's clock."""
        return self._clock() + self._limits.deadline

    @metrics.count_outcomes("request")
    def call(self, request: AwsRequest, deadline: float | None = None) -> dict[str, Any]:
        """Send *request*, repeat it after an outage, and return the response.

        Several requests may share one *deadline*. A RequestRefused has the code of AWS in
        ``data["code"]``.
        """
        started, end = self._clock(), self.deadline() if deadline is None else deadline
        attempt = partial(self._attempt, request, end)
        response = self._retry(attempt, end, lambda: request.is_repeatable)
        metrics.get_recorder().record_duration(self._clock() - started)
        return response

    def _attempt(self, request: AwsRequest, end: float) -> dict[str, Any]:
        outcome = self._threads.run(partial(self._send, request), end, str(request))
        # Raised here and not where it occurred, so that neither the exceptions of the library nor
        # their frames are part of the traceback.
        if isinstance(outcome, StrongroomError):
            raise outcome
        return outcome

    def _send(self, request: AwsRequest) -> dict[str, Any] | StrongroomError:
        """Send one request and return its response, or the error that stands for its failure."""
        try:
            client = self._client(request.service)
            response = getattr(client, xform_name(request.operation))(**request.parameters)
        except (BotoCoreError, ClientError) as error:
            failure = translate(error, str(request), request.operation)
            if isinstance(failure, AuthenticationFailed):
                self._forget_identity()
            return failure
        except StrongroomError as error:
            return error
        except Exception as error:  # noqa: BLE001 (botocore's parsers raise any kind)
            # Its frames hold the response, so it is dropped like the others.
            name = type(error).__name__
            return UnexpectedAnswer(
                f"{request}: this is not a response of AWS ({name}); check "
                "AWS_ENDPOINT_URL and proxies"
            )
        if missing := [key for key in request.required if key not in response]:
            return UnexpectedAnswer(
                f"{request}: the response has no {missing[0]}: it was cut off; call again"
            )
        return HiddenBody(response)

    def _client(self, service: str) -> Any:
        """Return the client of *service*, built on first use.

        Building it may request credentials, so this runs in a thread that can be abandoned.
        """
        if (found := self._clients.get(service)) is not None:
            return found
        with self._lock:  # because sessions are not thread-safe, unlike clients
            if service not in self._clients:
                self._clients[service] = self._build_client(service)
            return self._clients[service]

    def _build_client(self, service: str) -> Any:
        if self._session is None:
            key_id, key = self._access_key or (None, None)
            session = boto3.session.Session(key_id, key, region_name=self.region)
            self._check_identity(session)
            self._session = session  # only now, so that the check is repeated until it succeeds
        client = self._session.client(
            service,
            endpoint_url=self._endpoint,
            config=Config(
                retries={"total_max_attempts": 1, "mode": "standard"},
                connect_timeout=self._limits.connect_timeout,
                read_timeout=self._limits.deadline,
                max_pool_connections=self._limits.aws_threads,
            ),
        )
        where = f"the endpoint of {service} in the AWS configuration"
        client.meta.events.register("before-parse", reject_cut_body)
        check_endpoint(where, client.meta.endpoint_url, development=self._development)
        return client

    def _check_identity(self, session: Any) -> None:
        """Raise an error if the identity of *session* is an access key outside development."""
        found = session.get_credentials()
        # Those of a role come with a session token. A client without any fails at its first
        # request, and says so.
        if found is not None and not self._development and not found.get_frozen_credentials().token:
            raise ConfigurationError(
                f"the AWS credentials ({found.method}) are an access key, which is for development"
                " only; give the process an IAM role"
            )

    def _forget_identity(self) -> None:
        """Drop the clients, so that the next request looks for credentials again."""
        with self._lock:
            self._session, self._clients = None, {}

    def close(self) -> None:
        """Close the pooled connections. A later call opens others."""
        with self._lock:
            clients = [*self._clients.values()]
        for each in (*clients, *self.replicas):
            each.close()
