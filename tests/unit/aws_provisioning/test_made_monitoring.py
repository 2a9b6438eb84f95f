"""What apply makes for alarms: topics that alarms alone send to, and a trail with a role."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from aws.desired import desired_resources
from aws.iam.evaluation import ApiCall, Principal, find_needed, is_granted, is_granted_to
from aws.iam.trust_policy import ASSUME, SOURCE_ACCOUNT
from aws.resources import AwsResource
from aws.resources.alarm import Alarm
from aws.resources.iam_policy import IamPolicy
from aws.resources.iam_role import IamRole
from aws.resources.topic import Topic
from aws.resources.trail import Trail
from tests.support.models.aws_declared import ACCOUNT, MADE, SCOPE, TOPICS, declare_watched
from vault.reconcile.inputs import Inputs

ALARMS: Principal = ("Service", "cloudwatch.amazonaws.com")
HERE = {SOURCE_ACCOUNT: ACCOUNT.id}
ROLE = "cloud_strongroom"


@pytest.fixture
def made(tmp_path: Path) -> list[AwsResource]:
    return desired_resources(declare_watched(tmp_path, **MADE), SCOPE.environment, Inputs())


def test_each_alarm_sends_to_a_topic_that_is_made(made: list[AwsResource]) -> None:
    topics = {each.arn: each.name for each in made if isinstance(each, Topic)}
    assert {*topics.values()} == {"strongroom-cloud-page", "strongroom-cloud-ticket"}
    used = {each.topic for each in made if isinstance(each, Alarm)}
    assert used == topics.keys()


def test_topic_of_the_team_is_not_made(tmp_path: Path) -> None:
    declaration = declare_watched(tmp_path, ticket=None)
    found = desired_resources(declaration, SCOPE.environment, Inputs())
    assert [each.name for each in found if isinstance(each, Topic)] == ["strongroom-cloud-ticket"]
    assert f"{TOPICS}:on-call" in {each.topic for each in found if isinstance(each, Alarm)}


@pytest.mark.parametrize(
    ("principal", "action", "context", "granted"),
    [
        (ALARMS, "sns:Publish", HERE, True),
        (ALARMS, "sns:Publish", {}, False),
        (ALARMS, "sns:Publish", {SOURCE_ACCOUNT: "210987654321"}, False),
        (ALARMS, "sns:Subscribe", HERE, False),
        (("Service", "s3.amazonaws.com"), "sns:Publish", HERE, False),
        (("AWS", "*"), "sns:Publish", HERE, False),
    ],
)
def test_only_alarms_of_the_account_send_to_a_topic(
    principal: Principal,
    action: str,
    context: dict[str, str],
    *,
    granted: bool,
    made: list[AwsResource],
) -> None:
    for topic in (each for each in made if isinstance(each, Topic)):
        call = ApiCall(action, topic.arn, context)
        assert is_granted_to(json.loads(topic.policy), call, principal) is granted


def test_trail_has_a_role_that_writes_its_events_and_nothing_else(made: list[AwsResource]) -> None:
    (trail,) = (each for each in made if isinstance(each, Trail))
    (role,) = (each for each in made if isinstance(each, IamRole))
    (policy,) = (each for each in made if isinstance(each, IamPolicy) and each.name == ROLE)
    assert (trail.role, role.name, role.policies) == (
        ACCOUNT.iam(f"role/{ROLE}"),
        ROLE,
        (policy.arn,),
    )
    trust, by_service = json.loads(role.trust), ("Service", "cloudtrail.amazonaws.com")
    assert is_granted_to(trust, ApiCall(ASSUME, "*"), by_service)
    assert not is_granted_to(trust, ApiCall(ASSUME, "*"), ALARMS)
    document = json.loads(policy.document)
    group = ACCOUNT.log_group("strongroom/cloud")
    stream = f"log-stream:{ACCOUNT.id}_CloudTrail_{ACCOUNT.region}"
    write = ApiCall("logs:PutLogEvents", f"{group}:{stream}")
    assert is_granted(document, write)
    assert find_needed(document, write) == {}
    for denied in (
        ApiCall("logs:PutLogEvents", f"{ACCOUNT.log_group('strongroom/prod')}:{stream}"),
        ApiCall("logs:PutLogEvents", f"{group}:log-stream:another"),
        ApiCall("logs:DeleteLogStream", f"{group}:{stream}"),
    ):
        assert not is_granted(document, denied)


def test_environment_without_a_bucket_has_no_trail(tmp_path: Path) -> None:
    made = desired_resources(declare_watched(tmp_path), SCOPE.environment, Inputs())
    assert not [each for each in made if isinstance(each, Trail | Topic | IamRole)]
