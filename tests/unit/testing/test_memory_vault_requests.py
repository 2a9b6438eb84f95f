"""Any request to the server in memory ends in an HTTP response, and nothing of it is ignored."""

from __future__ import annotations

from typing import Final

import pytest

from tests.support.models.vault_requests import API_PATHS, check_requests, new_server

#: Requests whose body the server takes as it is, or that it rejects whatever they say.
TAKEN_WHOLE: Final = {("POST", "sys/wrapping/wrap"), ("POST", "sys/audit/a")}
NAMED: Final = b"the in-memory Vault does not support the parameter 'nope'"
SHAPES: Final = (404, 405)


def test_any_requests_end_in_http_responses() -> None:
    check_requests(100)


@pytest.mark.nightly
@pytest.mark.timeout(1800)
def test_many_requests_end_in_http_responses() -> None:
    check_requests(2000)


def test_unknown_parameter_is_named_on_each_path() -> None:
    server, root = new_server()
    checked, silent = 0, []
    for path in API_PATHS:
        for method in ("GET", "LIST", "POST", "PATCH", "DELETE"):
            is_body = method in {"POST", "PATCH"}
            where = path if is_body else f"{path}?nope=1"
            body = {"nope": 1} if is_body else None
            response = server.answer(method, where, token=root, body=body)
            if response.status in SHAPES or (method, path) in TAKEN_WHOLE or path.endswith("/"):
                continue
            checked += 1
            if NAMED not in response.content:
                silent.append((method, path, response.content))
    assert silent == []
    assert checked > 100
