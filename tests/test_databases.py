"""A data base gives the same history as a file, and refuses in one sentence that never shows a password."""

import sqlite3
from pathlib import Path

import pandas as pd
import pytest

from funnelsim.errors import FunnelError
from funnelsim.history.log import spells
from funnelsim.history.read import read_history

ROWS = [("a", "Lead", "2026-01-01"), ("a", "Won", "2026-01-05"), ("b", "Lead", "2026-01-02")]


@pytest.fixture
def address(tmp_path: Path) -> str:
    with sqlite3.connect(tmp_path / "crm.db") as base:
        base.execute("create table moves (lead text, stage text, at text)")
        base.executemany("insert into moves values (?, ?, ?)", ROWS)
    return f"sqlite:///{tmp_path / 'crm.db'}"


def test_a_table_and_a_query(address: str) -> None:
    told = spells(read_history(pd.DataFrame(ROWS, columns=["lead", "stage", "at"])))
    pd.testing.assert_frame_equal(spells(read_history(address, query="moves")), told)
    query = "select lead as deal, stage, at from moves"
    pd.testing.assert_frame_equal(
        spells(read_history(address, {"columns": {"lead": "deal"}, "query": query})), told
    )


def test_nothing_is_changed(address: str) -> None:
    with pytest.raises(FunnelError):
        read_history(address, query="delete from moves")
    assert len(read_history(address, query="moves").events) == 3


def test_refusals(address: str) -> None:
    for where, query, said in [
        (address, None, "say what to read"),
        (address, "absent", "no such table: absent"),
        (address, "select * from moves where lead = 'z'", "the query finds no row"),
        ("sqlite:////no/such/folder/x.db", "moves", "unable to open database file"),
        ("nosuch://u:secret@h/b", "moves", "nosuch"),
        ("postgresql://u:secret@127.0.0.1:1/b", "moves", "postgresql://...@127.0.0.1:1/b"),
    ]:
        with pytest.raises(FunnelError) as refusal:
            read_history(where, query=query)
        assert said in str(refusal.value)
        assert "secret" not in str(refusal.value)
        assert "\n" not in str(refusal.value)
