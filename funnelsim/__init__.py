"""funnelsim: simulate and forecast marketing and sales funnels.

The names that a notebook needs first; each is loaded when it is first used, so that importing is quick.
The floors below (calibrate, simulate, forecast, show) are packages of their own.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from funnelsim.forecasting.compare import compare as compare
    from funnelsim.forecasting.forecast import totals as totals
    from funnelsim.forecasting.situation import forecast_situation as forecast_situation
    from funnelsim.forecasting.situation import situation as situation
    from funnelsim.forecasting.situation import under as under
    from funnelsim.history.metrics import metrics as metrics
    from funnelsim.history.read import read_history as read_history
    from funnelsim.model.levers import apply_scenario as apply_scenario
    from funnelsim.model.scenario import read_scenario as read_scenario
    from funnelsim.model.stated import load_funnel as load_funnel
    from funnelsim.model.stated import scenario_path as scenario_path
    from funnelsim.sample import sample_path as sample_path

_HOMES = {
    "apply_scenario": "funnelsim.model.levers",
    "compare": "funnelsim.forecasting.compare",
    "forecast_situation": "funnelsim.forecasting.situation",
    "load_funnel": "funnelsim.model.stated",
    "metrics": "funnelsim.history.metrics",
    "read_history": "funnelsim.history.read",
    "read_scenario": "funnelsim.model.scenario",
    "sample_path": "funnelsim.sample",
    "scenario_path": "funnelsim.model.stated",
    "situation": "funnelsim.forecasting.situation",
    "totals": "funnelsim.forecasting.forecast",
    "under": "funnelsim.forecasting.situation",
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
