"""All charts by name; importing this makes Altair charts show offline in the house's look."""

from funnelsim.show.charts.backtest import backtest_fan, coverage, pit, skill, weights
from funnelsim.show.charts.budget import budget
from funnelsim.show.charts.fan import fan
from funnelsim.show.charts.forecast import differences, split, spread
from funnelsim.show.charts.history import dwell, funnel_chart, incidence, open_ages
from funnelsim.show.charts.queue import movement, queue, waits
from funnelsim.show.charts.theme import enable, png, use_theme

__all__ = [
    "backtest_fan",
    "budget",
    "coverage",
    "differences",
    "dwell",
    "enable",
    "fan",
    "funnel_chart",
    "incidence",
    "movement",
    "open_ages",
    "pit",
    "png",
    "queue",
    "skill",
    "split",
    "spread",
    "waits",
    "weights",
]

use_theme()
enable()
