"""A request to AWS, as errors name it."""

from __future__ import annotations

import pytest

from app_integration.aws.request import AwsRequest


@pytest.mark.parametrize(
    ("resource", "text"),
    [
        ("shop/dev/token", "secretsmanager GetSecretValue shop/dev/token"),
        ("", "secretsmanager GetSecretValue"),
    ],
)
def test_request_is_named_without_its_parameters(resource: str, text: str) -> None:
    request = AwsRequest("secretsmanager", "GetSecretValue", resource, {"SecretId": "hidden"})
    assert str(request) == text
    assert "hidden" not in repr(request)
