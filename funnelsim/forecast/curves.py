"""Money in, revenue out: concave curves, and the split of a budget that earns most."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from funnelsim.errors import FunnelError

Floats = NDArray[np.float64]


class Curve(Protocol):
    """Revenue as a function of spend, concave: more money brings more, but ever less per euro."""

    def revenue(self, spend: Floats) -> Floats:
        """Return revenue of spend (channels,), shape (..., channels)."""

    def slope(self, spend: Floats) -> Floats:
        """Return revenue per extra euro at spend (channels,), shape (..., channels)."""


@dataclass(frozen=True)
class Power:
    """revenue = today's revenue (spend / today's spend) ** elasticity; arrays (..., channels)."""

    at_today: Floats
    today: Floats
    elasticity: Floats

    def revenue(self, spend: Floats) -> Floats:
        """Return revenue of spend."""
        found: Floats = self.at_today * (spend / self.today) ** self.elasticity
        return found

    def slope(self, spend: Floats) -> Floats:
        """Return revenue per extra euro."""
        ratio = spend / self.today
        with np.errstate(divide="ignore"):
            found: Floats = self.at_today * self.elasticity / self.today * ratio ** (self.elasticity - 1)
        return found


@dataclass(frozen=True)
class Saturation:
    """revenue = top spend / (half + spend), Michaelis-Menten: never above top; arrays (..., channels)."""

    top: Floats
    half: Floats

    def revenue(self, spend: Floats) -> Floats:
        """Return revenue of spend."""
        found: Floats = self.top * spend / (self.half + spend)
        return found

    def slope(self, spend: Floats) -> Floats:
        """Return revenue per extra euro."""
        found: Floats = self.top * self.half / (self.half + spend) ** 2
        return found


def saturation_through(at_today: Floats, today: Floats, elasticity: Floats) -> Saturation:
    """Return the saturation curve with the revenue and the elasticity that are seen at today's spend.

    >>> curve = saturation_through(np.array([50.0]), np.array([10.0]), np.array([0.5]))
    >>> curve.top.tolist(), curve.half.tolist()
    ([100.0], [10.0])
    """
    return Saturation(at_today / (1 - elasticity), today * elasticity / (1 - elasticity))


def best_split(
    slope: Callable[[Floats], Floats], budget: float, low: Floats, high: Floats
) -> tuple[Floats, float]:
    """Return the split of a budget that earns most, and what one more euro would bring.

    With concave curves the best split has the same slope m everywhere, except where a bound is in the
    way; the spend at slope m falls with m, so m is found by bisection, and each spend at m likewise.

    Args:
        slope: spend (channels,) -> revenue per extra euro of each channel, falling with its spend.
        budget: money to split.
        low, high: (channels,) least and most spend; high may be inf.

    Raises:
        FunnelError: the bounds do not allow the budget.

    >>> curve = Saturation(np.array([100.0, 100.0]), np.array([10.0, 40.0]))
    >>> spend, multiplier = best_split(curve.slope, 50.0, np.zeros(2), np.full(2, np.inf))
    >>> spend.round(4).tolist(), round(multiplier, 6)
    ([23.3333, 26.6667], 0.9)
    """
    if not low.sum() <= budget * (1 + 1e-9) or not high.sum() >= budget * (1 - 1e-9):
        raise FunnelError(
            f"budget {budget:,.0f}: the bounds allow {low.sum():,.0f} to {high.sum():,.0f}; widen them with "
            "--at-least and --at-most"
        )
    high = np.minimum(high, budget)
    tiny = 1e-9 * budget / len(low)
    least, most = (
        float(slope(np.maximum(high, tiny)).min()) / 2,
        float(slope(np.maximum(low, tiny)).max()) * 2,
    )
    for _ in range(100):
        middle = np.sqrt(least * most)
        if _spend_at(slope, middle, low, high).sum() > budget:
            least = middle
        else:
            most = middle
    return _spend_at(slope, most, low, high), float(most)


def _spend_at(slope: Callable[[Floats], Floats], level: float, low: Floats, high: Floats) -> Floats:
    """Return the spend of each channel at which its slope has fallen to a level, within its bounds."""
    left, right = low.astype(np.float64), high.astype(np.float64)
    for _ in range(60):
        middle = (left + right) / 2
        steep = slope(middle) > level
        left, right = np.where(steep, middle, left), np.where(steep, right, middle)
    return (left + right) / 2
