"""All resources on AWS that one environment's declaration asks for."""

from __future__ import annotations

from collections.abc import Iterator

from app_integration.names import Environment, Scope
from aws.account import Account
from aws.iam.rotation_policy import rotation_policy
from aws.iam.service_policy import KEY_TAG, service_policy
from aws.iam.trust_policy import service_role_trust, service_trust
from aws.monitoring.desired import monitoring_resources
from aws.monitoring.monitored_environment import find_watched
from aws.resources import AwsResource, policy_text
from aws.resources.iam_policy import IamPolicy
from aws.resources.iam_role import IamRole, InstanceProfile
from aws.resources.kms_key import KmsKey
from aws.resources.rotation import AwsRotation
from aws.resources.secret import AwsSecret
from aws.resources.tags import Tags
from aws.resources.values import AwsDerivedValue, AwsSecretValue
from aws.rotated_secrets import find_function_role, find_manager, find_rotated
from aws.rotation.instructions import ANNOUNCED_TAG, HOW_TAG, MIN_AGE_TAG
from vault.declare import durations
from vault.declare.declaration import Declaration
from vault.declare.schema.adopted_secret import Adopted
from vault.declare.schema.aws import KMS_ROTATE_EVERY, SERVICE_PLACEHOLDER
from vault.declare.schema.secret_sources import Derived, Generated, Source
from vault.reconcile.desired.desired import order_by_dependency
from vault.reconcile.inputs import Inputs
from vault.reconcile.resources.ownership import Owner
from vault.reconcile.resources.secrets import generated_value, provided_value


def desired_resources(
    declaration: Declaration, environment: Environment, inputs: Inputs
) -> list[AwsResource]:
    """Return the resources of *environment*, each after those it is composed of."""
    account = Account.of(declaration.account(environment))
    resources = [
        resource
        for scope in declaration.scopes(environment)
        for resource in (
            *_keys(declaration, scope, account),
            *secret_resources(declaration, scope, inputs),
            *_identity(declaration, scope, account),
        )
    ]
    resources += _rotations(declaration, environment, account, inputs)
    watched = find_watched(declaration, environment)
    if watched is not None:
        tags = environment_tags(declaration, environment)
        resources += monitoring_resources(declaration, watched, tags)
    return resources


def _keys(declaration: Declaration, scope: Scope, account: Account) -> Iterator[AwsResource]:
    tags = _tags(declaration, scope)
    declared = declaration.account(scope.environment).kms.policy
    own = declared and declared.model_dump(exclude_none=True)
    policy = policy_text(own or _key_policy(account))
    for key, spec in sorted(declaration.service(scope.service).keys.items()):
        name = scope.key(key)
        yield KmsKey(
            name,
            spec.description,
            policy.replace(SERVICE_PLACEHOLDER, scope.service),
            {**tags, KEY_TAG: name},
            spec.rotate_every or KMS_ROTATE_EVERY,
        )


def _key_policy(account: Account) -> dict[str, object]:
    """Return the key policy that leaves permissions to IAM, as AWS has it by default."""
    return {
        "Version": "2012-10-17",
        "Id": "key-default-1",
        "Statement": [
            {
                "Sid": "Enable IAM User Permissions",
                "Effect": "Allow",
                "Principal": {"AWS": account.root},
                "Action": "kms:*",
                "Resource": "*",
            }
        ],
    }


def secret_resources(
    declaration: Declaration, scope: Scope, inputs: Inputs
) -> Iterator[AwsResource]:
    """Return the secrets of one service and their values, in order of dependency.

    The environment need not be on AWS, because its secrets may be copied before.
    """
    tags, rotated = _tags(declaration, scope), find_rotated(declaration, scope)
    aws = declaration.environment(scope.environment).aws
    unrotated = dict.fromkeys(
        (HOW_TAG, MIN_AGE_TAG, ANNOUNCED_TAG) if aws and aws.rotation_function else ()
    )
    for name, source in order_by_dependency(declaration.own_secrets(scope)):
        path, period = scope.secret(name), source.rotate_every
        own: dict[str, str | None] = {
            "rotate_every": durations.render(period) if period else None,
            **(rotated[name].tags if name in rotated else unrotated),
        }
        description = "" if isinstance(source, Adopted) else source.description
        yield _secret(declaration, scope, path, description, {**tags, **own})
        yield _value(scope, path, source, inputs)


def _secret(
    declaration: Declaration, scope: Scope, path: str, description: str, tags: Tags
) -> AwsSecret:
    aws = declaration.environment(scope.environment).aws
    replicas = aws.replicas if aws else {}
    return AwsSecret(path, description, tags, declaration.secrets_key(scope), replicas)


def _value(scope: Scope, path: str, source: Source, inputs: Inputs) -> AwsResource:
    if isinstance(source, Derived):
        parts = {name: scope.secret(name) for name in source.references}
        return AwsDerivedValue(path, source.format, parts)
    if isinstance(source, Generated):
        value = generated_value(path, source.length, source.alphabet)
    else:
        value = provided_value(inputs, path)
    return AwsSecretValue(path, value.available, value.get_value)


def _identity(declaration: Declaration, scope: Scope, account: Account) -> Iterator[AwsResource]:
    """Yield the policy of a service, and the role that has it, if one is declared."""
    document = service_policy(declaration, scope, account)
    name, tags = str(scope), _tags(declaration, scope)
    arn = account.policy(name)
    needed = (arn,) if document["Statement"] else ()  # IAM takes no policy without one
    if needed:
        yield IamPolicy(name, arn, policy_text(document), tags)
    owners = declaration.role_owners(scope)
    if owners is not None:
        trust = policy_text(service_trust(account, scope, owners))
        yield IamRole(name, trust, needed, tags)
        if "ec2" in owners.trust:
            yield InstanceProfile(name)


def _rotations(
    declaration: Declaration, environment: Environment, account: Account, inputs: Inputs
) -> Iterator[AwsResource]:
    """Yield what a rotation function needs, and the rotation of each secret."""
    name = declaration.account(environment).rotation_function
    if name is None:
        return
    function = account.function(name)
    document = rotation_policy(declaration, environment, account, function)
    if document["Statement"]:
        policy = f"{name}_{environment}"  # no name of a service has an underscore
        tags = environment_tags(declaration, environment)
        yield IamPolicy(policy, account.policy(policy), policy_text(document), tags)
        if role := find_function_role(declaration, environment):
            # A function that logs in to databases runs in their network.
            managers = (find_manager(declaration, each) for each in declaration.scopes(environment))
            kind = f"AWSLambda{'VPCAccess' if any(managers) else 'Basic'}ExecutionRole"
            logs = f"arn:{account.partition}:iam::aws:policy/service-role/{kind}"
            policies = (account.policy(policy), logs)
            yield IamRole(role, policy_text(service_role_trust(account, "lambda")), policies, tags)
    for scope in declaration.scopes(environment):
        rotated = find_rotated(declaration, scope)
        if manager := find_manager(declaration, scope):
            yield from _manager(declaration, scope, manager, inputs)
        for secret in declaration.own_secrets(scope):
            every = rotated[secret].every if secret in rotated else None
            yield AwsRotation(scope.secret(secret), function, every)


def _manager(
    declaration: Declaration, scope: Scope, path: str, inputs: Inputs
) -> Iterator[AwsResource]:
    """Yield the secret of the database manager, which no application may read."""
    description = "Sets the passwords of database users."
    yield _secret(declaration, scope, path, description, _tags(declaration, scope))
    value = provided_value(inputs, path)
    yield AwsSecretValue(path, value.available, value.get_value)


def _tags(declaration: Declaration, scope: Scope) -> Tags:
    owner = {"owner": declaration.service(scope.service).owner}
    return {**environment_tags(declaration, scope.environment), **owner}


def environment_tags(declaration: Declaration, environment: Environment) -> Tags:
    """Return the tags of each object of an environment that is of no service."""
    declared = declaration.environment(environment)
    return {
        **Owner.of(declared).marks,
        "owner": declared.owner,
        "environment": str(environment),
    }
