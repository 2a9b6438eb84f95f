"""Metric filters: each counts the events that it is for, and not those that only look like them.

An evaluator of our own decides, because neither moto nor anything else here evaluates patterns.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import pytest

from app_integration.errors import ConfigurationError
from aws.account import Account
from aws.monitoring.filters import build_filters
from aws.monitoring.monitored_environment import Watched, find_watched
from tests.support.models import cloudtrail_events as events
from tests.support.models.aws_declared import MONITORING, SCOPE, declare_watched
from tests.support.models.aws_rotated import AWS, SERVICES, declare_rotated
from tests.support.models.cloudtrail_events import FOREIGN, OPERATOR, OWN, role
from tests.support.models.filter_patterns import matches
from vault.declare.declaration import Declaration

SECRET: Final = "shop/cloud/password"
FAILURES: Final = "shop-cloud-access-failures"
THROTTLING: Final = "cloud-throttling"
FAILED: Final = "shop-cloud-rotation-failed"
READ: Final = "shop-cloud-unusual-caller-of-secrets"
USED: Final = "shop-cloud-unusual-caller-of-keys"
READ_MANAGER: Final = "shop-cloud-unusual-caller-of-manager"
MANAGER: Final = "_strongroom/cloud/shop/database-manager"
KEY: Final = "arn:aws:kms:eu-central-1:123456789012:key/1234"


def patterns(declaration: Declaration) -> dict[str, str]:
    """Return each filter's pattern by its name without the deployment."""
    watched = find_watched(declaration, SCOPE.environment)
    assert isinstance(watched, Watched)
    return {
        each.name.removeprefix("strongroom-"): each.pattern
        for each in build_filters(declaration, watched)
    }


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return patterns(declare_watched(tmp_path_factory.mktemp("declared")))


def counted_by(rendered: dict[str, str], event: dict[str, Any]) -> set[str]:
    return {name for name, pattern in rendered.items() if matches(pattern, event)}


def disabled(secret: str, caller: str, code: str) -> dict[str, Any]:
    return events.failed(events.read(secret, role(caller)), code)


#: What happened → the event, and the filters that count it.
COUNTED: Final[dict[str, tuple[dict[str, Any], set[str]]]] = {
    "own role, undeclared secret denied": (events.denied_read("x/y/z", role(OWN)), {FAILURES}),
    "foreign role denied by name": (events.denied_read(SECRET, role(FOREIGN)), {FAILURES}),
    "foreign role denied by ARN": (
        events.denied_read(SECRET, role(FOREIGN), by_arn=True),
        {FAILURES},
    ),
    "own role denied a key": (
        events.denied("kms", "Decrypt", role(OWN), KEY, "AccessDeniedException"),
        {FAILURES},
    ),
    "key of a secret disabled": (disabled(SECRET, OWN, "DecryptionFailure"), {FAILURES}),
    "key disabled": (
        events.failed(events.used("Decrypt", role(OWN)), "DisabledException"),
        {FAILURES},
    ),
    "key about to be deleted": (
        events.failed(events.used("Encrypt", role(OWN)), "KMSInvalidStateException"),
        {FAILURES},
    ),
    "secret being deleted": (disabled(SECRET, OWN, "InvalidRequestException"), {FAILURES}),
    "KMS throttles": (events.throttled("kms", "Decrypt", role(OWN)), {THROTTLING}),
    "Secrets Manager throttles another": (
        events.throttled("secretsmanager", "GetSecretValue", role(FOREIGN)),
        {THROTTLING},
    ),
    "Secrets Manager throttles in other words": (
        disabled(SECRET, OWN, "RequestLimitExceeded"),
        {THROTTLING},
    ),
    "Secrets Manager throttles in yet others": (
        disabled(SECRET, OWN, "TooManyRequestsException"),
        {THROTTLING},
    ),
    "rotation failed": (events.rotation("RotationFailed", SECRET), {FAILED}),
    "rotation abandoned": (events.rotation("RotationAbandoned", SECRET), {FAILED}),
    "foreign role reads by name": (events.read(SECRET, role(FOREIGN)), {READ}),
    "foreign role reads by ARN": (events.read(SECRET, role(FOREIGN), by_arn=True), {READ}),
    "foreign role reads what is not declared": (events.read("shop/cloud/x", role(FOREIGN)), {READ}),
    "role whose name begins alike reads": (events.read(SECRET, role(f"{OWN}-2")), {READ}),
    "role of that name in another account reads": (
        events.read(SECRET, role(OWN, "210987654321")),
        {READ},
    ),
    "user reads": (events.read(SECRET, events.user(OWN)), {READ}),
    "root user reads": (events.read(SECRET, events.root()), {READ}),
    "service of AWS reads, which has no ARN": (
        events.read(SECRET, events.aws_service("rds.amazonaws.com")),
        {READ},
    ),
    "foreign role decrypts": (events.used("Decrypt", role(FOREIGN)), {USED}),
    "foreign role encrypts": (events.used("Encrypt", role(FOREIGN)), {USED}),
    "foreign role re-encrypts": (events.used("ReEncrypt", role(FOREIGN), source=True), {USED}),
}
#: What happened → an event that no filter counts.
IGNORED: Final[dict[str, dict[str, Any]]] = {
    "own role reads": events.read(SECRET, role(OWN)),
    "own role reads by ARN": events.read(SECRET, role(OWN), by_arn=True),
    "operator reads": events.read(SECRET, role(OPERATOR)),
    "foreign role reads another service's": events.read("shop-2/cloud/password", role(FOREIGN)),
    "foreign role reads what ends alike": events.read("workshop/cloud/password", role(FOREIGN)),
    "foreign role reads that by ARN": events.read("workshop/cloud/x", role(FOREIGN), by_arn=True),
    "foreign role reads in another environment": events.read("shop/cloud-2/x", role(FOREIGN)),
    "foreign role describes": {**events.read(SECRET, role(FOREIGN)), "eventName": "DescribeSecret"},
    "own role decrypts": events.used("Decrypt", role(OWN)),
    "operator decrypts": events.used("Decrypt", role(OPERATOR)),
    "foreign role decrypts another service's": events.used(
        "Decrypt", role(FOREIGN), service="shop-2"
    ),
    "foreign role decrypts in another environment": events.used(
        "Decrypt", role(FOREIGN), environment="prod"
    ),
    "own role denied a batch": events.denied(
        "secretsmanager", "BatchGetSecretValue", role(OWN), "*", "AccessDenied"
    ),
    "own role denied elsewhere": events.denied(
        "s3", "GetObject", role(OWN), "arn:aws:s3:::a/b", "AccessDenied"
    ),
    "foreign role denied another secret": events.denied_read("workshop/cloud/x", role(FOREIGN)),
    "own role finds no previous version": disabled(SECRET, OWN, "ResourceNotFoundException"),
    "throttled in another region": {
        **events.throttled("kms", "Decrypt", role(OWN)),
        "awsRegion": "us-east-1",
    },
    "another service throttles": events.throttled("ec2", "RunInstances", role(OWN)),
    "rotation succeeded": events.rotation("RotationSucceeded", SECRET),
    "another secret's rotation failed": events.rotation("RotationFailed", "workshop/cloud/x"),
}


@pytest.mark.parametrize("case", COUNTED)
def test_event_is_counted_by_the_filters_that_are_for_it(
    case: str, rendered: dict[str, str]
) -> None:
    event, expected = COUNTED[case]
    assert counted_by(rendered, event) == expected


@pytest.mark.parametrize("case", IGNORED)
def test_event_that_only_looks_alike_is_not_counted(case: str, rendered: dict[str, str]) -> None:
    assert counted_by(rendered, IGNORED[case]) == set()


def test_each_filter_counts_something(rendered: dict[str, str]) -> None:
    assert {name for _, names in COUNTED.values() for name in names} == rendered.keys()


def test_each_value_of_a_pattern_is_needed(rendered: dict[str, str]) -> None:
    seen = [event for event, _ in COUNTED.values()] + [*IGNORED.values()]
    for name, pattern in rendered.items():
        decided = [matches(pattern, event) for event in seen]
        for value in re.finditer('"[^"]*"', pattern):
            changed = f'{pattern[: value.start()]}"-"{pattern[value.end() :]}'
            assert [matches(changed, event) for event in seen] != decided, (name, value[0])


def test_service_without_keys_or_secrets_has_only_the_filters_that_it_needs(tmp_path: Path) -> None:
    without_keys = patterns(declare_watched(tmp_path / "a", service={"keys": {}}))
    assert without_keys.keys() == {THROTTLING, FAILURES, FAILED, READ}
    without_secrets = patterns(declare_watched(tmp_path / "b", service={"secrets": {}}))
    assert without_secrets.keys() == {THROTTLING, FAILURES, USED}


#: What happened to the database manager's URL → the event, and the filters that count it.
MANAGER_EVENTS: Final[dict[str, tuple[dict[str, Any], set[str]]]] = {
    "foreign role reads by name": (events.read(MANAGER, role(FOREIGN)), {READ_MANAGER}),
    "foreign role reads by ARN": (
        events.read(MANAGER, role(FOREIGN), by_arn=True),
        {READ_MANAGER},
    ),
    "application reads": (events.read(MANAGER, role(OWN)), {READ_MANAGER}),
    "role of all secrets reads": (events.read(MANAGER, role(OPERATOR)), set()),
    "foreign role denied by name": (events.denied_read(MANAGER, role(FOREIGN)), {FAILURES}),
    "foreign role denied by ARN": (
        events.denied_read(MANAGER, role(FOREIGN), by_arn=True),
        {FAILURES},
    ),
    "foreign role reads another service's": (
        events.read(MANAGER.replace("shop", "workshop"), role(FOREIGN)),
        set(),
    ),
    "foreign role denied that": (
        events.denied_read(MANAGER.replace("shop", "workshop"), role(FOREIGN)),
        set(),
    ),
}


def test_reads_of_the_managers_url_are_counted_where_a_service_has_a_pair(tmp_path: Path) -> None:
    aws = {**AWS, "monitoring": MONITORING}
    services = {"shop": {"iam_roles": [OWN], **SERVICES["shop"]}}
    rendered = patterns(declare_rotated(tmp_path, aws=aws, services=services))
    found = {case: counted_by(rendered, event) for case, (event, _) in MANAGER_EVENTS.items()}
    assert found == {case: expected for case, (_, expected) in MANAGER_EVENTS.items()}


def test_each_read_of_the_managers_url_is_counted_where_no_role_may_read_all_secrets(
    tmp_path: Path,
) -> None:
    monitoring = {key: value for key, value in MONITORING.items() if key != "iam_roles"}
    services = {"shop": {"iam_roles": [OWN], **SERVICES["shop"]}}
    declared = declare_rotated(tmp_path, aws={**AWS, "monitoring": monitoring}, services=services)
    callers = (role(OWN), role(OPERATOR), events.aws_service("rds.amazonaws.com"))
    found = [counted_by(patterns(declared), events.read(MANAGER, caller)) for caller in callers]
    assert found == [{READ_MANAGER}] * len(callers)


def test_pattern_that_is_longer_than_cloudwatch_allows_is_refused(tmp_path: Path) -> None:
    roles = [f"role-{number}" for number in range(8)]
    with pytest.raises(ConfigurationError, match="CloudWatch allows 1024; declare fewer iam_roles"):
        patterns(declare_watched(tmp_path, iam_roles=roles))


def test_callers_are_those_of_the_partition_of_the_region() -> None:
    china = Account("123456789012", "cn-north-1")
    assert china.session("a", "*") == "arn:aws-cn:sts::123456789012:assumed-role/a/*"
    assert china.secrets("a/").startswith("arn:aws-cn:secretsmanager:cn-north-1:")
