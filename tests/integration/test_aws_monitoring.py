"""Monitoring on moto's server: what is provisioned, and that each change of it is mended.

moto evaluates neither patterns nor alarms, so this shows the configuration only.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from aws.desired import desired_resources
from aws.resources import AwsResource
from tests.support.models.aws_declared import ACCOUNT, MADE, SCOPE, TOPICS, declare_watched
from tests.support.servers import aws_fault_server as faults
from tests.support.servers.moto_server import MotoServer
from tests.support.servers.provisioning_site import (
    GIVEN,
    NOT_COMPARED,
    ProvisioningSite,
    lines,
    provisioning_site,
)
from vault.declare.declaration import Declaration
from vault.reconcile.planning.apply import ApplyFailed
from vault.reconcile.resources.ownership import OwnedByOther

Drift = Callable[[ProvisioningSite], object]

HOWTO: Final = Path(__file__).parents[2] / "docs/howto/AWS.md"
GROUP: Final = "strongroom/cloud"
NAME: Final = "strongroom-cloud-throttling"
DASHBOARD: Final = "strongroom-cloud"
ALARM_ARN: Final = ACCOUNT.alarm(NAME)
GROUP_ARN: Final = ACCOUNT.log_group(GROUP)
TOPIC_ARN: Final = ACCOUNT.arn("sns", "strongroom-cloud-page")
TRAIL_ARN: Final = ACCOUNT.arn("cloudtrail", "trail/strongroom-cloud")
TAGS: Final = ["managed_by", "deployment", "owner", "environment"]
#: An alarm of which each parameter is another one than that of the declared alarm.
OTHER_ALARM: Final[dict[str, Any]] = {
    "AlarmDescription": "something else",
    "ActionsEnabled": False,
    "AlarmActions": [f"{TOPICS}:nobody"],
    "OKActions": [],
    "InsufficientDataActions": [f"{TOPICS}:nobody"],
    "Namespace": "other",
    "MetricName": "other",
    "Dimensions": [{"Name": "a", "Value": "b"}],
    "Statistic": "Minimum",
    "Unit": "Seconds",
    "Period": 60,
    "EvaluationPeriods": 5,
    "DatapointsToAlarm": 1,
    "Threshold": 1000,
    "ComparisonOperator": "LessThanThreshold",
    "TreatMissingData": "ignore",
}
OTHER_METRIC: Final[dict[str, Any]] = {
    "metricNamespace": "other",
    "metricName": "other",
    "metricValue": "0",
    "defaultValue": 1,
}


@pytest.fixture(scope="module")
def declaration(tmp_path_factory: pytest.TempPathFactory) -> Declaration:
    return declare_watched(tmp_path_factory.mktemp("declared"), roles={"trust": ["ec2"]}, **MADE)


@pytest.fixture(scope="module")
def running_site(moto: MotoServer, declaration: Declaration) -> Iterator[ProvisioningSite]:
    """Apply once, because each test ends with what is declared."""
    moto.reset()
    with provisioning_site(moto) as site:
        site.create_bucket()
        site.apply(site.plan(declaration))
        yield site
    moto.reset()


@pytest.fixture
def applied(running_site: ProvisioningSite) -> ProvisioningSite:
    running_site.proxy.forget()
    return running_site


def documented(command: str) -> set[str]:
    """Return the operations that the table of permissions has for a command."""
    text = HOWTO.read_text(encoding="utf-8")
    (row,) = (line for line in text.splitlines() if line.startswith(f"| `{command}`"))
    return {action.rpartition(":")[2] for action in re.findall("`([a-z]*:?[A-Z][A-Za-z]+)`", row)}


def put_other_alarm(site: ProvisioningSite) -> None:
    site.cloudwatch.put_metric_alarm(AlarmName=NAME, **OTHER_ALARM)
    site.cloudwatch.untag_resource(ResourceARN=ALARM_ARN, TagKeys=TAGS)


def put_other_filter(site: ProvisioningSite) -> None:
    site.logs.delete_metric_filter(logGroupName=GROUP, filterName=NAME)
    site.logs.put_metric_filter(
        logGroupName=GROUP,
        filterName=NAME,
        filterPattern='{ $.eventName = "x" }',
        metricTransformations=[OTHER_METRIC],
    )


def change_group(site: ProvisioningSite) -> None:
    site.logs.put_retention_policy(logGroupName=GROUP, retentionInDays=1)
    site.logs.untag_resource(resourceArn=GROUP_ARN, tagKeys=TAGS)


def put_other_dashboard(site: ProvisioningSite) -> None:
    site.cloudwatch.put_dashboard(DashboardName=DASHBOARD, DashboardBody='{"widgets": []}')


def put_other_topic(site: ProvisioningSite) -> None:
    policy = '{"Version": "2012-10-17", "Statement": []}'
    attribute = {"AttributeName": "Policy", "AttributeValue": policy}
    site.sns.set_topic_attributes(TopicArn=TOPIC_ARN, **attribute)
    site.sns.untag_resource(ResourceArn=TOPIC_ARN, TagKeys=TAGS)


def put_other_trail(site: ProvisioningSite) -> None:
    site.cloudtrail.update_trail(
        Name=TRAIL_ARN,
        S3BucketName="another-bucket",
        CloudWatchLogsLogGroupArn="arn:other",
        CloudWatchLogsRoleArn="arn:other",
        IsMultiRegionTrail=False,
        IncludeGlobalServiceEvents=False,
        EnableLogFileValidation=False,
    )
    tags = site.cloudtrail.list_tags(ResourceIdList=[TRAIL_ARN])["ResourceTagList"][0]["TagsList"]
    site.cloudtrail.remove_tags(ResourceId=TRAIL_ARN, TagsList=tags)
    site.cloudtrail.stop_logging(Name=TRAIL_ARN)


#: Kind and name → what somebody does to it, of which each field is another one then.
DRIFTS: Final[dict[tuple[str, str], Drift]] = {
    ("log-group", GROUP): change_group,
    ("metric-filter", NAME): put_other_filter,
    ("alarm", NAME): put_other_alarm,
    ("topic", "strongroom-cloud-page"): put_other_topic,
    ("trail", "strongroom-cloud"): put_other_trail,
    ("dashboard", DASHBOARD): put_other_dashboard,
}


def test_drift_of_each_field_is_found_and_mended(
    applied: ProvisioningSite, declaration: Declaration
) -> None:
    for drift in DRIFTS.values():
        drift(applied)
    plan = applied.plan(declaration)
    assert lines(plan) == [
        f"update {each.kind} {each.name} {','.join(changeable(each))}"
        for each in desired_resources(declaration, SCOPE.environment, GIVEN)
        if (each.kind, each.name) in DRIFTS
    ]
    applied.apply(plan)
    assert lines(applied.plan(declaration)) == []
    assert {*applied.proxy.operations} <= documented("plan") | documented("apply")


def changeable(resource: AwsResource) -> list[str]:
    """Return the fields of a resource that can change after its creation."""
    return [field for field in resource.desired() if field != "class"]


def test_second_plan_is_empty_and_names_what_is_not_compared(
    applied: ProvisioningSite, declaration: Declaration
) -> None:
    plan = applied.plan(declaration)
    assert (lines(plan), plan.unchanged) == ([], 9 + 20)
    assert plan.not_compared == (*NOT_COMPARED, f"log-group {GROUP}: class")


def test_filters_of_an_environment_share_the_requests_and_their_pages(
    applied: ProvisioningSite, declaration: Declaration
) -> None:
    found = applied.logs.describe_metric_filters(logGroupName=GROUP)["metricFilters"]
    first, second = {"metricFilters": found[:3], "nextToken": "n"}, {"metricFilters": found[3:]}
    pages = [faults.Fault(body=first), faults.Fault(body=second)]
    applied.proxy.faults["DescribeMetricFilters"] = pages
    assert lines(applied.plan(declaration)) == []
    assert applied.proxy.operations.count("DescribeMetricFilters") == 2


def test_plan_sends_the_requests_that_the_table_of_permissions_has(
    applied: ProvisioningSite, declaration: Declaration
) -> None:
    applied.plan(declaration)
    assert {*applied.proxy.operations} == documented("plan")


def test_tag_that_changed_alone_is_mended_without_replacing_the_alarm(
    applied: ProvisioningSite, declaration: Declaration
) -> None:
    tags = [{"Key": "owner", "Value": "someone"}, {"Key": "team", "Value": "a"}]
    applied.cloudwatch.tag_resource(ResourceARN=ALARM_ARN, Tags=tags)
    plan = applied.plan(declaration)
    assert lines(plan) == [f"update alarm {NAME} owner"]
    applied.apply(plan)
    assert "PutMetricAlarm" not in applied.proxy.operations
    kept = applied.cloudwatch.list_tags_for_resource(ResourceARN=ALARM_ARN)["Tags"]
    assert tags[1] in kept


def test_deleted_log_group_is_created_with_its_filters(
    applied: ProvisioningSite, declaration: Declaration
) -> None:
    for each in applied.logs.describe_metric_filters(logGroupName=GROUP)["metricFilters"]:
        applied.logs.delete_metric_filter(logGroupName=GROUP, filterName=each["filterName"])
    applied.logs.delete_log_group(logGroupName=GROUP)
    # moto finds no filters in a group that does not exist; AWS refuses to look.
    applied.proxy.faults["DescribeMetricFilters"] = [faults.refused("ResourceNotFoundException")]
    plan = applied.plan(declaration)
    applied.proxy.forget()
    assert {change.kind for change in plan.changes} == {"log-group", "metric-filter"}
    # As if the request was repeated because its response was lost.
    repeated = faults.late(faults.refused("ResourceAlreadyExistsException"))
    applied.proxy.faults["CreateLogGroup"] = [repeated]
    applied.apply(plan)
    written = [each for each in applied.proxy.operations if "Put" in each or "Create" in each]
    assert written[:3] == ["CreateLogGroup", "PutRetentionPolicy", "PutMetricFilter"]
    applied.proxy.forget()
    assert {*written} <= documented("apply")
    assert lines(applied.plan(declaration)) == []


def test_deleted_alarm_and_dashboard_are_created(
    applied: ProvisioningSite, declaration: Declaration
) -> None:
    applied.cloudwatch.delete_alarms(AlarmNames=[NAME])
    applied.cloudwatch.delete_dashboards(DashboardNames=[DASHBOARD])
    plan = applied.plan(declaration)
    assert [str(each) for each in plan.changes] == [
        f"create alarm {NAME}",
        f"create dashboard {DASHBOARD}",
    ]
    applied.apply(plan)
    assert lines(applied.plan(declaration)) == []


def test_digest_does_not_change_with_what_an_alarm_found(
    applied: ProvisioningSite, declaration: Declaration
) -> None:
    before = applied.plan(declaration).digest
    applied.cloudwatch.set_alarm_state(AlarmName=NAME, StateValue="ALARM", StateReason="tried")
    assert applied.plan(declaration).digest == before


def test_log_group_of_another_class_cannot_change(
    applied: ProvisioningSite, declaration: Declaration
) -> None:
    found = applied.logs.describe_log_groups(logGroupNamePrefix=GROUP)
    found["logGroups"][0]["logGroupClass"] = "INFREQUENT_ACCESS"
    body = {"logGroups": found["logGroups"]}
    applied.proxy.faults["DescribeLogGroups"] = [faults.Fault(body=body)]
    plan = applied.plan(declaration)
    applied.proxy.forget()
    assert lines(plan) == [f"update log-group {GROUP} class"]
    with pytest.raises(ApplyFailed, match="class is 'INFREQUENT_ACCESS' on the server"):
        applied.apply(plan)


def test_log_group_and_alarm_of_another_deployment_are_refused(
    applied: ProvisioningSite, declaration: Declaration
) -> None:
    tags = {"deployment": "theirs"}
    applied.logs.tag_resource(resourceArn=GROUP_ARN, tags=tags)
    with pytest.raises(OwnedByOther, match=f"log-group {GROUP} belongs to the deployment 'theirs'"):
        applied.plan(declaration)
    applied.logs.tag_resource(resourceArn=GROUP_ARN, tags={"deployment": "strongroom"})
    assert lines(applied.plan(declaration)) == []
