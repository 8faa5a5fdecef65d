"""Strange input ends as a history or as one sentence: no traceback, no hang, no file left behind."""

from types import ModuleType

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scripts import script

from funnelsim.errors import FunnelError
from funnelsim.history.log import History, bookings, open_leads, spells
from funnelsim.history.read import read_history


@pytest.fixture(scope="module")
def fuzz() -> ModuleType:
    return script("benchmarks/fuzz.py")


@pytest.mark.filterwarnings("ignore")
def test_five_hundred_damaged_files(fuzz: ModuleType) -> None:
    ends, failures = fuzz.run(range(500), seed=2)
    assert failures == []
    assert ends["read"] > 50, "most of the damage is so heavy that nothing is tried"
    assert ends["refused"] > 50


def told(frame: pd.DataFrame) -> tuple[History | None, str]:
    """Return the history, or the sentence of refusal."""
    try:
        return read_history(frame, {"won": "Won"}), ""
    except FunnelError as refusal:
        return None, str(refusal)


CELL = st.one_of(
    st.sampled_from(["", "a", "b", "Lead", "Won", "Lost", "2026-01-01", "2026-01-02 10:00", "1,5", "7"]),
    st.text(max_size=12),
)


@settings(max_examples=150, derandomize=True)
@given(st.lists(st.tuples(CELL, CELL, CELL, CELL), min_size=1, max_size=12))
def test_any_cells(rows: list[tuple[str, ...]]) -> None:
    frame = pd.DataFrame(rows, columns=["lead", "stage", "at", "value"])
    made, said = told(frame)
    assert "\n" not in said
    if made is None:
        return
    aside = sum(line.count for line in made.quality.findings if line.done.startswith("set aside"))
    assert made.quality.read == len(rows) == made.quality.used + aside
    visits = spells(made)
    assert (visits["start"] <= visits["stop"]).all()
    assert (visits["stop"] <= 0).all()
    assert len(visits) + made.events["stage"].isin(made.ends).sum() == len(made.events)
    assert len(open_leads(made)) <= len(made.leads)
    assert bookings(made)["at"].lt(made.until).all()


DAYS = st.lists(
    st.tuples(st.sampled_from("abcd"), st.sampled_from(["A", "B", "C", "Won", "Lost"]), st.integers(0, 30)),
    min_size=1,
    max_size=25,
)


@settings(max_examples=100, derandomize=True)
@given(DAYS, st.integers(0, 31))
def test_as_of_is_what_a_reader_of_the_earlier_file_would_know(
    rows: list[tuple[str, str, int]], day: int
) -> None:
    frame = pd.DataFrame(rows, columns=["lead", "stage", "day"]).sort_values("day", kind="stable")
    frame["at"] = pd.Timestamp("2026-01-01") + pd.to_timedelta(frame["day"], unit="D")
    names = {"stages": ["A", "B", "C"], "won": "Won", "lost": "Lost"}
    before = frame[frame["day"] < day]
    if before.empty:
        return
    moment = pd.Timestamp("2026-01-01") + pd.Timedelta(days=day)
    whole = read_history(frame.drop(columns="day"), names, as_of=pd.Timestamp("2026-02-15")).as_of(moment)
    early = read_history(before.drop(columns="day"), names, as_of=moment)
    pd.testing.assert_frame_equal(spells(whole), spells(early))
    pd.testing.assert_frame_equal(open_leads(whole), open_leads(early))
