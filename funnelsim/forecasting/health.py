"""What is going on: deals to worry about, and what hangs on the largest, as frames and sentences."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from funnelsim.cards import card
from funnelsim.forecasting.deals import concentration_of, deal_words, stakes_of, worries_of
from funnelsim.forecasting.forecast import Forecast
from funnelsim.forecasting.situation import Situation
from funnelsim.history.log import WINS

NO_CHANCES = "Leads queue, refer or win often, or too many are open: nothing is known of the money at stake."


@dataclass(frozen=True)
class Health:
    """What is going on, and what to do about it.

    Args:
        as_of: the moment up to which everything is known.
        currency: three letters, "" where none is stated.
        span: the period that money at stake is told of, or "total".
        target: money wanted in it, nan if none was stated.
        mean: money expected of it.
        worries: see `worries_of`: open deals to worry about.
        concentration: see `concentration_of`: what is left without the largest deals.
        sentences: what to know first, most important first.
        notes: what to beware of.
    """

    as_of: pd.Timestamp
    currency: str
    span: str
    target: float
    mean: float
    worries: pd.DataFrame
    concentration: pd.DataFrame
    sentences: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def frames(self) -> dict[str, pd.DataFrame]:
        """Its tables by name, those that have rows."""
        every = {"worries": self.worries, "concentration": self.concentration}
        return {name: frame for name, frame in every.items() if len(frame)}

    def __str__(self) -> str:
        return " ".join(self.sentences) or "Nothing stands out."

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return card(str(self), self.worries[["lead", "stage", "value", "stake", "reason", "why"]])


def look(place: Situation, found: Forecast, *, draws: int = 200, seed: int = 1) -> Health:
    """Return what is going on in a company.

    Args:
        place: where it stands.
        found: its forecast, with the same draws and seed, so that no number is told in two ways.
        draws, seed: of the forecast.
    """
    stakes = stakes_of(place, found, draws=draws, seed=seed)
    span = found.widths["period"].iloc[0] if stakes is None else stakes.span
    rows, widths = found.with_total
    here = (rows["period"] == span) & (rows["measure"] == "revenue") & (rows["origin"] == "total")
    unit = found.currency if found.measure == "revenue" else WINS
    worries, concentration = worries_of(place, stakes), concentration_of(place, stakes)
    notes = list(found.silent)
    if stakes is None and not found.silent and len(place.deals):
        notes.append(NO_CHANCES)
    return Health(
        found.as_of,
        found.currency,
        str(span),
        float(widths.set_index("period")["target"][span]),
        float(rows.loc[here, "mean"].iloc[0]),
        worries,
        concentration,
        tuple(deal_words(place, stakes, worries, concentration, unit)),
        tuple(notes),
    )
