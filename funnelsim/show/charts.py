"""All charts by name; importing this makes Altair charts show offline in the house's look."""

from funnelsim.show.charts_backtest import backtest_fan, coverage, pit, skill, weights
from funnelsim.show.charts_budget import budget
from funnelsim.show.charts_fan import fan
from funnelsim.show.charts_forecast import differences, split, spread
from funnelsim.show.charts_history import dwell, funnel_chart, incidence
from funnelsim.show.charts_open import open_ages
from funnelsim.show.charts_queue import movement, queue, waits
from funnelsim.show.renderer import enable, png
from funnelsim.show.theme import use_theme

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
