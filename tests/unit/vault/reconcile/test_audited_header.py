from __future__ import annotations

from typing import Any

import pytest

from app_integration.errors import ConfigurationError, RequestRefused, ServerFault
from tests.unit.vault.conftest import FixedResponses
from vault.reconcile.resources.audited_header import AuditedHeader


def read(response: Any) -> Any:
    return AuditedHeader().read(FixedResponses({"sys/config/auditing/request-headers": response}))


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
    assert read({"headers": headers}) == expected


def test_namespace_without_the_setting_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"vault\.audit_trace_ids: .* root namespace"):
        read(RequestRefused("unsupported path", status=400))


def test_other_errors_are_raised_as_they_are() -> None:
    with pytest.raises(ServerFault):
        read(ServerFault("failing"))
    with pytest.raises(RequestRefused):
        read(RequestRefused("x", status=405))
