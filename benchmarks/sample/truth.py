"""What decided the sample's lives, and what happened after the record ends, as one JSON text."""

from __future__ import annotations

import json
import math
from collections import Counter
from datetime import date, timedelta
from typing import Any

import company
import lives

ABOUT = {
    "rates": "segment -> stage -> exit -> rate per day in each age bin; at Lead the mean over the channels,"
    " at Negotiation the mean over the reps, each weighted by its share of the recorded visits",
    "rates_by_channel": "the same at Lead, by channel",
    "rates_by_owner": "the same at Negotiation, by rep",
    "rush": "factor on the rate from Negotiation to Won, inside and outside the last days of a quarter",
    "channels": "leads per day at the reference spend per week; leads ~ spend ** elasticity, lag in weeks",
    "expected_leads": "true mean number of leads by month of entry and channel, also after the as-of date",
    "values": "EUR quoted (lognormal, rounded to unit); won deals bring won_share of it on average",
    "dirt": "numbers of the leads that each kind of dirt is on",
    "afterwards": "what happened after the as-of date, by month: wins and EUR from leads that were known on"
    " it (open) and from leads that came later (new)",
}


def truth(
    plan: dict[str, list[int]],
    told: list[lives.Told],
    rows: int,
    dirt: dict[str, list[int]],
    known_days: int,
) -> str:
    """Return the truth of the sample as JSON."""
    whole = {
        "about": ABOUT,
        "company": {"opened": company.OPENED, "as_of": company.AS_OF, "seed": company.SEED},
        **structure(),
        **rates(told, known_days),
        "rush": {"days": company.RUSH_DAYS, "inside": company.RUSH_INSIDE, "outside": company.RUSH_OUTSIDE},
        **intake(plan),
        "values": values(),
        "reopened": {"share": company.REOPENED, "days": company.REOPENED_AFTER},
        "counts": {"rows": rows, **counts(told, known_days)},
        "dirt": dirt,
        "afterwards": afterwards(told, known_days),
    }
    return json.dumps(whole, indent=1) + "\n"


def structure() -> dict[str, Any]:
    """Return stages, ends, segments, bins, and where new leads start."""
    starts = {
        segment: {stage: share / 100 for stage, share in zip(company.STAGES, shares, strict=True)}
        for segment, shares in company.STARTS.items()
    }
    return {
        "stages": company.STAGES,
        "ends": company.ENDS,
        "segments": company.SEGMENTS,
        "bins": company.BINS,
        "starts": starts,
    }


def rates(told: list[lives.Told], known_days: int) -> dict[str, Any]:
    """Return the rates of every segment and stage, pooled and by channel or rep."""
    seen = visits(told, known_days)
    pooled: dict[str, Any] = {}
    for segment in company.SEGMENTS:
        pooled[segment] = {stage: company.base_rates(segment, stage) for stage in company.STAGES}
        of_channels, of_reps = by_channel(segment), by_owner(segment)
        weight = {channel: seen[segment, "Lead", channel] for channel in of_channels}
        pooled[segment]["Lead"] = mean(of_channels, weight)
        weight = {owner: seen[segment, "Negotiation", owner] for owner in of_reps}
        pooled[segment]["Negotiation"] = mean(of_reps, weight)
    return {
        "rates": pooled,
        "rates_by_channel": {segment: by_channel(segment) for segment in company.SEGMENTS},
        "rates_by_owner": {segment: by_owner(segment) for segment in company.SEGMENTS},
        "owners": company.REPS,
    }


def by_channel(segment: str) -> dict[str, company.Rates]:
    """Return the rates at Lead of each channel."""
    return {channel: company.rates_of(segment, "Lead", channel, "") for channel in company.CHANNELS}


def by_owner(segment: str) -> dict[str, company.Rates]:
    """Return the rates at Negotiation of each rep."""
    return {owner: company.rates_of(segment, "Negotiation", "", owner) for owner in company.REPS[segment]}


def mean(parts: dict[str, company.Rates], weight: dict[str, int]) -> company.Rates:
    """Return the weighted mean of several tables of the same exits.

    All parts leave a stage equally fast, so their mix does not change with age and the mean is exact.
    """
    first, total = next(iter(parts.values())), sum(weight.values())
    return {
        name: [
            round(sum(weight[part] * parts[part][name][place] for part in parts) / total, 8)
            for place in range(len(first[name]))
        ]
        for name in first
    }


def visits(told: list[lives.Told], known_days: int) -> Counter[tuple[str, str, str]]:
    """Count recorded visits by segment and stage, and by channel as well as by rep."""
    seen: Counter[tuple[str, str, str]] = Counter()
    for each in told:
        for step in each.steps:
            if step.day < known_days:
                seen[each.lead.segment, step.place, each.lead.channel] += 1
                seen[each.lead.segment, step.place, each.lead.owner] += 1
    return seen


def intake(plan: dict[str, list[int]]) -> dict[str, Any]:
    """Return how many leads come, and why."""
    expected: dict[str, dict[str, float]] = {}
    for channel, leads in lives.expected_leads(plan).items():
        for number, mean_leads in enumerate(leads):
            month = f"{lives.FIRST_DAY + timedelta(days=number):%Y-%m}"
            expected.setdefault(month, dict.fromkeys(plan, 0.0))[channel] += mean_leads
    rounded = {month: {name: round(sums[name], 3) for name in sums} for month, sums in expected.items()}
    last = lives.week_of((date.fromisoformat(company.AS_OF) - lives.FIRST_DAY).days)
    return {
        "channels": company.CHANNELS,
        "growth_per_year": company.GROWTH,
        "months": company.MONTHS,
        "weekdays": company.WEEKDAYS,
        "week_spread": company.WEEK_SPREAD,
        "expected_leads": rounded,
        "planned_spend": {
            "first_week": str(lives.monday(last + 1)),
            **{channel: money[last + 1 :] for channel, money in plan.items()},
        },
    }


def values() -> dict[str, Any]:
    """Return the law of the amounts of each segment."""
    return {
        segment: {
            "median": median,
            "spread": spread,
            "unit": unit,
            "mean": round(median * math.exp(spread * spread / 2), 2),
            "won_share": (1 + company.LEAST_WON_SHARE) / 2,
        }
        for segment, (median, spread, unit) in company.VALUES.items()
    }


def counts(told: list[lives.Told], known_days: int) -> dict[str, Any]:
    """Count leads, wins and open leads of the record."""
    known = [each for each in told if each.lead.day < known_days]
    last = [[step.place for step in each.steps if step.day < known_days][-1] for each in known]
    pairs = list(zip(known, last, strict=True))
    return {
        segment: {
            "leads": sum(each.lead.segment == segment for each in known),
            "won": sum(each.lead.segment == segment and place == "Won" for each, place in pairs),
            "open": sum(each.lead.segment == segment and place not in company.ENDS for each, place in pairs),
        }
        for segment in company.SEGMENTS
    }


def afterwards(told: list[lives.Told], known_days: int) -> dict[str, dict[str, int]]:
    """Return wins and revenue of each month after the as-of date, by origin."""
    found: dict[str, dict[str, int]] = {}
    for each in told:
        for step in each.steps:
            day = lives.FIRST_DAY + timedelta(days=int(step.day))
            if step.place == "Won" and step.day >= known_days and day <= lives.LAST_DAY:
                origin = "open" if each.lead.day < known_days else "new"
                names = (f"{kind}_{of}" for of in ("open", "new") for kind in ("wins", "revenue"))
                month = found.setdefault(f"{day:%Y-%m}", dict.fromkeys(names, 0))
                month[f"wins_{origin}"] += 1
                month[f"revenue_{origin}"] += each.lead.won_amount
    return dict(sorted(found.items()))
