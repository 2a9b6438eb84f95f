"""Lines of an audit log, made by hand."""

from __future__ import annotations

import json
from typing import Any


def line(number: int, **fields: Any) -> bytes:
    """Return a line without its newline, by a number for its id."""
    document: dict[str, Any] = {
        "time": f"2026-11-28T04:{number // 60 % 60:02}:{number % 60:02}.1234567Z",
        "type": "response",
        "auth": {
            "client_token": "hmac-sha256:aa",
            "accessor": "hmac-sha256:bb",
            "display_name": "approle",
            "policies": ["shop-dev"],
            "metadata": {"role_name": "shop-dev", "host": "web-1"},
            "policy_results": {"allowed": True},
            "token_ttl": 900,
        },
        "request": {
            "id": f"00000000-0000-0000-0000-{number:012}",
            "operation": "read",
            "path": "secret/data/shop/dev/key",
            "data": None,
        },
        "response": {"data": {"metadata": {"version": 3}}},
        **fields,
    }
    kept = {name: value for name, value in document.items() if value != "absent"}
    return json.dumps(kept, separators=(",", ":")).encode()
