"""History: visits, open leads, bookings, and what was known earlier, on four leads worked by hand."""

import datetime
import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from funnelsim.errors import FunnelError
from funnelsim.history.log import History, as_of_moment, bookings, open_leads, spells, with_quality
from funnelsim.history.quality import Quality

# a: Lead 1 Jan, Offer 5 Jan, Won 10 Jan.            b: Offer 2 Jan, Lost 3 Jan, Offer again 8 Jan, open.
# c: Lead 1 Jan noon, open.     d: Lead 9 Jan, back and forth on 9 Jan, Won the same second.
ROWS = [
    ("a", "Lead", "2026-01-01"),
    ("a", "Offer", "2026-01-05"),
    ("a", "Won", "2026-01-10"),
    ("b", "Offer", "2026-01-02"),
    ("b", "Lost", "2026-01-03"),
    ("b", "Offer", "2026-01-08"),
    ("c", "Lead", "2026-01-01 12:00"),
    ("d", "Lead", "2026-01-09"),
    ("d", "Offer", "2026-01-09"),
    ("d", "Lead", "2026-01-09"),
    ("d", "Won", "2026-01-09"),
]


def history(**changes: object) -> History:
    events = pd.DataFrame(ROWS, columns=["lead", "stage", "at"]).astype({"lead": "str", "stage": "str"})
    events["at"] = pd.to_datetime(events["at"], format="ISO8601")
    leads = pd.DataFrame(
        {"segment": ["small", "", "large", "small"], "value": [10.0, np.nan, 30.0, 40.0]},
        index=pd.Index(list("abcd"), name="lead", dtype="str"),
    )
    made = History(
        events, leads, pd.Timestamp("2026-01-11"), ("Lead", "Offer"), ("Won",), ("Lost",), events["at"].min()
    )
    return replace(made, **changes)


def test_every_visit_is_a_row_with_its_days_and_exit() -> None:
    found = spells(history())
    columns = ["lead", "stage", "start", "stop", "exit", "entry", "reopened"]
    assert found[columns].to_numpy().tolist() == [
        ["a", "Lead", -10.0, -6.0, "Offer", True, False],
        ["a", "Offer", -6.0, -1.0, "Won", False, False],
        ["b", "Offer", -9.0, -8.0, "Lost", True, False],
        ["b", "Offer", -3.0, 0.0, "", False, True],
        ["c", "Lead", -9.5, 0.0, "", True, False],
        ["d", "Lead", -2.0, -2.0, "Offer", True, False],
        ["d", "Offer", -2.0, -2.0, "Lead", False, False],
        ["d", "Lead", -2.0, -2.0, "Won", False, False],
    ]
    assert found["segment"].tolist() == ["small"] * 2 + ["unknown"] * 2 + ["large"] + ["small"] * 3
    assert found["channel"].unique().tolist() == [""]
    assert (found["since"] == 0.0).all()


def test_late_entry_starts_when_recording_began() -> None:
    found = spells(history(began=pd.Timestamp("2026-01-04")))
    assert found["lead"].tolist() == ["a", "a", "b", "c", "d", "d", "d"], "b's first visit was over by then"
    assert found["since"].tolist() == [3.0, 0.0, 0.0, 2.5, 0.0, 0.0, 0.0]


def test_open_leads_have_an_age_and_zombies_are_older_than_all_that_closed() -> None:
    found = open_leads(history())
    assert found[["lead", "stage", "age"]].to_numpy().tolist() == [["b", "Offer", 3.0], ["c", "Lead", 9.5]]
    assert found["zombie"].tolist() == [False, True], "Offer closed after 5 days at most, Lead after 4"
    assert found["value"].tolist()[1] == 30.0
    assert found["expected_close"].isna().all()


def test_bookings_are_the_wins() -> None:
    found = bookings(history())
    assert found["lead"].tolist() == ["a", "d"]
    assert found["at"].tolist() == [pd.Timestamp("2026-01-10"), pd.Timestamp("2026-01-09")]
    assert found["value"].tolist() == [10.0, 40.0]


def test_as_of_forgets_what_came_later() -> None:
    then = history().as_of("2026-01-04")
    assert then.until == pd.Timestamp("2026-01-05")
    assert then.events["lead"].tolist() == ["a", "b", "b", "c"], "a's offer comes at the very moment"
    assert then.leads.index.tolist() == ["a", "b", "c"], "d is not yet born"
    assert open_leads(then)["lead"].tolist() == ["a", "c"]
    assert bookings(then).empty


def test_as_of_does_not_depend_on_later_rows() -> None:
    changed = history()
    events = changed.events.copy()
    events.loc[events["at"] >= "2026-01-05", "at"] += pd.Timedelta(hours=3)
    other = replace(changed, events=events).as_of("2026-01-04")
    pd.testing.assert_frame_equal(spells(other), spells(changed.as_of("2026-01-04")))


def updated() -> History:
    updates = pd.DataFrame(
        {
            "lead": pd.Series(["a", "a", "a"], dtype="str"),
            "at": pd.to_datetime(["2026-01-01", "2026-01-07", "2026-01-10"]),
            "value": [5.0, 8.0, 10.0],
        }
    )
    return history(updates=updates)


def test_values_are_those_shown_then() -> None:
    made = updated()
    assert made.as_of("2026-01-06").leads.loc["a", "value"] == 5.0
    assert made.as_of("2026-01-07").leads.loc["a", "value"] == 8.0
    assert made.as_of("2026-01-07").leads.loc["c", "value"] == 30.0, "never updated: as given"
    quoted = spells(made).set_index(["lead", "stage"])["value"]
    assert quoted[("a", "Lead")] == 5.0
    assert quoted[("a", "Offer")] == 8.0, "just before the win, which changed it to 10"
    assert bookings(made)["value"].tolist() == [10.0, 40.0]


def test_a_value_known_only_later_is_blank_before() -> None:
    made = updated()
    made = replace(made, updates=made.updates.iloc[1:].reset_index(drop=True))
    assert np.isnan(made.as_of("2026-01-06").leads.loc["a", "value"])
    assert np.isnan(spells(made)["value"][0])


def test_an_empty_past_is_an_empty_history() -> None:
    before = history().as_of("2020-01-01")
    assert spells(before).empty
    assert open_leads(before).empty
    assert bookings(before).empty
    assert spells(updated().as_of("2020-01-01")).empty


@pytest.mark.parametrize(("ask", "kept"), [(spells, "visits"), (bookings, "wins"), (open_leads, "open")])
def test_what_is_asked_again_and_again_is_worked_out_once_and_no_caller_can_spoil_it(ask, kept) -> None:
    known = history()
    first = ask(known)
    whole = first.copy()
    first.loc[0, "stage"] = "spoilt"
    first["more"] = 1
    pd.testing.assert_frame_equal(ask(known), whole)
    assert getattr(known, kept) is getattr(known, kept)
    assert getattr(with_quality(known, Quality(5, 5)), kept) is getattr(known, kept)
    assert len(ask(known.as_of("2026-01-02"))) != len(whole)


def test_moments() -> None:
    assert (
        as_of_moment("2026-03-31") == as_of_moment(datetime.date(2026, 3, 31)) == pd.Timestamp("2026-04-01")
    )
    assert as_of_moment("2026-03-31T23:00:00+02:00") == pd.Timestamp("2026-03-31 21:00")
    assert as_of_moment(pd.Timestamp("2026-03-31")) == pd.Timestamp("2026-03-31")
    with pytest.raises(FunnelError, match=r"'31\.3\.2026' is no date"):
        as_of_moment("31.3.2026")
    with pytest.raises(FunnelError, match="known only until 2026-01-11"):
        history().as_of("2026-02-01")


def test_speed() -> None:
    leads = pd.Index([f"L{number:05d}" for number in range(15_000)], name="lead", dtype="str")
    rng = np.random.default_rng(1)
    born = np.repeat(rng.uniform(0, 1000, leads.size), 5) + np.tile(np.arange(5) * 9.0, leads.size)
    events = pd.DataFrame(
        {
            "lead": leads.repeat(5),
            "stage": pd.Series(np.tile(["A", "B", "C", "D", "Won"], leads.size), dtype="str"),
            "at": pd.Timestamp("2023-01-01") + pd.to_timedelta(born, unit="D"),
        }
    )
    made = history(events=events, leads=pd.DataFrame({"value": 1.0}, index=leads), stages=tuple("ABCD"))
    made = replace(made, until=pd.Timestamp("2026-01-01"), began=events["at"].min())
    started = time.perf_counter()
    found = spells(made.as_of("2025-06-30"))
    assert time.perf_counter() - started < 2.0, "0.1 s on one core; a loop over leads would take far longer"
    assert len(found) > 40_000
