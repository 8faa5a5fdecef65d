"""A real PostgreSQL server gives the same history as the file, and no password is ever shown."""

import importlib.util
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

from funnelsim.errors import FunnelError
from funnelsim.history.log import History, bookings, open_leads, spells
from funnelsim.history.read import read_history

CSV = """lead,stage,at,channel,value
a,Inquiry,2026-01-01T08:00:00Z,web,100.00
a,Proposal,2026-01-05T10:30:15.250000Z,web,1100.50
a,Won,2026-01-10T09:00:00Z,web,990.00
b,线索,2026-01-02T08:00:00Z,event,
b,Lost,2026-01-03T08:00:00Z,event,
c,Inquiry,2026-01-06T08:00:00Z,,70.00
"""
MAKE = """
create schema crm;
create table crm.moves (lead text, stage text, at timestamptz, channel text, value numeric(12, 2));
create table crm.numbers (n serial);
create table owners (deal text, name text, since date);
insert into owners values ('a', 'Ann', '2025-06-01'), ('b', 'Bob', '2025-07-01'), ('c', 'Ann', '2025-08-01');
"""
PASSWORD = "geheim/7@x"
QUOTED = "geheim%2F7%40x"


@dataclass(frozen=True)
class Server:
    """A server of our own on a free port, and the folder it lives in."""

    folder: Path
    port: int

    def address(self, password: str = QUOTED) -> str:
        return f"postgresql+psycopg://planner:{password}@127.0.0.1:{self.port}/postgres"


def binaries() -> Path:
    """Return the folder of initdb and pg_ctl; skip where there is none or no driver."""
    if importlib.util.find_spec("psycopg") is None:
        pytest.skip("no driver for PostgreSQL: pip install 'funnelsim[formats]'")
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    plain = shutil.which("initdb")
    if not found and plain is None:
        pytest.skip("no PostgreSQL server here: apt-get install postgresql")
    if os.name == "nt":
        pytest.skip("the server of this test is started as on Unix")
    return found[-1].parent if found else Path(str(plain)).parent


def as_nobody_special(*words: str | Path) -> list[str]:
    """Return a command as PostgreSQL wants it run: never as root."""
    root = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    return [*root, *map(str, words)]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    tools = binaries()
    folder = Path(tempfile.mkdtemp(prefix="pg", dir="/tmp"))
    (folder / "password").write_text(PASSWORD + "\n", encoding="utf-8")
    if os.geteuid() == 0:
        for path in (folder, folder / "password"):
            shutil.chown(path, "postgres")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    data, quiet = folder / "data", {"check": True, "capture_output": True, "cwd": folder, "timeout": 120}
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c timezone=Asia/Tokyo -F"
    try:
        subprocess.run(
            as_nobody_special(
                tools / "initdb", "-D", data, "-U", "planner", "--pwfile", folder / "password",
                "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C",
            ),
            **quiet,
        )  # fmt: skip
        log = folder / "log"
        subprocess.run(
            as_nobody_special(tools / "pg_ctl", "-D", data, "-l", log, "-o", options, "-w", "start"), **quiet
        )
        made = Server(folder, port)
        load(made)
        yield made
    finally:
        subprocess.run(
            as_nobody_special(tools / "pg_ctl", "-D", data, "-m", "immediate", "stop"),
            **{**quiet, "check": False},
        )
        shutil.rmtree(folder)


def load(server: Server) -> None:
    import psycopg

    rows = [line.split(",") for line in CSV.splitlines()[1:]]
    plain = server.address().replace("+psycopg", "")
    with psycopg.connect(plain) as connection, connection.cursor() as cursor:
        cursor.execute(MAKE)
        cursor.executemany(
            "insert into crm.moves values (%s, %s, %s, nullif(%s, ''), nullif(%s, '')::numeric)", rows
        )


@pytest.fixture
def from_file(tmp_path: Path) -> History:
    (tmp_path / "moves.csv").write_text(CSV, encoding="utf-8")
    return read_history(tmp_path / "moves.csv")


def same(made: History, told: History) -> None:
    for table in (spells, open_leads, bookings):
        pd.testing.assert_frame_equal(table(made), table(told))
    assert (made.stages, made.won, made.lost, made.until) == (told.stages, told.won, told.lost, told.until)
    assert made.quality.used == told.quality.used == 6


def test_a_table_reads_as_the_file_does(server: Server, from_file: History) -> None:
    same(read_history(server.address(), query="crm.moves"), from_file)
    assert set(from_file.stages) == {"Inquiry", "Proposal", "线索"}
    assert bookings(from_file)["value"].tolist() == [990.0]


def test_a_query_reads_as_the_file_does(server: Server, from_file: History) -> None:
    query = "select m.*, o.name as owner from crm.moves m join owners o on o.deal = m.lead order by m.at desc"
    made = read_history(server.address(), query=query)
    assert made.leads["owner"].to_dict() == {"a": "Ann", "b": "Bob", "c": "Ann"}
    owned = from_file.leads.assign(owner=["Ann", "Bob", "Ann"])[made.leads.columns]
    pd.testing.assert_frame_equal(made.leads, owned)
    pd.testing.assert_frame_equal(bookings(made), bookings(from_file))
    assert made.events["at"].tolist() == from_file.events["at"].tolist()


@pytest.mark.parametrize(
    "statement",
    [
        "delete from crm.moves returning lead, stage, at, channel, value",
        "with gone as (delete from crm.moves returning *) select * from gone",
        "drop table crm.moves",
        "select * into crm.other from crm.moves",
        "copy crm.moves to '/tmp/funnelsim_copy'",
        "copy (select * from crm.moves) to program 'cat'",
        "select 1) found; commit; drop table crm.moves; select * from (select 1",
        "select * from crm.moves; drop table crm.moves",
        "do $$ begin drop table crm.moves; end $$",
        "select setval(pg_get_serial_sequence('crm.numbers', 'n'), 7)",
    ],
)
def test_only_one_select_is_taken_and_nothing_is_changed(
    server: Server, from_file: History, statement: str
) -> None:
    with pytest.raises(FunnelError) as refusal:
        read_history(server.address(), query=statement)
    assert "\n" not in str(refusal.value)
    same(read_history(server.address(), query="crm.moves"), from_file)


def test_a_password_with_raw_signs_is_understood(server: Server, from_file: History) -> None:
    same(read_history(server.address(PASSWORD), query="crm.moves"), from_file)


@pytest.mark.parametrize(
    ("query", "password", "said"),
    [
        ("select nothing from crm.moves", QUOTED, 'column "nothing" does not exist'),
        ("crm.movies", QUOTED, 'relation "crm.movies" does not exist'),
        ("select * from crm.moves where lead = 'z'", QUOTED, "the query finds no row"),
        ("crm.moves", "falsch%2F7%40y", 'password authentication failed for user "planner"'),
    ],
)
def test_refusals_are_one_sentence_without_the_password(
    server: Server, query: str, password: str, said: str
) -> None:
    with pytest.raises(FunnelError) as refusal:
        read_history(server.address(password), query=query)
    sentence = str(refusal.value)
    assert said in sentence
    assert "\n" not in sentence
    assert sentence.startswith(f"postgresql+psycopg://...@127.0.0.1:{server.port}/postgres: ")
    for secret in ("geheim", "falsch", QUOTED, password):
        assert secret not in sentence


@pytest.mark.parametrize("where", ["postgresql://planner:geheim@x/7@127.0.0.1:1/b", "?password=geheim"])
def test_a_password_in_an_odd_place_is_not_shown_either(server: Server, where: str) -> None:
    address = where if where.startswith("postgresql") else f"postgresql+psycopg://127.0.0.1:1/b{where}"
    with pytest.raises(FunnelError) as refusal:
        read_history(address, query="moves")
    assert "geheim" not in str(refusal.value)
