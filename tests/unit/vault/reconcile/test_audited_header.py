from __future__ import annotations

from typing import Any

import pytest

from app_integration.errors import ConfigurationError, RequestRefused, ServerFault
from vault.reconcile.resources.audited_header import AuditedHeader


class Reader:
    """A session whose response is given."""

    def __init__(self, response: dict[str, Any] | Exception) -> None:
        self._response = response

    def get(self, path: str) -> dict[str, Any]:
        assert path == "sys/config/auditing/request-headers"
        if isinstance(self._response, Exception):
            raise self._response
        return self._response

    def list(self, path: str) -> list[str]:
        raise AssertionError(path)

    def post(self, path: str, body: object = None) -> dict[str, Any]:
        raise AssertionError(path, body)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"x-correlation-id": {"hmac": False}}, {"hmac": False}),
        ({"X-Correlation-Id": {"hmac": True}, "x-other": {"hmac": False}}, {"hmac": True}),
        ({"x-other": {"hmac": False}}, None),
        ({}, None),
        (None, None),
    ],
)
def test_header_is_found_in_any_case(headers: Any, expected: Any) -> None:
    assert AuditedHeader().read(Reader({"data": {"headers": headers}})) == expected


def test_namespace_without_the_setting_is_named() -> None:
    refused = RequestRefused("unsupported path", status=400)
    with pytest.raises(ConfigurationError, match=r"vault\.audit_trace_ids: .* root namespace"):
        AuditedHeader().read(Reader(refused))


def test_other_errors_are_raised_as_they_are() -> None:
    with pytest.raises(ServerFault):
        AuditedHeader().read(Reader(ServerFault("failing")))
    with pytest.raises(RequestRefused):
        AuditedHeader().read(Reader(RequestRefused("x", status=405)))
