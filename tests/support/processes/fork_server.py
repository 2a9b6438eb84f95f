"""Processes that are forked from a server, which has imported everything.

The imports take longer than the work of many such processes, which a test kills.
"""

from __future__ import annotations

import multiprocessing
from functools import cache
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from typing import Any


@cache
def fork_server(module: str) -> ForkServerContext:
    """Return the context of processes, whose server has imported *module*."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([module])
    return context


def start(target: Any, *arguments: Any) -> BaseProcess:
    """Call *target* with *arguments* in a process of its own."""
    process = fork_server(target.__module__).Process(target=target, args=arguments)
    process.start()
    return process
