"""Jobs of the service, which a worker executes: ``python -m examples.flask_service.jobs``."""

from __future__ import annotations

from rq import Queue, SimpleWorker
from sqlalchemy import func, update

from app_integration import redis_client
from examples.flask_service.database import session
from examples.flask_service.models import Parcel

redis = redis_client()
queue = Queue("labels", connection=redis)


def print_label(number: str) -> None:
    """Print the label of a parcel."""
    printed = update(Parcel).where(Parcel.number == number)
    session.execute(printed.values(printed_by=func.session_user()))
    session.commit()
    session.remove()


if __name__ == "__main__":
    SimpleWorker([queue], connection=redis).work()
