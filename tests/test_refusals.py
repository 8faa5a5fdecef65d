"""Refusals that no other test provokes: one sentence each, with the place, the fault, what is expected."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import test_store
from made_up import history
from test_scenario import company, scenario
from test_stated import put, tiny

import funnelsim as fs
from funnelsim.calibration.calibrate import fit_model, open_pipeline
from funnelsim.calibration.parts import calibrate_large
from funnelsim.errors import FunnelError
from funnelsim.forecasting.forecast import choose_engine
from funnelsim.forecasting.situation import history_of, situation
from funnelsim.history.export import write_table
from funnelsim.history.read import read_history
from funnelsim.history.spend import read_spend
from funnelsim.model.funnel import Funnel, Pool
from funnelsim.model.levers import apply_scenario
from funnelsim.model.stated import read_funnel
from funnelsim.model.store import load_model, save_model

LOG = "lead,stage,at\na,Lead,2026-01-01\na,Won,2026-01-02\n"


def refusal(act: Callable[[], object]) -> str:
    with pytest.raises(FunnelError) as refused:
        act()
    assert "\n" not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            put("value", value={"median": 1000, "p90": 1000}),
            "value: p90 (1000) must exceed the median (1000)",
        ),
        (
            put("stages", "Offer", "exits", "Won", value={"chance": 0.5, "mean": 3, "fixed": 3}),
            "'mean' and 'fixed' say the same thing in two ways; give one",
        ),
        (
            put("stages", "Offer", "exits", "Won", value={"chance": 0.5, "median": 3}),
            "'median' and 'p90' belong together",
        ),
        (
            put("referrals", value=[{"place": "Won", "stage": "Lead", "mean": 1, "delay": {"chance": 0.5}}]),
            "expected only a time",
        ),
        (
            put(
                "referrals",
                value=[{"place": "Won", "stage": "Lead", "mean": 1, "delay": {"chance": 0.5, "mean": 1}}],
            ),
            "expected only a time",
        ),
        (put("pools", value={"r": {"size": 1, "hours": [8]}}), "'hours' has 1 numbers, expected 7"),
        *(
            (
                put("pools", value={"r": {"size": wrong}}),
                "expected a whole number of reps, or numbers by date",
            )
            for wrong in (1.5, True, -1, "two")
        ),
    ],
)
def test_a_stated_funnel_is_refused(tmp_path: Path, change: Callable, words: str) -> None:
    assert words in refusal(lambda: read_funnel(tiny(tmp_path, change)))


@pytest.mark.parametrize("half", [{"patience": {"mean": 1}}, {"gives_up_to": "Lost"}])
def test_who_loses_patience_goes_somewhere(tmp_path: Path, half: dict) -> None:
    def change(data: dict) -> None:
        data["pools"] = {"r": {"size": 1}}
        data["work"] = [{"stage": "Lead", "pool": "r", "hours": {"mean": 1}, **half}]

    said = refusal(lambda: read_funnel(tiny(tmp_path, change)))
    assert "work[0]: 'patience' and 'gives_up_to' belong together" in said


def test_a_number_of_reps_goes_up_to_a_thousand_million(tmp_path: Path) -> None:
    model = read_funnel(tiny(tmp_path, put("pools", value={"r": {"size": 10**9}})))
    assert model.pools[0].size.tolist() == [10**9]
    assert "given" in refusal(
        lambda: read_funnel(tiny(tmp_path, put("pools", value={"r": {"size": 10**9 + 1}})))
    )
    assert read_funnel(tiny(tmp_path, put("pools", value={"r": {"size": 0}}))).pools[0].size.tolist() == [0]


def test_a_funnel_needs_exits_of_every_stage() -> None:
    assert "'f': 2 stages but 1 lists of exits" in refusal(
        lambda: Funnel("f", ("A", "B"), ("Won",), (("Won",),), {"Won": 1.0})
    )


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"order": "lifo"}, "order 'lifo' is unknown; did you mean 'fifo'"),
        ({"size": np.array([1, 2])}, "expected a size of 0 or more from each start on"),
        ({"size": np.array([-1])}, "expected a size of 0 or more from each start on"),
        ({"capacity": 0}, "a capacity of 1 or more"),
        ({"week": np.ones(6)}, "expected seven shares of 24 hours"),
        ({"week": np.array([1.1, *np.ones(6)])}, "expected seven shares of 24 hours"),
        ({"week": np.array([-0.1, *np.ones(6)])}, "expected seven shares of 24 hours"),
        ({"ramp": np.array([0.0])}, "speeds above 0"),
        ({"ramp": np.ones((2, 1))}, "2 ramps for 1 sizes; expected as many"),
        ({"opens": 1.0}, "expected a part of a day below 1, or seven"),
        ({"opens": -0.1}, "expected a part of a day below 1, or seven"),
        ({"opens": np.zeros(6)}, "expected a part of a day below 1, or seven"),
    ],
)
def test_a_pool_is_refused(wrong: dict, words: str) -> None:
    whole = {"name": "r", "starts": np.array([-np.inf]), "size": np.array([0])}
    assert Pool(**whole, ramp=np.ones((1, 2)), opens=np.zeros(7)).size.tolist() == [0]
    said = refusal(lambda: Pool(**(whole | wrong)))
    assert said.startswith("pool 'r': ") and words in said


def test_levers_are_refused(tmp_path: Path) -> None:
    two = replace(company(), entries=replace(company().entries, cells=company().entries.cells))
    named = replace(two, groups=("events", "large"))
    path = tmp_path / "plan.yaml"
    path.write_text("changes: [{entries: events, multiply: 2}]", encoding="utf-8")
    from funnelsim.model.scenario import read_scenario

    said = refusal(lambda: read_scenario(path, named))
    assert "entries: 'events' is more than one thing; write 'all' and 'channel:'" in said
    lost = scenario(
        tmp_path, "changes: [{spend: events, add: -500 per day}, {spend: events, add: -500 per day}]"
    )
    assert "the spend on events would be -200 per day, less than nothing" in refusal(
        lambda: apply_scenario(company(), lost)
    )
    nothing = scenario(
        tmp_path, "changes: [{spend: events, add: -500 per day}, {spend: events, add: -300 per day}]"
    )
    assert apply_scenario(company(), nothing).entries.changes[-1].multiply == 0
    table = company().table
    dated = replace(
        company(),
        table=replace(
            table, rate=np.repeat(table.rate, 2, axis=0), starts=np.array([-np.inf, 9.0]),
            speed=np.repeat(table.speed, 2, axis=0),
        ),
    )  # fmt: skip
    slower = scenario(tmp_path, "changes: [{days: Lead, multiply: 2}]")
    assert "rates already change at dates" in refusal(lambda: apply_scenario(dated, slower))


def test_saved_models_that_do_not_fit_themselves(tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    values = test_store.MODEL.values
    one_more = replace(values, amounts=np.vstack([values.amounts, values.amounts[:1]]))
    save_model(replace(test_store.MODEL, values=one_more), path)
    assert "its values or entries do not fit its groups" in refusal(lambda: load_model(path))
    entries = test_store.MODEL.entries
    longer = replace(entries, share=np.append(entries.share, 0.0))
    save_model(replace(test_store.MODEL, entries=longer), path)
    assert "its values or entries do not fit its groups" in refusal(lambda: load_model(path))
    save_model(test_store.MODEL, path)
    data = json.loads(path.read_text(encoding="utf-8"))
    data["model"] = data["model"]["values"]
    path.write_text(json.dumps(data), encoding="utf-8")
    assert "is damaged: it holds no Model" in refusal(lambda: load_model(path))


def test_tables_without_anything(tmp_path: Path) -> None:
    def written(name: str, text: str) -> Path:
        (tmp_path / name).write_text(text, encoding="utf-8")
        return tmp_path / name

    assert (
        refusal(lambda: read_history(pd.DataFrame({"lead": [], "stage": [], "at": []})))
        == "the table: no row"
    )
    empty = written("spend.csv", "week,channel,spend\n\n")
    assert "no row below the header" in refusal(lambda: read_spend(empty))
    pd.DataFrame().to_excel(tmp_path / "sheet.xlsx", index=False)
    assert "sheet 'Sheet1' is empty" in refusal(lambda: read_history(tmp_path / "sheet.xlsx"))
    log = written("log.xes", "<?xml version='1.0'?><log><trace/></log>")
    assert "an event log without an event" in refusal(lambda: read_history(log))
    each = written("map.yaml", "wins: each\ncolumns: {lead: lead, stage: stage, at: at}\n")
    assert "`wins: each` needs the names of the won places" in refusal(
        lambda: read_history(written("log.csv", LOG), each)
    )


def test_a_packed_text_without_an_end_of_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("funnelsim.history.tables.LONGEST_LINE", 100)
    path = tmp_path / "line.csv.gz"
    path.write_bytes(gzip.compress(b"x" * 101))
    assert "a line of 101 characters; expected a header" in refusal(lambda: read_history(path))


def test_a_sheet_with_a_row_longer_than_its_header(tmp_path: Path) -> None:
    import openpyxl

    book = openpyxl.Workbook()
    for row in (("lead", "stage", "at"), ("a", "Lead", "2026-01-01"), ("a", "Won", "2026-01-02", "more")):
        book.active.append(row)
    book.save(tmp_path / "log.xlsx")
    assert "row 3: 4 cells, but the header has 3" in refusal(lambda: read_history(tmp_path / "log.xlsx"))


def test_a_workbook_that_unpacks_to_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "log.xlsx"
    pd.DataFrame({"lead": ["a", "a"], "stage": ["Lead", "Won"], "at": ["2026-01-01", "2026-01-02"]}).to_excel(
        path, index=False
    )
    assert len(read_history(path).events) == 2
    monkeypatch.setattr("funnelsim.history.tables.MOST_XML", 100)
    assert "at most 100 are read from Excel" in refusal(lambda: read_history(path))


def test_a_sheet_holds_a_million_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("funnelsim.history.export.MOST_SHEET_ROWS", 4)
    write_table(pd.DataFrame({"lead": range(3)}), tmp_path / "three.xlsx")
    said = refusal(lambda: write_table(pd.DataFrame({"lead": range(4)}), tmp_path / "four.xlsx"))
    assert "a sheet holds 3 rows, this table has 4; write .csv" in said
    assert not (tmp_path / "four.xlsx").exists()


def test_several_tables_where_one_is_meant(tmp_path: Path) -> None:
    folder = tmp_path / "exports"
    folder.mkdir()
    for name in ("one.csv", "two.csv"):
        (folder / name).write_text("lead,phase,moment\na,Lead,2026-01-01\n", encoding="utf-8")
    mapping = {"columns": {"lead": "lead", "stage": "phase", "at": "moment"}}
    assert "describes one table, but there are 2 (" in refusal(lambda: read_history(folder, mapping))
    assert "none of these is an export that is known (" in refusal(lambda: read_history(folder))
    for name in ("one.csv", "two.csv"):
        (folder / name).write_text("week,channel,spend\n2026-01-05,ads,1\n", encoding="utf-8")
    assert "2 tables; expected one with channel, start and spend" in refusal(lambda: read_spend(folder))


def test_leads_without_the_file_of_their_wins(tmp_path: Path) -> None:
    path = tmp_path / "leads.csv"
    path.write_text(
        "mql_id,first_contact_date,landing_page_id,origin\na,2026-01-01,p,web\n", encoding="utf-8"
    )
    assert "leads without their wins; give the folder" in refusal(lambda: read_history(path))


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("none.csv", None, "no such file; what is read in parts must be one file"),
        ("empty.csv", b"  \n", "the file is empty"),
        ("old.csv", (LOG + "Köln,Lead,2026-01-03\n").encode("cp1252"), "text in CP1252; files read in parts"),
        ("broken.parquet", b"PAR1 and no more", "damaged Parquet file"),
    ],
    ids=["missing", "empty", "not UTF-8", "damaged"],
)
def test_large_files_are_refused(tmp_path: Path, name: str, data: bytes | None, words: str) -> None:
    if data is not None:
        (tmp_path / name).write_bytes(data)
    assert words in refusal(lambda: calibrate_large(tmp_path / name))


def test_a_large_table_without_a_row(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    pd.DataFrame({"lead": ["a"], "stage": ["Lead"], "at": ["2026-01-01"]})[:0].to_parquet(path)
    assert "no row" in refusal(lambda: calibrate_large(path))


def test_leads_in_a_stage_that_the_model_does_not_have() -> None:
    data = history(60)
    model = fit_model(data)
    events = data.events.assign(stage=data.events["stage"].replace({"Offer": "Ofer"}))
    other = replace(data, events=events, stages=("Lead", "Ofer"))
    assert "stage 'Ofer' is no stage of the model; did you mean 'Offer'" in refusal(
        lambda: open_pipeline(other, model)
    )


def test_an_engine_that_does_not_fit(tmp_path: Path) -> None:
    half = replace(company(), work=(), referrals=(), pools=())
    assert choose_engine(half, "exact") == choose_engine(half, None) == "exact"
    part = replace(half, funnel=replace(half.funnel, earns={"Won": 0.5}))
    assert "a place earns a part of the value" in refusal(lambda: choose_engine(part, "exact"))
    assert "leads queue for reps or refer others" in refusal(lambda: choose_engine(company(), "exact"))
    for referring in (replace(company(), work=()), replace(company(), referrals=())):
        assert choose_engine(referring, None) == "compiled"
        refusal(lambda referring=referring: choose_engine(referring, "exact"))


def test_what_was_read_already_and_what_has_no_past() -> None:
    assert "is a stated funnel: it has no past to look at" in refusal(lambda: history_of(company()))
    assert "is a stated funnel: it has no past to look at" in refusal(
        lambda: history_of(situation("sales_funnel_5"))
    )
    assert "mapping: says how a file is read, but a history was given" in refusal(
        lambda: history_of(history(60), mapping={"won": "Won"})
    )


def test_a_century_after_the_last_event() -> None:
    frame = pd.DataFrame({"lead": ["a", "a"], "stage": ["Lead", "Won"], "at": ["2026-01-01", "2026-01-02"]})
    said = refusal(lambda: read_history(frame, as_of="2126-06-01"))
    assert said.startswith("as-of in the year 2126: the last event is of 2026-01-02")
    last = pd.Timestamp("2026-01-02")
    assert read_history(frame, as_of=last + pd.Timedelta(days=36_525)).until == last + pd.Timedelta(
        days=36_525
    )
    refusal(lambda: read_history(frame, as_of=last + pd.Timedelta(days=36_525, seconds=1)))


@pytest.mark.parametrize("verb", [fs.forecast, fs.check, fs.simulate, fs.health, fs.live])
def test_a_misspelled_funnel_is_told_the_nearest(verb: Callable) -> None:
    with pytest.raises(FunnelError, match="lead_funnl: there is no such file .* did you mean 'lead_funnel'"):
        verb("lead_funnl")
