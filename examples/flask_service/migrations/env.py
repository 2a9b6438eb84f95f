"""Environment of Alembic, which connects as the service does."""

from alembic import context

from examples.flask_service.database import engine
from examples.flask_service.models import Base

with engine.connect() as connection:
    context.configure(connection=connection, target_metadata=Base.metadata)
    with context.begin_transaction():
        context.run_migrations()
