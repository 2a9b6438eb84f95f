"""Entry point of the worker: ``python -m examples.orders_mail``.

``python -m examples.orders_mail --receipt ORDER`` prints when its mail was sent, and to whom.
"""

from __future__ import annotations

import argparse
import json
import logging
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import closing
from uuid import UUID

import app_integration
from app_integration import redaction
from app_integration.config.loader import ConfigFile
from app_integration.errors import StrongroomError
from examples.orders_mail import orders, receipts
from examples.orders_mail.config import WorkerConfig
from examples.orders_mail.order_queue import OrderQueue
from examples.orders_mail.outcomes import OUTAGE, describe
from examples.orders_mail.worker import Worker

log = logging.getLogger("orders_mail")


def main(arguments: Sequence[str] | None = None) -> int:
    """Send mail until SIGTERM or SIGINT, or print one receipt."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    redaction.install()
    try:
        order_id = _parse(arguments)
        config_file = ConfigFile(WorkerConfig)
        return _run(config_file) if order_id is None else _print_receipt(config_file, order_id)
    except StrongroomError as error:
        log.error("the worker cannot start: %s", error)  # noqa: TRY400 (the message is enough)
        return 1
    finally:
        # Revoke the lease of the database user, because no other process uses it.
        app_integration.close()


def _parse(arguments: Sequence[str] | None) -> UUID | None:
    parser = argparse.ArgumentParser(prog="python -m examples.orders_mail")
    parser.add_argument("--receipt", type=UUID, metavar="ORDER", help="print its receipt")
    order_id: UUID | None = parser.parse_args(arguments).receipt
    return order_id


def _run(config_file: ConfigFile[WorkerConfig]) -> int:
    worker = Worker(config_file, engine=orders.connect, queue=_queue)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: worker.stop())
    log.info("waiting for orders")
    worker.run()
    log.info("stopped")
    return 0


def _print_receipt(config_file: ConfigFile[WorkerConfig], order_id: UUID) -> int:
    url = config_file.current().queue.url.get_secret_value()
    try:
        with closing(_queue(url)) as queue:
            receipt = receipts.load(queue, order_id)
    except OUTAGE as error:
        log.error("the receipt cannot be read: %s", describe(error))  # noqa: TRY400
        return 1
    if receipt is None:
        log.error("no mail about the order %s was sent", order_id)
        return 1
    sys.stdout.write(f"{json.dumps(receipt)}\n")
    return 0


def _queue(url: str) -> OrderQueue:
    # The name of the host, so that a restarted worker does not add a consumer to the group.
    return OrderQueue(url, socket.gethostname())


if __name__ == "__main__":
    sys.exit(main())
