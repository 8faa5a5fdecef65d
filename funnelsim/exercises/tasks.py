"""The tasks of the exercise sheets: the judge of each, its hint, and the usual mistakes with theirs."""

from __future__ import annotations

import numpy as np

from funnelsim.exercises import answers as own
from funnelsim.exercises.judges import (
    Judge,
    break_even_judge,
    entry_judge,
    fade_judge,
    number_judge,
    plan_judge,
    promise_judge,
)

ROUGH = 0.04  # what depends on draws, as gains do, is right within four parts in a hundred

TASKS: dict[tuple[int, int], Judge] = {
    (1, 1): number_judge(
        lambda: own.won_within(10, 69),
        "the rates of the late age hold for all of the ten days; how many days stand in the exponent?",
        {
            "these are still 31 days.": lambda: own.won_within(31, 69),
            "that is the younger lead.": lambda: own.won_within(10, 12),
        },
    ),
    (1, 2): number_judge(
        lambda: own.won_within(31, 69),
        "first the chance to leave at all within the days, then the share of leavers that win.",
        {"that is the lead of 12 days; the other one is 69 days old.": lambda: own.won_within(31, 12)},
    ),
    (1, 3): number_judge(
        own.either_won,
        "ask for the opposite first: both fail.",
        {
            "a sum counts the case that both win twice.": lambda: (
                own.won_within(31, 69) + own.won_within(31, 12)
            ),
            "that both win is another question.": lambda: own.won_within(31, 69) * own.won_within(31, 12),
            "that is how likely both fail.": lambda: 1 - own.either_won(),
        },
    ),
    (1, 4): entry_judge,
    (2, 1): number_judge(
        lambda: own.won_between("2026-01-01", "2026-04-01"),
        "take the wins from 1 January up to, and without, 1 April 2026, and add up their values.",
        {"that is another quarter: the second.": lambda: own.won_between("2026-04-01", "2026-07-01")},
    ),
    (2, 2): number_judge(
        lambda: own.won_between("2026-04-01", "2026-07-01"),
        "take the wins from 1 April up to, and without, 1 July 2026, and add up their values.",
        {"that is the first quarter.": lambda: own.won_between("2026-01-01", "2026-04-01")},
    ),
    (2, 3): number_judge(
        lambda: own.negotiation_fate()[0],
        "all of the cohort stand below the line, open ones too; above it those who won within 90 days.",
        {"that is won / closed: slow deals are missing from it.": lambda: own.negotiation_fate()[1]},
    ),
    (3, 1): number_judge(
        lambda: own.exits_per_hundred("Proposal", "Negotiation", 7),
        "count the exits to Negotiation at an age of 7 to 14 days, and the days that all spent at that age.",
        {
            "that is Negotiation; the question is about Proposal.": lambda: own.exits_per_hundred(
                "Negotiation", "Won", 7
            ),
            "that is the age before: 3 to 7 days.": lambda: own.exits_per_hundred(
                "Proposal", "Negotiation", 3
            ),
            "these are the losses.": lambda: own.exits_per_hundred("Proposal", "Lost", 7),
        },
    ),
    (3, 2): number_judge(
        lambda: own.day_of_half("Proposal", "small"),
        "take the chance of each age, day by day, and look for the first below half of the chance of age 0.",
        {
            "that is Negotiation.": lambda: own.day_of_half("Negotiation", "small"),
            "these are the large deals.": lambda: own.day_of_half("Proposal", "large"),
        },
    ),
    (3, 3): number_judge(
        lambda: own.width_of_win("large", 90.0),
        "`high` less `low`, of large deals that leave Negotiation by Won, by the model of short memory.",
        {
            "that is the interval when all observations count alike.": lambda: own.width_of_win(
                "large", np.inf
            ),
            "these are the small deals.": lambda: own.width_of_win("small", 90.0),
        },
    ),
    (3, 4): number_judge(
        lambda: own.shrunk_skill(6, 4, 34),
        "add the same 34 wins to what was seen and to what was expected, and divide again.",
        {
            "that is the raw number; how much of it would you bet on?": lambda: 6 / 4,
            "a mean of raw and 1 forgets how few wins these are.": lambda: (6 / 4 + 1) / 2,
        },
    ),
    (3, 5): fade_judge,
    (4, 1): number_judge(
        lambda: own.chance_of_target(4e6),
        "give `fs.forecast` the target and look at `widths`: `p_target` of the first quarter.",
        {
            "that is the chance to miss it.": lambda: 1 - own.chance_of_target(4e6),
            "that is the fourth quarter.": lambda: own.chance_of_target(4e6, 1),
            "that is the chance of 6 million, as in the lesson.": lambda: own.chance_of_target(6e6),
        },
        near=0.012,
    ),
    (4, 2): number_judge(
        lambda: own.target_of_chance(0.8),
        "a target that is reached in eight of ten futures is missed in two: which quantile is that?",
        {
            "that one is reached in two of ten futures only.": lambda: own.target_of_chance(0.2),
            "that is reached in nine of ten: too careful.": lambda: own.target_of_chance(0.9),
            "that is the fourth quarter.": lambda: own.target_of_chance(0.8, 1),
            "the answer is in EUR, not in millions.": lambda: own.target_of_chance(0.8) / 1e6,
        },
    ),
    (4, 3): number_judge(
        lambda: own.deals_of_half("expected"),
        "`deals` begin with those that carry most; add up `expected` until half of the sum is reached.",
        {
            "that is half of the deals, not of the money.": lambda: len(own.plan_today().deals) / 2,
            "by size of the deal; what counts is the size times the chance.": lambda: own.deals_of_half(
                "value"
            ),
            "with these it is still a little less than half.": lambda: own.deals_of_half("expected") - 1,
        },
    ),
    (4, 4): number_judge(
        lambda: own.open_share(2),
        "of the rows of September, divide the mean of origin `open` by that of origin `total`.",
        {
            "that is July.": lambda: own.open_share(0),
            "that is August.": lambda: own.open_share(1),
            "that is what must come from leads that do not exist yet.": lambda: 1 - own.open_share(2),
        },
        near=0.012,
    ),
    (4, 5): promise_judge,
    (5, 1): number_judge(
        lambda: 0.03 * sum(own.plan_means()),
        "if every win brings 3 % more, so does the revenue of both quarters together. Give the difference.",
        {
            "that is the third quarter alone.": lambda: 0.03 * own.plan_means()[0],
            "these are 5 %, as in the lesson.": lambda: 0.05 * sum(own.plan_means()),
            "that is the whole revenue; what is the difference?": lambda: 1.03 * sum(own.plan_means()),
        },
        near=0.02,
    ),
    (5, 2): number_judge(
        lambda: 1 - 1 / (1 + 1.25 * 2 / 3),
        "a chance of 40 % are odds of 2 to 3; multiply the odds, and make a chance of them again.",
        {
            "a quarter more of the chance; it is the odds that rise.": lambda: 0.4 * 1.25,
            "these are the odds; make a chance of them.": lambda: 1.25 * 2 / 3,
        },
    ),
    (5, 3): number_judge(
        lambda: own.lever_gain("odds Negotiation > Won +15% from 2026-08-01")[0],
        "`better_closing` with another date; then the difference to the plan, in the third quarter only.",
        {
            "a training in October helps nobody before; let it begin on 1 August.": lambda: 0.0,
            "that is the fourth quarter.": lambda: own.lever_gain(
                "odds Negotiation > Won +15% from 2026-08-01"
            )[1],
            "that is a training from today on.": lambda: own.lever_gain("odds Negotiation > Won +15%")[0],
        },
        near=ROUGH,
    ),
    (5, 4): break_even_judge,
    (5, 5): plan_judge,
}
