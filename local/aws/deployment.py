"""Local deployment on AWS: the services of dev, with moto in place of AWS."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from app_integration.aws.connection import AwsConnection
from app_integration.aws.request import AwsRequest
from app_integration.errors import ConfigurationError
from app_integration.names import Environment, Scope
from app_integration.secret import Secret
from aws.environment import build_aws_plan
from local.aws.delivery import LocalAwsDelivery
from local.aws.service import ACCESS_KEY, LocalAwsService
from local.layout import Layout
from local.ports import Ports
from local.runtimes.moto_runtime import MotoRuntime
from local.servers.moto import Moto
from local.services.dev_services import (
    find_own_server,
    service_accesses,
    shared_files,
    status_record,
    with_local_servers,
)
from local.services.service_files import write_variables
from local.started_deployment import StartedDeployment
from local.status_record import StatusRecord
from vault.declare.declaration import Declaration
from vault.progress import Step
from vault.reconcile.inputs import Inputs
from vault.reconcile.planning.apply import apply
from vault.reconcile.planning.plan import Plan


@dataclass(frozen=True, slots=True)
class AwsUpResult:
    """Changes that :meth:`LocalAwsDeployment.up` made."""

    started: tuple[str, ...]
    plan: Plan
    has_lost_data: bool
    delivered: tuple[str, ...]
    waiting: Mapping[str, list[str]]

    @property
    def has_changes(self) -> bool:
        """Return whether anything was changed, apart from the deliveries."""
        return bool(self.started or self.plan.changes)


class LocalAwsDeployment:
    """Deployment of all services of ``dev``, which is on AWS, on this machine."""

    def __init__(self, layout: Layout, ports: Ports, declaration: Declaration) -> None:
        self.layout = layout
        self.ports = ports
        _reject_own_databases(declaration, ports)
        self.declaration = with_local_servers(declaration, ports)
        accesses = service_accesses(layout, ports, declaration, self.check_listeners)
        account = declaration.account(Environment.DEV)
        self.servers = MotoRuntime(layout, ports, accesses, account.account)
        self.services: Mapping[str, LocalAwsService] = {
            each.scope.service: LocalAwsService(each, self.declaration) for each in accesses
        }

    @cached_property
    def _deliveries(self) -> Mapping[str, LocalAwsDelivery]:
        """Return the delivery of each service that declares a config."""
        return {
            name: LocalAwsDelivery(each, config, each.live)
            for name, each in self.services.items()
            if (config := self.declaration.service(name).config) and each.live
        }

    def service(self, name: str) -> LocalAwsService:
        """Return the service *name*."""
        self.declaration.deployment(Scope(name, Environment.DEV))
        return self.services[name]

    def up(self, step: Step) -> AwsUpResult:
        """Start the servers, apply the declaration, and deliver the services' configs.

        Steps that are already done are skipped. If a step before the delivery fails, the servers
        that this call started are stopped. If a config is not delivered, all stay, because the
        operator fixes the wrong value on them.
        """
        with self.servers.exclusive():
            started = self.servers.start(step)
            try:
                with step("declaration applied"):
                    plan = self._apply()
            except BaseException:
                self.servers.stop_started(started)
                raise
            self._write_variables()
            self._record.write(self.layout)
            waiting = self._deliver(step, plan, is_new=Moto.name in started.servers)
        delivered = tuple(name for name in self._deliveries if name not in waiting)
        return AwsUpResult(started.servers, plan, started.has_lost_data, delivered, waiting)

    def given_file(self, service: str, secret: str) -> Path:
        """Return the file that the value of a secret is provided in."""
        mounts = self.declaration.environment(Environment.DEV).mounts
        return self.layout.given / mounts.kv / Scope(service, Environment.DEV).secret(secret)

    def read_keys(self) -> None:
        """Read which KMS keys the services have, so that their variables name them."""
        with closing(self.connection()) as connection:
            self._read_keys(connection)

    def connection(self) -> AwsConnection:
        """Return a connection to moto, whatever the shell's variables have."""
        self.check_listeners("aws")
        region = self.declaration.account(Environment.DEV).region
        return AwsConnection(
            region, development=True, endpoint=self.ports.aws_address, access_key=ACCESS_KEY
        )

    def check_listeners(self, *names: str) -> None:
        """Check that these servers of this deployment listen on their ports."""
        for name in names:
            self.servers.check_listener(name)

    @property
    def started(self) -> StartedDeployment:
        """Return what runs of it, or does not, with what :meth:`up` would start now."""
        return StartedDeployment(self.layout, self.servers, self._record)

    @property
    def _record(self) -> StatusRecord:
        accesses = [each.access for each in self.services.values()]
        return status_record(self.declaration, accesses)

    def _apply(self) -> Plan:
        values = shared_files(self.declaration).inputs() | self._provided_values()
        inputs = Inputs(values, self.layout.given)
        with closing(self.connection()) as connection:
            plan = build_aws_plan(
                connection, self.declaration, Environment.DEV, inputs, may_widen=True
            )
            apply(connection, plan, lambda _change: None)
            self._read_keys(connection)
        return plan

    def _read_keys(self, connection: AwsConnection) -> None:
        for each in self.services.values():
            each.kms_keys = _key_arns(connection, self.declaration, each.scope)

    def _deliver(self, step: Step, plan: Plan, *, is_new: bool) -> dict[str, list[str]]:
        """Start the deliveries again, and wait for those whose secrets have values.

        A running one would be on the model and template before, and its status on the values. The
        result is each other service, with the secrets that have none.
        """
        waiting = {}
        self.servers.stop_deliveries()
        for each in self._deliveries.values():
            if is_new:
                each.forget()
            each.start(self.servers)
        for service, each in self._deliveries.items():
            if missing := each.find_missing(plan.missing):
                waiting[service] = missing
            else:
                each.wait(self.servers, step)
        return waiting

    def _provided_values(self) -> dict[str, Secret]:
        """Return the URLs and passwords of the local servers, by the path of their secret.

        No users are leased on AWS, so a service that reads another's database gets a user here.
        """
        owners = {
            each.access.database_name: each.access.database for each in self.services.values()
        }
        values: dict[str, Secret] = {}
        for each in self.services.values():
            owner = owners.get(each.access.shared_database)
            url = owner.ensure_reader(each.scope) if owner else None
            values |= each.provided_values(url)
        return values

    def _write_variables(self) -> None:
        """Write the services' variables, and remove those of services that are not declared."""
        for path in self.layout.environments.glob("*.env"):
            if path.stem not in self.services:
                path.unlink()
        variables = {name: each.variables() for name, each in self.services.items()}
        write_variables(self.layout, variables, self.services)


def _key_arns(connection: AwsConnection, declaration: Declaration, scope: Scope) -> list[str]:
    """Return the ARNs of a service's keys, which AWS chose."""
    names = [scope.key(key) for key in declaration.service(scope.service).keys]
    return [_key_arn(connection, f"alias/{name}") for name in names]


def _key_arn(connection: AwsConnection, alias: str) -> str:
    request = AwsRequest("kms", "DescribeKey", alias, {"KeyId": alias}, ("KeyMetadata",))
    arn: str = connection.call(request)["KeyMetadata"]["Arn"]
    return arn


def _reject_own_databases(declaration: Declaration, ports: Ports) -> None:
    for scope in declaration.scopes(Environment.DEV):
        declared = declaration.deployment(scope).database
        if find_own_server(declared, ports) is not None:
            raise ConfigurationError(
                f"environments/dev.yaml names the PostgreSQL at {declared} for {scope.service}, but"
                " no users are leased on AWS; name 127.0.0.1:15432"
            )
