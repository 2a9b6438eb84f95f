"""The embedded deployment: four real servers on 127.0.0.1, started from Python, without Docker.

:class:`vault.runtime.embedded.Embedded` starts and stops them; each server has a module of its own
in :mod:`.servers`. They share :mod:`.layout` (where files lie), :mod:`.ports` and :mod:`.processes`
(background processes, found again by a later command).
"""
