"""Local deployment: four real servers on 127.0.0.1, as processes or as containers.

:mod:`.deployment_setup` is what ``up`` does, :mod:`.deployment` what later commands change, and
:mod:`.started_deployment` its state, its stop and its removal.

:mod:`.runtimes` starts them as processes, without Docker, or by ``docker-compose.yml``. Each
server has a module in :mod:`.servers`. All runtimes share :mod:`.layout` (paths of files),
:mod:`.ports` and :mod:`.processes` (background processes that a later command finds again, and the
lock).
"""
