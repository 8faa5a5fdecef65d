"""Currencies and subsidiaries roll up; margins and the day of cash are told once, in the mapping."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_up import history

import funnelsim as fs
from funnelsim.errors import FunnelError
from funnelsim.history.assemble import UNPAID, paid_later
from funnelsim.history.log import DAY, bookings, open_leads
from funnelsim.history.read import read_history

LOG = """deal,stage,at,unit,currency,amount
a,Offer,2026-01-05,North,EUR,1000
a,Won,2026-01-20,North,EUR,1000
b,Offer,2026-01-06,South,USD,2000
b,Won,2026-02-10,South,USD,2000
c,Offer,2026-01-07,South,USD,500
c,Lost,2026-03-01,South,USD,500
d,Offer,2026-02-01,North,EUR,3000
d,Won,2026-03-20,North,EUR,3000
e,Offer,2026-03-02,South,USD,700
"""
MAPPING = {
    "columns": {"lead": "deal", "value": "amount", "currency": "currency", "segment": "unit"},
    "stages": ["Offer"], "won": ["Won"], "lost": ["Lost"], "currency": "EUR", "rates": {"USD": 0.9},
}  # fmt: skip


def read(folder: Path, **more: object) -> fs.History:
    path = folder / "log.csv"
    path.write_text(LOG, encoding="utf-8")
    return read_history(path, {**MAPPING, **more}, as_of="2026-03-31")


def test_two_currencies_and_two_subsidiaries_by_hand(tmp_path: Path) -> None:
    known = read(tmp_path)
    assert known.currency == "EUR"
    assert bookings(known).set_index("lead")["value"].to_dict() == {"a": 1000, "b": 1800, "d": 3000}
    assert open_leads(known).set_index("lead")["value"].to_dict() == {"e": 630}
    told = fs.check(known).metrics_by("segment").set_index("part")["total revenue"]
    assert told.to_dict() == {"North": 4000, "South": 1800}


def test_margins_of_subsidiaries_by_hand(tmp_path: Path) -> None:
    known = read(tmp_path, margin={"North": 0.5, "South": 0.25})
    assert bookings(known).set_index("lead")["value"].to_dict() == {"a": 500, "b": 450, "d": 1500}
    assert open_leads(known).set_index("lead")["value"].to_dict() == {"e": 157.5}
    assert any("Amounts are margins: 0.5 (North), 0.25 (South)" in limit for limit in known.limits)
    half = bookings(read(tmp_path, margin=0.5)).set_index("lead")["value"]
    assert half.to_dict() == {"a": 500, "b": 900, "d": 1500}


def test_the_day_of_cash_by_hand(tmp_path: Path) -> None:
    known = read(tmp_path, cash_after=30)
    paid = bookings(known).set_index("lead")
    booked = bookings(read(tmp_path)).set_index("lead")
    assert paid["value"].to_dict() == {"a": 1000, "b": 1800}, "d was won on 20 March and pays on 19 April"
    assert (paid["at"] - booked["at"].loc[["a", "b"]] == 30 * DAY).all()
    waiting = open_leads(known).set_index("lead")
    assert waiting.loc["d", "stage"] == UNPAID and waiting.loc["d", "value"] == 3000
    earlier = known.as_of("2026-02-25")
    assert bookings(earlier)["lead"].tolist() == ["a"]


def test_what_cannot_be_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FunnelError, match="segment 'South' has no margin"):
        read(tmp_path, margin={"North": 0.5})
    with pytest.raises(FunnelError, match="margin"):
        read(tmp_path, margin=1.5)
    with pytest.raises(FunnelError, match="`cash_after` goes with one win a lead"):
        read(tmp_path, cash_after=30, wins="each")


def test_a_forecast_of_cash_is_that_of_bookings_so_many_days_before() -> None:
    """A second road: cash of a span is what is booked in the same span 45 days earlier."""
    known, days = history(1500, seed=4), 45.0
    place = fs.situation(paid_later(known, days), period="month", periods=3)
    waiting = place.deals.name[np.array(place.model.funnel.stages)[place.deals.stage] == UNPAID]
    booked = bookings(known).set_index("lead")
    late = booked[(booked["at"] + days * DAY >= known.until).to_numpy()]
    assert sorted(waiting) == sorted(late.index)
    found = fs.forecast(place, draws=10)
    deals = found.deals.set_index("lead").loc[late.index]
    for period in place.periods:
        pays = late["at"] + days * DAY
        inside = (pays >= period.start) & (pays < period.end)
        chance = deals[f"P(win {period.label})"].to_numpy()
        assert chance[inside].mean() > 0.97 if inside.any() else True
        assert chance[~inside].mean() < 0.03
    cash = found.periods.query("measure == 'wins' and origin == 'total'")["mean"].to_numpy()
    edges = [(one.start - days * DAY, one.end - days * DAY) for one in place.periods]
    before = fs.forecast(known, period="month", periods=3, draws=10)
    share = before.periods.query("measure == 'wins' and origin == 'total'")["mean"].to_numpy()
    # The second month of cash: bookings until the as-of date are known, the rest is half of January's.
    sure = ((booked["at"] >= edges[1][0]) & (booked["at"] < edges[1][1])).sum()
    part = max((edges[1][1] - known.until) / DAY, 0.0) / 31
    assert cash[1] == pytest.approx(sure + part * share[0], rel=0.1)


def test_money_of_a_win_that_was_undone_never_came() -> None:
    at = pd.to_datetime(["2026-01-01", "2026-01-10", "2026-01-25"])
    log = pd.DataFrame({"deal": "a", "stage": ["Offer", "Won", "Lost"], "at": at})
    rest = pd.DataFrame({"deal": "b", "stage": ["Offer", "Won"], "at": at[:2]})
    known = read_history(
        pd.concat([log, rest]), {**MAPPING, "columns": {"lead": "deal"}, "cash_after": 10}, as_of="2026-03-01"
    )
    assert bookings(known)["lead"].tolist() == ["b"] and known.undone.empty
    assert known.events.query("lead == 'a'")["stage"].tolist() == ["Offer", UNPAID, "Lost"]


def test_a_file_read_in_parts_has_no_day_of_cash(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text(LOG, encoding="utf-8")
    with pytest.raises(FunnelError, match="`cash_after` needs a file that is read whole"):
        fs.situation(path, mapping={**MAPPING, "cash_after": 30}, large=True)
