"""A data base to a table of cells: one SELECT, read only, and no password in any sentence."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

import pandas as pd

from funnelsim.errors import FunnelError
from funnelsim.history.tables import Table

if TYPE_CHECKING:
    import sqlalchemy

ADDRESS = re.compile(r"^(?P<scheme>[A-Za-z][\w+]*)://(?P<rest>.*)$", re.DOTALL)
# A password may hold '@' and '/', and may stand behind the '?'.
SECRET = re.compile(r"(?<=://)\S*(?=@)|(?<=password=)[^&\s]*", re.IGNORECASE)
ENCODED = re.compile(r"%[0-9A-Fa-f]{2}")
PIECES = re.compile(
    r"'(?:[^']|'')*'"  # texts
    r'|"(?:[^"]|"")*"|`[^`]*`'  # names
    r"|--[^\n]*|/\*.*?\*/"  # comments
    r"|(?P<tag>\$\w*\$).*?(?P=tag)"  # texts of PostgreSQL
    r"|[();]|.",
    re.DOTALL,
)
# What a SELECT needs of SQLite; all else, such as ATTACH or a PRAGMA, is denied by the data base itself.
READING = frozenset(
    (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE)
)
HARMFUL = frozenset(("load_extension", "writefile", "edit"))


def is_address(path: object) -> bool:
    """Return whether this is the URL of a data base.

    >>> is_address("sqlite:///deals.db"), is_address("deals.csv")
    (True, False)
    """
    return isinstance(path, str) and bool(ADDRESS.match(path))


def query_table(address: str, query: str | None) -> Table:
    """Return what a query finds, in a connection that can only read.

    Args:
        address: such as "sqlite:///deals.db", "duckdb:///deals.duckdb" or
            "postgresql+psycopg://user:word@host/base".
        query: one SELECT, or the name of a table.

    Raises:
        FunnelError: no query, another statement than one SELECT, no driver, no connection, or a wrong query;
            the password is never shown.
    """
    shown = without_password(address)
    if not query or not query.strip():
        raise FunnelError(f"{shown}: say what to read: `query` with a SELECT or the name of a table")
    statement = select_of(query, shown)
    scheme = address.partition("://")[0].partition("+")[0].casefold()
    read = {"sqlite": _from_sqlite, "duckdb": _from_duckdb}.get(scheme, _from_server)
    try:
        frame = read(address, statement)
    except FunnelError:
        raise
    except Exception as error:  # drivers raise errors of their own
        raise FunnelError(complaint(error, address)) from None
    if frame.empty:
        raise FunnelError(f"{shown}: the query finds no row")
    frame.columns = pd.Index([str(name) for name in frame.columns])
    return Table(frame.set_axis(range(1, len(frame) + 1), axis=0), shown, "SQL")


def select_of(query: str, shown: str) -> str:
    """Return a SELECT of all that a query finds, so that the data base itself refuses what is no query.

    Args:
        query: one SELECT, or the name of a table.
        shown: the address without its password, for the sentence.

    Raises:
        FunnelError: several statements, or brackets and quotation marks that do not close.

    >>> select_of("crm.moves", "x"), select_of("select 1;", "x")
    ('SELECT * FROM "crm"."moves"', 'SELECT * FROM (select 1\\n) found')
    """
    text = query.strip()
    if not re.search(r"\s", text):
        return f"SELECT * FROM {_quoted(text)}"
    depth, end = 0, len(text)
    for piece in PIECES.finditer(text):
        sign = piece.group()
        depth += (sign == "(") - (sign == ")")
        rest = text[piece.end() :]
        if sign == ";" and not re.fullmatch(r"(?:\s|;|--[^\n]*(?:\n|$)|/\*.*?\*/)*", rest, re.DOTALL):
            raise FunnelError(f"{shown}: query: several statements; expected one SELECT")
        if sign == ";":
            end = min(end, piece.start())
        if depth < 0 or (sign in "'\"`" and len(sign) == 1):
            raise FunnelError(f"{shown}: query: a bracket or quotation mark does not close")
    if depth:
        raise FunnelError(f"{shown}: query: a bracket does not close")
    return f"SELECT * FROM ({text[:end]}\n) found"


def _quoted(name: str) -> str:
    return ".".join('"' + part.strip('"').replace('"', '""') + '"' for part in name.split("."))


def _path_of(address: str) -> str:
    """Return the path of the file that an address such as sqlite:////tmp/deals.db names."""
    rest = address.partition("://")[2].partition("?")[0]
    return unquote(rest.removeprefix("/"))


def _from_sqlite(address: str, statement: str) -> pd.DataFrame:
    place = f"file:{quote(str(Path(_path_of(address)).absolute()))}?mode=ro"
    connection = sqlite3.connect(place, uri=True)
    try:
        connection.set_authorizer(_authorised)
        found = connection.execute(statement)
        return pd.DataFrame.from_records(found.fetchall(), columns=[name for name, *_ in found.description])
    finally:
        connection.close()


def _authorised(action: int, _table: str | None, name: str | None, *_: str | None) -> int:
    harmful = action == sqlite3.SQLITE_FUNCTION and str(name).casefold() in HARMFUL
    return sqlite3.SQLITE_OK if action in READING and not harmful else sqlite3.SQLITE_DENY


def _from_duckdb(address: str, statement: str) -> pd.DataFrame:
    try:
        import duckdb
    except ImportError:
        raise FunnelError("DuckDB data bases need duckdb: pip install 'funnelsim[formats]'") from None
    with duckdb.connect(_path_of(address), read_only=True) as connection:
        frame: pd.DataFrame = connection.execute(statement).df()
    return frame


def _from_server(address: str, statement: str) -> pd.DataFrame:
    try:
        import sqlalchemy
    except ImportError:
        raise FunnelError("data bases need SQLAlchemy: pip install 'funnelsim[formats]'") from None
    engine = sqlalchemy.create_engine(url_of(address))
    try:
        with engine.connect() as connection:
            if engine.dialect.name == "postgresql":
                connection = connection.execution_options(postgresql_readonly=True)
            elif engine.dialect.name in ("mysql", "mariadb"):
                connection.exec_driver_sql("SET SESSION TRANSACTION READ ONLY")
                connection.commit()
            found = connection.exec_driver_sql(statement)
            frame = pd.DataFrame.from_records(list(map(tuple, found)), columns=list(found.keys()))
            connection.rollback()
    finally:
        engine.dispose()
    return frame


def url_of(address: str) -> sqlalchemy.URL:
    """Return an address as SQLAlchemy takes it, also where the password holds an '@' or '/' as it is."""
    import sqlalchemy

    scheme, _, rest = address.partition("://")
    front, mark, options = rest.partition("?")
    user, at, host = front.rpartition("@")
    if not at or ":" not in user:
        return sqlalchemy.make_url(address)
    name, _, word = user.partition(":")
    word = unquote(word) if ENCODED.search(word) else word
    plain = sqlalchemy.make_url(f"{scheme}://{host}{mark}{options}")
    return plain.set(username=unquote(name), password=word)


def without_password(address: str) -> str:
    """Return an address as it may be shown.

    >>> without_password("postgresql://ann:word@host/base")
    'postgresql://...@host/base'
    """
    return SECRET.sub("...", address)


def complaint(error: Exception, address: str) -> str:
    """Return what a driver complains of, in a sentence that begins with the address, without its password."""
    shown = without_password(address)
    said = _without_secret(" ".join(str(error).split("\n")[0].split()), address, shown)
    return f"{shown}: {said[:300] or type(error).__name__}"


def _without_secret(text: str, address: str, shown: str) -> str:
    """Return a sentence without the address' password, in whatever pieces a driver took it apart."""
    text = SECRET.sub("...", text.replace(address, shown))
    user = address.partition("://")[2].partition("?")[0].rpartition("@")[0]
    word = user.partition(":")[2]
    for secret in {word, unquote(word), *re.split(r"[@/:]", unquote(word))}:
        if len(secret) > 2:
            text = text.replace(secret, "...")
    return text
