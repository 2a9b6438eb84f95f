"""For the tests of an application: a Vault in memory, and a real one, as fixtures of pytest.

The fixtures ``vault`` and ``real_vault`` come with the installed package. Both give an
:class:`Application` to which ``get_secret`` and the rest of the front door are wired.
"""

from __future__ import annotations

from app_integration.testing.application import Application, MemoryApplication
from app_integration.testing.clock import Clock
from app_integration.testing.faults import Fault
from app_integration.testing.memory_vault import MemoryVault, Seen

__all__ = ["Application", "Clock", "Fault", "MemoryApplication", "MemoryVault", "Seen"]
