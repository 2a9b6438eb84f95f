"""Tags of an object: each managed one is a field, and those of others are kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from app_integration.aws.connection import AwsConnection
from app_integration.aws.request import AwsRequest
from vault.reconcile.resources import Fields

#: Managed tags; None for one that must not exist.
Tags = Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class TagForm:
    """Form of tags in the requests of one service."""

    service: str
    id_key: str
    add: str = "TagResource"
    remove: str = "UntagResource"
    prefix: str = ""
    parameter: str = "Tags"

    def encode(self, tags: Tags) -> list[dict[str, str]]:
        """Return the tags that must exist, as a parameter."""
        return [
            {f"{self.prefix}Key": key, f"{self.prefix}Value": value}
            for key, value in tags.items()
            if value is not None
        ]

    def decode(self, tags: Tags, found: Iterable[Mapping[str, str]]) -> Fields:
        """Return the managed tags as they are in a response."""
        by_key = {each[f"{self.prefix}Key"]: each[f"{self.prefix}Value"] for each in found}
        return {key: by_key.get(key) for key in tags}

    def write(self, session: AwsConnection, name: str, tags: Tags, before: Fields) -> None:
        """Set and remove those of *tags* that differ."""
        changed = {key: value for key, value in tags.items() if before.get(key) != value}
        if added := self.encode(changed):
            self._send(session, self.add, name, {self.parameter: added})
        if removed := [key for key, value in changed.items() if value is None]:
            self._send(session, self.remove, name, {"TagKeys": removed})

    def _send(
        self, session: AwsConnection, operation: str, name: str, parameters: Mapping[str, object]
    ) -> None:
        request = {self.id_key: name, **parameters}
        session.call(AwsRequest(self.service, operation, name, request))
