"""Files of services below a deployment's folder: what is no longer declared is removed."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

from local.layout import Layout
from local.servers.accounts import MONITORING_ACCOUNT, mail_password
from local.services.service_deployment import ServiceDeployment
from local.services.service_files import remove_undeclared


def test_mail_accounts_of_services_and_of_the_monitoring_stay(tmp_path: Path) -> None:
    layout = Layout(tmp_path / ".strongroom")
    layout.create()
    kept = {name: mail_password(layout, name) for name in ("shop", MONITORING_ACCOUNT)}
    mail_password(layout, "no-longer-declared")
    shop = cast(ServiceDeployment, SimpleNamespace(agent=None, roles=()))
    remove_undeclared(layout, {"shop": shop})
    assert {path.name for path in layout.mail_accounts.iterdir()} == kept.keys()
    assert {name: mail_password(layout, name) for name in kept} == kept
