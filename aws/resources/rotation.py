"""Rotation of a secret by a Lambda function, as Secrets Manager has it configured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final
from uuid import uuid4

from app_integration.aws.connection import AwsConnection
from app_integration.aws.request import AwsRequest
from app_integration.errors import ConfigurationError, RequestRefused
from aws.reader import AwsReader
from aws.resources.secret import SERVICE, describe
from aws.resources.secret_version import current_version
from vault.declare import durations
from vault.reconcile.resources import Fields, ValueSetting

_OFF: Final = {"function": None, "every": None}


@dataclass(frozen=True, slots=True)
class AwsRotation(ValueSetting):
    """The rotation of a secret with a value, or that it has none.

    *every* is in seconds, whole days; None if *function* does not rotate the secret.
    """

    kind: ClassVar[str] = "secret-rotation"

    name: str
    function: str
    every: int | None

    def desired(self) -> Fields:
        """Return the function and the period, None for a secret that it does not rotate."""
        if self.every is None:
            return _OFF
        return {"function": self.function, "every": durations.render(self.every)}

    def read(self, reader: AwsReader) -> Fields | None:
        """Return function and period; None if the secret must be rotated and has no value yet."""
        found = describe(reader, self.name) or {}
        if current_version(found) is None:
            return None if self.every is not None else _OFF
        function = found.get("RotationLambdaARN") if found.get("RotationEnabled") else None
        if self.every is None and function != self.function:
            return _OFF  # because it is another team's function
        days = found.get("RotationRules", {}).get("AutomaticallyAfterDays")
        every = durations.render(days * durations.DAY) if function and days else None
        return {"function": function, "every": every}

    def write(self, session: AwsConnection, before: Fields | None) -> None:  # noqa: ARG002 (protocol)
        """Configure the rotation, which begins a period later, or switch it off."""
        if self.every is not None:
            self._configure(session, self.every, immediately=False)
            return
        parameters = {"SecretId": self.name}
        session.call(AwsRequest(SERVICE, "CancelRotateSecret", self.name, parameters))

    def begin(self, session: AwsConnection) -> None:
        """Configure the rotation of a secret that has one, and begin one now."""
        if self.every is not None:
            self._configure(session, self.every, immediately=True)

    def _configure(self, session: AwsConnection, every: int, *, immediately: bool) -> None:
        request = {
            "SecretId": self.name,
            # Chosen here and not by boto3, so that a repeated request is the same one.
            "ClientRequestToken": uuid4().hex,
            "RotationLambdaARN": self.function,
            "RotationRules": {"AutomaticallyAfterDays": every // durations.DAY},
            "RotateImmediately": immediately,
        }
        try:
            session.call(AwsRequest(SERVICE, "RotateSecret", self.name, request))
        except RequestRefused as refused:
            raise ConfigurationError(
                f"{refused}; create the function {self.function}, let Secrets Manager invoke it, "
                "and let no rotation of the secret be under way; then run the command again"
            ) from None
