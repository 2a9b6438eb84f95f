"""Items of Transit requests in memory: single ones and batches, base64 and versioned texts."""

from __future__ import annotations

import base64
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from app_integration.testing.http import (
    ErrorResponse,
    ServerResponse,
    data_response,
    internal_error,
)
from app_integration.testing.parameters import Parameters, check, go_type, parse_integer
from app_integration.testing.transit.keys import Key

PREFIX: Final = "vault:v"
TOO_OLD: Final = "ciphertext or signature version is disallowed by policy (too old)"
_PARSE: Final = "failed to parse batch input:"
_SUCCESSES: Final = range(200, 600)


class ItemError(Exception):
    """An error for one item of a batch."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status

    def response(self) -> ErrorResponse:
        """Return the error of a request with this item alone."""
        return ErrorResponse(400, str(self)) if self.status == 400 else internal_error(str(self))  # noqa: PLR2004 (one of the two statuses)


Run = Callable[[Parameters], dict[str, Any]]


def run_single(run: Run, given: Parameters) -> dict[str, Any]:
    """Return the result of a request without a batch."""
    try:
        return run(given)
    except ItemError as error:
        raise error.response() from None


def run_batch(
    run: Run, items: list[Parameters], on_error: Mapping[str, Any] | None = None
) -> tuple[list[dict[str, Any]], list[int]]:
    """Return the result of each item, and the statuses of those that failed."""
    results, failures = [], []
    for item in items:
        try:
            result = run(item)
        except ItemError as error:
            result = {**(on_error or {}), "error": str(error)}
            failures.append(error.status)
        results.append({**result, "reference": item.text("reference")})
    return results, failures


def respond(
    run: Run,
    given: Parameters,
    items: list[Parameters] | None,
    on_error: Mapping[str, Any] | None = None,
) -> ServerResponse:
    """Return the response to a request; *items* is None if it has no batch."""
    if items is None:
        return data_response(run_single(run, given))
    results, _ = run_batch(run, items, on_error)
    return data_response({"batch_results": results})


def batch_status(given: Parameters, failures: list[int], total: int) -> int:
    """Return the status of a batch of *total* items."""
    partial = given.integer("partial_failure_response_code")
    if not failures:
        return 200
    if partial in _SUCCESSES and len(failures) < total:
        return partial
    return max(failures)


def parse_batch(
    given: Parameters, known: Collection[str], *, needs: str = "", missing: str = ""
) -> list[Parameters] | None:
    """Return the items of a batch; None if the request has none.

    Each item must have the field *needs*, or *missing* is the error. With such a field, all must
    have the right JSON type.
    """
    items = given.values.get("batch_input")
    if items is None:
        return None
    if not isinstance(items, list):
        where = "" if needs else "'' "
        kind = f"source data must be an array or slice, got {go_type(items)}"
        raise internal_error(f"{_PARSE} {where}{kind}")
    if not items:
        raise ErrorResponse(400, "missing batch input to process")
    for at, item in enumerate(items):
        if not isinstance(item, dict):
            kind = "<nil>" if item is None else go_type(item)
            raise internal_error(f"{_PARSE} [{at}] expected a map, got '{kind}'")
        check(item, (*known, "reference"), prefix="batch_input.")
        if needs and needs not in item:
            raise internal_error(f"{_PARSE} '[{at}].{needs}' {missing}")
        _check_types(at, item, strict=bool(needs))
    return [Parameters(item) for item in items]


def _check_types(at: int, item: Mapping[str, Any], *, strict: bool) -> None:
    for name, value in item.items():
        target = "int" if name == "key_version" else "string"
        right = int if name == "key_version" else str
        is_right = value is None or (isinstance(value, right) and not isinstance(value, bool))
        if not is_right and (strict or isinstance(value, list | dict)):
            kind = f"expected type '{target}', got unconvertible type '{go_type(value)}'"
            raise internal_error(f"{_PARSE} '[{at}].{name}' {kind}")


def decode(text: str, message: str = "illegal base64 data at input byte 0") -> bytes:
    """Return the bytes of base64 text, in which line breaks are allowed."""
    try:
        return base64.b64decode(text.replace("\r", "").replace("\n", ""), validate=True)
    except ValueError:
        raise ItemError(message) from None


def parse_versioned(text: str, what: str, no_prefix: str) -> tuple[int, str]:
    """Return the version and the rest of a text such as ``vault:v1:AAAA``."""
    if not text.startswith(PREFIX):
        raise ItemError(no_prefix)
    version, colon, rest = text.removeprefix(PREFIX).partition(":")
    if not colon:
        raise ItemError(f"invalid {what}: wrong number of fields")
    try:
        # Not "", which other parameters take for 0.
        return parse_integer(version or "-"), rest
    except ValueError:
        raise ItemError(f"invalid {what}: version number could not be decoded") from None


def requested_version(key: Key, given: Parameters, purpose: str, status: int = 400) -> int:
    """Return the version of *key* that a request names, or else the latest."""
    version = given.integer("key_version") or key.latest
    start = f"requested version for {purpose} is"
    if version < 0:
        raise ItemError(f"{start} negative", status)
    if version > key.latest:
        raise ItemError(f"{start} higher than the latest key version", status)
    if version < key.min_encryption:
        raise ItemError(f"{start} less than the minimum encryption key version", status)
    return version
