"""Requests to KMS."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from app_integration.aws.request import AwsRequest

if TYPE_CHECKING:
    from app_integration.aws.connection import AwsConnection


def call_kms(
    connection: AwsConnection,
    operation: str,
    parameters: Mapping[str, Any],
    required: Sequence[str],
) -> dict[str, Any]:
    """Send an operation of KMS and return the response. See :meth:`.AwsConnection.call`."""
    key = parameters.get("KeyId") or parameters["DestinationKeyId"]
    return connection.call(AwsRequest("kms", operation, key, parameters, required))
