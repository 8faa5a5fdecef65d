"""Terminal tables: aligned, plain when nobody looks, and safe with any text and any terminal."""

import io
import re

import numpy as np
import pandas as pd

from funnelsim.show.terminal import print_comparison, print_forecast, show_table
from funnelsim.show.words import kinds_of

LEVELS = {"0.10": -100_000.0, "0.90": 100_000.0}


class Terminal(io.StringIO):
    def isatty(self):
        return True


def periods(count=2):
    rows = []
    for number in range(count):
        for origin, mean in (("booked", 1e5), ("open", 7e5), ("new", 2e5 + number), ("total", 1e6 + number)):
            common = {"period": f"2026 W{number + 10}", "origin": origin, "mean": mean}
            rows.append(common | {"measure": "revenue"} | {q: mean + step for q, step in LEVELS.items()})
            rows.append(common | {"measure": "wins", "mean": 25.0, "0.10": 20.0, "0.90": 30.0})
    return pd.DataFrame(rows)


def widths(count=2):
    names = [f"2026 W{number + 10}" for number in range(count)]
    rest = [float("nan")] * (count - 1)
    return pd.DataFrame(
        {"period": names, "chance": 7e4, "target": [1.2e6, *rest], "p_target": [0.634, *rest]}
    )


def printed(show, *args, **more):
    out = io.StringIO()
    show(*args, file=out, **more)
    return out.getvalue()


def test_forecast_as_a_whole():
    expected = """\
Forecast of revenue (EUR) and wins
                          2026 W10   2026 W11
expected revenue         1,000,000  1,000,001
  booked                   100,000    100,000
  open deals               700,000    700,000
  leads not yet created    200,000    200,001
80 % interval from         900,000    900,001
80 % interval to         1,100,000  1,100,001
chance to reach 1.2 M         63 %          –
noise floor (sd)            70,000     70,000
expected wins                   25         25
  80 % interval           20 to 30   20 to 30

"""
    assert printed(print_forecast, periods(), widths(), currency="EUR") == expected


def test_many_periods_stand_below_each_other():
    text = printed(print_forecast, periods(13), widths(13))
    assert max(map(len, text.splitlines())) <= 100
    assert text.count("expected revenue") == 3
    assert all(f"2026 W{number + 10}" in text for number in range(13))


def test_comparison_says_what_could_be_luck():
    compared = pd.DataFrame(
        {
            "scenario": ["as planned", "two more reps"],
            "period": "2026 Q3",
            "mean": [1e6, 1.1e6],
            "difference": [0.0, 1e5],
            "low": [0.0, -2e4],
            "high": [0.0, 2e5],
            "p_better": [0.5, 0.7],
        }
    )
    lines = printed(print_comparison, compared, "USD").splitlines()
    assert lines[0] == "Revenue (USD) under each scenario: same leads, same luck"
    assert lines[2].split() == ["as", "planned", "2026", "Q3", "1,000,000"]
    assert lines[3].split()[-6:] == ["could", "be", "luck", "(70", "of", "100)"]
    assert "+100 k  −20 k to +200 k" in lines[3]


def test_text_of_the_data_is_never_markup_nor_an_escape():
    frame = pd.DataFrame({"stage": ["[bold]x[/bold]", "\x1b[31mred", ":smile:"], "leads": [1, 2000, 3]})
    lines = printed(show_table, frame, "[i]Stages[/i]").splitlines()
    assert lines[:4] == [
        "[i]Stages[/i]",
        "stage           leads",
        "[bold]x[/bold]      1",
        "[31mred         2,000",
    ]
    assert ":smile:" in lines[4]
    assert "\x1b" not in "".join(lines)


def test_terminal_gets_a_rule_and_a_file_does_not():
    frame = pd.DataFrame({"stage": ["Lead"], "leads": [1]})
    live = Terminal()
    show_table(frame, file=live)
    assert "─" in live.getvalue()
    assert "─" not in printed(show_table, frame)


def test_old_terminals_do_not_stop_the_table():
    raw = io.BytesIO()
    old = io.TextIOWrapper(raw, encoding="cp1252", newline="")
    show_table(pd.DataFrame({"stage": ["提案"], "change": [-5.0]}), "Änderung", file=old)
    old.flush()
    assert raw.getvalue().decode("cp1252") == "Änderung\nstage  change\n??         -5\n\n"


def test_long_frame_says_what_it_leaves_out():
    frame = pd.DataFrame({"lead": range(100)})
    assert "(40 more rows)" in printed(show_table, frame)


def test_kinds_are_guessed_and_can_be_told():
    frame = pd.DataFrame(
        {"share": [0.5], "value": [1.0], "age": [2.0], "n": [3], "won": [True], "who": ["a"]}
    )
    guessed = ["share", "money", "days", "count", "flag", "text"]
    assert list(kinds_of(frame).values()) == guessed
    assert kinds_of(frame, {"n": "money", "absent": "text"})["n"] == "money"


def test_a_terminal_breaks_heads_before_it_cuts_names(monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    frame = pd.DataFrame({"channel": ["search", "social"], "note": ["at its upper bound", ""]})
    for head in ("spend now", "spend best", "leads now", "back per extra euro"):
        frame.insert(1, head, [82_391, 12_350])
    out = Terminal()
    show_table(frame, file=out)
    lines = re.sub(r"\x1b\[\d*m", "", out.getvalue()).splitlines()
    assert max(map(len, lines)) <= 60
    assert "…" not in out.getvalue()
    assert any("search" in line and line.count("82,391") == 4 for line in lines)
    wide = frame[["channel", "spend now"]]
    out = Terminal()
    show_table(wide, file=out)
    assert "spend now" in out.getvalue()


def test_a_comparison_is_rounded_to_its_error_and_a_sure_small_gain_is_no_luck():
    row = {
        "scenario": "up",
        "period": "Q3",
        "mean": 1e6,
        "difference": 123_456.0,
        "low": -9_876.0,
        "high": 3e5,
    }
    row |= {
        "error": 900.0,
        "low_error": 4_000.0,
        "high_error": 4e4,
        "p_better": 0.6,
        "futures": 9.0,
        "p_mean": 1.0,
    }
    told = printed(print_comparison, pd.DataFrame([row]))
    assert "+123 k" in told and "−10 k to +300 k" in told
    assert "better on average (5 of 9)" in told
    sure = printed(print_comparison, pd.DataFrame([row | {"p_better": 1.0, "futures": np.inf}]))
    assert "surely better (in every future)" in sure
