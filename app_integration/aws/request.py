"""A request to AWS. Apart from the connection, so that its users do not load boto3."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class AwsRequest:
    """One request; its ``repr`` does not show the parameters.

    The response must have the keys in *required*, because a body that was cut off is otherwise a
    success without them. *is_repeatable* is False if AWS cannot tell a second request from another
    one.
    """

    service: str
    operation: str
    resource: str
    parameters: Mapping[str, Any] = field(repr=False)
    required: Sequence[str] = ()
    is_repeatable: bool = True

    def __str__(self) -> str:
        return " ".join(filter(None, (self.service, self.operation, self.resource)))
