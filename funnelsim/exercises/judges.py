"""How an answer is judged: a number against the right one, a question of one's own by what it must be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from funnelsim.errors import FunnelError, nearest
from funnelsim.exercises import right as own
from funnelsim.forecasting.health import Health
from funnelsim.forecasting.live import Live
from funnelsim.model.levers import DaysLever, EntriesLever
from funnelsim.model.model import Model
from funnelsim.model.scenario import scenario_of

NEAR = 0.006  # a share read off two decimals counts as right, and so does money rounded to the half per cent

Judge = Callable[[Any], str]  # returns a hint, or nothing where the answer is right


def as_number(value: object) -> float:
    """Return an answer as a number, nan where it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.number):
        return np.nan
    return float(value)


def close_to(given: float, wanted: float, near: float = NEAR) -> bool:
    """Return whether a number is near enough to the right one."""
    return abs(given - wanted) <= near * max(abs(wanted), 1.0)


def number_judge(
    wanted: Callable[[], float], hint: str, traps: dict[str, Callable[[], float]], near: float = NEAR
) -> Judge:
    """Return a judge of a number; a trap is what a usual mistake gives, by the hint that helps then."""

    def judge(answer: object) -> str:
        given = as_number(answer)
        if np.isnan(given):
            return "the answer is one number."
        if close_to(given, wanted(), near):
            return ""
        return next((words for words, trap in traps.items() if close_to(given, trap(), near)), hint)

    return judge


def parts_hint(answer: object, *wanted: str) -> str:
    """Return a hint where an answer is not made of the parts that a question of one's own has."""
    if isinstance(answer, tuple) and len(answer) == len(wanted):
        return ""
    return f"the answer is ({', '.join(wanted)}), in round brackets."


def entry_judge(answer: object) -> str:
    """Judge a funnel of one's own into which leads come at more than one stage."""
    if not isinstance(answer, Model):
        return "the answer is a funnel: what `fs.read_funnel` returns for your file."
    if len(answer.funnel.stages) < 2:
        return "one stage is a waiting room; let there be two at least."
    if not answer.funnel.earns:
        return "nothing is earned here; which place books revenue?"
    entered = {cell.stage for cell in answer.entries.cells}
    if len(entered) < 2:
        return "everyone still begins at the same stage; give `entries` another row."
    return ""


def fade_judge(answer: Any) -> str:
    """Judge a question of one's own: the chance of any deal, of any age."""
    if hint := parts_hint(answer, "stage", "segment", "days", "chance"):
        return hint
    stage, segment, days, chance = answer
    model = own.kontor_model(np.inf)
    if stage not in model.funnel.stages or segment not in model.groups:
        return f"no stage and segment are called so; {nearest(stage, [*model.funnel.stages, *model.groups])}"
    if not 0 <= as_number(days) <= 400:
        return "let the deal be between 0 and 400 days old."
    if close_to(as_number(chance), own.chance_at_age(stage, segment, float(days))):
        return ""
    if close_to(as_number(chance), own.chance_at_age(stage, segment, 0.0)):
        return "that is the chance of a fresh deal; yours has been waiting."
    return "ask `fs.inside.at_ages` for this stage, group and age."


def promise_judge(answer: Any) -> str:
    """Judge a promise of one's own for the fourth quarter, and how often it will be kept."""
    if hint := parts_hint(answer, "target", "chance"):
        return hint
    target, chance = map(as_number, answer)
    if close_to(chance, own.chance_of_target(target, 1), 0.012):
        return "" if 0.7 <= chance <= 0.9 else "true, but wanted is a target with a chance of 70 to 90 %."
    if close_to(chance, own.chance_of_target(target, 0), 0.012):
        return "that is its chance in the third quarter; the promise is for the fourth."
    return "the chance is not that of this target; `p_target` has a row for each quarter."


def break_even_judge(price: int) -> Judge:
    """Return a judge of how far the odds may fall if prices rise: put in, the answer must bring nothing."""

    def judge(answer: object) -> str:
        fall = abs(as_number(answer))
        if not 0 < fall < 100:
            return "the answer is a number of percent, as 3 in `odds Negotiation > Won -3%`."
        if 0.75 <= fall < 1:
            return "that is the factor; the question is by how many percent the odds fall."
        left = sum(own.lever_gain(f"price +{price}%; odds Negotiation > Won -{fall:g}%"))
        if abs(left) <= abs(sum(own.lever_gain("odds Negotiation > Won -1%"))):
            return ""
        return f"with this fall the higher price still {'pays' if left > 0 else 'costs more than it brings'}."

    return judge


def plan_judge(answer: object) -> str:
    """Judge a plan in words that brings much by leads and days alone, each moved by a fifth at most."""
    if not isinstance(answer, str):
        return 'the answer is words, as in "leads search +10%; days Qualified -5%".'
    try:
        levers = scenario_of(answer, own.kontor_today().model).changes
    except FunnelError as error:
        return f"these words are not understood: {error}"
    if not all(isinstance(one, DaysLever | EntriesLever) for one in levers):
        return "only leads and days may move in this plan."
    if not all(0.799 <= one.multiply <= 1.201 for one in levers if isinstance(one, DaysLever | EntriesLever)):
        return "20 % is the most that a lever may move."
    enough = sum(own.lever_gain(answer)) >= 7e5
    return "" if enough else "that brings less than 700,000 EUR in the two quarters."


def team_judge(answer: object) -> str:
    """Judge the smallest team with which leads wait less than a day."""
    reps = as_number(answer)
    if not (reps.is_integer() and 1 <= reps <= 40):
        return "the answer is a whole number of reps."
    if own.team_wait(int(reps)) >= 1:
        return "with so many, leads still wait a day or longer on average."
    return "one rep fewer would do as well." if own.team_wait(int(reps) - 1) < 1 else ""


def wheel_judge(answer: object) -> str:
    """Judge a flywheel of one's own that settles at 60 purchases a week, with the marketing that there is."""
    if not isinstance(answer, Model):
        return "the answer is a funnel: what `fs.read_funnel` returns for your file."
    if not {"Proposal", "Purchase"} <= set(answer.funnel.stages):
        return "keep the stages of the flywheel; change its chances and referrals."
    if abs(7 * float(answer.entries.path.sum()) - 20) > 0.01:
        return "marketing stays as it is: 20 leads a week."
    weekly = own.wheel_visits(answer)["Purchase"]
    if np.isinf(weekly):
        return "this one explodes: a customer brings one customer or more."
    if close_to(weekly, own.wheel_visits(own.flywheel())["Purchase"]):
        return "it settles where it did before."
    return "" if abs(weekly - 60) <= 2 else f"it settles {'below' if weekly < 60 else 'above'} 60 purchases."


def month_judge(answer: Any) -> str:
    """Judge a question of one's own: how likely a month was to bring an amount, as was said then."""
    if hint := parts_hint(answer, "month", "amount", "chance"):
        return hint
    month, amount, chance = answer
    known = list(own.twelve_months().index)
    if month not in known:
        return f"there is no forecast of this month; {nearest(month, known)}"
    wanted = own.chance_as_said(month, as_number(amount))
    if close_to(as_number(chance), wanted, 0.02):
        return ""
    if close_to(as_number(chance), 1 - wanted, 0.02):
        return "that is the chance of less; how likely was so much or more?"
    return "place the amount among the quantiles of that month, as `np.interp` does."


def split_judge(answer: Any) -> str:
    """Judge a split of the quarter's money of one's own."""
    now = own.channel_table()["spend_now"].to_dict()
    if not isinstance(answer, dict) or set(answer) != set(now):
        return f"the answer is a dictionary of {', '.join(map(str, now))}, each with its EUR a quarter."
    split = {name: as_number(spend) for name, spend in answer.items()}
    if not close_to(sum(split.values()), sum(now.values())):
        return f"the total must stay as it is: {sum(now.values()):,.0f} EUR a quarter."
    if not all(0.695 <= spend / now[name] <= 1.305 for name, spend in split.items()):
        return "stay near what the record knows: 0.7 to 1.3 times today's spend of each channel."
    gain = own.split_gain(split)
    if gain <= 0:
        return "that earns less than today's split."
    return "" if gain >= 8e4 else "that earns more than today's split, but less than 80,000 EUR more."


def page_judge(answer: object) -> str:
    """Judge a page with sliders of one's own: it must move."""
    if not isinstance(answer, Live):
        return "the answer is a page: what `fs.live` returns."
    return "this one stands still; its `why` says what is in the way." if answer.why else ""


def alarm_judge(answer: object) -> str:
    """Judge a company in which something broke: it must be told by an alert."""
    if not isinstance(answer, Health):
        return "the answer is what `fs.health` returns for your history."
    return "" if len(answer.alerts) else "no alert: so little may be luck; break more, or break it longer."
