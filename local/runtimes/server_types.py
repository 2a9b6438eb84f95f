"""Servers of the runtimes of processes, in the order in which they are shown."""

from __future__ import annotations

from typing import Final

from local.servers.moto import Moto
from local.servers.openbao import OpenBao
from local.servers.postgres import Postgres
from local.servers.server_process import Server
from local.servers.smtp import Smtp
from local.servers.valkey import Valkey

EMBEDDED: Final[tuple[type[Server], ...]] = (OpenBao, Postgres, Valkey, Smtp)
ON_MOTO: Final[tuple[type[Server], ...]] = (Moto, Postgres, Valkey, Smtp)
