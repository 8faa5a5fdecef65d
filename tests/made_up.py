"""A small made-up history with known rates, for tests that need a whole one."""

import numpy as np
import pandas as pd

from funnelsim.history.log import History

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
