"""Primary keys that PostgreSQL generates, reserved before mapped objects are inserted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from sqlalchemy import Column, Connection, DefaultClause, Engine, Table, event, inspect, text
from sqlalchemy.orm import InstanceState, Mapper, Session, scoped_session
from sqlalchemy.sql.functions import next_value

from app_integration.errors import ConfigurationError
from app_integration.integrations.key_sequence import RESERVE, check_reserved, override_identity
from app_integration.integrations.sqlalchemy.upserts import check_upsert

_RESERVE: Final = text(RESERVE.format(table=":table", column=":column", count=":count"))
#: Marks a table, in its `info`, whose inserts may name the key.
_MARK: Final = "strongroom_reserved_keys"


def is_generated(column: Any) -> bool:
    """Return whether the database generates *column*, by a sequence as far as is declared."""
    if column.default is not None:
        return False
    if column.identity is not None or column is column.table.autoincrement_column:
        return True
    default = column.server_default
    if not isinstance(default, DefaultClause):
        return False
    return isinstance(default.arg, next_value) or "nextval(" in str(default.arg)


def find_generated(mapper: Mapper[Any]) -> dict[str, Column[Any]]:
    """Return the columns of the primary key that the database generates, by attribute."""
    keys: Iterable[Any] = mapper.primary_key
    return {mapper.get_property_by_column(key).key: key for key in keys if is_generated(key)}


def allow_keys(column: Any) -> None:
    """Let inserts into the table of *column* name it, if it is GENERATED ALWAYS, too."""
    column.table.info[_MARK] = True
    if not event.contains(Engine, "before_cursor_execute", _override_identity):
        event.listen(Engine, "before_cursor_execute", _override_identity, retval=True)


def reserve(connection: Connection, column: Column[Any], count: int) -> list[Any]:
    """Return *count* keys from the sequence of *column*."""
    keys: list[Any] = []
    if connection.dialect.name == "postgresql":
        quote = connection.dialect.identifier_preparer.quote_identifier
        names = connection.schema_for_object(column.table), column.table.name
        table = ".".join(quote(each) for each in names if each)
        values = {"table": table, "column": column.name, "count": count}
        keys = [*connection.scalars(_RESERVE, values)]
    return check_reserved(keys, column)


def new_objects(state: InstanceState[Any]) -> list[Any]:
    """Return the new objects of the class of *state* in its session, its own among them.

    It is alone where each object of the session has a connection of its own.
    """
    session = state.session
    if session is None or session.connection_callable is not None:
        return [state.obj()]
    return [each for each in session.new if type(each) is state.class_]


def reserve_keys(
    session: Session | scoped_session[Any] | Connection, owner: type, count: int
) -> list[Any]:
    """Return primary keys for new rows of *owner*, in one request, for ``column_values``.

    Args:
        session: The session, or a connection, to the database that the rows are inserted into.
        owner: A mapped :class:`EncryptedRow` class.
        count: The number of keys.

    Raises:
        ConfigurationError: If the database does not generate the key of *owner*.
        EncryptionError: If the key's column has no sequence, or the database is not PostgreSQL.

    """
    mapper: Mapper[Any] = inspect(owner)
    generated = find_generated(mapper)
    if len(generated) != 1:
        raise ConfigurationError(
            f"{owner.__name__}: the database does not generate its key; assign the key instead"
        )
    (column,) = generated.values()
    if isinstance(session, Connection):
        return reserve(session, column, count)
    return reserve(session.connection(bind_arguments={"mapper": mapper}), column, count)


def _override_identity(
    connection: Connection,
    cursor: Any,  # noqa: ARG001 (SQLAlchemy's signature)
    statement: str,
    parameters: Any,
    context: Any,
    executemany: bool,  # noqa: ARG001 (as above)
) -> tuple[str, Any]:
    if context is not None and context.isinsert and connection.dialect.name == "postgresql":
        table = getattr(context.compiled.statement, "table", None)
        if isinstance(table, Table) and _MARK in table.info:
            check_upsert(context.compiled.statement, table)
            statement = override_identity(statement)
    return statement, parameters
