"""Opening of the connection to AWS that the settings describe."""

from __future__ import annotations

import sys
from dataclasses import replace
from unittest.mock import Mock, patch

import pytest

from app_integration.aws.connection import AwsConnection
from app_integration.aws.from_settings import open_connection
from app_integration.client import Client
from app_integration.errors import ConfigurationError
from app_integration.names import Environment, Scope
from app_integration.settings import Settings

SETTINGS = Settings(Scope("parcels", Environment.PROD), "", aws_region="eu-central-1")


def test_connection_without_boto3_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    monkeypatch.delitem(sys.modules, "app_integration.aws.connection", raising=False)
    expected = r"^requests to AWS need boto3, which .*; install strongroom-sdk\[aws\]$"
    with pytest.raises(ConfigurationError, match=expected):
        open_connection(SETTINGS)


def test_connection_without_region_names_the_variable() -> None:
    with pytest.raises(ConfigurationError, match="AWS_REGION is not set"):
        open_connection(Settings(SETTINGS.scope, ""))


def test_connection_has_one_to_each_replica() -> None:
    settings = replace(SETTINGS, aws_replicas=("eu-west-1", "us-east-1"))
    connection = open_connection(settings)
    assert [each.region for each in connection.replicas] == ["eu-west-1", "us-east-1"]
    connection.close()


def test_client_shares_one_connection() -> None:
    client = Client(SETTINGS)
    assert client.aws is client.aws
    client.close()


def test_closed_client_opens_a_connection_that_the_next_close_ends() -> None:
    client = Client(SETTINGS)
    client.close()
    closed = Mock()
    with patch.object(AwsConnection, "close", closed):
        assert client.aws is client.aws
        client.close()
    closed.assert_called_once_with()
