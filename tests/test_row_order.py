"""The same rows in any order make the same history and the same forecast, to the last digit."""

import numpy as np
import pandas as pd
import pytest

from funnelsim.forecasting.outputs import as_json
from funnelsim.forecasting.situation import Situation, situation
from funnelsim.history.log import History
from funnelsim.history.read import read_history
from funnelsim.sample import sample_path
from funnelsim.verbs import forecast

STAGES = ("Lead", "Demo", "Offer", "Contract")


def shuffled(frame: pd.DataFrame, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    mixed = frame.iloc[rng.permutation(len(frame))]
    return mixed[list(rng.permutation(mixed.columns))]


def said(place: Situation, draws: int = 4) -> str:
    found = forecast(place, draws=draws)
    day = f"{place.model.as_of:%Y-%m-%d}"
    return as_json(found, as_of=day, period="month") + found.deals.to_csv(index=False)


def stand(frame: pd.DataFrame) -> Situation:
    return situation(frame, period="month", periods=1)


def random_log(seed: int) -> pd.DataFrame:
    """Return days without times: leads skip stages, come back, win, and show other amounts on the way."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(250):
        day, place = int(rng.integers(0, 400)), 0
        segment, channel = rng.choice(["big", "small"]), rng.choice(["web", "fair", ""])
        for _ in range(int(rng.integers(1, 7))):
            name = "Won" if place == len(STAGES) else STAGES[place]
            name = "Lost" if rng.random() < 0.15 else name.upper() if rng.random() < 0.1 else name
            amount = "" if rng.random() < 0.5 else f"{rng.integers(1, 90) * 100}"
            rows.append((f"L{number}", name, day, channel, segment, rng.choice(["Ada", "Ben"]), amount))
            if name in ("Won", "Lost"):
                break
            day += int(rng.choice([0, 0, 1, 5, 20]))
            place = min(place + int(rng.choice([1, 1, 1, 2, -1])), len(STAGES)) if place else 1
    frame = pd.DataFrame(rows, columns=["lead", "stage", "at", "channel", "segment", "owner", "value"])
    return frame.assign(
        at=(pd.Timestamp("2025-01-01") + pd.to_timedelta(frame["at"], unit="D")).astype("str")
    )


def test_the_sample_in_any_order_gives_the_same_forecast() -> None:
    frame = pd.read_csv(sample_path(), dtype="str")
    told = said(stand(frame), draws=8)
    assert said(stand(frame.iloc[::-1]), draws=8) == told
    assert said(stand(shuffled(frame, 1)), draws=8) == told


@pytest.mark.parametrize("seed", range(20))
def test_random_logs_in_any_order_give_the_same_forecast(seed: int) -> None:
    frame = random_log(seed)
    first, other = stand(frame), stand(shuffled(frame, seed))
    assert first.history is not None and other.history is not None
    assert said(first) == said(other)
    for name in ("events", "leads", "updates", "undone"):
        pd.testing.assert_frame_equal(getattr(first.history, name), getattr(other.history, name))
    assert (first.history.stages, first.history.ends) == (other.history.stages, other.history.ends)


def made(*rows: tuple[str, str, str], **mapping: object) -> History:
    frame = pd.DataFrame(rows, columns=["lead", "stage", "at"])
    return read_history(frame, {"columns": {"lead": "lead", "stage": "stage", "at": "at"}, **mapping})


def test_rows_of_one_day_are_put_in_the_order_in_which_leads_usually_pass_the_stages() -> None:
    usual = [(f"u{n}", place, f"2026-01-{n + day:02d}") for n in range(1, 4)
             for day, place in enumerate(["Lead", "Demo", "Won"])]  # fmt: skip
    day = [("a", place, "2026-01-09") for place in ("Won", "Demo", "Lead")]
    history = made(*usual, *day)
    assert history.events.loc[history.events["lead"] == "a", "stage"].tolist() == ["Lead", "Demo", "Won"]
    assert any("moves on one day are taken in the order" in limit for limit in history.limits)


def test_a_stated_order_stands_above_the_usual_one_and_ends_come_last() -> None:
    day = [("a", place, "2026-01-09") for place in ("Won", "B", "A")]
    assert made(*day, stages=["B", "A", "Won"]).events["stage"].tolist() == ["B", "A", "Won"]
    assert made(*day).events["stage"].tolist() == ["A", "B", "Won"]


def test_a_win_that_usually_leads_on_stands_before_what_follows_it() -> None:
    usual = [(f"u{n}", place, f"2026-01-{n + day:02d}") for n in range(1, 5)
             for day, place in enumerate(["Lead", "Won", "Onboarding"])]  # fmt: skip
    day = [("a", place, "2026-01-12") for place in ("Onboarding", "Won", "Lead")]
    stated = {"stages": ["Lead", "Won", "Onboarding"], "won": "Won"}
    for mapping in ({}, stated):
        events = made(*usual, *day, **mapping).events
        assert events.loc[events["lead"] == "a", "stage"].tolist() == ["Lead", "Won", "Onboarding"]
