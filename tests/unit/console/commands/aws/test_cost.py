"""Command ``cost``, whose arithmetic :mod:`tests.unit.aws_provisioning.test_cost` has."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from app_integration.errors import ConfigurationError
from app_integration.names import Environment
from console.commands.aws import cost
from console.commands.aws.cost import read_rates
from console.target.checkout import DECLARATION
from tests.support.models.aws_declared import declare_on_aws
from tests.support.processes.command import run_command
from vault.prometheus.client import Sample

ENV = ("--env", "cloud")


@pytest.fixture(autouse=True)
def declared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Declare an environment with three secrets and two keys."""
    declare_on_aws(tmp_path)
    monkeypatch.setenv(DECLARATION, str(tmp_path))
    monkeypatch.delenv("SECRETS_BACKEND", raising=False)


def run(monkeypatch: pytest.MonkeyPatch, *options: str) -> int:
    return run_command(monkeypatch, "cost", *ENV, *options)


def answer(monkeypatch: pytest.MonkeyPatch, rates: dict[str, float], instances: float) -> None:
    """Have Prometheus answer both queries."""

    def query(_url: str, text: str) -> tuple[Sample, ...]:
        assert 'environment="cloud"' in text
        counted = text.startswith("count")
        return tuple(
            Sample({"secret": name}, instances if counted else rate) for name, rate in rates.items()
        )

    monkeypatch.setattr(cost, "query_prometheus", query)


def test_cost_prints_the_assumptions_beside_the_figures(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--instances", "1,1000", "--reads", "2")
    assert run(monkeypatch, *options) == 0
    shown = capsys.readouterr().out
    assert "in a table, each under the branch key of 30 days." in shown
    assert "With 1,000 instances" not in shown
    assert run(monkeypatch, *options, "--branch-key-age", "0") == 0
    shown = capsys.readouterr().out
    assert "in a table or in tokens, each wrapped by KMS." in shown
    assert "cloud in a month: 3 secrets and 2 keys for $3.20" in shown
    # 3 secrets, 2 reads a second; 2 keys encrypt and one of them decrypts: 23,652,000 uses.
    assert [line.split()[:3] for line in shown.splitlines() if line.startswith("1 ")] == [
        ["1", "23,652,000", "$102.49"]
    ]
    assert "Reads of each secret in a second, by each instance: assumed: 2." in shown
    # 1 + 87,600 s / 77,760 s data keys at each of 29.6 starts in 30 days, for 1,000 instances.
    assert "With 1,000 instances, 62,922 data keys are read of each key" in shown


def test_cost_as_json_has_prices_rates_and_estimates(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    prices = tmp_path / "prices.json"
    prices.write_text('{"key_month": 0}')
    options = ("--json", "--prices", str(prices), "--instances", "10", "--starts", "1")
    assert run(monkeypatch, *options) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert (found["storage"], found["prices"]["key_month"]) == (1.2, 0)
    (estimate,) = found["estimates"]
    assert estimate["instances"] == 10
    assert estimate["naive"] == {"secrets": 78_840_000, "kms": 78_840_000, "cost": 630.72}
    assert estimate["cached"]["secrets"] == 10 * 3 * 11_681


@pytest.mark.parametrize("numbers", ["0", "1,,2", "1,x", "-1", ""])
def test_cost_of_a_wrong_number_of_instances_is_refused(
    numbers: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(monkeypatch, f"--instances={numbers}") == 64


def test_measured_rates_are_those_of_one_instance(monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, {"password": 12.0, "smtp-url": 3.0, "bad": float("nan")}, 3)
    rates = read_rates("http://prometheus", Environment("cloud"), ["password", "unread"])
    assert rates == {"password": 4.0, "smtp-url": 1.0, "unread": 0.0}


def test_secret_that_may_be_among_the_others_keeps_the_assumed_rate(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answer(monkeypatch, {"password": 12.0, "other": 1.0}, 3)
    assert "unread" not in read_rates("http://prometheus", Environment("cloud"), ["unread"])


def test_server_without_the_metric_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, {}, 0)
    with pytest.raises(ConfigurationError, match="has no strongroom_secret_access_total of cloud"):
        read_rates("http://prometheus", Environment("cloud"), ["password"])
