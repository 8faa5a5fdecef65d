"""The machine opened: the few functions that a lesson shows on purpose, by name, as `fs.inside`.

Nothing here is needed to use funnelsim. A lesson takes from here what it explains: how visits are counted,
how counts become rates, how one backward pass gives a chance, how a forecast is scored. A test holds that
every name here is shown in a lesson or a solution.
"""

from __future__ import annotations

from funnelsim.calibration.calibrate import fit_model, open_pipeline
from funnelsim.calibration.intake import block_counts, outlook
from funnelsim.calibration.posterior import draw_rates
from funnelsim.calibration.trust import exit_shares, fitted_and_observed, group_factors, trust_of
from funnelsim.forecasting.attribution import shared_luck
from funnelsim.forecasting.backtest import scored_rows
from funnelsim.forecasting.budget import worth_of_channels
from funnelsim.forecasting.exact import at_ages, chances
from funnelsim.forecasting.forecast import NAMES, forecast_periods, totals
from funnelsim.forecasting.periods import days_of
from funnelsim.forecasting.scores import crps_ensemble, crps_quantiles, widened
from funnelsim.history.export import crm_shape
from funnelsim.model.funnel import Draw
from funnelsim.model.model import OpenDeals, expected, only
from funnelsim.model.rates import model_incidence
from funnelsim.show.charts.history import intake_chart
from funnelsim.show.words import money
from funnelsim.simulation.run import period_sums, run_model

__all__ = [
    "NAMES",
    "Draw",
    "OpenDeals",
    "at_ages",
    "block_counts",
    "chances",
    "crm_shape",
    "crps_ensemble",
    "crps_quantiles",
    "days_of",
    "draw_rates",
    "exit_shares",
    "expected",
    "fit_model",
    "fitted_and_observed",
    "forecast_periods",
    "group_factors",
    "intake_chart",
    "model_incidence",
    "money",
    "only",
    "open_pipeline",
    "outlook",
    "period_sums",
    "run_model",
    "scored_rows",
    "shared_luck",
    "totals",
    "trust_of",
    "widened",
    "worth_of_channels",
]
