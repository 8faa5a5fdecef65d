"""The record's correction of the width, by hand."""

import numpy as np
import pandas as pd
from numpy.testing import assert_allclose
from scipy.stats import norm

from funnelsim.forecasting.forecast import LEVELS, NAMES
from funnelsim.forecasting.scores import scale_of, scaled_by, widened

Z = norm.ppf(LEVELS)


def test_scale_by_hand() -> None:
    """Eight outcomes at z = 2, each 2 sd off: sqrt((4 + 8 * 4) / 12); at the median: sqrt(4 / 12)."""
    quantiles = np.tile(Z, (8, 1))
    assert_allclose(scale_of(quantiles, np.full(8, 2.0)), np.sqrt(36 / 12))
    assert_allclose(scale_of(quantiles, np.zeros(8)), np.sqrt(4 / 12))
    assert_allclose(scale_of(quantiles, np.full(8, 99.0)), np.sqrt((4 + 8 * 9) / 12))
    assert scale_of(quantiles[:3], np.full(3, 99.0)) == 1


def test_widening_keeps_the_median_and_stays_above_zero() -> None:
    quantiles = np.maximum(10 + 8 * Z, 0)
    wide = widened(quantiles, 2.0)
    middle = LEVELS.index(0.5)
    assert wide[middle] == quantiles[middle] and (wide >= 0).all()
    assert_allclose(wide[-1] - wide[middle], 2 * (quantiles[-1] - quantiles[middle]))
    assert_allclose(widened(quantiles, 1.0), quantiles)


def test_a_forecast_is_widened_about_its_median_and_never_below_what_is_booked() -> None:
    rows = []
    for period in ("m1", "m2"):
        for origin, middle in (("booked", 50.0), ("open", 20.0), ("total", 70.0)):
            quantiles = (
                np.full(len(LEVELS), 50.0)
                if origin == "booked"
                else np.maximum(middle + 12 * Z, 50.0 * (origin == "total"))
            )
            head = {"period": period, "origin": origin, "measure": "wins", "mean": middle, "sd": 12.0}
            rows.append(head | dict(zip(NAMES, quantiles, strict=True)))
    table = pd.DataFrame(rows)
    scales = pd.DataFrame({"measure": ["wins"], "step": [2], "scale": [3.0], "n": [8]})
    wide = scaled_by(table, scales)
    pd.testing.assert_frame_equal(wide[:5], table[:5])
    assert wide["0.50"][5] == 70 and wide["sd"][5] == 36
    assert_allclose(wide["0.90"][5] - 70, 3 * (table["0.90"][5] - 70))
    assert wide["0.01"][5] == 50
