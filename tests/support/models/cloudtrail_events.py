"""Events of CloudTrail, as AWS words them. None was recorded: they follow AWS's documents."""

from __future__ import annotations

from typing import Any, Final

from tests.support.models.aws_declared import ACCOUNT

Event = dict[str, Any]

#: The application's role, another service's, and an operator's.
OWN: Final = "shop-task"
FOREIGN: Final = "reports-task"
OPERATOR: Final = "operator"
_KEY: Final = f"arn:aws:kms:{ACCOUNT.region}:{ACCOUNT.id}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
_SUFFIX: Final = "AbCdEf"


def role(name: str, account: str = ACCOUNT.id) -> Event:
    issuer = {
        "type": "Role",
        "principalId": "AROAEXAMPLE",
        "arn": f"arn:aws:iam::{account}:role/services/{name}",
        "accountId": account,
        "userName": name,
    }
    return {
        "type": "AssumedRole",
        "principalId": "AROAEXAMPLE:i-0123",
        "arn": f"arn:aws:sts::{account}:assumed-role/{name}/i-0123",
        "accountId": account,
        "accessKeyId": "ASIAEXAMPLE",
        "sessionContext": {"sessionIssuer": issuer, "attributes": {"mfaAuthenticated": "false"}},
    }


def user(name: str) -> Event:
    arn = f"arn:aws:iam::{ACCOUNT.id}:user/{name}"
    return {"type": "IAMUser", "arn": arn, "accountId": ACCOUNT.id, "userName": name}


def root() -> Event:
    """Return the identity of the account's own user."""
    return {"type": "Root", "arn": ACCOUNT.root, "accountId": ACCOUNT.id}


def aws_service(name: str) -> Event:
    """Return the identity of a service of AWS, which has no ARN."""
    return {"type": "AWSService", "invokedBy": name}


def _call(source: str, name: str, identity: Event, parameters: Event | None) -> Event:
    return {
        "eventVersion": "1.10",
        "userIdentity": identity,
        "eventTime": "2026-11-28T10:00:00Z",
        "eventSource": f"{source}.amazonaws.com",
        "eventName": name,
        "awsRegion": ACCOUNT.region,
        "sourceIPAddress": "10.0.0.7",
        "userAgent": "Boto3/1.44.8",
        "requestParameters": parameters,
        "responseElements": None,
        "eventID": "11111111-2222-3333-4444-555555555555",
        "readOnly": True,
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": ACCOUNT.id,
        "eventCategory": "Management",
    }


def read(secret: str, identity: Event, *, by_arn: bool = False) -> Event:
    name = ACCOUNT.secret(secret, _SUFFIX) if by_arn else secret
    parameters = {"secretId": name, "versionStage": "AWSCURRENT"}
    return _call("secretsmanager", "GetSecretValue", identity, parameters)


def used(
    operation: str,
    identity: Event,
    *,
    service: str = "shop",
    environment: str = "cloud",
    source: bool = False,
) -> Event:
    """Return the event of a use of a data key; *source* for the context of ``ReEncrypt``."""
    context = {
        "use": "data key",
        "service": service,
        "environment": environment,
        "key": "pii",
    }
    name = "sourceEncryptionContext" if source else "encryptionContext"
    event = _call("kms", operation, identity, {name: context, "keyId": _KEY})
    return {**event, "resources": [{"ARN": _KEY, "type": "AWS::KMS::Key"}]}


def failed(event: Event, code: str, message: str = "") -> Event:
    """Return *event* with an error, and its parameters."""
    return {**event, "errorCode": code, "errorMessage": message}


def denied(source: str, action: str, identity: Event, resource: str, code: str) -> Event:
    """Return the event of a denied request, whose parameters CloudTrail does not show."""
    reason = f"because no identity-based policy allows the {source}:{action} action"
    caller = f"User: {identity['arn']} is not authorized to perform: {source}:{action}"
    event = _call(source, action, identity, None)
    return failed(event, code, f"{caller} on resource: {resource} {reason}")


def denied_read(secret: str, identity: Event, *, by_arn: bool = False) -> Event:
    """Return the event of a denied read, whose message names the secret in one of two ways."""
    resource = ACCOUNT.secret(secret, _SUFFIX) if by_arn else secret
    return denied("secretsmanager", "GetSecretValue", identity, resource, "AccessDenied")


def throttled(source: str, name: str, identity: Event) -> Event:
    event = _call(source, name, identity, None)
    return failed(event, "ThrottlingException", "Rate exceeded")


def rotation(name: str, secret: str) -> Event:
    """Return an event that Secrets Manager itself writes about a rotation."""
    identity = {"accountId": ACCOUNT.id, "invokedBy": "secretsmanager.amazonaws.com"}
    return {
        **_call("secretsmanager", name, identity, None),
        "eventType": "AwsServiceEvent",
        "additionalEventData": {"SecretId": ACCOUNT.secret(secret, _SUFFIX)},
    }
