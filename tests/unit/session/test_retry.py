"""Decision which requests may be repeated."""

from __future__ import annotations

import pytest

from app_integration.secret import Secret
from app_integration.session.retry import is_repeatable
from app_integration.transport.request import Request


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (Request("GET", "secret/data/x"), True),
        (Request("GET", "rabbitmq/creds/x"), False),
        (Request("GET", "team/database/creds/x"), False),
        (Request("GET", "secret/data/creds/x"), True),
        (Request("GET", "sys/leases/lookup/database/creds/x"), True),
        (Request("GET", "secret/data/x", token=Secret("own")), False),
        (Request("POST", "secret/data/x"), False),
    ],
)
def test_only_reads_that_issue_nothing_are_repeatable(call: Request, expected: bool) -> None:
    call.sent = True
    assert is_repeatable(call) is expected


def test_write_that_was_not_sent_is_repeatable() -> None:
    assert is_repeatable(Request("POST", "secret/data/x"))


def test_wrapped_request_is_not_repeatable_and_another_is_if_its_caller_allows_it() -> None:
    assert is_repeatable(Request.from_sdk("POST", "transit/encrypt/x"))
    assert not is_repeatable(Request.from_sdk("POST", "x", retry=False))
    assert not is_repeatable(Request.from_sdk("POST", "x", wrap_ttl=60))
