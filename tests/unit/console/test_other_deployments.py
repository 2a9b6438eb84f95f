"""Commands that write: they refuse what another deployment owns, before they change anything."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import pytest

from app_integration.auth.methods import StaticToken
from app_integration.names import Environment, Scope
from app_integration.secret import Secret
from app_integration.session.session import Session
from app_integration.testing import policies
from app_integration.testing.memory_vault import ADDRESS, MemoryVault
from console.commands.every_day import put
from vault.adoption import adopt, undo
from vault.adoption.adopt import AdoptionContext
from vault.declare.declaration import Declaration
from vault.declare.load import load
from vault.declare.schema.adopted_secret import Adoption
from vault.dotenv import import_, swap
from vault.dotenv.parse import DotenvFile
from vault.dotenv.plan import ImportPlan
from vault.reconcile.resources.kv import metadata_path
from vault.reconcile.resources.ownership import OwnedByOther, Owner

SCOPE = Scope("gaara-store", Environment.DEV)
SECRET = "database-url"


@pytest.fixture
def server() -> Iterator[Session]:
    """Yield a session with a server on which another deployment owns the secret."""
    memory = MemoryVault()
    token = memory.tokens.issue("operator", (policies.ROOT,), ttl=float("inf"))
    with Session(ADDRESS, StaticToken(Secret(token.value)), connect=lambda: memory) as session:
        theirs = {"managed_by": "strongroom", "deployment": "theirs"}
        session.post(metadata_path(SCOPE.secret(SECRET)), {"custom_metadata": theirs})
        yield session
        assert [seen for seen in memory.seen if "/data/" in seen.path] == []


def refuse(*_: object) -> NoReturn:
    pytest.fail("the command went on after the check of the owner")


def context(server: Session, declared: Declaration) -> AdoptionContext:
    any_: Any = refuse
    owner = Owner.of(declared.environment("dev"))
    return AdoptionContext(
        SCOPE, owner, Path("dev.yaml"), lambda: declared, server, any_, any_, any_, any_, any_
    )


def adopted() -> Declaration:
    found = load()
    dev = found.environment("dev")
    store = dev.services["gaara-store"].model_copy(
        update={"adopted": {SECRET: Adoption(username="shop_app")}}
    )
    changed = dev.model_copy(update={"services": {"gaara-store": store}})
    return replace(found, environments={**found.environments, Environment.DEV: changed})


def test_put_is_refused(server: Session) -> None:
    with pytest.raises(OwnedByOther, match=f"{SECRET} belongs to the deployment 'theirs'"):
        put.write_secret(server, load(), SCOPE, SECRET, "value")


def test_adopt_is_refused(server: Session) -> None:
    with pytest.raises(OwnedByOther, match="'theirs'"):
        adopt.adopt_secret(context(server, load()), SECRET, refuse, refuse)


def test_undo_of_an_adoption_is_refused(server: Session) -> None:
    with pytest.raises(OwnedByOther, match="'theirs'"):
        undo.undo_adoption(context(server, adopted()), SECRET, refuse, refuse)


def test_rotation_of_a_password_is_refused(server: Session) -> None:
    with pytest.raises(OwnedByOther, match="'theirs'"):
        undo.rotate_password(context(server, adopted()), SECRET, refuse)


def test_adopt_of_a_contested_static_role_is_refused(server: Session) -> None:
    server.delete(metadata_path(SCOPE.secret(SECRET)))
    path = metadata_path(f"_strongroom/dev/static-role/{SCOPE.static_role(SECRET)}")
    notes = {"managed_by": "strongroom", "deployment": "theirs"}
    server.post(path, {"custom_metadata": notes})
    with pytest.raises(OwnedByOther, match="static-role gaara-store-dev-database-url belongs"):
        adopt.adopt_secret(context(server, load()), SECRET, refuse, refuse)


def test_import_is_refused_before_the_declaration_is_changed(
    server: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(swap, "check", lambda _file, **_: None)
    monkeypatch.setattr(import_, "_declare", refuse)
    file: Any = DotenvFile(Path(".env"), b"", (), {})
    plan = ImportPlan(file, SCOPE, {}, {SECRET: file}, {}, {}, (), ())
    monkeypatch.setattr(ImportPlan, "values", {})
    any_: Any = refuse
    target = import_.ImportTarget(Path("a.yaml"), server, any_, any_, Owner(Environment.DEV), any_)
    with pytest.raises(OwnedByOther, match="'theirs'"):
        import_.run(plan, target, refuse)
