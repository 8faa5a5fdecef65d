"""A small made-up history with known rates, and short ways to count visits and to read notes."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from funnelsim.calibration.counting import count_visits, visits_of
from funnelsim.history.log import History
from funnelsim.model.funnel import Funnel
from funnelsim.model.model import Model
from funnelsim.model.rates import DEFAULT_BINS, Counts

UNTIL = pd.Timestamp("2026-01-01")


def history(leads: int = 900, *, seed: int = 5, won: bool = True, wins_from: float = -np.inf) -> History:
    """Return two stages, two segments, amounts, over 500 days; Lead lasts 10 days on average, Offer 20."""
    rng = np.random.default_rng(seed)
    rows, facts = [], []
    for number in range(leads):
        name, day, segment = f"L{number:04d}", -rng.uniform(0, 500), "big" if number % 4 == 0 else "small"
        facts.append((name, segment, ["web", "fair"][number % 2], 1000.0 if segment == "big" else 10.0))
        rows.append((name, "Lead", day))
        day += rng.exponential(10)
        step = "Offer" if rng.random() < 0.6 else "Lost"
        rows.append((name, step, day))
        if step == "Offer":
            day += rng.exponential(20)
            end = "Won" if won and rng.random() < 0.5 else "Lost"
            if end == "Lost" or day >= wins_from:
                rows.append((name, end, day))
    events = pd.DataFrame(rows, columns=["lead", "stage", "day"])
    events["at"] = UNTIL + pd.to_timedelta(events.pop("day"), unit="D")
    events = events[events["at"] < UNTIL].sort_values(["lead", "at"], kind="stable").reset_index(drop=True)
    known = pd.DataFrame(facts, columns=["lead", "segment", "channel", "value"]).set_index("lead")
    return History(
        events, known.loc[known.index.isin(events["lead"])], UNTIL, ("Lead", "Offer"), ("Won",), ("Lost",),
        events["at"].min().floor("D"),
    )  # fmt: skip


def count_exits(
    frame: pd.DataFrame,
    funnel: Funnel,
    groups: Sequence[str] = ("all",),
    bins: Sequence[float] | np.ndarray = DEFAULT_BINS,
    half_life: float = np.inf,
    began: float = -np.inf,
) -> Counts:
    """Count leavers and days at risk from a frame of visits."""
    visits = visits_of(frame, funnel, groups, began=began)
    return count_visits(visits, (len(groups), *funnel.targets.shape), bins, half_life)


def words(model: Model) -> str:
    """Return what calibration says of a model, one sentence a line."""
    return "\n".join(model.notes)
