"""funnelsim: simulate and forecast marketing and sales funnels.

The names that a notebook needs first; each is loaded when it is first used, so that importing is quick.
The floors below (calibrate, simulate, forecast, show) are packages of their own.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from funnelsim.forecast.compare import compare as compare
    from funnelsim.forecast.forecast import totals as totals
    from funnelsim.forecast.planner import forecast_situation as forecast_situation
    from funnelsim.forecast.planner import situation as situation
    from funnelsim.forecast.planner import under as under
    from funnelsim.history.metrics import metrics as metrics
    from funnelsim.history.readers import read_history as read_history
    from funnelsim.model.scenario import apply_scenario as apply_scenario
    from funnelsim.model.scenario import read_scenario as read_scenario
    from funnelsim.model.stated import load_funnel as load_funnel
    from funnelsim.model.stated import scenario_path as scenario_path
    from funnelsim.sample import sample_path as sample_path

_HOMES = {
    "apply_scenario": "funnelsim.model.scenario",
    "compare": "funnelsim.forecast.compare",
    "forecast_situation": "funnelsim.forecast.planner",
    "load_funnel": "funnelsim.model.stated",
    "metrics": "funnelsim.history.metrics",
    "read_history": "funnelsim.history.readers",
    "read_scenario": "funnelsim.model.scenario",
    "sample_path": "funnelsim.sample",
    "scenario_path": "funnelsim.model.stated",
    "situation": "funnelsim.forecast.planner",
    "totals": "funnelsim.forecast.forecast",
    "under": "funnelsim.forecast.planner",
}
__all__ = sorted(_HOMES)
__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """Return a public name from the module that holds it.

    >>> import funnelsim
    >>> funnelsim.sample_path().name
    'history.csv'
    """
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'funnelsim' has no attribute '{name}'")
