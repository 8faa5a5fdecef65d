"""What was said is held against what came: as a backtest scores it, and by hand for people and plans."""

import json
import sqlite3
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_up import history
from typer.testing import CliRunner

import funnelsim as fs
from funnelsim.cli import app
from funnelsim.errors import FunnelError
from funnelsim.forecasting.backtest import OURS, record_of, replay, snapshot
from funnelsim.forecasting.ledger import keep
from funnelsim.forecasting.situation import situation
from funnelsim.history.log import bookings

DRAWS = 8
COMPANY = history()
STARTS = [pd.Timestamp(f"2025-{month:02d}-01") for month in range(6, 12)]


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first of each month from June on, one day amid November, and today."""
    path = tmp_path_factory.mktemp("record") / "r.db"
    for moment in (*STARTS, pd.Timestamp("2025-11-15"), COMPANY.until):
        place = situation(COMPANY.as_of(moment), period="month")
        keep(path, place, fs.forecast(place, draws=DRAWS), draws=DRAWS, seed=1)
    return path


def test_scores_are_those_of_a_backtest_from_the_same_days(record: Path) -> None:
    found = fs.record(record).scores
    assert found is not None
    asked = ["origin", "period", "measure", "step", "method"]
    mine = found.record.set_index(asked)
    back = replay(COMPANY, period="month", count=2, start="2025-06-01", draws=DRAWS, workers=1)
    theirs = back.record[back.record["method"] == OURS].set_index(asked)
    both = mine.index.intersection(theirs.index)
    assert len(both) == 2 * (6 + 6)
    columns = ["actual", "mean", "crps", "pinball", "pit", "inside_80"]
    pd.testing.assert_frame_equal(
        mine.loc[both, columns].astype(float), theirs.loc[both, columns].astype(float), rtol=1e-9
    )
    shots = {one: snapshot(COMPANY.as_of(one), "month", 2, draws=DRAWS, seed=1) for one in STARTS}
    again = record_of(shots, STARTS, bookings(COMPANY), COMPANY.until).set_index(asked)
    pd.testing.assert_frame_equal(mine.sort_index(), again.sort_index(), check_dtype=False, rtol=1e-9)


def test_every_kept_day_is_shown_beside_what_came(record: Path) -> None:
    found = fs.record(record)
    assert found.said["day"].nunique() == 8 and len(found.said) == 16
    assert len(found.over) == 14
    wins = bookings(COMPANY)
    for row in found.over.to_dict("records"):
        inside = (wins["at"] >= row["start"]) & (wins["at"] < row["end"])
        assert row["came"] == wins.loc[inside, "value"].sum()
        assert row["inside"] == (row["low"] <= row["came"] <= row["high"])
    assert found.said["came"].isna().sum() == 2
    assert "kept forecasts held what came" in found.sentences[0]


COMMITS = """who,when,period,amount
Ann,2025-09-02,2025-09,{a}
Ann,2025-10-02,2025-10,{b}
Ann,2026-01-01,2026-01,5k
"""


def test_people_are_judged_beside_ours(record: Path, tmp_path: Path) -> None:
    wins = bookings(COMPANY)
    came = [
        wins.loc[(wins["at"] >= f"2025-{m:02d}-01") & (wins["at"] < f"2025-{m + 1:02d}-01"), "value"].sum()
        for m in (9, 10)
    ]
    (tmp_path / "c.csv").write_text(COMMITS.format(a=came[0] + 300, b=came[1] - 100))
    for _ in range(2):  # the same table twice changes nothing
        found = fs.record(record, commits=tmp_path / "c.csv")
    row = found.people.set_index("who").loc["Ann"]
    assert row["periods"] == 2
    assert row["bias"] == pytest.approx(100 / np.mean(came))
    said = found.said[found.said["day"].isin(pd.to_datetime(["2025-08-31", "2025-09-30"]))]
    said = said[said["period"].isin(["2025-09", "2025-10"])].drop_duplicates("period", keep="last")
    ours = (said["median"] - said["came"]).abs().mean()
    assert (row["error"], row["ours"]) == pytest.approx((200.0, ours))
    assert row["skill"] == pytest.approx(1 - 200 / ours)
    assert np.isnan(row["low"]), "two periods show no spread"
    with sqlite3.connect(record) as connection:
        assert connection.execute("select count(*) from funnelsim_commits").fetchall() == [(3,)]


def test_overrides_are_kept_apart_with_author_and_reason(record: Path, tmp_path: Path) -> None:
    early = situation(COMPANY.as_of("2025-10-31"), period="month")
    november = bookings(COMPANY).query("'2025-11-01' <= at < '2025-12-01'")["lead"]
    deals = pd.Series(early.deals.name)
    won, not_won = deals[deals.isin(november)].iloc[0], deals[~deals.isin(november)].iloc[0]
    lines = [
        "lead,who,when,period,chance,reason",
        f"{won},Bob,2025-11-01,2025-11,90%,signed on paper",
        f"{not_won},Bob,2025-11-01,2025-11,0.2,no budget",
        f"{won},Eve,2026-01-01,2026-01,0.5,why not",
    ]
    (tmp_path / "o.csv").write_text("\n".join(lines) + "\n")
    before = fs.record(record).said
    found = fs.record(record, overrides=tmp_path / "o.csv")
    pd.testing.assert_frame_equal(found.said, before)
    told = found.overrides.set_index(["who", "lead"])
    assert told.loc[("Bob", won), "came"] == 1 and told.loc[("Bob", not_won), "came"] == 0
    assert told.loc[("Bob", won), "reason"] == "signed on paper"
    chance = fs.forecast(early, draws=DRAWS).deals.set_index("lead")["P(win 2025-11)"]
    assert told.loc[("Bob", won), "ours"] == chance[won]
    bob = found.people.set_index("who").loc["Bob"]
    assert bob["brier"] == pytest.approx((0.1**2 + 0.2**2) / 2)
    assert bob["our_brier"] == pytest.approx(((1 - chance[won]) ** 2 + chance[not_won] ** 2) / 2)


@pytest.mark.parametrize(
    ("table", "content", "said"),
    [
        ("commits", "who,when,period,amount\nAnn,yesterday,2025-09,5k\n", "row 2: 'yesterday' is no date"),
        ("commits", "who,when,period,amount\n,2025-09-01,2025-09,5k\n", "row 2: who or period is blank"),
        ("commits", "who,when,amount\nAnn,2025-09-01,5k\n", "period"),
        (
            "overrides",
            "lead,who,when,period,chance,reason\na,B,2025-09-01,2025-09,0.4,\n",
            "no reason is given",
        ),
        ("overrides", "lead,who,when,period,chance,reason\na,B,2025-09-01,2025-09,7,x\n", "expected 0 to 1"),
    ],
)
def test_tables_of_people_are_checked(
    table: str, content: str, said: str, record: Path, tmp_path: Path
) -> None:
    (tmp_path / "t.csv").write_text(content)
    with pytest.raises(FunnelError, match=said):
        fs.record(record, **{table: tmp_path / "t.csv"})


def test_a_decided_plan_is_held_against_what_came(tmp_path: Path) -> None:
    place = situation(COMPANY.as_of("2025-10-31"), period="month")
    fs.compare(place, ["price +5%"], draws=DRAWS, keep="price +5%", record=tmp_path / "r.db")
    fs.forecast(situation(COMPANY, period="month"), draws=DRAWS, record=tmp_path / "r.db")
    plan = fs.record(tmp_path / "r.db").plans.set_index("period").loc["2025-11"]
    wins = bookings(COMPANY).query("'2025-11-01' <= at < '2025-12-01'")
    assert plan["came"] == wins["value"].sum()
    assert plan["promised"] > plan["without"] > 0 and plan["plan"] == "price +5%"


def test_before_any_period_is_over_nothing_is_scored(tmp_path: Path) -> None:
    fs.forecast(COMPANY, draws=4, record=tmp_path / "r.db")
    found = fs.record(tmp_path / "r.db")
    assert found.scores is None and "over yet" in str(found) and found.over.empty
    with pytest.raises(FunnelError, match="say which company"):
        fs.record(tmp_path / "r.db", company="another")
    with pytest.raises(FunnelError, match="no forecast by week"):
        fs.record(tmp_path / "r.db", period="week")


def test_the_terminal_shows_it_and_charts_draw_it(record: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["record", str(record), "--json", str(tmp_path / "t.json")])
    assert done.exit_code == 0, done.output
    for words in ("What was said, and what came", "Skill in revenue against simpler ways"):
        assert words in done.output
    assert len(json.loads((tmp_path / "t.json").read_text())["said"]) == 16
    scores = fs.record(record).scores
    assert scores is not None
    assert fs.charts.record(scores).to_dict()["title"]
