"""The tasks of the exercise sheets: the judge of each, its hint, and the usual mistakes with theirs."""

from __future__ import annotations

import numpy as np

from funnelsim.exercises import right as own
from funnelsim.exercises.judges import (
    Judge,
    alarm_judge,
    break_even_judge,
    entry_judge,
    fade_judge,
    month_judge,
    number_judge,
    page_judge,
    plan_judge,
    promise_judge,
    split_judge,
    team_judge,
    wheel_judge,
)

ROUGH = 0.04  # what depends on draws, as gains do, is right within four parts in a hundred

CLOSING, SEARCH = "odds Negotiation > Won +10%", "leads search +10%"

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
    (5, 4): break_even_judge(price=5),
    (5, 5): plan_judge,
    (6, 1): number_judge(
        lambda: own.erlang_wait(3, 2.7),
        "ask `mean_wait` for three reps; `busy` is how many leads come in the time of one talk.",
        {
            "that is the wait of 2.4 leads a day.": lambda: own.erlang_wait(3, 2.4),
            "waiting does not grow in step with the leads; it explodes.": lambda: (
                own.erlang_wait(3, 2.4) * 2.7 / 2.4
            ),
            "that is one rep at the same load; three share their line.": lambda: own.erlang_wait(1, 0.9),
        },
    ),
    (6, 2): number_judge(
        lambda: own.erlang_wait(6, 5.4),
        "one line, six reps, and the leads of both teams.",
        {
            "that is each team by itself.": lambda: own.erlang_wait(3, 2.7),
            "six reps, but the leads of one team only.": lambda: own.erlang_wait(6, 2.7),
            "half would be luck; ask the formula for six reps.": lambda: own.erlang_wait(3, 2.7) / 2,
        },
    ),
    (6, 3): number_judge(
        lambda: own.order_wait("value"),
        "the mean of `wait` over the leads worth 20,000 EUR or more, when the line is ordered by value.",
        {
            "that is their wait in turn.": lambda: own.order_wait("fifo"),
            "these are the leads under 20,000 EUR.": lambda: own.order_wait("value", dear=False),
            "that is how much shorter the wait is; how long is it now?": lambda: (
                own.order_wait("fifo") - own.order_wait("value")
            ),
        },
        near=0.02,
    ),
    (6, 4): number_judge(
        lambda: own.line_after(3),
        "`run.line('account executives')` has who waits, at each moment; take the last.",
        {
            "that is with patience.": lambda: own.line_after(3, patient=False),
            "that is after two years.": lambda: own.line_after(2),
            "these are the leads of today, without the 40 % more.": lambda: own.line_after(3, more=1.0),
        },
    ),
    (6, 5): team_judge,
    (7, 1): number_judge(
        lambda: own.purchases_of_proposal(0.7),
        "from Customer, 0.70 p and 0.30 x 0.15 p; put that into the equation of the lesson.",
        {
            "that is still with 60 %.": lambda: own.purchases_of_proposal(0.6),
            "ten percent more would be 0.566; but a proposal must first be bought.": lambda: (
                1.1 * own.purchases_of_proposal(0.6)
            ),
            "that is how many follow from one purchase.": lambda: 1 + 0.745 * own.purchases_of_proposal(0.7),
        },
        near=0.003,
    ),
    (7, 2): number_judge(
        lambda: own.wheel_customers(1.5),
        "m = 2 purchases x 1.5 leads x 0.3, and marketing alone brings 6 customers a week.",
        {
            "that is still with 1.2 leads.": lambda: own.wheel_customers(1.2),
            "a quarter more friends bring friends in turn.": lambda: 1.25 * own.wheel_customers(1.2),
            "these are friends; their friends count as well, and so on.": lambda: 6 * (1 + 0.9),
        },
    ),
    (7, 3): number_judge(
        lambda: own.wheel_customers(1.2),
        "look at 6 / (1 - m): where in it stands the delay?",
        {
            "twice as fast is not twice as many.": lambda: 2 * own.wheel_customers(1.2),
            "that is the second year; it has not settled yet.": lambda: 14.7,
            "without the card: 1.2 leads per purchase.": lambda: own.wheel_customers(1.5),
        },
        near=0.05,
    ),
    (7, 4): number_judge(
        lambda: 0.5 + 0.5 * own.family_gone(),
        "let q be the chance for a customer's family; each of his orders must bring nobody who lasts.",
        {
            "that is the family of one customer; a proposal may fail at once.": own.family_gone,
            "that is how likely it lives on.": lambda: 0.5 - 0.5 * own.family_gone(),
            "that is within three years; some end later.": lambda: 0.82,
        },
        near=0.02,
    ),
    (7, 5): wheel_judge,
    (8, 1): number_judge(
        lambda: own.crps_of([1, 2, 4], 5),
        "how far off on average, less half of how far the futures are from each other.",
        {
            "that is how far off they are; their own width is forgiven by half.": lambda: (4 + 3 + 1) / 3,
            "half of how far they are apart, not all of it.": lambda: (4 + 3 + 1) / 3 - 12 / 9,
            "that is the score if 3 million come.": lambda: own.crps_of([1, 2, 4], 3),
        },
    ),
    (8, 2): number_judge(
        lambda: own.chance_to_hold(7, 12, 0.8),
        "add up the chances of 0, 1, 2 and so on to 7 of 12, each of them held with a chance of 0.8.",
        {
            "that is exactly seven; fewer would be as bad.": lambda: (
                own.chance_to_hold(7, 12, 0.8) - own.chance_to_hold(6, 12, 0.8)
            ),
            "that is the chance of eight or more.": lambda: 1 - own.chance_to_hold(7, 12, 0.8),
            "that is the share that held, not how likely it is.": lambda: 7 / 12,
        },
        near=0.004,
    ),
    (8, 3): number_judge(
        lambda: own.held_if(0.5),
        "stretch with `fs.inside.widened`, score the rows again, and add up `inside_80`.",
        {
            "that is with the bands as they were said.": lambda: own.held_if(1),
            "that is with bands twice as wide.": lambda: own.held_if(2),
            "that is a quarter of the width.": lambda: own.held_if(0.25),
        },
    ),
    (8, 4): number_judge(
        lambda: own.skill_between("2026-01", "2026-06"),
        "1 less our mean `crps` divided by that of the cohorts, both of the months from January on.",
        {
            "that is the second half of 2025.": lambda: own.skill_between("2025-07", "2025-12"),
            "that is the whole year.": lambda: own.skill_between("2025-07", "2026-06"),
            "that is ours divided by theirs; skill is what is missing to one.": lambda: (
                1 - own.skill_between("2026-01", "2026-06")
            ),
        },
    ),
    (8, 5): month_judge,
    (9, 1): number_judge(
        lambda: own.lead_cost("search", 0.2),
        "divide the further money by the further leads, leads x (1.2 to the power of the elasticity - 1).",
        {
            "that is what a lead costs now; a further one costs more.": lambda: own.lead_cost("search", 0),
            "that is 10 % more money, as in the lesson.": lambda: own.lead_cost("search", 0.1),
            "all of the money for the further leads alone; take the further money.": lambda: (
                6 * own.lead_cost("search", 0.2)
            ),
        },
        near=0.012,
    ),
    (9, 2): number_judge(
        lambda: own.return_left("events"),
        "`return_now` of events with `periods=2`, divided by that with `periods=4`.",
        {
            "that is search.": lambda: own.return_left("search"),
            "that is email.": lambda: own.return_left("email"),
            "that is what is lost.": lambda: 1 - own.return_left("events"),
        },
    ),
    (9, 3): number_judge(
        lambda: own.free_split("search"),
        "`spend_best` divided by `spend_now`, of search, with `at_least=0, at_most=3`.",
        {
            "that is its bound of today; let it go from nothing to three times.": lambda: 1.3,
            "that is the bound; it stops before.": lambda: 3.0,
            "that is events.": lambda: own.free_split("events"),
        },
        near=0.02,
    ),
    (9, 4): number_judge(
        lambda: own.width_in_doubt(2),
        "`high` less `low` of the plan in doubt, divided by that of the plan as fitted.",
        {
            "not quite: elasticities are not all that is not known.": lambda: 2.0,
            "that is the other way round.": lambda: 1 / own.width_in_doubt(2),
            "the interval does change; is the doubt in the model that you asked?": lambda: 1.0,
        },
        near=0.03,
    ),
    (9, 5): split_judge,
    (10, 1): number_judge(
        lambda: 100 * (0.75 / 0.25 / (0.627 / 0.373) - 1),
        "make odds of both chances, and divide.",
        {
            "that is how much more the chance is; odds are asked for.": lambda: 100 * (0.75 / 0.627 - 1),
            "that is the factor; how many percent more is it?": lambda: 0.75 / 0.25 / (0.627 / 0.373),
            "these are points of the chance.": lambda: 100 * (0.75 - 0.627),
        },
        near=0.012,
    ),
    (10, 2): number_judge(
        lambda: sum(own.lever_gain(CLOSING)) - sum(own.lever_gain(SEARCH)),
        "the differences of both scenarios for the total of the two quarters; then their own difference.",
        {
            "that is what the odds bring alone.": lambda: sum(own.lever_gain(CLOSING)),
            "that is what search brings alone.": lambda: sum(own.lever_gain(SEARCH)),
            "that is both together.": lambda: sum(own.lever_gain(CLOSING)) + sum(own.lever_gain(SEARCH)),
        },
        near=0.06,
    ),
    (10, 3): break_even_judge(price=10),
    (10, 4): page_judge,
    (11, 1): number_judge(
        own.new_leads_bring,
        "`parts` has a line for each reason; which `change` is largest, whatever its sign?",
        {
            "that is what was lost; another part is larger.": lambda: -own.lost_deals_took(),
            "that is the whole change; which part of it is largest?": lambda: 5.2e5,
            "the answer is in EUR, not in millions.": lambda: own.new_leads_bring() / 1e6,
        },
        near=ROUGH,
    ),
    (11, 2): number_judge(
        lambda: own.chance_without(2, 6e6),
        "`concentration` has three lines: as it stands, without the largest, without the two largest.",
        {
            "that is with them.": lambda: own.chance_without(0, 6e6),
            "that is without the largest alone.": lambda: own.chance_without(1, 6e6),
            "that is the chance of 5.5 million, as in the lesson.": lambda: own.chance_without(2, 5.5e6),
        },
        near=0.008,
    ),
    (11, 3): number_judge(
        lambda: 100 * (1.2 + 0.9 + 1.5 + 1.1 - 4.0) / 4.0,
        "add up what she said and what came, and divide.",
        {
            "that is of what she said; how much too high is it against what came?": lambda: 100 * 0.7 / 4.7,
            "a mean of percents lets the smallest quarter count most.": lambda: (
                100 * (1.2 / 1.0 + 0.9 / 0.6 + 1.5 / 1.5 + 1.1 / 0.9 - 4) / 4
            ),
            "that is a share; the answer is in percent.": lambda: 0.7 / 4.0,
        },
        near=0.01,
    ),
    (11, 4): alarm_judge,
}
