"""Histories too thin for a number get a sentence in table, page and JSON; none of them crashes."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from test_cli import run

from funnelsim.errors import FunnelError
from funnelsim.forecasting.forecast import NAMES
from funnelsim.forecasting.situation import FEWEST_WINS, intake_days, refuse_thin, situation, too_thin
from funnelsim.history.log import History
from funnelsim.verbs import forecast

START = pd.Timestamp("2025-01-01")


def tiny(leads: int, won: int, days: float) -> History:
    """Return leads that enter evenly, are lost or won after six days, the first ones won."""
    rows = []
    for number in range(leads):
        day = number * (days - 10) / max(leads, 1)
        end = "Won" if number < won else "Lost"
        rows += [(f"L{number:03d}", "Lead", day), (f"L{number:03d}", "Offer", day + 2)]
        rows += [(f"L{number:03d}", end, day + 6)] if number + 1 < leads else []
    events = pd.DataFrame(rows, columns=["lead", "stage", "day"])
    events["at"] = START + pd.to_timedelta(events.pop("day"), unit="D")
    known = pd.DataFrame({"value": 100.0}, index=pd.Index(sorted(set(events["lead"])), name="lead"))
    until = START + pd.Timedelta(days=days)
    return History(events, known, until, ("Lead", "Offer"), ("Won",), ("Lost",), START)


@pytest.mark.parametrize(
    ("leads", "won", "days", "missing"),
    [
        (1, 0, 20, ["Wins on record: none", "Days of intake on record: 20"]),
        (1, 0, 400, ["Wins on record: none"]),
        (3, 0, 400, ["Wins on record: none"]),
        (30, 4, 400, ["Wins on record: 4"]),
        (60, 40, 20, ["Days of intake on record: 19"]),
        (30, 5, 400, []),
        (200, 90, 400, []),
    ],
)
def test_what_is_missing_is_said_instead_of_a_number(
    leads: int, won: int, days: float, missing: list[str]
) -> None:
    place = situation(tiny(leads, won, days), period="month", periods=2)
    found = forecast(place, draws=4)
    assert [reason.split(";")[0] for reason in found.silent] == missing
    rest = found.periods[found.periods["origin"] != "booked"]
    booked = found.periods[found.periods["origin"] == "booked"]
    numbers = rest[["mean", "sd", *NAMES]].to_numpy(dtype=float)
    assert (np.isnan(numbers).all() if missing else np.isfinite(numbers).all()) and len(found.periods) == 16
    assert np.isfinite(booked["mean"]).all()
    assert found.widths["total"].isna().all() == bool(missing)


def intake(days: list[float], until: float) -> float:
    """Return the days of intake of a record of leads that came on some days and were won two days later."""
    rows = [(f"L{number}", place, day + wait) for number, day in enumerate(days)
            for place, wait in (("Lead", 0.0), ("Won", 2.0))]  # fmt: skip
    events = pd.DataFrame(rows, columns=["lead", "stage", "day"])
    events["at"] = START + pd.to_timedelta(events.pop("day"), unit="D")
    leads = pd.DataFrame(index=pd.Index(sorted(set(events["lead"])), name="lead"))
    end, began = START + pd.Timedelta(days=until), START + pd.Timedelta(days=min(days))
    return intake_days(History(events, leads, end, ("Lead",), ("Won",), (), began))


def test_days_count_in_which_leads_could_be_seen_to_come_in() -> None:
    busy = [float(day) for day in range(30)]
    assert intake(busy, 30) == 30
    assert intake([-2000.0, *busy], 30) == 40, "one stray old deal makes no years of record"
    assert intake(busy, 400) == 39, "nor does a silence after the last lead of an export by creation"
    assert intake([5.0] * 40, 300) == 1, "written down together on the day when a CRM was filled"
    assert intake([0.0, 100.0, 200.0, 300.0], 400) == 400, "a small company with a lead a quarter"


def test_a_lead_that_waits_is_shown_without_a_chance() -> None:
    deals = forecast(situation(tiny(1, 0, 400), period="month"), draws=4).deals
    assert deals["stage"].tolist() == ["Offer"] and deals["value"].tolist() == [100.0]
    assert deals.filter(like="P(win ").isna().all(axis=None) and deals["expected"].isna().all()


def test_a_wide_interval_of_a_small_company_with_a_long_record_is_no_reason() -> None:
    found = forecast(situation(tiny(40, FEWEST_WINS, 1500), period="month"), draws=20)
    total = found.periods.query("origin == 'total' and measure == 'wins'").iloc[1]
    assert not found.silent and total["sd"] > 2 * total["mean"]


def test_the_first_periods_of_a_record_are_refused_where_only_numbers_would_do() -> None:
    place = situation(tiny(3, 0, 20), period="quarter")
    assert len(too_thin(place.history, place.periods)) == 2
    with pytest.raises(
        FunnelError, match=r"no numbers can be given\. Wins on record: none; at least 5 are needed.*Days of"
    ):
        refuse_thin(place)


@pytest.mark.parametrize("rows", ["", "b,Lead,2026-01-12,50\nb,Offer,2026-02-01,50\nc,Lost,2026-02-20,7\n"])
def test_table_page_and_json_say_it(rows: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log, guide = tmp_path / "log.csv", tmp_path / "map.yaml"
    log.write_text("lead,stage,at,value\na,Lead,2026-01-05,100\n" + rows)
    guide.write_text("won: [Won]\nlost: [Lost]\n")
    said, page, deals = tmp_path / "f.json", tmp_path / "f.html", tmp_path / "d.csv"
    words = ("--map", guide, "--draws", 3, "--target", 9, "--json", said, "--html", page, "--deals", deals)
    assert run("forecast", log, *words) == 0
    table = capsys.readouterr().out
    assert "No forecast:\n- Wins on record: none" in table
    assert "simpler ways" not in table
    told = json.loads(said.read_text(encoding="utf-8"))
    assert told["no_forecast"][0].startswith("Wins on record: none; at least 5")
    assert [period["mean"] for period in told["periods"]] == [None, None]
    assert [period["by_origin"]["booked"]["mean"] for period in told["periods"]] == [0.0, 0.0]
    assert "No forecast: there is no number to give" in page.read_text(encoding="utf-8")
    assert pd.read_csv(deals)["expected"].isna().all()
    assert run("compare", log, "--map", guide, "nothing_changes") == 2
    assert "no numbers can be given. Wins on record: none" in capsys.readouterr().err
