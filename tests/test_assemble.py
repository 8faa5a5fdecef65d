"""Rows to a history: order, spelling, as-of date, and attributes as they were known."""

import pandas as pd
import pytest

from funnelsim.errors import FunnelError
from funnelsim.history.assemble import Raw, assemble
from funnelsim.history.log import History, bookings, open_leads, spells


def made(*rows: tuple[str, str, str, float | None], as_of: str | None = None, **more: object) -> History:
    frame = pd.DataFrame(rows, columns=["lead", "stage", "at", "value"], index=range(2, len(rows) + 2))
    frame["at"] = pd.to_datetime(frame["at"], format="ISO8601").astype("datetime64[us]")
    frame["value"] = frame["value"].astype(float)
    return assemble(Raw("x.csv", frame, "a test", **more), as_of)


def test_an_amount_constant_from_the_start_is_no_update() -> None:
    history = made(("a", "A", "2026-01-01", 5.0), ("a", "Won", "2026-01-03", 5.0))
    assert history.updates.empty
    assert history.leads["value"].tolist() == [5.0]


def test_an_amount_first_shown_later_is_an_update() -> None:
    history = made(("a", "A", "2026-01-01", None), ("a", "Won", "2026-01-03", 5.0))
    assert history.updates[["lead", "value"]].to_numpy().tolist() == [["a", 5.0]]
    assert history.as_of("2026-01-02").leads["value"].isna().all()


def test_the_usual_spelling_of_a_stage_wins_unless_one_is_stated() -> None:
    rows = [
        ("a", "Demo ", "2026-01-01", None),
        ("b", "demo", "2026-01-01", None),
        ("c", "demo", "2026-01-01", None),
    ]
    won = ("c", "Won", "2026-01-02", None)
    assert made(*rows, won).stages == ("demo",)
    assert made(*rows, won, stages=("DEMO",), won=("Won",)).events["stage"].unique().tolist() == [
        "DEMO",
        "Won",
    ]


def test_ends_unknown_on_the_as_of_date_are_found_in_the_rest_of_the_file() -> None:
    rows = [("a", "A", "2026-01-01", None), ("a", "Won", "2026-01-09", None)]
    assert made(*rows, as_of="2026-01-05").won == ("Won",)


def test_only_first_visits() -> None:
    rows = [
        ("a", place, f"2026-01-0{day}", None)
        for day, place in enumerate(["A", "B", "A", "B", "Won"], start=1)
    ]
    assert made(*rows, only_first=True).events["stage"].tolist() == ["A", "B", "Won"]
    assert made(*rows).events["stage"].tolist() == ["A", "B", "A", "B", "Won"]


def test_a_file_without_a_usable_row_is_refused_with_the_reason() -> None:
    with pytest.raises(
        FunnelError, match=r"x.csv: no row can be used: 1 future dates \(row 2: lead 'a', 'A'"
    ):
        made(("a", "A", "2026-01-05", None), as_of="2026-01-01")
    with pytest.raises(FunnelError, match="x.csv: no row has a lead, a stage and a date"):
        made(("", "A", "2026-01-05", None))


def test_every_payment_is_a_win_where_leads_win_again() -> None:
    rows = (
        ("a", "Open", "2026-01-01", 100.0), ("a", "Won", "2026-01-05", 60.0),
        ("a", "Won", "2026-02-05", 40.0),
        ("b", "Open", "2026-01-02", 50.0), ("b", "Won", "2026-01-09", 50.0),
        ("b", "Lost", "2026-03-01", None),
    )  # fmt: skip
    stated = {"stages": ("Open",), "won": ("Won",), "lost": ("Lost",)}
    once, each = made(*rows, **stated), made(*rows, again=True, only_first=True, **stated)
    assert [f.count for f in once.quality.findings if f.kind == "repeats"] == [1]
    assert [f.count for f in once.quality.findings if f.kind == "undone wins"] == [1]
    assert bookings(once)["value"].tolist() == [60.0], "b was lost in the end"
    assert bookings(each)["value"].tolist() == [60.0, 40.0, 50.0]
    assert (each.waits, each.ends) == (("Open", "Won"), ("Lost",))
    visits = spells(each)
    assert visits[["lead", "stage", "exit"]].agg(" ".join, axis=1).tolist() == [
        "a Open Won", "a Won Won", "a Won ", "b Open Won", "b Won Lost",
    ]  # fmt: skip
    assert open_leads(each)["lead"].tolist() == ["a"]
    assert not each.quality.findings


def test_leads_that_came_before_since_are_set_aside_with_all_their_rows() -> None:
    rows = (
        ("old", "Open", "2025-12-31", 1.0), ("old", "Won", "2026-02-01", 1.0),
        ("new", "Open", "2026-01-01", 2.0), ("new", "Won", "2026-02-01", 2.0),
    )  # fmt: skip
    kept = made(*rows, since=pd.Timestamp("2026-01-01"))
    assert kept.events["lead"].unique().tolist() == ["new"]
    assert kept.leads.index.tolist() == ["new"]
    assert [(f.kind, f.count) for f in kept.quality.findings] == [("older leads", 2)]
    assert kept.quality.read == 4
    assert kept.began == pd.Timestamp("2026-01-01")
