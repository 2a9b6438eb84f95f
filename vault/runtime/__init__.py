"""The embedded deployment: four real servers on 127.0.0.1, started from Python, without Docker.

:class:`vault.runtime.embedded.Embedded` starts and stops them; each server has a module of its own
beside it. They share :mod:`~vault.runtime.layout` (where files lie), :mod:`~vault.runtime.ports`
and :mod:`~vault.runtime.processes` (background processes, found again by a later command).
"""
