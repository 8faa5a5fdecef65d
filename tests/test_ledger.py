"""Forecasts are kept where somebody says so: whole or not at all, once, and with nothing of people."""

import os
import signal
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_up import history
from test_postgres import Server, server
from typer.testing import CliRunner

from funnelsim.cli import app
from funnelsim.errors import FunnelError
from funnelsim.forecasting.forecast import NAMES, forecast_periods
from funnelsim.forecasting.ledger import Kept, keep, kept_periods, last_kept, opened, same_company
from funnelsim.forecasting.situation import Situation, situation
from funnelsim.history.log import History, bookings
from funnelsim.history.read import read_history
from funnelsim.model.store import same
from funnelsim.verbs import compare, forecast

__all__ = ["server"]  # a server of PostgreSQL, where there is one
HERE = Path(__file__).parent
DAYS = ("2025-09-30", "2025-11-15", "2025-12-20")
COMPANY = history()


def put(record: Path | str, day: str = DAYS[0], known: History = COMPANY, **more: object) -> Situation:
    """Keep the forecast of a day and return where the company stood."""
    place = situation(known.as_of(day), **more)
    keep(record, place, forecast(place, draws=8), draws=8, seed=1)
    return place


def rows(record: Path, query: str) -> list[tuple[object, ...]]:
    with sqlite3.connect(record) as connection:
        return connection.execute(query).fetchall()


def kept(record: Path | str, day: str = DAYS[2], **more: object) -> Kept | None:
    return last_kept(record, situation(COMPANY.as_of(day)), **more)


def test_what_is_kept_makes_the_same_forecast_again_to_the_last_bit(tmp_path: Path) -> None:
    place = put(tmp_path / "r.db")
    found = kept(tmp_path / "r.db")
    assert found is not None and same(found.model, place.model)
    assert kept_periods(found) == place.periods
    np.testing.assert_array_equal(found.deals.name, place.deals.name)
    again = forecast_periods(
        found.model, found.deals, kept_periods(found), booked=place.booked, draws=found.draws, whole=True
    )
    columns = ["period", "origin", "measure", "mean", "sd", *NAMES]
    pd.testing.assert_frame_equal(found.numbers[columns], again.with_total[0][columns])


def test_the_last_one_before_now_or_before_a_day_is_found(tmp_path: Path) -> None:
    for day in DAYS:
        put(tmp_path / "r.db", day)
    last = [kept(tmp_path / "r.db", day) for day in (DAYS[2], DAYS[1])]
    assert [str(one.as_of.date()) for one in last if one] == ["2025-11-16", "2025-10-01"]
    early = kept(tmp_path / "r.db", since=pd.Timestamp("2025-11-01"))
    assert early is not None and early.as_of == pd.Timestamp("2025-10-01")
    assert kept(tmp_path / "r.db", DAYS[0]) is None


def test_the_same_forecast_is_kept_once_and_outcomes_follow(tmp_path: Path) -> None:
    record = tmp_path / "r.db"
    days = ("2025-08-15", *DAYS)
    for day in (*days, *days):
        put(record, day)
    assert rows(record, "select count(*) from funnelsim_forecasts") == [(4,)]
    wins = bookings(COMPANY)
    third = wins[(wins["at"] >= "2025-07-01") & (wins["at"] < "2025-10-01")]
    came = rows(record, "select start, revenue, wins from funnelsim_outcomes")
    assert came == [("2025-07-01 00:00:00.000000", float(third["value"].sum()), float(len(third)))]
    fates = rows(record, "select lead, won from funnelsim_fates")
    ended = COMPANY.as_of(DAYS[2]).events.query("stage in ['Won', 'Lost']")
    asked = {lead for (lead,) in rows(record, "select distinct lead from funnelsim_deals")}
    assert {lead for lead, _ in fates} == asked & set(ended["lead"])
    assert {lead for lead, won in fates if won} == asked & set(ended.query("stage == 'Won'")["lead"])


def test_two_companies_of_one_name_are_told_apart_by_their_leads(tmp_path: Path) -> None:
    record, other = tmp_path / "r.db", history(700, seed=9)
    named = other.events.assign(lead="X" + other.events["lead"])
    moved = replace(other, events=named, leads=other.leads.set_axis("X" + other.leads.index, axis=0))
    put(record)
    place = put(record, known=moved)
    assert rows(record, "select company from funnelsim_forecasts") == [(1,), (2,)]
    with opened(record) as connection:
        assert same_company(connection, place) == 2
        assert same_company(connection, situation(COMPANY)) == 1
        assert same_company(connection, situation(COMPANY.as_of("2025-08-15"))) is not None


def test_nothing_is_written_unasked_nor_of_a_stated_funnel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    forecast(COMPANY, draws=4)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(FunnelError, match="stated funnel"):
        forecast("ecommerce", draws=4, periods=1, record=tmp_path / "r.db")
    with pytest.raises(FunnelError, match="no such file"):
        kept(tmp_path / "none.db")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("record", "said"),
    [("nowhere/r.db", "does not exist"), (".", "is a folder"), ("text.db", "file is not a database")],
)
def test_what_cannot_hold_a_record_is_refused_in_a_sentence(
    record: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.db").write_text("no data base\n" * 100)
    with pytest.raises(FunnelError, match=said):
        forecast(COMPANY, draws=4, record=record)
    assert (tmp_path / "text.db").read_text() == "no data base\n" * 100


def test_a_silent_forecast_is_not_kept(tmp_path: Path) -> None:
    forecast(history(40, won=False), draws=4, record=tmp_path / "r.db")
    assert not (tmp_path / "r.db").exists()


def test_of_an_anonymised_history_only_hashes_are_kept(tmp_path: Path) -> None:
    log = COMPANY.events.merge(COMPANY.leads.reset_index(), on="lead").assign(owner="Olga Smith")
    log["lead"] = "Miller & Sons " + log["lead"]
    log.to_csv(tmp_path / "miller.csv", index=False)
    forecast(tmp_path / "miller.csv", draws=4, record=tmp_path / "r.db", anonymise="secret")
    data = (tmp_path / "r.db").read_bytes()
    for word in (b"Miller", b"miller", b"Olga", b"Smith", b"L0001"):
        assert word not in data
    hashed = set(read_history(tmp_path / "miller.csv", anonymise="secret").leads.index)
    assert {lead for (lead,) in rows(tmp_path / "r.db", "select lead from funnelsim_deals")} <= hashed


KEEPING = """
import sys
sys.path.insert(0, {folder!r})
from test_ledger import put
for day in {days!r}:
    put({record!r}, day)
"""


def test_two_processes_keep_at_once(tmp_path: Path) -> None:
    record = str(tmp_path / "r.db")
    days = [[f"2025-{month:02d}-{day:02d}" for day in (3, 14, 27)] for month in (10, 11)]
    codes = [KEEPING.format(folder=str(HERE), days=some, record=record) for some in days]
    running = [subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE) for code in codes]
    for one in running:
        assert one.wait(timeout=300) == 0, one.stderr.read() if one.stderr else ""
    assert rows(tmp_path / "r.db", "select count(*), count(distinct as_of) from funnelsim_forecasts") == [
        (6, 6)
    ]
    assert rows(tmp_path / "r.db", "select distinct company from funnelsim_forecasts") == [(1,)]
    whole = "select count(*) from funnelsim_numbers group by forecast"
    assert rows(tmp_path / "r.db", whole) == [(24,)] * 6


KILLED = """
import os, signal, sys
sys.path.insert(0, {folder!r})
import funnelsim.forecasting.ledger as ledger
from test_ledger import put
ledger._way_rows = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
put({record!r}, "2025-11-15")
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no signal that kills at once")
def test_a_kill_in_the_middle_leaves_nothing_behind(tmp_path: Path) -> None:
    record = tmp_path / "r.db"
    put(record)
    before = rows(record, "select count(*) from funnelsim_deals")
    code = KILLED.format(folder=str(HERE), record=str(record))
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -signal.SIGKILL
    assert rows(record, "select count(*) from funnelsim_forecasts") == [(1,)]
    assert rows(record, "select count(*) from funnelsim_deals") == before
    put(record, "2025-11-15")
    assert rows(record, "select count(*) from funnelsim_forecasts") == [(2,)]


def test_a_decided_plan_is_kept_beside_the_forecast_without_it(tmp_path: Path) -> None:
    record, place = tmp_path / "r.db", situation(COMPANY.as_of(DAYS[0]))
    found = compare(place, ["price +5%", "days Offer -20%"], draws=8, keep="price +5%", record=record)
    told = rows(record, "select plan, says from funnelsim_forecasts order by id")
    assert told == [("", ""), ("price +5%", found.plans["price +5%"].sentence)]
    means = "select mean from funnelsim_numbers where origin = 'total' and measure = 'revenue' and place = 0"
    (plain,), (planned,) = rows(record, means)
    row = found.table.query("scenario == 'price +5%'").iloc[0]
    assert planned - plain == pytest.approx(row["difference"], rel=1e-9)
    plan = kept(record, plan="price +5%")
    assert plan is not None and plan.plan == "price +5%"
    with pytest.raises(FunnelError, match="give both"):
        compare(place, ["price +5%"], draws=8, keep="price +5%")
    with pytest.raises(FunnelError, match="keep 'prices' is unknown"):
        compare(place, ["price +5%"], draws=8, keep="prices", record=record)


def test_the_terminal_keeps_and_never_writes_into_what_it_reads(tmp_path: Path) -> None:
    log = COMPANY.events.merge(COMPANY.leads.reset_index(), on="lead")
    log.to_csv(tmp_path / "log.csv", index=False)
    ask = ["forecast", str(tmp_path / "log.csv"), "--draws", "4", "--no-cache", "--record"]
    done = CliRunner().invoke(app, [*ask, str(tmp_path / "r.db")])
    assert done.exit_code == 0 and "Kept in the record" in done.output
    assert rows(tmp_path / "r.db", "select count(*) from funnelsim_forecasts") == [(1,)]
    refused = CliRunner().invoke(app, [*ask, str(tmp_path / "log.csv")])
    assert isinstance(refused.exception, FunnelError)


def test_a_server_of_postgresql_keeps_the_same(server: Server, tmp_path: Path) -> None:
    for day in DAYS[:2]:
        put(tmp_path / "r.db", day)
        put(server.address(), day)
        put(server.address(), day)
    here, there = kept(tmp_path / "r.db"), kept(server.address())
    assert here is not None and there is not None and same(here.model, there.model)
    pd.testing.assert_frame_equal(here.numbers, there.numbers, check_dtype=False)
    np.testing.assert_array_equal(here.deals.age, there.deals.age)
    wrong = server.address("falsch")
    with pytest.raises(FunnelError, match="password authentication failed") as refusal:
        put(wrong)
    assert "falsch" not in str(refusal.value)
