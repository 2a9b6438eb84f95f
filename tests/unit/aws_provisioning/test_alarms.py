"""Alarms and dashboard of an environment, as they are declared."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from app_integration.errors import ConfigurationError
from app_integration.names import Environment
from aws.desired import desired_resources
from aws.monitoring.alarms import CONDITIONS
from aws.resources import AwsResource
from aws.resources.alarm import Alarm
from aws.resources.dashboard import Dashboard
from aws.resources.metric_filter import MetricFilter
from tests.support.models.aws_declared import MONITORING, declare_on_aws, declare_watched
from vault.declare.schema.aws_monitoring import AlarmOverrides
from vault.reconcile.inputs import Inputs

RUNBOOK: Final = Path(__file__).parents[3] / "docs/Runbook.md"


def resources(folder: Path, **monitoring: Any) -> list[AwsResource]:
    declared = declare_watched(folder, **monitoring)
    return desired_resources(declared, Environment("cloud"), Inputs())


def alarms(folder: Path, **monitoring: Any) -> dict[str, Alarm]:
    """Return the alarms by name, without deployment and environment."""
    return {
        each.name.removeprefix("strongroom-cloud-"): each
        for each in resources(folder, **monitoring)
        if isinstance(each, Alarm)
    }


def test_environment_without_monitoring_has_nothing_that_watches_it(tmp_path: Path) -> None:
    declared = declare_on_aws(tmp_path)
    kinds = {each.kind for each in desired_resources(declared, Environment("cloud"), Inputs())}
    assert not kinds & {"log-group", "metric-filter", "alarm", "dashboard"}


def test_each_alarm_watches_a_metric_that_something_writes(tmp_path: Path) -> None:
    filters = {
        (each.namespace, each.metric)
        for each in resources(tmp_path)
        if isinstance(each, MetricFilter)
    }
    watched = {(each.metric.namespace, each.metric.name) for each in alarms(tmp_path).values()}
    assert filters < watched
    assert watched - filters == {
        ("strongroom/cloud", "rotation-overdue"),
        ("AWS/Logs", "IncomingLogEvents"),
    }


def test_alarm_goes_to_the_topic_of_its_severity_and_says_what_to_do(tmp_path: Path) -> None:
    found = alarms(tmp_path, runbook="https://runbooks.example.com/r")
    assert found["unusual-caller"].topic == MONITORING["page"]
    assert found["throttling"].topic == MONITORING["ticket"]
    described = found["throttling"].description
    assert described.endswith(" https://runbooks.example.com/r#throttling")
    assert len(described) <= 1024


def test_declared_keys_of_an_alarm_replace_the_built_in_ones(tmp_path: Path) -> None:
    changes = {
        "throttling": {"threshold": 500, "severity": "page"},
        "access_failures": {"threshold": 0},
        "rotation_overdue": {"enabled": False},
    }
    found = alarms(tmp_path, alarms=changes)
    assert [name for name, each in found.items() if not each.is_enabled] == ["rotation-overdue"]
    assert (found["throttling"].threshold, found["throttling"].topic) == (500, MONITORING["page"])
    assert (found["access-failures"].threshold, found["rotation-failed"].threshold) == (0, 0)


def test_silence_raises_the_alarms_that_wait_for_a_sign_of_life_only(tmp_path: Path) -> None:
    silent = {name for name, each in alarms(tmp_path).items() if each.missing_data == "breaching"}
    assert silent == {"rotation-overdue", "audit-log-silent"}


def test_log_group_of_the_team_is_used_and_not_managed(tmp_path: Path) -> None:
    found = resources(tmp_path, log_group="aws-cloudtrail-logs")
    groups = {each.log_group for each in found if isinstance(each, MetricFilter)}
    assert groups == {"aws-cloudtrail-logs"}
    assert "log-group" not in {each.kind for each in found}
    silent = next(each for each in found if each.name == "strongroom-cloud-audit-log-silent")
    assert isinstance(silent, Alarm)
    assert silent.metric.dimensions == {"LogGroupName": "aws-cloudtrail-logs"}


def test_more_filters_than_a_log_group_can_have_are_refused(tmp_path: Path) -> None:
    declared = declare_watched(tmp_path)
    environment = declared.environment("cloud")
    names = [f"shop-{number}" for number in range(25)]
    here = dict.fromkeys(names, environment.services["shop"])
    many = replace(
        declared,
        services=dict.fromkeys(names, declared.service("shop")),
        environments={Environment("cloud"): environment.model_copy(update={"services": here})},
    )
    with pytest.raises(ConfigurationError, match="need 101 metric filters, and CloudWatch allows"):
        desired_resources(many, Environment("cloud"), Inputs())


def test_dashboard_shows_each_alarm_and_its_metric(tmp_path: Path) -> None:
    found = resources(tmp_path)
    shown = [each for each in found if isinstance(each, Alarm)]
    (dashboard,) = (each for each in found if isinstance(each, Dashboard))
    widgets = json.loads(dashboard.body)["widgets"]
    states, *others = widgets
    assert states["properties"]["alarms"] == [each.arn for each in shown]
    graphs = [each["properties"]["metrics"][0] for each in others if each["type"] == "metric"]
    assert [graph[:2] for graph in graphs[: len(shown)]] == [
        [each.metric.namespace, each.metric.name] for each in shown
    ]
    places = {(each["x"], each["y"]) for each in widgets}
    assert len(places) == len(widgets)


def test_dashboard_shows_accesses_and_hit_rate_of_services_with_secrets(tmp_path: Path) -> None:
    (dashboard,) = (each for each in resources(tmp_path) if isinstance(each, Dashboard))
    widgets = [each["properties"] for each in json.loads(dashboard.body)["widgets"]]
    rate, accesses = (
        next(each for each in widgets if each["title"] == title)
        for title in ("Cache hit rate", "Accesses to secrets")
    )
    of_shop = ["strongroom", "Accesses", "Environment", "cloud", "Service", "shop"]
    assert accesses["metrics"] == [[*of_shop, {"id": "accesses0"}]]
    (expression,), *counted = rate["metrics"]
    assert expression["expression"] == (
        '100 * SUM(METRICS("cachehits")) / SUM(METRICS("accesses"))'
    )
    assert [(each[1], each[-1]) for each in counted] == [
        ("CacheHits", {"id": "cachehits0", "visible": False}),
        ("Accesses", {"id": "accesses0", "visible": False}),
    ]


def test_declared_alarms_are_the_built_in_ones() -> None:
    assert {name.replace("_", "-") for name in AlarmOverrides.model_fields} == CONDITIONS.keys()


@pytest.mark.parametrize("name", CONDITIONS)
def test_alarm_has_a_section_of_its_name_in_the_runbook(name: str) -> None:
    assert re.search(rf"^### {re.escape(name)}$", RUNBOOK.read_text(), re.MULTILINE)
