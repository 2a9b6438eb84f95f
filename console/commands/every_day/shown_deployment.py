"""Output of ``up``, which shows results of calls that it makes at that moment."""

from __future__ import annotations

import os
import shlex
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import closing
from typing import Any, Final

import yaml
from rich.console import Console
from rich.markup import escape

from agent.compiler.formats import BY_SUFFIX
from app_integration.client import Client
from app_integration.diagnosis.leased_user import log_in_to_redis
from app_integration.errors import ConfigurationError, ServerError
from app_integration.names import Environment, Scope
from app_integration.secret import REDACTED
from console.scaffold.sample_code import SAMPLE, SAMPLE_CONTEXT, sample_lines
from console.target.local_folder import local_root
from console.views.columns import print_columns
from local.deployment import LocalDeployment
from local.ports import HOST
from local.services.config_state import read_note
from local.services.local_agent import LocalAgent
from local.services.service_deployment import ServiceDeployment
from vault.declare.schema.database import Database

BOTH: Final = frozenset({"encrypt", "decrypt"})  # operations of a key that show can use


def show_deployment(console: Console, local: LocalDeployment, selected: Sequence[str] = ()) -> None:
    """Print addresses, logins, the services, and one use of each feature by one of them."""
    console.print()
    _addresses(console, local)
    services = [local.service(name) for name in selected] or list(local.services.values())
    if not services:
        console.print("\nNo service is declared in environments/dev.yaml yet.")
        return
    _services(console, services)
    _in_use(console, local, services[0])


def _services(console: Console, services: Sequence[ServiceDeployment]) -> None:
    rows = [("service", "variables", "delivered")]
    for each in services:
        file = each.layout.service_env(each.scope.service)
        live = str(each.agent.live) if each.agent else ""
        rows.append((each.scope.service, str(file), live))
    console.print()
    print_columns(console, rows)
    for each in services:
        if each.agent and (note := read_note(each.layout, each.scope.service)):
            _print_lines(console, [f"config of {each.scope.service}: {note}"])


def _in_use(console: Console, local: LocalDeployment, service: ServiceDeployment) -> None:
    """Print the config of one service, and use each feature once as this service."""
    _check_listeners(local, service)
    with closing(Client(service.settings())) as client:
        if service.agent:
            _config(console, service.agent)
        _features(console, service, client)
    lines = _shell_lines(service)
    if name := _sample_secret(service):
        code = f'from app_integration import get_secret; print(get_secret("{name}"))'
        lines.append(f"  {shlex.quote(_find_python(service))} -c '{code}'")
    _print_lines(console, lines)


def _check_listeners(local: LocalDeployment, service: ServiceDeployment) -> None:
    """Check that the servers that the service uses are those of the deployment."""
    redis = ["redis"] if service.access.leases_redis_users else []
    local.check_listeners("vault", "database", *redis)


def show_use(
    console: Console,
    local: LocalDeployment,
    service: ServiceDeployment,
    secret: str | None = None,
    frameworks: Collection[str] = (),
) -> None:
    """Use each feature of a service once, and print the results, and Python that does the same."""
    _check_listeners(local, service)
    with closing(Client(service.settings())) as client:
        _features(console, service, client, secret)
    declared = service.declaration.service(service.scope.service)
    keys = [name for name, key in declared.keys.items() if "encrypt" in key.allow]
    lines = sample_lines(
        secret or _sample_secret(service),
        keys,
        has_database=isinstance(declared.database, Database),
        has_redis=declared.redis is not None,
        frameworks=frameworks,
    )
    python = shlex.quote(os.path.normpath(_find_python(service)))
    _print_lines(console, [*_shell_lines(service), f"  {python}", "", *lines])


def _shell_lines(service: ServiceDeployment) -> list[str]:
    """Return the lines about a program with the secrets, and the service's variables in a shell."""
    name, root = service.scope.service, service.layout.root
    file = service.layout.service_env(name)
    is_default = root.resolve() == local_root().resolve()
    where = "" if is_default else f" --root {shlex.quote(str(root))}"
    run = f"  strongroom run --service {name}{where} -- PROGRAM"
    program = ["", "Run a program with its secrets as variables:", run]
    return [*program, "", "Use it from any shell:", f"  set -a; . {shlex.quote(str(file))}; set +a"]


def _find_python(service: ServiceDeployment) -> str:
    """Return the interpreter of the service's application."""
    config = service.declaration.service(service.scope.service).config
    return str(config.interpreter(service.declaration.project)) if config else "python"


def _print_lines(console: Console, lines: Iterable[str]) -> None:
    for line in lines:
        console.print(line, highlight=False, soft_wrap=True, markup=False)


def _addresses(console: Console, local: LocalDeployment) -> None:
    rows = [("Vault API, web page", f"{local.ports.vault_address}/ui/")]
    for person in local.declaration.environment(Environment.DEV).people:
        rows.append(("log in as", f"{person}, method Username"))
        rows.append(("password in", str(local.person_password(person))))
    rows += [(each.title, f"{HOST}:{each.port}") for each in local.started.status() if each.port]
    if local.layout.audit_logs[0].exists():
        rows.append(("audit logs", str(local.layout.audit)))
    print_columns(console, rows)


def _config(console: Console, agent: LocalAgent) -> None:
    compiled = agent.compile_template()
    read = BY_SUFFIX[agent.live.suffix].read
    document = read(agent.live.read_text(encoding="utf-8"))
    preview = read(compiled.preview)
    console.print(f"\nDelivered: {agent.live}", highlight=False, soft_wrap=True)
    redacted = yaml.safe_dump(_redact(document, preview), sort_keys=False)
    console.print(escape(redacted.rstrip()), highlight=False)


def _redact(value: Any, preview: Any) -> Any:
    """Return *value* with ``[REDACTED]`` wherever it differs from the template's preview.

    The preview has placeholders instead of secrets.
    """
    if isinstance(value, Mapping) and isinstance(preview, Mapping):
        return {key: _redact(item, preview.get(key)) for key, item in value.items()}
    return value if value == preview else REDACTED


def _features(
    console: Console, deployed: ServiceDeployment, client: Client, secret: str | None = None
) -> None:
    """Use each feature that the service declares once, and print the results."""
    lines = []
    if name := secret or _sample_secret(deployed):
        value, info = client.secrets.get(name, default=None), client.secrets.get_info(name)
        version = f"version {info and info.version}" if value is not None else "no value yet"
        lines.append(f"get_secret({name!r})  →  {value}  ({version})")
    service = deployed.declaration.service(deployed.scope.service)
    for key in [key for key, spec in service.keys.items() if {*spec.allow} >= BOTH][:1]:
        token = client.cipher(key).encrypt_field(SAMPLE, SAMPLE_CONTEXT)
        decrypted = client.cipher(key).decrypt_field(token, SAMPLE_CONTEXT)
        lines.append(f"encrypt_field({SAMPLE!r}, context={SAMPLE_CONTEXT})  →  {str(token)[:32]}…")
        lines.append(f"decrypt_field(…)  →  {decrypted!r}")
    if isinstance(service.database, Database):
        lines.append(_connect(deployed, client))
    if service.redis is not None:
        lines.append(_connect_to_redis(deployed, client))
    console.print()
    for line in lines:
        console.print(escape(line), highlight=False, soft_wrap=True)


def _connect(deployed: ServiceDeployment, client: Client) -> str:
    """Connect once with a leased user, and return the call and its result."""
    from sqlalchemy import text  # noqa: PLC0415 (status and down need none of it)
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415 (as above)

    call = "database_engine().connect()"
    query = text("SELECT session_user || ' as ' || current_user")
    try:
        with client.databases.engine(None, None).connect() as connection:
            return f"{call}  →  logged in to PostgreSQL: {connection.execute(query).scalar()}"
    except (ConfigurationError, SQLAlchemyError):
        return f"{call}  →  {_no_connection(client, 'database-url')}"
    except ServerError:
        return f"{call}  →  {_no_user(deployed.scope)}"


def _connect_to_redis(deployed: ServiceDeployment, client: Client) -> str:
    """Connect once with a leased Redis user, and return the call and its result."""
    from redis import RedisError  # noqa: PLC0415 (status and down need none of it)

    call = "redis_client()"
    try:
        return f"{call}  →  logged in to Redis: {log_in_to_redis(client, None)}"
    except (ConfigurationError, RedisError):
        return f"{call}  →  {_no_connection(client, 'redis-url')}"
    except ServerError:
        return f"{call}  →  {_no_user(deployed.scope)}"


def _no_connection(client: Client, secret: str) -> str:
    """Return what to do, which depends on whether *secret* has the address."""
    if client.settings.address(is_redis=secret == "redis-url"):  # noqa: S105 (a name)
        scope = client.settings.scope
        return f"no connection to the declared address; to find out why: {_doctor(scope)}"
    return (
        f"no connection; {secret} may contain another address than this deployment's: write it "
        "again with strongroom put"
    )


def _no_user(scope: Scope) -> str:
    return f"no user can be leased; to find out why: {_doctor(scope)}"


def _doctor(scope: Scope) -> str:
    """Return the command that finds the cause."""
    return f"strongroom doctor --service {scope.service} --env {scope.environment}"


def _sample_secret(deployed: ServiceDeployment) -> str | None:
    """Return the name of the first generated secret, or else of the first secret."""
    declared = deployed.declaration.secrets(deployed.scope)
    generated = [name for name, source in declared.items() if source.source == "generated"]
    return next(iter([*generated, *declared]), None)
