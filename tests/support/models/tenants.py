"""Deployments that share a server: their declarations, their sessions, and a dump of the server."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from app_integration.auth.methods import AppRole, StaticToken
from app_integration.mounts import Mounts
from app_integration.names import Environment, Scope
from app_integration.secret import Secret
from app_integration.session.session import Session
from policies.render import render_policies, scoped_apply_policy
from tests.support.models.declaration_files import write_declaration
from tests.support.servers.dev_server import root
from vault.declare.declaration import Declaration
from vault.declare.schema.field_types import Endpoint
from vault.reconcile.credentials import bootstrap, ensure_credential
from vault.reconcile.desired.desired import JOB_TOKEN_TTL, apply_role_resources, desired_resources
from vault.reconcile.inputs import Inputs
from vault.reconcile.planning.apply import apply
from vault.reconcile.planning.build import Prune, build_plan
from vault.reconcile.planning.plan import Plan
from vault.reconcile.resources import Resource, read_data
from vault.reconcile.resources import auth as auth_resources
from vault.reconcile.resources.mounts import Mount
from vault.reconcile.resources.ownership import Owner
from vault.reconcile.resources.policies import Policy

DEV = Environment.DEV
MANAGER_PASSWORD = "given-to-the-manager"


@dataclass(frozen=True)
class Tenant:
    """A deployment with one service."""

    folder: Path
    deployment: str
    service: str
    mounts: Mounts
    sections: Mapping[str, Any]
    environment: Mapping[str, Any]
    scoped: bool = False

    @property
    def scope(self) -> Scope:
        return Scope(self.service, DEV)

    @property
    def owner(self) -> Owner:
        return Owner(DEV, self.deployment, self.mounts)

    def declare(self) -> Declaration:
        """Write the declaration as files, and load it."""
        service = {
            "service": self.service,
            "owner": "its-team",
            "description": "Does things.",
            **self.sections,
        }
        mounts = {
            "kv": self.mounts.kv,
            "transit": self.mounts.transit,
            "database": self.mounts.database,
            "approle": self.mounts.approle,
        }
        vault = {"address": "http://127.0.0.1:8200", "mounts": mounts}
        environment = {
            "environment": "dev",
            "owner": "its-team",
            "deployment": self.deployment,
            "vault": {**vault, "apply_role": "scoped" if self.scoped else "root"},
            "tokens": {"period": "1h", "secret_id_ttl": "40d", "wrap_ttl": "2m"},
            "agent": {"render_interval": "5s"},
            **self.environment,
        }
        return write_declaration(self.folder, environment, service)

    def resources(self) -> list[Resource]:
        declared = self.declare()
        values = {f"{self.mounts.database}/config/{self.scope}": Secret(MANAGER_PASSWORD)}
        policies = render_policies(declared, DEV)
        return desired_resources(declared, DEV, policies, Inputs(values))

    def bootstrap(self, address: str) -> None:
        """Create the apply role with its credential, as the platform team or a first start does."""
        with root_child(address) as platform:
            if not self.scoped:
                role = f"{self.deployment}-apply"
                declared = self.declare().environment(DEV)
                needed = apply_role_resources(declared, self.resources(), None)
                bootstrap(platform, needed, self.folder / "apply", role, self.mounts)
                return
            for each in self.resources():
                if isinstance(each, Mount):
                    given = replace(each, is_given=False, description="of the platform", max_ttl=0)
                    given.write(platform, given.read(platform))
            self.write_apply_policy(platform)
            role = f"{self.deployment}-apply"
            auth_resources.AppRole(
                role, (role,), token_ttl=JOB_TOKEN_TTL, mount=self.mounts.approle
            ).write(platform, None)
            ensure_credential(platform, role, self.folder / "apply", self.mounts)

    def write_apply_policy(self, platform: Session) -> None:
        """Write the policy of the scoped apply role, as the platform team does."""
        text = scoped_apply_policy(self.declare(), DEV)
        policy = Policy(f"{self.deployment}-apply", text, self.deployment)
        policy.write(platform, policy.read(platform))

    def session(self, address: str) -> Session:
        """Return a session of the deployment's apply role."""
        files = [self.folder / "apply" / name for name in ("role-id", "secret-id")]
        login = AppRole(files[0], files[1], self.mounts.approle)
        return Session(address, login, mounts=self.mounts)

    def plan(self, session: Session, *destroy: str, prune: bool = True) -> Plan:
        """Return the plan, with the deletion of orphans."""
        return build_plan(session, self.resources(), Prune(DEV, destroy) if prune else None)

    def apply(self, address: str, *destroy: str) -> list[str]:
        """Apply the declaration with the apply role, and return the changes as text."""
        done: list[str] = []
        with self.session(address) as session:
            apply(session, self.plan(session, *destroy), lambda change: done.append(str(change)))
        return done

    def with_more(self, **sections: Any) -> Tenant:
        """Return the deployment with other *sections* of its service."""
        return replace(self, sections={**self.sections, **sections})


@contextmanager
def root_child(address: str) -> Iterator[Session]:
    """Yield a session with a root token of its own, which may be revoked."""
    with root(address) as session:
        created = session.post("auth/token/create", {"policies": ["root"]})
    token = Secret(created["auth"]["client_token"])
    with Session(address, StaticToken(token)) as child:
        yield child


def sections(endpoint: Endpoint | None, **more: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a service's sections and its entry in the environment, with a database or without."""
    database = {
        "engine": "postgresql",
        "name": "gaara_store",
        "roles": {"default": {"ttl": "10m", "max_ttl": "20m"}},
    }
    service = {
        "secrets": {"token": {"source": "generated", "length": 48}},
        "keys": {"pii": {"allow": ["encrypt", "decrypt"]}},
        **({"database": database} if endpoint else {}),
        **more,
    }
    return service, ({"database": str(endpoint)} if endpoint else {})


#: Path of a list → whether the server's own entries are in it.
_LISTS: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("sys/policies/acl", "sys/policies/acl/{}".format),
    ("sys/policies/password", "sys/policies/password/{}".format),
    ("identity/group/name", "identity/group/name/{}".format),
    ("sys/quotas/rate-limit", "sys/quotas/rate-limit/{}".format),
)
_TIMES = ("last_vault_rotation", "ttl", "last_update_time")


def dump(session: Session) -> dict[str, str]:
    """Return everything on the server that apply can change: API path → its data as text."""
    found: dict[str, str] = {}

    def read(path: str) -> None:
        data = read_data(session, path) or {}  # a secret may have no value
        kept = {key: value for key, value in data.items() if key not in _TIMES}
        found[path] = json.dumps(kept, sort_keys=True)

    for path, item in _LISTS:
        for name in session.list(path):
            if name not in ("root", "default", "response-wrapping", "control-group"):
                read(item(name))
    for api in ("mounts", "auth"):
        for mount, about in session.get(f"sys/{api}")["data"].items():
            path = mount.rstrip("/")
            found[f"sys/{api}/{path}"] = json.dumps(about, sort_keys=True)
            for each in _below(session, path, about["type"], api):
                read(each)
    return found


def _below(session: Session, path: str, kind: str, api: str) -> Iterator[str]:
    """Yield the path of each object on the mount at *path*."""
    folders = {"transit": ("keys",), "database": ("config", "roles", "static-roles")}
    if api == "auth":
        folders = {"approle": ("role",)}
        path = f"auth/{path}"
    for folder in folders.get(kind, ()):
        for name in session.list(f"{path}/{folder}"):
            yield f"{path}/{folder}/{name}"
    if kind == "kv":
        yield f"{path}/config"
        for name in _keys(session, f"{path}/metadata/"):
            yield name
            if "/_strongroom/" not in name:
                yield name.replace("/metadata/", "/data/", 1)


def _keys(session: Session, folder: str) -> Iterator[str]:
    for key in session.list(folder):
        if key.endswith("/"):
            yield from _keys(session, f"{folder}{key}")
        else:
            yield f"{folder}{key}"
