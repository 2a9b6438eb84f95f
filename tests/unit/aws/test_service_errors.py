"""Translation of botocore's exceptions, for those that a server of faults cannot cause quickly."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from app_integration import errors
from app_integration.aws.service_errors import translate

LOGIN = "AssumeRoleWithWebIdentity"
READ = "GetSecretValue"


@pytest.mark.parametrize(
    ("code", "status", "kind", "message"),
    [
        ("Throttling", 400, errors.RateLimited, f"throttled ({LOGIN}: Throttling)"),
        ("ServiceUnavailable", 503, errors.ServerFault, f"status 503 ({LOGIN}: ServiceUnav"),
        ("", 502, errors.ServerFault, f"status 502 ({LOGIN}: )"),
        ("AccessDenied", 403, errors.AuthenticationFailed, f"({LOGIN}: AccessDenied)"),
        ("InvalidIdentityToken", 400, errors.AuthenticationFailed, f"({LOGIN}: InvalidId"),
    ],
)
def test_translate_of_a_failed_login_tells_an_outage_from_a_rejection(
    code: str, status: int, kind: type[errors.StrongroomError], message: str
) -> None:
    response = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    error = translate(ClientError(response, LOGIN), "secretsmanager GetSecretValue x", READ)
    assert type(error) is kind
    assert message in str(error)
    assert isinstance(error, errors.OUTAGE) is (kind is not errors.AuthenticationFailed)
