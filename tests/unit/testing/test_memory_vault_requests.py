"""Any request to the server in memory ends in an HTTP response, and never in another exception."""

from __future__ import annotations

import pytest

from tests.support.models.vault_requests import check_requests


def test_any_requests_end_in_http_responses() -> None:
    check_requests(100)


@pytest.mark.nightly
@pytest.mark.timeout(1800)
def test_many_requests_end_in_http_responses() -> None:
    check_requests(5000)
