"""Secrets from AWS Secrets Manager.

Each read names the stage of the version: a policy may be conditioned on it, and a version whose
stage was moved explicitly is not returned otherwise by each server.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final

from app_integration import names
from app_integration.aws.request import AwsRequest
from app_integration.errors import (
    OUTAGE,
    AccessDenied,
    RateLimited,
    RequestRefused,
    SecretDeleted,
    SecretNotFound,
    StrongroomError,
    UnexpectedAnswer,
)
from app_integration.names import Scope
from app_integration.secret import Secret
from app_integration.sources import FetchedSecret, Following, Preceding, Version, not_a_version

if TYPE_CHECKING:
    from app_integration.aws.connection import AwsConnection

CURRENT: Final = "AWSCURRENT"
PREVIOUS: Final = "AWSPREVIOUS"
#: The label of a signing key that is announced, which the next rotation makes the current one.
NEXT: Final = "STRONGROOM-NEXT"
_BATCH: Final = 20  # secrets in one request; AWS allows no more
_BATCH_FIELDS: Final = ("Name", "SecretString", "VersionId")
_SERVICE: Final = "secretsmanager"
_ABSENT: Final = "ResourceNotFoundException"
#: Seconds for which a region that is down is tried last.
_AVOIDED: Final = 60.0
#: Characters of the shortest id of a version; what is shorter is a label.
_MIN_ID: Final = 32
#: For a secret that is being deleted, among other reasons.
_WRONG_STATE: Final = "InvalidRequestException"


class AwsSource:
    """A source that reads ``<service>/<environment>/<name>``, or the secret with a declared ARN."""

    is_authoritative: ClassVar = True

    def __init__(
        self,
        connection: AwsConnection,
        scope: Scope,
        arns: Mapping[str, str] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Send nothing yet."""
        self._connection = connection
        self._scope = scope
        self._arns = arns or {}
        self._clock = clock
        self._avoided_until: dict[str, float] = {}
        self._may_batch = True

    def fetch(self, name: str, version: Version = None, field: str | None = None) -> FetchedSecret:
        """Return the value of *name*.

        It sends one request, and another one after a failure or for the version after another one.
        """
        secret = self._arns.get(name) or self._scope.secret(name)
        if isinstance(version, int):
            raise not_a_version(
                f"{secret} has no version {version}: in Secrets Manager a version has an id and"
                " labels, and no number"
            )
        if isinstance(version, Following):
            return self._fetch_following(version, secret, field)
        if isinstance(version, str):
            return self._fetch_stage(version, secret, field)
        fetched = self._fetch_stage(PREVIOUS if version else CURRENT, secret, field)
        if isinstance(version, Preceding) and fetched.version == version.version:
            raise SecretNotFound(f"{secret} has been written again; read its current value")
        return fetched

    def _fetch_following(self, version: Following, secret: str, field: str | None) -> FetchedSecret:
        """Return the announced version, or the current one if it followed *version* by now.

        The label is read first: a rotation between the two reads moves it to a still later value.
        """
        try:
            announced = self._fetch_stage(NEXT, secret, field)
        except (SecretNotFound, AccessDenied):  # the latter by a policy from before announcements
            announced = None
        current = self._fetch_stage(CURRENT, secret, field)
        if current.version != version.version:
            return current
        if announced is None:
            raise SecretNotFound(f"{secret} has no announced version; read the current one")
        return announced

    def _fetch_stage(self, stage: str, secret: str, field: str | None) -> FetchedSecret:
        deadline = self._connection.deadline()
        key = "VersionStage" if len(stage) < _MIN_ID else "VersionId"
        parameters = {"SecretId": secret, key: stage}
        request = AwsRequest(_SERVICE, "GetSecretValue", secret, parameters, ("VersionId",))
        try:
            response = self._call(request, deadline)
        except RequestRefused as refused:
            raise self._explain(refused, secret, stage, deadline) from None
        return _fetched(response, response, secret, field)

    def _call(self, request: AwsRequest, deadline: float) -> dict[str, Any]:
        """Send *request*, in an outage to the regions of the replicas, too.

        The connections share the deadline. Only the region itself says that there is no value,
        because a secret may have no replica.
        """
        own = self._connection
        regions = [own] if request.resource.startswith("arn:") else [own, *own.replicas]
        now = self._clock()
        regions.sort(key=lambda each: self._avoided_until.get(each.region, now) > now)
        failures: list[StrongroomError] = []
        for left, region in zip(range(len(regions), 0, -1), regions, strict=True):
            now = self._clock()
            try:
                return self._try(region, request, now + (deadline - now) / left)
            except StrongroomError as error:
                if region is own and not isinstance(error, OUTAGE):
                    raise
                failures.insert(0 if region is own else len(failures), error)
        raise failures[0]

    def _try(self, region: AwsConnection, request: AwsRequest, deadline: float) -> dict[str, Any]:
        """Send *request* to *region*, and avoid that from then on if it is down."""
        name, is_down = region.region, False
        if name in self._avoided_until:  # so that one thread tries it, and not all of them
            self._avoided_until[name] = self._clock() + _AVOIDED
        try:
            return region.call(request, deadline)
        except OUTAGE as error:
            is_down = not isinstance(error, RateLimited)
            raise
        finally:
            if is_down:
                self._avoided_until[name] = self._clock() + _AVOIDED
            else:
                self._avoided_until.pop(name, None)

    def fetch_many(self, wanted: Sequence[str], /) -> dict[str, FetchedSecret]:
        """Return the current values of the names in *wanted*, by 20 in one request.

        A name is left out if it has an ARN, or the batch has no current text for it. All are if
        the policy does not grant batches, which need a permission of their own.
        """
        found: dict[str, FetchedSecret] = {}
        named = [name for name in wanted if name not in self._arns]
        for start in range(0, len(named), _BATCH):
            by_secret = {self._scope.secret(name): name for name in named[start : start + _BATCH]}
            for secret, fetched in self._fetch_batch(list(by_secret)).items():
                if secret in by_secret:
                    found[by_secret[secret]] = fetched
        return found

    def _fetch_batch(self, secrets: Sequence[str]) -> dict[str, FetchedSecret]:
        if not self._may_batch:
            return {}
        request = AwsRequest(
            _SERVICE,
            "BatchGetSecretValue",
            f"of {len(secrets)} secrets",
            {"SecretIdList": list(secrets)},
            ("SecretValues",),
        )
        try:
            response = self._call(request, self._connection.deadline())
        except OUTAGE:
            raise
        except AccessDenied:
            self._may_batch = False
            return {}
        except StrongroomError:
            return {}
        # The request has no stage, so an entry counts only if it is of the current one.
        return {
            entry["Name"]: _fetched(entry, response, entry["Name"], None)
            for entry in response["SecretValues"]
            if CURRENT in entry.get("VersionStages", ())
            and all(isinstance(entry.get(key), str) for key in _BATCH_FIELDS)
        }

    def _explain(
        self, refused: RequestRefused, secret: str, stage: str, deadline: float
    ) -> StrongroomError:
        """Return the error for a *refused* read of *secret*."""
        code = (refused.data or {}).get("code")
        if code == _ABSENT and stage != CURRENT:
            return SecretNotFound(f"{secret} has no version {stage}; read the current one")
        if code == _ABSENT:
            return SecretNotFound(
                f"{secret} holds no value in {self._connection.region}; write one, correct "
                "AWS_REGION, or pass default="
            )
        if code == _WRONG_STATE and self._is_being_deleted(secret, deadline):
            return SecretDeleted(f"{secret} is being deleted; restore it, or write another one")
        return refused

    def _is_being_deleted(self, secret: str, deadline: float) -> bool:
        """Return whether *secret* has a date of deletion, because no other text is reliable."""
        request = AwsRequest(_SERVICE, "DescribeSecret", secret, {"SecretId": secret})
        try:
            return "DeletedDate" in self._connection.call(request, deadline)
        except (AccessDenied, RequestRefused):
            return False


def policy_rule(scope: Scope, arns: Mapping[str, str], name: str) -> str:
    """Return the IAM permission that reading the secret *name* needs.

    AWS appends six random characters to the name of a secret in its ARN.
    """
    resource = arns.get(name) or f"arn:aws:secretsmanager:*:*:secret:{scope.secret(name)}-??????"
    return f"secretsmanager:GetSecretValue on {resource}"


def _fetched(
    entry: Mapping[str, Any], response: Mapping[str, Any], secret: str, field: str | None
) -> FetchedSecret:
    """Return the secret in *entry*, which is *response* itself or a part of it."""
    created, version = entry.get("CreatedDate"), entry.get("VersionId")
    if not isinstance(version, str):
        del version  # so that no traceback shows it
        raise UnexpectedAnswer(f"{secret}: the response has no text under VersionId; check proxies")
    return FetchedSecret(
        value=_value(entry, secret, field),
        source="aws",
        version=version,
        request_id=response.get("ResponseMetadata", {}).get("RequestId"),
        created_at=created.timestamp() if created else None,
        is_binary="SecretString" not in entry,
    )


def _value(entry: Mapping[str, Any], secret: str, field: str | None) -> Secret:
    text = entry.get("SecretString")
    if text is None and isinstance(binary := entry.get("SecretBinary"), bytes):
        text = base64.b64encode(binary).decode()
        del binary  # so that no traceback shows it
    if not isinstance(text, str):
        del text  # so that no traceback shows it
        raise UnexpectedAnswer(
            f"{secret}: the response has no text under SecretString; write it as text"
        )
    if field in {None, names.VALUE_KEY}:
        return Secret(text)
    found = _field(text, field)
    del text  # so that no traceback shows it
    if found is None:
        raise SecretNotFound(
            f"{secret} is no JSON object with a text under the field {field!r}; write it as one"
        )
    return found


def _field(text: str, field: str | None) -> Secret | None:
    """Return the text under *field* of the JSON object *text*; None if it has none."""
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):
        return None
    found = fields.get(field) if isinstance(fields, dict) else None
    return Secret(found) if isinstance(found, str) else None
