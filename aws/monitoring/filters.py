"""What is counted in the log of CloudTrail: events of one service each, by their own words.

A denied request has no parameters in CloudTrail, so its secret is found in the message. An
encryption context is in clear, so a KMS key is found by it: AWS chooses the key's id, and ``apply``
creates this filter before it is known.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from app_integration.errors import ConfigurationError
from app_integration.names import Scope
from aws.account import Account
from aws.monitoring.monitored_environment import Watched
from aws.resources.metric_filter import MetricFilter
from aws.rotated_secrets import find_function_role, find_manager
from vault.declare.declaration import Declaration

_MAX_LENGTH: Final = 1024


def equals(field: str, *values: str) -> str:
    """Return a term for a field that has one of *values*. A field that is absent has none."""
    return any_of(*(f'$.{field} = "{value}"' for value in values))


def differs(field: str, value: str, *others: str) -> str:
    """Return a term for a field that is absent, or has none of the values.

    AWS does not say whether ``!=`` holds for a field that is absent, so that is a term of its own.
    """
    unlike = (f'$.{field} != "{each}"' for each in (value, *others))
    return any_of(f"$.{field} NOT EXISTS", all_of(*unlike))


def all_of(*terms: str) -> str:
    """Return a term that holds if each of *terms* does."""
    return _join("&&", terms)


def any_of(*terms: str) -> str:
    """Return a term that holds if one of *terms* does."""
    return _join("||", terms)


def build_pattern(name: str, term: str) -> str:
    """Return the pattern of *term*."""
    text = f"{{ {term} }}"
    if len(text) > _MAX_LENGTH:
        raise ConfigurationError(
            f"the pattern of the metric filter {name} has {len(text)} characters, and CloudWatch"
            f" allows {_MAX_LENGTH}; declare fewer iam_roles"
        )
    return text


def _join(operator: str, terms: tuple[str, ...]) -> str:
    if len(terms) == 1:
        return terms[0]
    return f" {operator} ".join(f"({term})" for term in terms)


_SECRETS: Final = "secretsmanager.amazonaws.com"
_KEYS: Final = "kms.amazonaws.com"
_CALLER: Final = "userIdentity.arn"
#: With and without ``Exception`` at the end: services word one error in both ways.
_DENIED: Final = "AccessDenied*"
_UNUSABLE: Final = ("DecryptionFailure*", "Disabled*", "InvalidRequest*", "KMSInvalidState*")
_THROTTLED: Final = ("Throttl*", "TooManyRequests*", "RequestLimitExceeded")
#: A rotation is abandoned if a person writes a value during it, which the database may not have.
_NOT_ROTATED: Final = ("RotationFailed", "RotationAbandoned")


def build_filters(declaration: Declaration, watched: Watched) -> Iterator[MetricFilter]:
    """Yield the metric filters of an environment."""
    throttled = all_of(
        equals("eventSource", _SECRETS, _KEYS),
        equals("awsRegion", watched.account.region),
        equals("errorCode", *_THROTTLED),
    )
    yield _filter(watched, "throttling", watched.name("throttling"), throttled)
    for scope in declaration.scopes(watched.environment):
        yield from _service_filters(declaration, watched, scope)


def _service_filters(
    declaration: Declaration, watched: Watched, scope: Scope
) -> Iterator[MetricFilter]:
    account = watched.account
    own = _callers(account, declaration.iam_roles(scope))
    trusted = _callers(account, _trusted_roles(declaration, watched))
    usual = (*own, *trusted)
    has_secrets = bool(declaration.secrets(scope))
    manager = find_manager(declaration, scope)
    has_keys = bool(declaration.service(scope.service).keys)
    if has_secrets or has_keys:
        yield _service_filter(watched, scope, "access-failures", _failed(scope, own, manager))
    if has_secrets:
        read = _read_by_other(scope, account, usual)
        yield _service_filter(watched, scope, "unusual-caller", read, "-of-secrets")
        yield _service_filter(watched, scope, "rotation-failed", _not_rotated(scope, account))
    if has_keys:
        used = _used_by_other(scope, usual)
        yield _service_filter(watched, scope, "unusual-caller", used, "-of-keys")
    if manager:
        read = _manager_read_by_other(manager, trusted)
        yield _service_filter(watched, scope, "unusual-caller", read, "-of-manager")


def _trusted_roles(declaration: Declaration, watched: Watched) -> tuple[str, ...]:
    """Return the roles that may read all secrets."""
    function = find_function_role(declaration, watched.environment)
    return (*watched.monitoring.iam_roles, *([function] if function else ()))


def _service_filter(
    watched: Watched, scope: Scope, alarm: str, term: str, suffix: str = ""
) -> MetricFilter:
    return _filter(watched, alarm, f"{watched.prefix}{scope}-{alarm}{suffix}", term)


def _filter(watched: Watched, alarm: str, name: str, term: str) -> MetricFilter:
    pattern = build_pattern(name, term)
    group, namespace = watched.log_group, watched.namespace
    return MetricFilter(name, watched.prefix, group, pattern, namespace, alarm)


def _callers(account: Account, roles: tuple[str, ...]) -> tuple[str, ...]:
    """Return the ARNs of *roles* as a request under one has it, whatever its session."""
    return tuple(account.session(role, "*") for role in roles)


def _failed(scope: Scope, own: tuple[str, ...], manager: str | None) -> str:
    """Return the term for what a role of the service could not do, or anyone with its secrets.

    The SDK reads secrets by batches if it may, and singly otherwise. So the batch that is denied at
    each start is no failure.
    """
    names = [f"*resource: {_path(scope)}*", f"*:secret:{_path(scope)}*"]
    if manager:
        names.append(f"*{manager}*")  # whole, so that it needs no beginning
    named = equals("errorMessage", *names)
    return all_of(
        equals("eventSource", _SECRETS, _KEYS),
        '$.eventName != "BatchGetSecretValue"',
        equals("errorCode", _DENIED, *_UNUSABLE),
        any_of(equals(_CALLER, *own), named) if own else named,
    )


def _not_rotated(scope: Scope, account: Account) -> str:
    return all_of(
        equals("eventSource", _SECRETS),
        equals("eventName", *_NOT_ROTATED),
        equals("additionalEventData.SecretId", account.secrets(_path(scope))),
    )


def _read_by_other(scope: Scope, account: Account, usual: tuple[str, ...]) -> str:
    """Return the term for a read of a secret by another caller. A request names it in two ways."""
    arn = account.secrets(_path(scope))
    return all_of(
        equals("eventSource", _SECRETS),
        equals("eventName", "GetSecretValue"),
        equals("requestParameters.secretId", f"{_path(scope)}*", arn),
        *_other_than(usual),
    )


def _manager_read_by_other(manager: str, trusted: tuple[str, ...]) -> str:
    """Return the term for a read of the manager's URL, which no application may read either."""
    return all_of(
        equals("eventSource", _SECRETS),
        equals("eventName", "GetSecretValue"),
        equals("requestParameters.secretId", f"*{manager}*"),
        *_other_than(trusted),
    )


def _used_by_other(scope: Scope, usual: tuple[str, ...]) -> str:
    """Return the term for a use of a data key by another caller."""
    contexts = (
        all_of(
            equals(f"requestParameters.{context}.service", scope.service),
            equals(f"requestParameters.{context}.environment", scope.environment.value),
        )
        for context in ("encryptionContext", "sourceEncryptionContext")
    )
    return all_of(equals("eventSource", _KEYS), any_of(*contexts), *_other_than(usual))


def _other_than(callers: tuple[str, ...]) -> Iterator[str]:
    """Yield the term for any other caller; none if there are no *callers*, as any caller is one."""
    if callers:
        yield differs(_CALLER, *callers)


def _path(scope: Scope) -> str:
    """Return what the names of all secrets of a service begin with."""
    return f"{scope.service}/{scope.environment}/"
