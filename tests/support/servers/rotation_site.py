"""Rotations of secrets on moto's server, with the function run in this process.

moto makes the pending version as AWS does, and calls no function. So the test calls the steps, and
decides which of them fail.
"""

from __future__ import annotations

import io
import json
import secrets
import threading
import urllib.request
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import uuid4

import psycopg

from app_integration.aws.connection import AwsConnection
from app_integration.names import Environment, Scope
from app_integration.secret import Secret
from aws.rotation.database_url import DatabaseUrl
from aws.rotation.handler import run
from aws.rotation.instructions import (
    HOW_TAG,
    MIN_AGE_TAG,
    PairInstructions,
)
from aws.rotation.manager import manager_secret
from aws.rotation.rotation import Outcome, Step
from aws.rotation.versions import Call
from local.ports import HOST
from local.servers.accounts import DatabaseAccounts
from tests.support.servers.moto_server import MotoServer
from tests.support.servers.secret_backends import AwsSite

FUNCTION: Final = "strongroom-rotation"
MIN_AGE: Final = 3900
USERS: Final = ("parcels_app_a", "parcels_app_b")
_PAUSE: Final = 0.005  # seconds between two logins of the application
#: Versions of moto's functions need a role, whose trust it reads.
_TRUST: Final = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "lambda.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}


def create_function(moto: MotoServer) -> str:
    """Create a function that moto never runs, and return its ARN."""
    body = json.dumps({"lambda": {"use_docker": False}}).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(  # noqa: S310 (http)
        f"{moto.url}/moto-api/config", body, headers, method="POST"
    )
    urllib.request.urlopen(request, timeout=10).close()  # noqa: S310
    client = moto.client("lambda")
    try:
        return str(client.get_function(FunctionName=FUNCTION)["Configuration"]["FunctionArn"])
    except client.exceptions.ResourceNotFoundException:
        pass
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("handler.py", "")
    iam = moto.client("iam")
    role = iam.create_role(
        RoleName=f"rotation-{secrets.token_hex(4)}", AssumeRolePolicyDocument=json.dumps(_TRUST)
    )
    created = client.create_function(
        FunctionName=FUNCTION,
        Runtime="python3.13",
        Role=role["Role"]["Arn"],
        Handler="handler.handler",
        Code={"ZipFile": archive.getvalue()},
    )
    return str(created["FunctionArn"])


@dataclass(frozen=True)
class Function:
    arn: str
    connection: AwsConnection


@dataclass
class RotatedSecret:
    site: AwsSite
    function: Function
    name: str
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def create(self, value: Secret, how: str) -> None:
        tags = {HOW_TAG: how, MIN_AGE_TAG: str(MIN_AGE)}
        self.site.operator.create_secret(
            Name=self.name,
            SecretString=value.reveal(),
            Tags=[{"Key": key, "Value": text} for key, text in tags.items()],
        )

    def stages(self) -> dict[str, list[str]]:
        described = self.site.operator.describe_secret(SecretId=self.name)
        return {each: labels for each, labels in described["VersionIdsToStages"].items() if labels}

    def version(self, label: str) -> str:
        return next(each for each, labels in self.stages().items() if label in labels)

    def value(self, label: str = "AWSCURRENT") -> Secret:
        found = self.site.operator.get_secret_value(SecretId=self.name, VersionStage=label)
        return Secret(found["SecretString"])

    def created(self, label: str) -> datetime:
        """Return when the version with *label* was created, which moto counts in seconds."""
        found = self.site.operator.get_secret_value(SecretId=self.name, VersionStage=label)
        created: datetime = found["CreatedDate"]
        return created

    def begin(self) -> str:
        """Begin a rotation a day later, and return its token."""
        self.now += timedelta(days=1)
        for version, labels in self.stages().items():
            # AWS does it when the function has returned, and moto does not.
            if {"AWSPENDING", "AWSCURRENT"} <= {*labels}:
                self.site.operator.update_secret_version_stage(
                    SecretId=self.name, VersionStage="AWSPENDING", RemoveFromVersionId=version
                )
        token = str(uuid4())
        self.site.operator.rotate_secret(
            SecretId=self.name,
            ClientRequestToken=token,
            RotationLambdaARN=self.function.arn,
            RotationRules={"AutomaticallyAfterDays": 30},
        )
        return token

    def run(self, step: Step, token: str, call: Call | None = None) -> Outcome:
        event = {"Step": step.value, "SecretId": self.name, "ClientRequestToken": token}
        return run(event, call or self.function.connection.call, lambda: self.now)

    def run_all(self, token: str, call: Call | None = None) -> list[Outcome]:
        return [self.run(step, token, call) for step in Step]

    def rotate(self) -> None:
        self.run_all(self.begin())


class Application(threading.Thread):
    """An application that connects all the time, with two URLs.

    One is the current URL. The other one it has cached for as long as the interval between two
    rotations allows, so that it is replaced only when the next one begins.
    """

    def __init__(self, secret: RotatedSecret) -> None:
        super().__init__(daemon=True)
        self._secret = secret
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._cached = secret.value()
        self.attempts = 0
        self.windows: list[str] = []

    def refresh(self) -> None:
        """Replace the cached URL, and let no attempt with the one before be under way."""
        with self._lock:
            self._cached = self._secret.value()

    def run(self) -> None:
        while True:
            with self._lock:
                for what, url in (("cached", self._cached), ("current", self._secret.value())):
                    self._connect(what, url)
            if self._stopping.wait(_PAUSE):
                return

    def _connect(self, what: str, url: Secret) -> None:
        try:
            open_database(url).close()
        except psycopg.Error as error:
            self.windows.append(f"{what}: {error}")
        self.attempts += 1

    def stop(self) -> None:
        self._stopping.set()
        self.join(30)


def open_database(url: Secret) -> psycopg.Connection[Any]:
    """Connect with a URL, as an application does."""
    parts = DatabaseUrl.parse(url, "url")
    return psycopg.connect(
        host=parts.host,
        port=parts.port,
        dbname=parts.database,
        user=parts.username,
        password=parts.password.reveal(),
        autocommit=True,
    )


@contextmanager
def watched(secret: RotatedSecret) -> Iterator[Application]:
    """Run an application during the block, and check that no login of it failed."""
    application = Application(secret)
    application.start()
    try:
        yield application
    finally:
        application.stop()
    assert application.windows == []
    assert application.attempts > 0


def url_of(accounts: DatabaseAccounts, user: str, password: str) -> Secret:
    """Return the URL of a user of the service's database."""
    where = f"{HOST}:{accounts.superuser.port}/{accounts.roles.database}"
    return Secret(f"postgresql+psycopg://{user}:{password}@{where}?connect_timeout=5")


def pair_secret(
    function: Function, site: AwsSite, accounts: DatabaseAccounts, scope: Scope | None = None
) -> RotatedSecret:
    """Create :data:`USERS`, the secret with the URL of the first one, and that of the manager."""
    accounts.ensure_users(USERS)
    accounts.set_password(USERS[0], Secret("first-password"))
    scope = scope or Scope(f"parcels-{secrets.token_hex(4)}", Environment.STAGING)
    secret = RotatedSecret(site, function, scope.secret("database-url"))
    secret.create(url_of(accounts, USERS[0], "first-password"), str(PairInstructions(USERS)))
    manager = url_of(accounts, accounts.roles.manager, accounts.password("manager").reveal())
    site.operator.create_secret(Name=manager_secret(secret.name), SecretString=manager.reveal())
    return secret


def user_of(value: Secret) -> str:
    return DatabaseUrl.parse(value, "url").username
