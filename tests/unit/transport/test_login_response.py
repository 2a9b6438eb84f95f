"""The token in the response to a login."""

from __future__ import annotations

import pytest

from app_integration.errors import UnexpectedAnswer
from app_integration.transport.payloads import parse_auth

PATH = "auth/approle/login"


@pytest.mark.parametrize("token", ["hvs.invented\nX-Other: 1", "hvs.invented\x00", "hvs.inventé"])
def test_token_that_no_header_can_have_is_rejected_without_being_shown(token: str) -> None:
    auth = {"client_token": token, "lease_duration": 60, "renewable": True}
    with pytest.raises(UnexpectedAnswer, match="'client_token' is no token") as caught:
        parse_auth({"auth": auth}, PATH)
    assert "invent" not in str(caught.value)
