"""Every oddity of a small log is found, counted, shown, and either kept or set aside."""

import pandas as pd

from funnelsim.history.log import quality_table
from funnelsim.history.read import read_history

ROWS = [
    ("skips", "A", "2026-01-01"),
    ("skips", "C", "2026-01-02"),
    ("skips", "B", "2026-01-03"),  # backward
    ("skips", "Won", "2026-01-04"),
    ("skips", "Lost", "2026-01-05"),  # the win is undone
    ("again", "A", "2026-01-01"),
    ("again", "A", "2026-01-02"),  # repeat
    ("again", "B", "2026-01-03"),
    ("again", "B ", "2026-01-03"),  # repeat, another spelling
    ("again", "Lost", "2026-01-03"),  # same second
    ("again", "C", "2026-01-06"),  # after an end
    ("again", "Won", "2026-01-08"),
    ("late", "Won", "2026-01-02"),  # begins with an end
    ("waits", "A", "2025-12-01"),  # open for longer than any closed
    ("waits", "B", "2031-01-01"),  # future
    ("blank", "", "2026-01-01"),
    ("", "A", "2026-01-01"),
    ("blank", "A", ""),
]
FOUND = {
    "rows without a lead": 1,
    "rows without a stage": 1,
    "rows without a date": 1,
    "future dates": 1,
    "repeats": 2,
    "skipped stages": 1,
    "backward moves": 1,
    "same-second jumps": 1,
    "events after an end": 1,
    "undone wins": 1,
    "leads that begin with an end": 1,
    "leads open longer than any closed one": 1,
}
MAPPING = {"stages": ["A", "B", "C"], "won": "Won", "lost": "Lost"}


def frame() -> pd.DataFrame:
    return pd.DataFrame(ROWS, columns=["lead", "stage", "at"])


def test_every_oddity_is_counted_and_no_row_is_lost() -> None:
    made = read_history(frame(), MAPPING, as_of="2026-01-10")
    assert {line.kind: line.count for line in made.quality.findings} == FOUND
    aside = sum(line.count for line in made.quality.findings if line.done.startswith("set aside"))
    assert made.quality.read == len(ROWS)
    assert made.quality.used == len(made.events) == len(ROWS) - aside


def test_the_example_names_the_row_in_the_file() -> None:
    made = read_history(frame(), MAPPING, as_of="2026-01-10")
    shown = {line.kind: line.example for line in made.quality.findings}
    assert shown["backward moves"] == "row 3: lead 'skips', 'B', 2026-01-03"
    assert shown["rows without a date"] == "row 18: lead 'blank', 'A', no date"
    assert shown["leads open longer than any closed one"] == "lead 'waits', 41 days in 'A'"


def test_the_table_begins_with_rows_read_and_ends_with_rows_used() -> None:
    table = quality_table(read_history(frame(), MAPPING, as_of="2026-01-10"))
    assert table["kind"].iloc[[0, -1]].tolist() == ["rows read", "rows used"]
    assert table["rows"].iloc[[0, -1]].tolist() == [18, 11]
    assert table["share"].iloc[-1] == 11 / 18


def test_a_clean_log_has_no_finding() -> None:
    clean = pd.DataFrame([*ROWS[:1], ("skips", "Won", "2026-01-04")], columns=["lead", "stage", "at"])
    assert read_history(clean).quality.findings == ()


def test_one_date_far_beyond_all_others_is_no_last_day() -> None:
    rows = [(f"lead {n}", place, f"2026-01-{n + 1:02d}") for n in range(15) for place in ("A", "Won")]
    made = read_history(pd.DataFrame([*rows, ("odd", "A", "2062-01-01")], columns=["lead", "stage", "at"]))
    assert made.until == pd.Timestamp("2026-01-16")
    assert next((line.kind, line.count) for line in made.quality.findings) == ("future dates", 1)
