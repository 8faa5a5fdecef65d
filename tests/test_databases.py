"""A data base gives the same history as a file, is only read, and refuses without ever showing a password."""

import sqlite3
from pathlib import Path

import pandas as pd
import pytest

from funnelsim.errors import FunnelError
from funnelsim.history.databases import select_of
from funnelsim.history.log import spells
from funnelsim.history.read import read_history

ROWS = [("a", "Lead", "2026-01-01"), ("a", "Won", "2026-01-05"), ("b", "Lead", "2026-01-02")]
KINDS = ["sqlite", "duckdb"]


@pytest.fixture
def bases(tmp_path: Path) -> dict[str, str]:
    made = {"sqlite": f"sqlite:///{tmp_path / 'crm.db'}"}
    with sqlite3.connect(tmp_path / "crm.db") as base:
        base.execute('create table moves (lead text, stage text, "at" text)')
        base.executemany("insert into moves values (?, ?, ?)", ROWS)
    base.close()
    duckdb = pytest.importorskip("duckdb", reason="no DuckDB: pip install 'funnelsim[formats]'")
    with duckdb.connect(str(tmp_path / "crm.duckdb")) as other:
        other.execute('create table moves (lead text, stage text, "at" text)')
        other.executemany("insert into moves values (?, ?, ?)", ROWS)
    return made | {"duckdb": f"duckdb:///{tmp_path / 'crm.duckdb'}"}


@pytest.mark.parametrize("kind", KINDS)
def test_a_table_and_a_query(bases: dict[str, str], kind: str) -> None:
    told = spells(read_history(pd.DataFrame(ROWS, columns=["lead", "stage", "at"])))
    pd.testing.assert_frame_equal(spells(read_history(bases[kind], query="moves")), told)
    for query in (
        'select lead as deal, stage, "at" from moves',
        'with chosen as (select * from moves) select lead as deal, stage, "at" from chosen; -- all',
        'select lead as deal, stage, "at" from moves where stage <> \'a;b\' -- ) ;\n order by "at" desc',
    ):
        said = {"columns": {"lead": "deal"}, "query": query}
        pd.testing.assert_frame_equal(spells(read_history(bases[kind], said)), told)


HARM = [
    "drop table moves",
    "delete from moves",
    "update moves set lead = 'x'",
    "insert into moves values ('x', 'Won', '2026-01-01')",
    "with gone as (delete from moves returning *) select * from gone",
    "attach database '{folder}/new.db' as other",
    "attach '{folder}/new.db' as other",
    "vacuum into '{folder}/new.db'",
    "copy moves to '{folder}/new.db'",
    "copy (select * from moves) to '{folder}/new.db'",
    "select * from moves into outfile '{folder}/new.db'",
    "select * into other from moves",
    "create table other as select * from moves",
    "pragma user_version = 7",
    "select * from moves; drop table moves",
    "select 1) found; drop table moves; select * from (select 1",
    "export database '{folder}/new.db'",
    "delete/**/from/**/moves",
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("statement", HARM)
def test_only_one_select_is_taken_and_nothing_is_changed(
    bases: dict[str, str], tmp_path: Path, kind: str, statement: str
) -> None:
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(FunnelError) as refusal:
        read_history(bases[kind], query=statement.format(folder=tmp_path))
    assert "\n" not in str(refusal.value)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_sqlite_denies_what_is_no_reading(tmp_path: Path, bases: dict[str, str]) -> None:
    with pytest.raises(FunnelError, match="load_extension|not authorized"):
        read_history(bases["sqlite"], query="select load_extension('x') as lead")
    with pytest.raises(FunnelError, match="unable to open database file"):
        read_history(f"sqlite:///{tmp_path / 'absent.db'}", query="moves")
    assert not (tmp_path / "absent.db").exists(), "a missing file is not made"


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("select 1; select 2", "several statements; expected one SELECT"),
        ("select (1", "a bracket does not close"),
        ("select 1)", "a bracket or quotation mark does not close"),
        ("select 'open", "a bracket or quotation mark does not close"),
    ],
)
def test_what_is_no_single_statement_is_refused_before_it_is_sent(query: str, said: str) -> None:
    with pytest.raises(FunnelError, match=f"x: query: {said}"):
        select_of(query, "x")


def test_signs_inside_texts_and_names_are_no_statements() -> None:
    for query in (
        "select ';)' from a",
        'select ";(" from a',
        "select 'it''s;' from a",
        "select $x$;)$x$ from a",
    ):
        assert query in select_of(query, "x")


def test_refusals(bases: dict[str, str]) -> None:
    for where, query, said in [
        (bases["sqlite"], None, "say what to read"),
        (bases["sqlite"], "absent", "no such table: absent"),
        (bases["duckdb"], "absent", "absent does not exist"),
        (bases["sqlite"], "select * from moves where lead = 'z'", "the query finds no row"),
        ("sqlite:////no/such/folder/x.db", "moves", "unable to open database file"),
        ("nosuch://u:secret@h/b", "moves", "nosuch"),
        ("postgresql+psycopg://u:secret@127.0.0.1:1/b", "moves", "postgresql+psycopg://...@127.0.0.1:1/b"),
    ]:
        with pytest.raises(FunnelError) as refusal:
            read_history(where, query=query)
        assert said in str(refusal.value)
        assert "secret" not in str(refusal.value)
        assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("word", ["se@cret", "se@cr/et", "@secret@", "se:cret@", "se%40cret"])
def test_a_password_with_odd_signs_is_in_no_message(word: str) -> None:
    with pytest.raises(FunnelError) as refusal:
        read_history(f"postgresql+psycopg://u:{word}@127.0.0.1:1/b", query="moves")
    assert "cret" not in str(refusal.value).replace("secret", "cret")
    assert "127.0.0.1" in str(refusal.value), "the host is told, so that a wrong one is seen"
