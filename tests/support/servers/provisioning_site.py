"""A declaration on moto's server, as an operator plans and applies it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Final

import pytest

from app_integration.aws.connection import AwsConnection
from app_integration.secret import Secret
from app_integration.sources.aws import AwsSource
from aws.desired import desired_resources
from aws.planning import build_plan
from aws.resources.metric_filter import MetricFilter
from tests.support.models.aws_declared import ACCOUNT, MADE, SCOPE
from tests.support.servers.aws_fault_server import AwsFaultServer, aws_fault_server
from tests.support.servers.moto_server import REGION, MotoServer, set_identity
from tests.support.servers.secret_backends import PATIENT
from vault.declare.declaration import Declaration
from vault.reconcile.inputs import Inputs
from vault.reconcile.planning.apply import apply
from vault.reconcile.planning.plan import Action, Change, Plan

VALUE: Final = "hunter2-and-more"
GIVEN: Final = Inputs({"secret/shop/cloud/smtp-password": Secret(VALUE)})
PASSWORD: Final = "shop/cloud/password"
PART: Final = "shop/cloud/smtp-password"
URL: Final = "shop/cloud/smtp-url"
ALIAS: Final = "alias/shop-cloud-pii"
ARN: Final = ACCOUNT.policy("shop-cloud")
#: Declared fields that moto's server does not return.
NOT_COMPARED: Final = tuple(
    f"kms-key shop-cloud-{key}: rotation_period" for key in ("audit", "pii")
)


class ProvisioningSite:
    """moto's server behind one of faults, with clients of an operator."""

    def __init__(self, moto: MotoServer, proxy: AwsFaultServer, connection: AwsConnection) -> None:
        self.proxy = proxy
        self.connection = connection
        self.secrets = moto.client("secretsmanager")
        self.kms = moto.client("kms")
        self.iam = moto.client("iam")
        self.logs = moto.client("logs")
        self.cloudwatch = moto.client("cloudwatch")
        self.sns = moto.client("sns")
        self.cloudtrail = moto.client("cloudtrail")
        self.s3 = moto.client("s3")

    def create_bucket(self) -> None:
        """Create the bucket of :data:`MADE`, which the team has."""
        region = {"LocationConstraint": REGION}
        self.s3.create_bucket(Bucket=MADE["trail_bucket"], CreateBucketConfiguration=region)

    def plan(
        self, declaration: Declaration, inputs: Inputs = GIVEN, *, may_widen: bool = True
    ) -> Plan:
        resources = desired_resources(declaration, SCOPE.environment, inputs)
        return build_plan(self.connection, resources, ACCOUNT, "strongroom", may_widen=may_widen)

    def apply(self, plan: Plan) -> list[Change]:
        done: list[Change] = []
        self._forget_filters(plan)
        apply(self.connection, plan, done.append)
        return done

    def _forget_filters(self, plan: Plan) -> None:
        """Delete the filters that are about to change, because moto would keep the old ones, too.

        AWS replaces a filter by one of the same name.
        """
        for change in plan.changes:
            if isinstance(change.resource, MetricFilter) and change.action is Action.UPDATE:
                group, name = change.resource.log_group, change.resource.name
                self.logs.delete_metric_filter(logGroupName=group, filterName=name)

    def key(self) -> str:
        found: str = self.kms.describe_key(KeyId=ALIAS)["KeyMetadata"]["KeyId"]
        return found

    def value(self, name: str) -> str:
        return str(AwsSource(self.connection, SCOPE).fetch(name).value.reveal())

    def stages(self, name: str) -> dict[str, list[str]]:
        found: dict[str, list[str]] = self.secrets.describe_secret(SecretId=name)[
            "VersionIdsToStages"
        ]
        return found

    def current(self, name: str) -> str:
        stages = self.stages(name).items()
        return next(version for version, labels in stages if "AWSCURRENT" in labels)


@contextmanager
def provisioning_site(moto: MotoServer) -> Iterator[ProvisioningSite]:
    """Run the server of faults, and yield both with a connection that has an identity."""
    with aws_fault_server(moto.url) as proxy, pytest.MonkeyPatch.context() as patch:
        set_identity(patch)
        connection = AwsConnection(REGION, development=True, endpoint=proxy.url, limits=PATIENT)
        with closing(connection):
            yield ProvisioningSite(moto, proxy, connection)


def lines(plan: Plan) -> list[str]:
    """Return a line for each change, with the names of its fields."""
    return [f"{change} {','.join(each.field for each in change.fields)}" for change in plan.changes]
