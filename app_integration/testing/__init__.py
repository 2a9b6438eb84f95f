"""Test doubles for an application's tests: a Vault in memory and a real server, as fixtures.

The installed package provides the pytest fixtures ``vault`` and ``real_vault``. Both return an
:class:`Application`. In such a test ``get_secret`` and the other public functions use its server.
"""

from __future__ import annotations

from app_integration.testing.application import Application, MemoryApplication
from app_integration.testing.clock import Clock
from app_integration.testing.faults import Fault
from app_integration.testing.memory_vault import MemoryVault, Seen

__all__ = ["Application", "Clock", "Fault", "MemoryApplication", "MemoryVault", "Seen"]
