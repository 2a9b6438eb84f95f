"""A request to AWS. Apart from the connection, so that its users do not load boto3."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class AwsRequest:
    """One request; its ``repr`` does not show the parameters.

    Attributes:
        service: The service, as boto3 names it: ``secretsmanager`` or ``kms``.
        operation: The operation, as the API names it: ``GetSecretValue``.
        resource: The secret or key, for errors; empty if the request names none.
        parameters: The operation's parameters.
        required: Keys that the response must have. A body that was cut off is otherwise returned
            as a success without them.
        is_repeatable: Whether it may be sent again after an outage. That is not so if AWS cannot
            tell the second from another one.

    """

    service: str
    operation: str
    resource: str
    parameters: Mapping[str, Any] = field(repr=False)
    required: Sequence[str] = ()
    is_repeatable: bool = True

    def __str__(self) -> str:
        return " ".join(filter(None, (self.service, self.operation, self.resource)))
