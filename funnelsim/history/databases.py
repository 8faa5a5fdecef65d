"""A data base wherever a file is taken: a SQLAlchemy URL, and a query or the name of a table."""

from __future__ import annotations

import re

import pandas as pd

from funnelsim.errors import FunnelError
from funnelsim.history.doors import Table

ADDRESS = re.compile(r"^[A-Za-z][\w+]*://")
# A password may hold '@' and '/', and may stand behind the '?'.
SECRET = re.compile(r"(?<=://)\S*(?=@)|(?<=password=)[^&\s]*", re.IGNORECASE)


def is_address(path: object) -> bool:
    """Return whether this is the URL of a data base.

    >>> is_address("sqlite:///deals.db"), is_address("deals.csv")
    (True, False)
    """
    return isinstance(path, str) and bool(ADDRESS.match(path))


def query_table(address: str, query: str | None) -> Table:
    """Return what a query finds, in a transaction that is rolled back.

    Args:
        address: such as "sqlite:///deals.db" or "postgresql+psycopg://user:word@host/base".
        query: a SELECT, or the name of a table.

    Raises:
        FunnelError: no query, no driver, no connection, or a wrong query; the password is never shown.
    """
    try:
        import sqlalchemy
    except ImportError:
        raise FunnelError("data bases need SQLAlchemy: pip install 'funnelsim[formats]'") from None
    shown = SECRET.sub("...", address)
    if not query:
        raise FunnelError(f"{shown}: say what to read: `query` with a SELECT or the name of a table")
    statement = query if " " in query.strip() else f"SELECT * FROM {_quoted(query.strip())}"
    try:
        engine = sqlalchemy.create_engine(address)
        with engine.connect() as connection:
            frame = pd.read_sql(sqlalchemy.text(statement), connection)
            connection.rollback()
        engine.dispose()
    except Exception as error:  # drivers raise errors of their own
        said = SECRET.sub("...", str(error).replace(address, shown).splitlines()[0])
        raise FunnelError(f"{shown}: {said[:300]}") from None
    if frame.empty:
        raise FunnelError(f"{shown}: the query finds no row")
    frame.columns = pd.Index([str(name) for name in frame.columns])
    return Table(frame.set_axis(range(1, len(frame) + 1), axis=0), shown, "SQL")


def _quoted(name: str) -> str:
    return ".".join('"' + part.replace('"', '""') + '"' for part in name.split("."))
