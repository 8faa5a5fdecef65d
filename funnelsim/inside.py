"""The machine opened: the few functions that a lesson shows on purpose, by name, as `fs.inside`.

Nothing here is needed to use funnelsim. A lesson takes from here what it explains: how visits are counted,
how counts become rates, how one backward pass gives a chance, how a forecast is scored.
"""

from __future__ import annotations

from funnelsim.calibration.calibrate import fit_model, open_pipeline
from funnelsim.calibration.intake import outlook
from funnelsim.calibration.posterior import draw_rates
from funnelsim.calibration.trust import exit_shares, fitted_and_observed, group_factors, trust_of
from funnelsim.forecasting.backtest import OURS, scored_rows, snapshot
from funnelsim.forecasting.budget import worth_of_channels
from funnelsim.forecasting.compare import expected_revenue, shapley, shared_luck
from funnelsim.forecasting.exact import at_ages, chances, from_entries
from funnelsim.forecasting.forecast import NAMES, forecast_periods, totals
from funnelsim.forecasting.periods import days_of, periods_from
from funnelsim.forecasting.scores import crps_ensemble, crps_quantiles, widened
from funnelsim.forecasting.situation import booked_by, past_revenue, too_thin, under
from funnelsim.forecasting.split import wide
from funnelsim.history.export import crm_shape, tidy_log
from funnelsim.history.log import bookings, open_leads, quality_table, spells
from funnelsim.history.metrics import metrics
from funnelsim.history.spend import read_spend
from funnelsim.model.levers import apply_scenario
from funnelsim.model.model import Calendar, OpenDeals, expected, only
from funnelsim.model.rates import model_incidence
from funnelsim.model.reps import Draw
from funnelsim.model.scenario import read_scenario
from funnelsim.show.charts.backtest import weight_chart
from funnelsim.show.charts.history import funnel_chart
from funnelsim.show.words import money, percent
from funnelsim.simulation.record import queue_days
from funnelsim.simulation.run import period_sums, run_model

__all__ = [
    "NAMES",
    "OURS",
    "Calendar",
    "Draw",
    "OpenDeals",
    "apply_scenario",
    "at_ages",
    "booked_by",
    "bookings",
    "chances",
    "crm_shape",
    "crps_ensemble",
    "crps_quantiles",
    "days_of",
    "draw_rates",
    "exit_shares",
    "expected",
    "expected_revenue",
    "fit_model",
    "fitted_and_observed",
    "forecast_periods",
    "from_entries",
    "funnel_chart",
    "group_factors",
    "metrics",
    "model_incidence",
    "money",
    "only",
    "open_leads",
    "open_pipeline",
    "outlook",
    "past_revenue",
    "percent",
    "period_sums",
    "periods_from",
    "quality_table",
    "queue_days",
    "read_scenario",
    "read_spend",
    "run_model",
    "scored_rows",
    "shapley",
    "shared_luck",
    "snapshot",
    "spells",
    "tidy_log",
    "too_thin",
    "totals",
    "trust_of",
    "under",
    "weight_chart",
    "wide",
    "widened",
    "worth_of_channels",
]
