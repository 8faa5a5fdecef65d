"""Each chart compiles without a network, says its finding, repeats exactly, and takes names as mere text."""

import json
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from funnelsim.errors import FunnelError
from funnelsim.show import charts
from funnelsim.show.charts import theme
from funnelsim.show.charts.backtest import coverage_chart, pit_chart, record_chart, skill_chart
from funnelsim.show.charts.fan import bands, chance_of, fan_chart
from funnelsim.show.charts.forecast import (
    difference_chart,
    luck_chart,
    split_chart,
    spread_chart,
    swing_chart,
)
from funnelsim.show.charts.history import (
    age_chart,
    dwell_chart,
    funnel_chart,
    incidence_chart,
    intake_chart,
    people_chart,
)
from funnelsim.show.charts.queue import movement_chart, queue_chart, wait_chart
from funnelsim.show.charts.theme import VEGA, compiled, heading, render

LEVELS = ["0.01", "0.05", "0.10", "0.20", "0.25", "0.30", "0.40", "0.50", "0.60", "0.70", "0.75"]
LEVELS += ["0.80", "0.90", "0.95", "0.99"]
NASTY = "<script>alert(1)</script>"
STAGES = [NASTY, "提案 Proposal"]


def quantiles(mean, sd):
    """Quantiles of an even distribution: easy to check by hand, all that a picture needs."""
    return {level: mean + sd * (float(level) - 0.5) for level in LEVELS}


def periods():
    rows = []
    for number, name in enumerate(("2026 Q3", "2026 Q4")):
        start = pd.Timestamp("2026-07-01") + pd.DateOffset(months=3 * number)
        for origin, mean in (
            ("booked", 2e5 * (1 - number)),
            ("open", 6e5),
            ("new", 2e5),
            ("total", 1e6 - 2e5 * number),
        ):
            common = {"period": name, "start": start, "origin": origin}
            rows.append(common | {"measure": "revenue", "mean": mean, "sd": 1e5} | quantiles(mean, 4e5))
            rows.append(
                common | {"measure": "wins", "mean": mean / 4e4, "sd": 3.0} | quantiles(mean / 4e4, 10.0)
            )
    return pd.DataFrame(rows)


def compared():
    rows = [{"scenario": "as it is", "difference": 0.0, "low": 0.0, "high": 0.0, "p_better": 0.5}]
    rows += [{"scenario": NASTY, "difference": 1.2e5, "low": 4e4, "high": 2e5, "p_better": 0.97}]
    return pd.DataFrame(rows).assign(period="2026 Q4")


def curves():
    days = np.linspace(0, 100, 300)
    lines = [
        pd.DataFrame({"stage": stage, "exit": exit, "days": days, "fitted": 0.4 * days / 100})
        for stage in STAGES
        for exit in ("Won", "Lost")
    ]
    table = pd.concat(lines)
    return table.assign(observed=table["fitted"] + 0.02, low=table["fitted"], high=table["fitted"] + 0.05)


def deals(count):
    age = np.arange(count) % 97 + 0.5
    stage = np.where(np.arange(count) % 2 == 0, *STAGES)
    return pd.DataFrame({"stage": stage, "age": age, "value": 1000.0 + age, "zombie": age > 90})


CONVERSION = pd.DataFrame(
    {"stage": STAGES, "entered": [1000, 400], "reached": [400, 100], "share": [0.4, 0.25], "horizon": 90.0}
)
TIMES = pd.DataFrame(
    {"stage": STAGES}
    | {q: [d, 2 * d] for q, d in zip(("0.10", "0.25", "0.50", "0.75"), (1, 3, 8, 20), strict=True)}
)
TIMES["0.90"] = [50.0, np.nan]
HALF = pd.DataFrame({"stage": STAGES, "half": [10.0, 20.0], "ninety": [40.0, 80.0]})
DAYS = pd.DataFrame(
    {"day": [0.0, 1.0, 2.0, 4.0], "waiting": [0, 2, 4, 4], "busy": [1, 2, 2, 2], "size": [2, 2, 2, 2]}
)
WAITS = pd.DataFrame(
    {"group": ["6 reps"] * 10 + ["8 reps"] * 10, "wait": [0.0] * 5 + [3.0] * 5 + [0.0] * 8 + [1.0] * 2}
)
COUNTS = pd.DataFrame(
    {"stage": [STAGES[0]] * 3 + [STAGES[1]] * 3, "day": [0, 1, 2] * 2, "leads": [5, 6, 7, 0, 1, 3]}
)
RECORD = pd.DataFrame(
    [
        {"period": f"2026-0{month}", "start": pd.Timestamp(2026, month, 1), "actual": actual}
        | quantiles(100.0, 50.0)
        for month, actual in ((1, 100.0), (2, 110.0), (3, 200.0))
    ]
)
COVERAGE = pd.DataFrame(
    {"nominal": [0.5, 0.8], "covered": [0.48, 0.6], "low": [0.4, 0.7], "high": [0.6, 0.9], "n": [50, 50]}
)
SKILL = pd.DataFrame(
    {"baseline": ["ETS", NASTY], "skill": [0.3, 0.1], "low": [0.2, -0.1], "high": [0.4, 0.3]}
)
BLOCKS = pd.DataFrame(
    {
        "block": [-2, -1, 0, 1], "counted": [50.0, 40.0, np.nan, np.nan], "level": 44.0,
        "expected": [np.nan, np.nan, 45.0, 46.0], "low": [np.nan, np.nan, 30.0, 28.0],
        "high": [np.nan, np.nan, 60.0, 64.0], "season": [1.1, 0.9, 1.0, 1.0], "days": 28,
    }
)  # fmt: skip

SWINGS = pd.DataFrame(
    {
        "lever": ["prices", "costs"], "weak": [4e4, 9.5e4], "strong": [1.5e5, 8.5e4],
        "at_weak": ["half", "half"], "at_strong": ["half more", "half more"],
    }
)  # fmt: skip

PEOPLE = pd.DataFrame(
    {
        "owner": ["Ada", NASTY, "Eve"], "skill": [1.3, 1.0, 1.1], "low": [1.1, 0.8, 0.6],
        "high": [1.5, 1.2, 1.8], "verdict": ["above", "", "too few"], "wins": [40.0, 30.0, 3.0],
        "expected": [30.0, 30.0, 2.0],
    }
)  # fmt: skip

MADE = {
    "people": (lambda: people_chart(PEOPLE), "Beyond luck: Ada"),
    "fan": (
        lambda: fan_chart(periods(), target=1.1e6, currency="EUR"),
        "2026 Q3: 1 M EUR expected, 25 % chance to reach 1.1 M EUR",
    ),
    "fan of wins": (
        lambda: fan_chart(periods(), measure="wins"),
        "2026 Q3: 25 wins expected, and in 80 of 100",
    ),
    "split": (
        lambda: split_chart(periods()),
        "20 % is booked, 60 % should come from open deals, 20 % from leads",
    ),
    "differences": (lambda: difference_chart(compared(), "EUR"), "+120 k EUR in 2026 Q4"),
    "swings": (lambda: swing_chart(SWINGS, 9e4, "EUR"), "It hangs most on 'prices': +40 k EUR to +150 k EUR"),
    "luck": (
        lambda: luck_chart(pd.DataFrame({"revenue": np.arange(0.0, 2.02e6, 2e4)}), "EUR"),
        "1 M EUR on average, and in 80 of 100 runs 200 k EUR to 1.8 M EUR",
    ),
    "spread": (
        lambda: spread_chart(
            pd.DataFrame({"period": ["2026 Q3"], "chance": [3.0], "parameter": [4.0], "total": [5.0]})
        ),
        "2026 Q3: 36 % of the uncertainty is chance",
    ),
    "funnel": (lambda: funnel_chart(CONVERSION), "40 % move on within 90 days, 600 leads do not"),
    "incidence": (lambda: incidence_chart(curves()), "at most 2 points"),
    "dwell": (lambda: dwell_chart(TIMES), "Leads wait longest in 提案 Proposal: half leave within 16 days"),
    "open ages": (lambda: age_chart(deals(200), HALF), "of 200 open deals are past the age"),
    "many open ages": (lambda: age_chart(deals(9000)), "Of 9,000 open deals"),
    "queue": (
        lambda: queue_chart(DAYS),
        "Reps are busy 88 % of the time; 2.5 leads wait on average, 4 at worst",
    ),
    "waits": (
        lambda: wait_chart(WAITS),
        "One lead in ten waits longer than 3 days (6 reps), 1 day (8 reps)",
    ),
    "movement": (lambda: movement_chart(COUNTS), f"On the last day most leads are in {NASTY}: 7"),
    "backtest": (lambda: record_chart(RECORD), "2 of 3 times what happened lay inside the 80 % band"),
    "pit": (lambda: pit_chart(pd.DataFrame({"pit": [0.01] * 20 + [0.99] * 20})), "Too sure: 40 of 40 times"),
    "coverage": (
        lambda: coverage_chart(COVERAGE),
        "48 % for 50 %, 60 % for 80 %: 1 of 2 outside the range of luck",
    ),
    "skill": (
        lambda: skill_chart(SKILL),
        "beats 1 of 2 simpler ways beyond luck; its error is 10 % smaller",
    ),
    "intake": (lambda: intake_chart(BLOCKS), "45 new leads are expected next, 40 came last; 80 of 100 times"),
}


def numbers(thing):
    if isinstance(thing, dict):
        thing = list(thing.values())
    if isinstance(thing, list):
        return [number for part in thing for number in numbers(part)]
    return [thing] if isinstance(thing, float) else []


@pytest.mark.parametrize("kind", MADE)
def test_title_says_the_finding(kind):
    make, finding = MADE[kind]
    assert finding in heading(make().to_dict())


@pytest.mark.parametrize("kind", MADE)
def test_compiles_and_repeats_exactly(kind):
    make, _ = MADE[kind]
    first, again = make().to_dict(), make().to_dict()
    assert json.dumps(first) == json.dumps(again)
    assert json.dumps(compiled(first)) == json.dumps(compiled(again))
    assert compiled(first)["marks"]


@pytest.mark.parametrize("kind", MADE)
def test_data_is_rounded_and_small(kind):
    data = MADE[kind][0]().to_dict()["datasets"]
    for number in numbers(data):
        assert number == float(f"{number:.6g}")
    assert max(map(len, data.values())) <= 2000


def test_rows_of_a_long_name_stay_apart_and_are_rounded_to_their_error() -> None:
    rows = compared().assign(error=13_000.0, low_error=0.0, high_error=0.0)
    rows["scenario"] = rows["scenario"].where(
        rows["difference"] == 0, "odds Negotiation > Won +15%; days Q -20%"
    )
    twice = pd.concat([rows, rows.assign(period="total")], ignore_index=True)
    (drawn,) = [d for d in difference_chart(twice).to_dict()["datasets"].values() if "row" in d[0]]
    assert len({row["row"] for row in drawn}) == len(drawn)
    assert all(row["difference"] % 20_000 == 0 for row in drawn)


def test_the_last_bits_of_another_machine_change_nothing():
    bits = 1 + np.random.default_rng(5).choice([-1e-13, 1e-13], (8, 3))
    rows = pd.concat([compared(), compared().iloc[1:].assign(scenario="late", low=0.0)], ignore_index=True)
    other = rows.copy()
    other[["difference", "low", "high"]] = rows[["difference", "low", "high"]] * bits[: len(rows)]
    other.loc[2, "low"] = -2.9e-11  # 0.1 + 0.2 - 0.3 of money
    assert compiled(difference_chart(other).to_dict()) == compiled(difference_chart(rows).to_dict())


def test_picture_and_plain_text_go_with_every_chart():
    bundle, details = render(intake_chart(BLOCKS).to_dict())
    assert set(bundle) == {VEGA, "image/png", "text/plain"}
    assert bundle["text/plain"].startswith("<chart: 45 new leads are expected next")
    assert bundle[VEGA]["$schema"].endswith("v5.json")
    assert details[VEGA]["embed_options"] == {"actions": False}


def test_names_stay_text():
    spec = movement_chart(COUNTS).to_dict()
    shown = {row["stage"] for rows in spec["datasets"].values() for row in rows}
    assert shown == set(STAGES)
    assert charts.png(spec)[1:4] == b"PNG"


def test_a_name_of_a_million_characters_is_cut():
    spec = movement_chart(COUNTS.assign(stage="x" * 1_000_000)).to_dict()
    assert len(json.dumps(spec)) < 10_000


def test_control_characters_never_reach_a_chart():
    spec = movement_chart(COUNTS.assign(stage="a\x1b[31m\nb")).to_dict()
    assert "\\u001b" not in json.dumps(spec)


def test_widest_band_bears_its_own_name():
    assert list(bands(periods())) == ["90 %", "80 %", "50 %"]
    wider = periods().assign(**{"0.025": 1.0, "0.975": 2.0})
    assert list(bands(wider)) == ["95 %", "80 %", "50 %"]


def test_chance_beyond_the_known_quantiles_is_not_invented():
    row = pd.Series(quantiles(100.0, 100.0))
    assert chance_of(row, 1000.0) == 0.0
    assert chance_of(row, -1000.0) == 1.0
    assert chance_of(row, 100.0) == pytest.approx(0.5)


def test_chance_given_by_the_forecast_wins_over_one_read_off():
    widths = pd.DataFrame({"period": ["2026 Q3", "2026 Q4"], "p_target": [0.63, np.nan]})
    spec = fan_chart(periods(), target=1.1e6, widths=widths).to_dict()
    assert "63 % chance" in heading(spec)


def test_past_is_drawn_before_the_forecast():
    past = pd.DataFrame(
        {"period": ["2026 Q1", "2026 Q2"], "start": pd.to_datetime(["2026-01-01", "2026-04-01"])}
    )
    spec = fan_chart(periods(), past=past.assign(revenue=[9e5, 8e5])).to_dict()
    order = spec["layer"][0]["encoding"]["x"]["sort"]
    assert order == ["2026 Q1", "2026 Q2", "2026 Q3", "2026 Q4"]


def test_scenario_without_change_is_left_out_unless_it_is_alone():
    shown = difference_chart(compared()).to_dict()["datasets"]
    assert "as it is" not in json.dumps(shown)
    alone = difference_chart(compared().iloc[:1]).to_dict()
    assert "could be luck" in heading(alone)


def test_the_finding_speaks_of_the_last_period_though_it_is_the_first_that_changes():
    rows = pd.concat([compared().iloc[1:]] * 4, ignore_index=True)
    rows["scenario"], rows["period"] = ["late", "late", "soon", "soon"], ["2026 Q3", "2026 Q4"] * 2
    rows.loc[0, ["difference", "low", "high"]] = 0.0
    rows.loc[1, "difference"] = 9e5
    assert "late: +900 k EUR in 2026 Q4" in heading(difference_chart(rows, "EUR").to_dict())


@pytest.mark.parametrize("column", ["start", "origin", "mean", "0.50"])
def test_missing_column_is_named(column):
    with pytest.raises(FunnelError, match=f"needs column '{column}'"):
        fan_chart(periods().drop(columns=column))


def test_empty_frame_is_refused():
    with pytest.raises(FunnelError, match="chart 'intake' was given no rows"):
        intake_chart(BLOCKS.iloc[:0])


def test_record_is_judged_in_words():
    assert "No sign" in heading(pit_chart(pd.DataFrame({"pit": (np.arange(100) + 0.5) / 100})).to_dict())
    assert "Biased" in heading(pit_chart(pd.DataFrame({"pit": 0.5 + (np.arange(100) + 0.5) / 250})).to_dict())


def lightness(colour):
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_colours_differ_in_grey():
    shades = [lightness(colour) for colour in theme.BLUES]
    assert all(first - second > 30 for first, second in pairwise(shades))
    categories = [lightness(colour) for colour in theme.CATEGORIES]
    assert all(abs(first - second) > 25 for first, second in pairwise(categories))


def test_importing_the_package_does_not_import_altair():
    code = "import sys, funnelsim, funnelsim.show, funnelsim.show.words; sys.exit('altair' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


UNKNOWN = float("nan")
EDGES = {
    "nothing expected": (lambda: split_chart(periods().assign(mean=0.0)), "nothing is in sight"),
    "too thin": (lambda: fan_chart(periods().assign(mean=UNKNOWN), target=1.0), "no number can be said"),
    "thin split": (lambda: split_chart(periods().assign(mean=UNKNOWN)), "no number can be said"),
    "nobody entered": (
        lambda: funnel_chart(CONVERSION.assign(entered=0, reached=0, share=UNKNOWN)),
        "nothing to compare yet",
    ),
    "nobody left": (
        lambda: dwell_chart(TIMES.assign(**dict.fromkeys(TIMES.columns[1:], UNKNOWN))),
        "In no stage has half of the leads left yet",
    ),
    "nothing observed": (
        lambda: incidence_chart(curves().assign(observed=UNKNOWN, low=UNKNOWN, high=UNKNOWN)),
        "Nothing was observed",
    ),
    "no amounts": (lambda: age_chart(deals(3).assign(value=UNKNOWN)), "none is older than deals"),
    "no winners": (
        lambda: age_chart(deals(3), HALF.assign(half=UNKNOWN, ninety=UNKNOWN)),
        "Of 3 open deals none is older",
    ),
    "no reps": (lambda: queue_chart(DAYS.assign(busy=0, size=0)), "There are no reps; 2.5 leads wait"),
    "one moment": (lambda: queue_chart(DAYS.iloc[:1]), "Reps are busy 50 % of the time"),
    "no waits": (lambda: wait_chart(pd.DataFrame({"wait": [0.0, 0.0]})), "do not wait at all"),
    "one forecast": (lambda: pit_chart(pd.DataFrame({"pit": [0.4, UNKNOWN]})), "1 forecasts are too few"),
    "nothing happened": (
        lambda: record_chart(RECORD.assign(actual=UNKNOWN)),
        "Nothing has happened yet",
    ),
    "no verdict": (lambda: difference_chart(compared().assign(p_better=UNKNOWN)), "not known"),
}


@pytest.mark.parametrize("edge", EDGES)
def test_thin_data_is_drawn_and_said_to_be_thin(edge):
    make, finding = EDGES[edge]
    spec = make().to_dict()
    assert finding in heading(spec)
    assert charts.png(spec)[1:4] == b"PNG"
    assert "NaN" not in json.dumps(spec)


def test_a_verdict_is_never_cut() -> None:
    told = difference_chart(compared().assign(p_better=0.999)).to_dict()["datasets"]
    said = {row["verdict"] for rows in told.values() for row in rows if "verdict" in row}
    assert said == {"almost surely better (more than 99 of 100)"}


def test_the_split_names_only_origins_that_give_something() -> None:
    def legend(frame: pd.DataFrame) -> list[str]:
        found: list[str] = split_chart(frame).to_dict()["layer"][0]["encoding"]["color"]["scale"]["domain"]
        return found

    whole = legend(periods())
    nothing_booked = periods()
    nothing_booked.loc[nothing_booked["origin"] == "booked", "mean"] = 0.0
    assert len(whole) == 3 and legend(nothing_booked) == whole[1:]


def test_bars_of_luck_hold_every_run_once():
    runs = pd.DataFrame({"wins": [3.0, 4.0, 4.0, 9.0, 11.0]})
    made = luck_chart(runs, measure="wins").to_dict()
    bars = next(rows for rows in made["datasets"].values() if "runs" in rows[0])
    assert sum(bar["runs"] for bar in bars) == 5
    assert sum(bar["runs"] for bar in bars if bar["low"] <= 4 < bar["high"]) == 2
    assert "6.2 wins on average" in heading(made)
    assert made["layer"][0]["encoding"]["y2"] == {"datum": 0}
