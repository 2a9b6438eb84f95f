"""Checks of an environment on AWS: nothing in it is about Vault, and KMS rotates as declared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from app_integration._internal.arns import region_of
from app_integration.names import Environment
from vault.declare import durations
from vault.declare.checks.service import Data, derived_uses, section
from vault.declare.errors import FieldError, Loc, join_names
from vault.declare.schema.adopted_secret import find_given, not_given_error
from vault.declare.schema.aws import SERVICE_PLACEHOLDER
from vault.declare.schema.model import EnvironmentDeclaration

#: Keys of an environment's file that one on AWS has, too.
_ON_AWS: Final = ("aws", "environment", "like", "owner", "deployment", "tags", "services")
#: Keys of an environment's file that are about a Vault server.
OF_VAULT: Final = tuple(key for key in EnvironmentDeclaration.model_fields if key not in _ON_AWS)
#: Keys of a service in such a file that are.
OF_VAULT_IN_SERVICE: Final = ("login", "colours", "password_policy", "adopted")
#: Keys of a service in such a file that are about AWS.
_OF_AWS: Final = ("iam_roles", "kms_key", "roles", "secret_arns")
#: Days between two rotations of a KMS key.
_MIN_DAYS: Final = 90
_MAX_DAYS: Final = 2560
#: The periods that :func:`is_period_of_kms` accepts, for errors.
KMS_PERIODS: Final = f"whole days from {_MIN_DAYS}d to {_MAX_DAYS}d, as KMS rotates keys"


def find_errors(
    data: Data, *, stem: str, services: Mapping[str, Data | None]
) -> Iterator[FieldError]:
    """Return the errors of an environment file about AWS."""
    if "aws" not in data:
        yield from _on_vault(data)
        return
    yield from _unused(data, (), OF_VAULT)
    yield from _monitoring(data, services)
    account = section(data, "aws")
    yield from _other_region(("aws", "kms_key"), account.get("kms_key"), account, "a key")
    yield from _replicas(account)
    yield from _subject(data)
    for name in section(data, "services"):
        here: Loc = ("services", name)
        deployment = section(data, "services", name)
        yield from _unused(deployment, here, OF_VAULT_IN_SERVICE)
        key = deployment.get("kms_key")
        yield from _other_region((*here, "kms_key"), key, account, "a key")
        yield from _secret_arns(here, deployment, services.get(name) or {}, account, stem)
        if "paired" in deployment and "rotation_function" not in section(data, "aws"):
            expected = "nothing, as 'aws' has no rotation_function"
            yield FieldError((*here, "paired"), "has the key 'paired'", expected, subject=here)
        for key, spec in section(services.get(name) or {}, "keys").items():
            period = spec.get("rotate_every") if isinstance(spec, Mapping) else None
            if isinstance(period, str) and not is_period_of_kms(period):
                what = f"has {name}, whose key {key!r} rotates every {period}"
                yield FieldError(here, what, KMS_PERIODS)


def _on_vault(data: Data) -> Iterator[FieldError]:
    for name in section(data, "services"):
        for key in section(data, "services", name):
            if key in _OF_AWS:
                loc: Loc = ("services", name, key)
                expected = "nothing, as the environment is not on AWS"
                yield FieldError(loc, f"has the key {key!r}", expected, subject=loc[:-1])


def _replicas(account: Data) -> Iterator[FieldError]:
    """Yield what no replica of a secret can have."""
    for region, key in section(account, "replicas").items():
        loc: Loc = ("aws", "replicas", region)
        if region == account.get("region"):
            yield FieldError(loc, "is the region of the secrets", "another region")
        yield from _other_region(loc, key, {"region": region}, "a key")


def _subject(data: Data) -> Iterator[FieldError]:
    """Yield an error if the tokens of one subject would have the roles of several services."""
    subject = section(data, "aws", "roles", "oidc").get("subject")
    services = section(data, "services")
    sharing = [name for name in services if "roles" not in section(services, name)]
    if isinstance(subject, str) and SERVICE_PLACEHOLDER not in subject and len(sharing) > 1:
        what = f"is {subject!r} for {join_names(sharing)}"
        expected = f"a subject with {SERVICE_PLACEHOLDER}, or 'roles' of its own in each service"
        yield FieldError(("aws", "roles", "oidc", "subject"), what, expected)


def _monitoring(data: Data, services: Mapping[str, Data | None]) -> Iterator[FieldError]:
    """Yield what cannot be watched as declared."""
    here = ("aws", "monitoring")
    if "monitoring" not in section(data, "aws"):
        return
    monitoring = section(data, *here)
    for key in ("page", "ticket"):
        topic, account = monitoring.get(key), section(data, "aws")
        yield from _other_region((*here, key), topic, account, "a topic", ", as alarms")
    for key in ("retention", "trail_bucket"):
        if "log_group" in monitoring and key in monitoring:
            what = f"has the key {key!r}"
            expected = "nothing beside log_group, whose owner decides that"
            yield FieldError((*here, key), what, expected, subject=here)
    for name in section(data, "services"):
        service = services.get(name) or {}
        is_watched = section(service, "secrets") or section(service, "keys")
        deployment = section(data, "services", name)
        has_role = "roles" in section(data, "aws") or "roles" in deployment
        if is_watched and not has_role and "iam_roles" not in deployment:
            expected = "the IAM roles of its processes, as any other caller is unusual"
            yield FieldError(("services", name), "lacks the key 'iam_roles'", expected)


def _other_region(
    loc: Loc, arn: object, account: Data, what: str, reason: str = ""
) -> Iterator[FieldError]:
    """Yield an error if *arn* is not in the region of *account*, where nothing else reaches it.

    The schema reports an ARN or region that is none.
    """
    region, other = account.get("region"), region_of(str(arn))
    if isinstance(region, str) and other and other != region:
        yield FieldError(loc, f"is in {other}", f"{what} in {region}{reason}")


def _unused(entry: Data, here: Loc, keys: tuple[str, ...]) -> Iterator[FieldError]:
    for key in keys:
        if key in entry:
            expected = "nothing, as the environment is on AWS"
            yield FieldError((*here, key), f"has the key {key!r}", expected, subject=here)


def _secret_arns(
    here: Loc, deployment: Data, service: Data, account: Data, stem: str
) -> Iterator[FieldError]:
    """Yield what no secret that others write can be."""
    here = (*here, "secret_arns")
    given, derived = sorted(find_given(service, stem)), derived_uses(section(service, "secrets"))
    if stem == Environment.DEV and "secret_arns" in deployment:
        expected = "nothing in dev, whose local deployment has no such secret"
        yield FieldError(here, "is set", expected)
    for secret, arn in section(deployment, "secret_arns").items():
        loc: Loc = (*here, secret)
        yield from _other_region(loc, arn, account, "a secret")
        if secret not in given:
            yield not_given_error(loc, given)
        elif secret in section(deployment, "paired"):
            yield FieldError(loc, f"has {secret!r}, which is paired", "a secret that is not paired")
        for other, used in derived.items():
            if secret in used:
                what = f"has {secret!r}, from which {other!r} is derived"
                yield FieldError(loc, what, "a secret that no other is derived from", subject=here)


def is_period_of_kms(period: str) -> bool:
    """Return whether KMS can rotate a key with *period*, such as ``90d``."""
    try:
        days, rest = divmod(durations.parse(period), durations.DAY)
    except ValueError:
        return True  # the service's file has the error
    return not rest and _MIN_DAYS <= days <= _MAX_DAYS
