"""Local deployment: four real servers on 127.0.0.1, as processes or as containers.

:class:`vault.runtime.embedded.EmbeddedRuntime` runs them as processes, without Docker. Each server
has a module in :mod:`.servers`. :class:`vault.runtime.docker.containers.ContainerRuntime` runs
``docker-compose.yml``. Both share :mod:`.layout` (paths of files), :mod:`.ports` and
:mod:`.processes` (background processes that a later command finds again, and the lock).
"""
