"""What a mapping can say of a table: one row per lead, outcomes, replacements, currencies, known values."""

from pathlib import Path

import pandas as pd
import pytest

from funnelsim.errors import FunnelError
from funnelsim.history.log import History, bookings, open_leads
from funnelsim.history.read import read_history

TABLE = pd.DataFrame(
    [
        ("a", "Won", "01.02.2026", "13.02.2026", "100,50", "EUR", "GTXPro"),
        ("b", "Lost", "02.02.2026", "14.02.2026", "", "EUR", "GTX Pro"),
        ("c", "Open", "03.02.2026", "15.02.2026", "", "EUR", "GTX Pro"),
        ("d", "Open", "", "", "", "", ""),
        ("e", "Won", "05.02.2026", "", "7", "EUR", ""),
    ],
    columns=["deal", "status", "began", "ended", "money", "unit", "product"],
)
SAID = {
    "columns": {"lead": "deal", "value": "money", "segment": "product", "currency": "unit"},
    "dates": {"Talks": "began"},
    "outcome": {"stage": "status", "at": "ended"},
    "won": "Won",
    "lost": "Lost",
}


def read(table: pd.DataFrame = TABLE, **more: object) -> History:
    return read_history(table, {**SAID, **more})


def count(history: History, kind: str) -> int:
    return sum(line.count for line in history.quality.findings if line.kind == kind)


def test_one_row_per_lead_with_the_end_told_by_a_column() -> None:
    made = read()
    found = [f"{event.lead} {event.stage} {event.at:%d.%m}" for event in made.events.itertuples()]
    assert found == [
        "a Talks 01.02",
        "a Won 13.02",
        "b Talks 02.02",
        "b Lost 14.02",
        "c Talks 03.02",
    ]
    assert count(made, "rows without a date") == 1, "d has none"
    assert count(made, "won without a date of closing") == 1, "e is won, but not known when"
    assert count(made, "rows with an end date but no end") == 1, "c is open"
    assert (made.quality.read, made.quality.used) == (5, 3)
    assert made.currency == "EUR"
    assert any("One date per place" in limit for limit in made.limits)


def test_a_closed_lead_is_never_open() -> None:
    assert open_leads(read())["lead"].tolist() == ["c"]
    assert any("1 closed leads have no date of closing" in limit for limit in read().limits)


def test_cells_can_be_replaced() -> None:
    assert read(replace={"product": {"GTXPro": "GTX Pro"}}).leads["segment"].dropna().unique().tolist() == [
        "GTX Pro"
    ]


def test_a_value_filled_in_at_the_win_is_unknown_before() -> None:
    assert read().as_of("2026-02-10").leads.loc["a", "value"] == 100.5
    made = read(value_known="win")
    assert pd.isna(made.as_of("2026-02-10").leads.loc["a", "value"])
    assert bookings(made)["value"].tolist() == [100.5]


def test_two_currencies_are_not_added_up() -> None:
    table = TABLE.assign(unit=["EUR", "USD", "EUR", "", ""])
    with pytest.raises(FunnelError, match=r"amounts in EUR, USD cannot be added up.*where: \{unit: EUR\}"):
        read(table)
    assert read(table, where={"unit": "EUR"}).leads.index.tolist() == ["a", "c"]


def test_an_outcome_needs_the_names_of_the_ends() -> None:
    assert read(won=[], lost=[]).won == ("Won",), "the word itself tells"
    strange = TABLE.replace({"status": {"Won": "Pony", "Lost": "Kraut"}})
    with pytest.raises(FunnelError, match=r"`outcome` needs the names of the ends.*'Pony'"):
        read(strange, won=[], lost=[])
    assert read(strange, won=["Pony"], lost="Kraut").lost == ("Kraut",)


def test_a_state_that_sounds_like_an_end_and_is_not_stated_is_told() -> None:
    made = read(TABLE.replace({"status": {"Open": "Closed"}}))
    shown = [line for line in made.quality.findings if line.kind == "leads whose state sounds like an end"]
    assert [(line.count, line.example) for line in shown] == [(2, "'Closed' (2)")]


def test_the_day_comes_first_by_any_date_column_of_the_file() -> None:
    table = TABLE.replace(r"\.", "/", regex=True)
    assert read(table).events["at"][0] == pd.Timestamp("2026-02-01"), "13/02 is in another column"


def test_recording_began_later_than_the_first_event() -> None:
    assert read(began="2026-02-04").began == pd.Timestamp("2026-02-04")
    assert read(began="2026-02-04 12:00").began == pd.Timestamp("2026-02-04 12:00")
    with pytest.raises(FunnelError, match="'4.2.2026' is no date"):
        read(began="4.2.2026")


def test_an_attributes_file_with_two_rows_for_a_lead_uses_the_first_by_its_cells(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("lead,stage,at\n1,A,2026-01-01\n1,Won,2026-01-02\n", encoding="utf-8")
    rows = ["1,small", "1,large", "1,", "2,huge"]
    said = {"columns": {"segment": "size"}, "attributes": {"file": "more.csv", "lead": "id"}}
    for order in (rows, rows[::-1]):
        (tmp_path / "more.csv").write_text("\n".join(["id,size", *order]), encoding="utf-8")
        assert read_history(tmp_path / "log.csv", said).leads["segment"].tolist() == ["large"]


@pytest.mark.parametrize(("order", "came"), [("day first", "2026-04-03"), ("month first", "2026-03-04")])
def test_the_stated_order_of_day_and_month_is_kept(order: str, came: str) -> None:
    rows = pd.DataFrame({"lead": ["a", "a"], "stage": ["Talks", "Won"], "at": ["03/04/2026", "05/06/2026"]})
    columns = {name: name for name in rows.columns}
    made = read_history(rows, {"columns": columns, "won": "Won", "date_order": order})
    assert made.events["at"].iloc[0] == pd.Timestamp(came)
