"""funnelsim: simulate and forecast marketing and sales funnels.

The verbs take whatever you have, a company's record or a stated funnel: `read_history`, `read_funnel`,
`check`, `calibrate`, `situation`, `forecast`, `compare`, `seek`, `health`, `bridge`, `record`, `report`,
`live`, `simulate`, `backtest`, `budget`. `charts.NAME(result)` draws what they return. `inside` opens the
machine for lessons, `course` judges exercises. The floors, from below: `errors`, `arrays`; `files`; `model`,
`history`, `show`; `calibration`, `simulation`; `forecasting`; `verbs`; `pages`; `cli`. Every name is loaded
when it is first used, so that importing is quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from funnelsim import course as course
    from funnelsim import inside as inside
    from funnelsim.errors import FunnelError as FunnelError
    from funnelsim.forecasting.backtest import Record as Record
    from funnelsim.forecasting.bridge import Bridge as Bridge
    from funnelsim.forecasting.budget import Plan as Plan
    from funnelsim.forecasting.compare import Comparison as Comparison
    from funnelsim.forecasting.forecast import Forecast as Forecast
    from funnelsim.forecasting.health import Health as Health
    from funnelsim.forecasting.live import Live as Live
    from funnelsim.forecasting.seek import Search as Search
    from funnelsim.forecasting.situation import Situation as Situation
    from funnelsim.forecasting.situation import situation as situation
    from funnelsim.forecasting.track import Track as Track
    from funnelsim.history.log import History as History
    from funnelsim.history.read import read_history as read_history
    from funnelsim.model.model import Model as Model
    from funnelsim.model.stated import read_funnel as read_funnel
    from funnelsim.model.stated import scenario_path as scenario_path
    from funnelsim.pages import report as report
    from funnelsim.sample import sample_path as sample_path
    from funnelsim.show import charts as charts
    from funnelsim.simulation.record import Run as Run
    from funnelsim.simulation.run import Replications as Replications
    from funnelsim.verbs import Check as Check
    from funnelsim.verbs import backtest as backtest
    from funnelsim.verbs import bridge as bridge
    from funnelsim.verbs import budget as budget
    from funnelsim.verbs import calibrate as calibrate
    from funnelsim.verbs import check as check
    from funnelsim.verbs import compare as compare
    from funnelsim.verbs import forecast as forecast
    from funnelsim.verbs import health as health
    from funnelsim.verbs import live as live
    from funnelsim.verbs import record as record
    from funnelsim.verbs import seek as seek
    from funnelsim.verbs import simulate as simulate

_HOMES = {
    "Bridge": "forecasting.bridge",
    "Check": "verbs",
    "Comparison": "forecasting.compare",
    "Forecast": "forecasting.forecast",
    "FunnelError": "errors",
    "Health": "forecasting.health",
    "History": "history.log",
    "Live": "forecasting.live",
    "Model": "model.model",
    "Plan": "forecasting.budget",
    "Record": "forecasting.backtest",
    "Replications": "simulation.run",
    "Run": "simulation.record",
    "Search": "forecasting.seek",
    "Situation": "forecasting.situation",
    "Track": "forecasting.track",
    "backtest": "verbs",
    "bridge": "verbs",
    "budget": "verbs",
    "calibrate": "verbs",
    "charts": "show.charts",
    "check": "verbs",
    "compare": "verbs",
    "course": "course",
    "forecast": "verbs",
    "health": "verbs",
    "inside": "inside",
    "live": "verbs",
    "read_funnel": "model.stated",
    "read_history": "history.read",
    "record": "verbs",
    "report": "pages",
    "sample_path": "sample",
    "scenario_path": "model.stated",
    "seek": "verbs",
    "simulate": "verbs",
    "situation": "forecasting.situation",
}
__all__ = sorted(_HOMES)
__version__ = "0.2.0"


def __getattr__(name: str) -> object:
    """Return a public name from the module that holds it.

    >>> import funnelsim as fs
    >>> fs.sample_path().name
    'history.csv'
    """
    if name not in _HOMES:
        raise AttributeError(f"module 'funnelsim' has no attribute '{name}'")
    home = import_module(f"funnelsim.{_HOMES[name]}")
    return home if name in ("charts", "course", "inside") else getattr(home, name)


def __dir__() -> list[str]:
    return __all__
