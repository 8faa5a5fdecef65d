"""Scenario files: what each lever does to a model, and every refusal."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from funnelsim.errors import FunnelError
from funnelsim.model.funnel import Draw, Funnel, Pool, Referral, Work, resize_pool
from funnelsim.model.levers import LEVERS, Scenario, apply_scenario, with_sizes
from funnelsim.model.model import Cell, Entries, Model, Spend, Values, expected
from funnelsim.model.rates import constant_table
from funnelsim.model.scenario import read_scenario
from funnelsim.model.stated import read_funnel
from funnelsim.model.units import quote_ramps
from funnelsim.simulation.run import run_model

FOLDER = Path(__file__).parents[1] / "scenarios"
MONTH = 365.25 / 12


def company() -> Model:
    """The sample company's stages, channels and segments with plain numbers; day 0 is 2026-07-01."""
    stages = ("Lead", "Qualified", "Needs analysis", "Proposal", "Negotiation", "Nurturing")
    exits = (
        ("Qualified", "Nurturing", "Lost"),
        ("Needs analysis", "Proposal", "Nurturing", "Lost"),
        ("Proposal", "Lost"),
        ("Negotiation", "Needs analysis", "Lost"),
        ("Won", "Proposal", "Lost"),
        ("Qualified", "Lost"),
    )
    funnel = Funnel("company", stages, ("Won", "Lost"), exits, {"Won": 1.0})
    rate = (
        np.where(funnel.targets >= 0, 0.01, 0.0)[None, :, :, None] * np.array([[1.0], [0.4]])[:, None, None]
    )
    cells = tuple(
        Cell(stage, group, channel)
        for channel in ("events", "search", "social", "email")
        for group in (0, 1)
        for stage in (0, 1)
    )
    return Model(
        funnel=funnel,
        groups=("small", "large"),
        table=constant_table(np.zeros((2, 6, 1)), rate),
        entries=Entries(
            cells,
            np.full(16, 1 / 16),
            np.full(30, 16.0),
            spend=(Spend("events", 800.0, 0.4), Spend("social", 0.0, 0.3)),
        ),
        values=Values(np.array([[5.0, 15.0], [500.0, 1500.0]]), np.array([0.9, 0.8])),
        as_of=pd.Timestamp("2026-07-01"),
        currency="EUR",
        pools=(Pool("closers", np.array([-np.inf, 50.0]), np.array([4, 6])),),
        work=(Work(4, 0, Draw(np.array([0.0, 1.0]))),),
        referrals=(Referral(6, 0, 0.5, Draw(np.array([10.0]))),),
    )


def scenario(folder: Path, text: str, model: Model | None = None, name: str = "plan.yaml") -> Scenario:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return read_scenario(path, model or company())


def under(folder: Path, *changes: str) -> Model:
    lines = "".join(f"  - {change}\n" for change in changes)
    return apply_scenario(company(), scenario(folder, f"question: what if?\nchanges:\n{lines}"))


@pytest.mark.parametrize("text", ["question: as we are\n", "changes: []\n", "changes:\nquestion: x\n"])
def test_empty_scenario_is_the_same_model(tmp_path: Path, text: str) -> None:
    model = company()
    assert apply_scenario(model, scenario(tmp_path, text)) is model


def test_parts_without_a_lever_are_the_same_objects(tmp_path: Path) -> None:
    model = company()
    changed = apply_scenario(model, scenario(tmp_path, "changes: [{value: all, multiply: 2}]"))
    assert changed.table is model.table
    assert changed.entries is model.entries
    assert changed.pools == model.pools


def test_odds_from_a_date(tmp_path: Path) -> None:
    model = under(
        tmp_path,
        "{odds: {Proposal: Negotiation}, multiply: 2, from: 2026-10-01, to: 2026-12-31, segment: large}",
    )
    assert model.table.starts.tolist() == [-np.inf, 92, 184]
    assert_allclose(model.table.rate[1, 1, 3, :3, 0], [0.006, 0.003, 0.003])
    assert_array_equal(model.table.rate[1, 0], company().table.rate[0, 0])
    assert_array_equal(model.table.rate[2], company().table.rate[0])
    assert [lever.kind for lever in model.levers] == ["odds"]


def test_days_and_rate(tmp_path: Path) -> None:
    model = under(tmp_path, "{days: Qualified, multiply: 0.8}", "{rate: {Nurturing: Qualified}, multiply: 3}")
    assert model.table.starts.tolist() == [-np.inf, 0]
    assert_allclose(model.table.speed[1, :, 1], 1.25)
    assert_allclose(model.table.rate[1, :, 5, 0, 0], [0.03, 0.012])


def test_two_scenarios_one_after_the_other(tmp_path: Path) -> None:
    once = under(tmp_path, "{rate: {Lead: Lost}, multiply: 2}")
    twice = apply_scenario(once, scenario(tmp_path, "changes: [{rate: {Lead: Lost}, multiply: 3}]", once))
    assert_allclose(twice.table.rate[1, 0, 0, 2, 0], 0.06)
    assert_array_equal(twice.table.rate[0], company().table.rate[0])


def test_entries_by_channel_stage_and_segment(tmp_path: Path) -> None:
    def leads(change: str) -> Any:
        return expected(under(tmp_path, change).entries, 40)

    assert_allclose(leads("{entries: all, multiply: 1.5}"), 1.5)
    by_channel = leads("{entries: events, multiply: 0, from: 2026-07-11, to: 2026-07-20}")
    assert_allclose(by_channel.sum(axis=0)[[9, 10, 19, 20]], [16, 12, 12, 16])
    one = leads("{entries: all, channel: email, stage: Qualified, segment: large, add: 60 per month}")
    assert_allclose(one[15], 1 + 60 / MONTH)
    assert_allclose(one[:15], 1)
    assert_allclose(leads("{entries: large, multiply: 2}").sum(axis=0), 24)


def test_spend_answers_with_its_elasticity(tmp_path: Path) -> None:
    less = expected(under(tmp_path, "{spend: events, multiply: 0.8}").entries, 2)
    assert_allclose(less[:4], 0.8**0.4)
    assert_allclose(less[4:], 1)
    more = under(tmp_path, "{spend: events, add: 12000 per month, from: 2026-07-03}")
    assert_allclose(expected(more.entries, 3)[0], [1, 1, (1 + 12000 / MONTH / 800) ** 0.4])


def test_two_changes_of_one_budget_act_together(tmp_path: Path) -> None:
    changed = under(
        tmp_path,
        "{spend: events, multiply: 0.5, from: 2026-07-02, to: 2026-07-03}",
        "{spend: events, add: 400 per day, from: 2026-07-03}",
    )
    assert_allclose(expected(changed.entries, 4)[0], np.array([1, 0.5, 1, 1.5]) ** 0.4)


def test_spend_can_be_stated_where_the_model_has_none(tmp_path: Path) -> None:
    text = "{spend: search, add: 1000 per month, today: 2000 per month, elasticity: 0.5}"
    assert_allclose(expected(under(tmp_path, text).entries, 1)[4], 1.5**0.5)
    factor_alone = "{spend: search, multiply: 1.44, elasticity: 0.5}"
    assert_allclose(expected(under(tmp_path, factor_alone).entries, 1)[4], 1.2)


def test_far_spend_and_past_dates_are_noted(tmp_path: Path) -> None:
    text = "changes:\n- {spend: events, multiply: 2.5}\n- {days: Lead, multiply: 0.9, from: 2026-03-01}\n"
    made = scenario(tmp_path, text)
    assert made.notes == (
        "plan.yaml: changes[0]: 2.50 times today's spend on 'events' is outside 0.5 to 2: extrapolation",
        "plan.yaml: changes[1]: from 2026-03-01 is past; it acts from 2026-07-01 on",
    )
    assert apply_scenario(company(), made).levers[0].start == 0


@pytest.mark.parametrize(
    ("change", "noted"),
    [
        ("multiply: 2.0", False),
        ("multiply: 2.01", True),
        ("multiply: 0.5", False),
        ("multiply: 0.49", True),
        ("add: 800 per day", False),
        ("add: 801 per day", True),
        ("multiply: 0, add: 400 per day", False),
        ("multiply: 0", True),
        ("add: -800 per day", True),
    ],
)
def test_twice_and_half_of_todays_spend_are_within_what_is_believed(
    tmp_path: Path, change: str, noted: bool
) -> None:
    """Of 800 per day."""
    made = scenario(tmp_path, f"changes: [{{spend: events, {change}}}]")
    assert any("extrapolation" in note for note in made.notes) == noted


def test_what_is_said_of_all_acts_on_each(tmp_path: Path) -> None:
    model = under(tmp_path, "{work: all, multiply: 3}", "{referrals: all, multiply: 2}")
    assert_allclose(model.work[0].time.quantiles, [0, 3.0])
    assert_allclose(model.referrals[0].mean, 1.0)


def test_value_and_work_and_referrals(tmp_path: Path) -> None:
    model = under(
        tmp_path,
        "{value: large, multiply: 1.1}",
        "{value: all, multiply: 2}",
        "{work: Negotiation, multiply: 0.5}",
        "{referrals: Won, multiply: 3}",
    )
    assert_allclose(model.values.mean, [20, 2200])
    assert_allclose(model.values.ratio, [1.8, 1.76])
    assert_allclose(model.work[0].time.quantiles, [0, 0.5])
    assert_allclose(model.referrals[0].mean, 1.5)


def test_reps_come_learn_and_leave(tmp_path: Path) -> None:
    line = "{reps: closers, add: 2, from: 2026-08-01, to: 2027-06-30, ramp: [0.35, 0.65, 1.0] per month}"
    pool = under(tmp_path, line).pools[0]
    assert pool.starts.tolist() == [-np.inf, 31, 50, 365]
    assert pool.size.tolist() == [4, 6, 8, 6]
    assert pool.ramp_days == MONTH
    # Only the two who come on day 31 learn; the two of day 50 were to come anyway, ready.
    assert pool.ramp.tolist() == [[1, 1, 1], [0.35, 0.65, 1], [1, 1, 1], [1, 1, 1]]
    assert under(tmp_path, "{reps: closers, add: -1}").pools[0].size.tolist() == [4, 3, 5]
    assert under(tmp_path, "{reps: closers, set: 9, from: 2026-08-01}").pools[0].size.tolist() == [4, 9, 9]
    assert under(tmp_path, "{reps: closers, set: 9}").pools[0].ramp.size == 0


def test_who_is_not_there_yet_comes_later(tmp_path: Path) -> None:
    pool = under(tmp_path, "{reps: closers, add: 1, ramp: [0, 0, 0.5] per month}").pools[0]
    assert_allclose(pool.starts, [-np.inf, 50, 2 * MONTH])
    assert pool.size.tolist() == [4, 6, 7]
    assert pool.ramp.tolist() == [[1], [1], [0.5]]


def test_two_teams_of_newcomers_learn_each_in_their_way() -> None:
    first = resize_pool(company().pools[0], 1, ramp=(0.5,), start=10)
    both = resize_pool(first, 1, ramp=(0.2, 0.8), start=50)
    assert both.starts.tolist() == [-np.inf, 10, 50]
    assert both.ramp.tolist() == [[1, 1], [0.5, 1], [0.2, 0.8]]
    own = replace(company().pools[0], ramp=np.array([0.3]))
    assert resize_pool(own, 1, start=10).ramp.tolist() == [0.3]
    assert resize_pool(own, 1, ramp=(0.6,), start=10).ramp.tolist() == [[0.3], [0.6], [0.3]]
    with pytest.raises(FunnelError, match="'closers' learns in steps of 3 days, not months"):
        resize_pool(replace(own, ramp_days=3.0), 1, ramp=(0.6,), start=10)


@pytest.mark.parametrize("engine", ["compiled", "simpy"])
def test_a_newcomer_works_at_the_speed_of_the_ramp(tmp_path: Path, engine: str) -> None:
    model = replace(company(), work=(Work(4, 0, Draw(np.array([0.25]))),))
    changes = "[{reps: closers, set: 0}, {reps: closers, add: 1, from: 2026-07-21, ramp: [0.5]}]"
    model = apply_scenario(model, scenario(tmp_path, f"changes: {changes}", model))
    done = run_model(model, 120, engine=engine).waits.dropna()
    slow = done["began"] < 20 + MONTH
    assert done["began"].min() >= 20 and slow.any() and not slow.all()
    assert_allclose(done["done"] - done["began"], np.where(slow, 0.5, 0.25))


def test_based_on_one_parent(tmp_path: Path) -> None:
    scenario(tmp_path, "changes: [{value: all, multiply: 2}]", name="base.yaml")
    child = scenario(tmp_path, "based_on: base.yaml\nquestion: more?\nchanges: [{value: all, multiply: 3}]")
    assert [change.sentence for change in child.changes] == [
        f"prices, also of open deals, are multiplied by {number}" for number in (2, 3)
    ]
    assert_allclose(apply_scenario(company(), child).values.mean, [60, 6000])
    assert_allclose(apply_scenario(company(), child.only([1])).values.mean, [30, 3000])
    with pytest.raises(
        FunnelError, match="'plan.yaml' itself builds on 'base.yaml'; a scenario has at most one parent"
    ):
        scenario(tmp_path, "based_on: plan.yaml\n", name="third.yaml")
    with pytest.raises(FunnelError, match=r"there is no file 'bse\.yaml'; did you mean 'base\.yaml'"):
        scenario(tmp_path, "based_on: bse.yaml\n", name="third.yaml")


def test_a_parent_stays_in_its_folder_unless_told(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    scenario(tmp_path, "changes: [{value: all, multiply: 2}]", name="base.yaml")
    path = inner / "plan.yaml"
    for named in ("../base.yaml", str(tmp_path / "base.yaml"), "link.yaml"):
        path.write_text(f"based_on: {named}\n", encoding="utf-8")
        if named == "link.yaml":
            (inner / named).symlink_to(tmp_path / "base.yaml")
        with pytest.raises(FunnelError, match="is outside the scenario's folder"):
            read_scenario(path, company())
        assert len(read_scenario(path, company(), anywhere=True).changes) == 1


def test_a_loop_of_parents_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FunnelError, match="at most one parent"):
        scenario(tmp_path, "based_on: plan.yaml\n")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            "{odds: {Proposl: Negotiation}, multiply: 2}",
            "changes[0].odds: unknown stage 'Proposl'; did you mean 'Proposal'?",
        ),
        (
            "{odds: {Proposal: Won}, multiply: 2}",
            "changes[0].odds.Proposal: unknown exit 'Won'; known: Negotiation",
        ),
        ("{odds: {Won: Lost}, multiply: 2}", "changes[0].odds: unknown stage 'Won'"),
        ("{odds: Proposal, multiply: 2}", "changes[0].odds: 'Proposal' given, expected a valid mapping"),
        (
            "{odds: {Proposal: Lost}, multiply: -1}",
            "changes[0].multiply: -1 given, expected greater than or equal to 0",
        ),
        (
            "{odds: {Proposal: Lost}, multiply: 1e9}",
            "changes[0].multiply: 1000000000.0 given, expected less than",
        ),
        (
            "{odds: {Proposal: Lost}, multiply: '1.5'}",
            "changes[0].multiply: '1.5' given, expected a valid number",
        ),
        (
            "{odds: {Proposal: Lost}, multiply: true}",
            "changes[0].multiply: True given, expected a valid number",
        ),
        ("{odds: {Proposal: Lost}}", "changes[0]: the key 'multiply' is missing"),
        (
            "{odds: {Proposal: Lost}, multply: 2}",
            "changes[0]: unknown key 'multply'; did you mean 'multiply'?",
        ),
        ("{odd: {Proposal: Lost}, multiply: 2}", "changes[0]: unknown lever 'odd'; did you mean 'odds'?"),
        ("{multiply: 2}", "changes[0]: no lever is named; expected one of odds, rate, days"),
        ("{odds: {Proposal: Lost}, days: Lead, multiply: 2}", "changes[0]: 'odds' and 'days' are two levers"),
        ("{days: Lead, multiply: 0}", "changes[0].multiply: 0 given, expected greater than 0"),
        (
            "{days: Lead, multiply: 2, segment: lrge}",
            "changes[0].segment: unknown segment 'lrge'; did you mean 'large'?",
        ),
        ("{days: Lead, multiply: 2, channel: events}", "changes[0]: unknown key 'channel'"),
        (
            "{days: Lead, multiply: 2, from: 2026-13-01}",
            "changes[0].from: '2026-13-01' is not a date; expected one like",
        ),
        ("{days: Lead, multiply: 2, from: tomorrow}", "changes[0].from: 'tomorrow' is not a date"),
        (
            "{days: Lead, multiply: 2, from: 2026-10-01, to: 2026-09-01}",
            "changes[0].to: 2026-09-01 is before 'from', 2026-10-01",
        ),
        (
            "{days: Lead, multiply: 2, to: 2026-06-30}",
            "changes[0].to: 2026-06-30 is over: the model begins on 2026-07-01",
        ),
        (
            "{entries: evnts, multiply: 2}",
            "changes[0].entries: unknown channel, stage or segment 'evnts'; did you mean 'events'?",
        ),
        (
            "{entries: all, stage: Proposal, multiply: 2}",
            "changes[0].entries: no leads enter by stage 'Proposal'",
        ),
        ("{entries: all, channel: tv, multiply: 2}", "changes[0].channel: unknown channel 'tv'"),
        (
            "{entries: events, channel: search, multiply: 2}",
            "changes[0].channel: 'search' contradicts 'entries: events'",
        ),
        ("{entries: all, add: 50 per moon}", "changes[0].add: unknown unit of time 'moon'"),
        (
            "{entries: all, add: 50}",
            "changes[0].add: 50 given, expected an amount per time, such as '50 per month'",
        ),
        ("{entries: all, add: -50 per month}", "changes[0].add"),
        ("{spend: evens, multiply: 2}", "changes[0].spend: unknown channel 'evens'; did you mean 'events'?"),
        (
            "{spend: search, multiply: 2}",
            "changes[0].spend: how leads answer to money on 'search' is not known",
        ),
        (
            "{spend: search, add: 5 per day, elasticity: 0.3}",
            "changes[0].spend: nothing is spent on 'search' today",
        ),
        ("{spend: social, multiply: 2}", "changes[0].spend: nothing is spent on 'social' today"),
        (
            "{spend: events, add: -900 per day}",
            "changes[0].add: -900.00 per day is more than is spent on 'events'",
        ),
        ("{spend: events, multiply: -2}", "changes[0].multiply: -2 given"),
        ("{value: huge, multiply: 2}", "changes[0].value: unknown segment 'huge'; known: all, small, large"),
        (
            "{referrals: all, multiply: 2, from: 2026-10-01}",
            "changes[0]: unknown key 'from'; known: referrals, multiply",
        ),
        ("{reps: closer, add: 2}", "changes[0].reps: unknown pool 'closer'; did you mean 'closers'?"),
        ("{reps: closers}", "changes[0].reps: expected either 'add' or 'set'"),
        ("{reps: closers, add: 1.5}", "changes[0].add: 1.5 given, expected a valid integer"),
        ("{reps: closers, set: -1}", "changes[0].set: -1 given, expected greater than or equal to 0"),
        (
            "{reps: closers, add: 2, ramp: [0.5, 2]}",
            "changes[0].ramp: [0.5, 2] given, expected numbers from 0 to 1",
        ),
        (
            "{reps: closers, add: 2, ramp: [0.5] per week}",
            "changes[0].ramp: '[0.5] per week' given, expected strengths",
        ),
        ("{reps: closers, add: -2, ramp: [0.5]}", "changes[0].ramp: only reps that come"),
        ("{referrals: Lost, multiply: 2}", "changes[0].referrals: unknown place that refers 'Lost'"),
        ("{work: Lead, multiply: 2}", "changes[0].work: unknown stage that needs reps 'Lead'"),
        ("just words", "changes[0]: 'just words' given, expected a valid mapping"),
    ],
)
def test_refused_with_key_value_and_nearest(tmp_path: Path, change: str, expected: str) -> None:
    with pytest.raises(FunnelError) as caught:
        scenario(tmp_path, f"changes:\n- {change}\n")
    assert str(caught.value).startswith(f"{tmp_path / 'plan.yaml'}: ")
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


KEYS = (*LEVERS, "multiply", "add", "set")
FILTERS = ("from", "to", "ramp", "segment", "channel", "stage", "today", "elasticity", "junk")
NAMES = st.sampled_from(
    ["all", "Lead", "Proposal", "Negotiation", "Won", "events", "search", "large", "closers", "x"]
)
JUNK = st.one_of(
    NAMES,
    st.dictionaries(NAMES, NAMES, max_size=2),
    st.floats(-2, 5),
    st.integers(-3, 3),
    st.sampled_from(
        [None, True, "", [], [0.5], "2026-10-01", "2020-01-01", "5 per day", "-5 per day", "[.5] per month"]
    ),
)


@settings(max_examples=300)
@given(st.lists(st.dictionaries(st.sampled_from(KEYS + FILTERS), JUNK, min_size=1, max_size=5), max_size=2))
def test_any_changes_are_applied_or_refused_in_a_sentence(
    tmp_path: Path, changes: list[dict[str, Any]]
) -> None:
    model, sentence = company(), "none"
    try:
        changed = apply_scenario(model, scenario(tmp_path, json.dumps({"changes": changes}), model))
        assert np.isfinite(changed.table.rate).all()
        assert changed.pools[0].size.min() >= 0
    except FunnelError as error:
        sentence = str(error)
    assert sentence
    first, *others = sentence.split("\n")
    assert not others or first.endswith(f": {len(others)} faults")


def test_unknown_key_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(FunnelError, match=r"plan\.yaml: unknown key 'chnges'; did you mean 'changes'\?"):
        scenario(tmp_path, "chnges: []\n")
    with pytest.raises(FunnelError, match=r"plan\.yaml, line 2: found character '\\t'"):
        scenario(tmp_path, "changes:\n\t- 1\n")


def test_a_pool_cannot_have_less_than_nobody(tmp_path: Path) -> None:
    with pytest.raises(FunnelError, match="the pool 'closers' would have -1 reps"):
        under(tmp_path, "{reps: closers, add: -5}")


def test_no_pools_no_reps(tmp_path: Path) -> None:
    flywheel = read_funnel("flywheel")
    with pytest.raises(FunnelError, match="this model has no pools of reps"):
        scenario(tmp_path, "changes: [{reps: closers, add: 2}]", flywheel)


def with_spend(model: Model) -> Model:
    """Give every channel a spend, and leads that answer to it, as a fitted company has them."""
    channels = dict.fromkeys(cell.channel for cell in model.entries.cells if cell.channel)
    spend = tuple(Spend(channel, 800.0, 0.4) for channel in channels)
    return replace(model, entries=replace(model.entries, spend=spend))


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_scenario_fits_its_model(path: Path) -> None:
    named = yaml.safe_load(quote_ramps(path.read_text(encoding="utf-8"))).get("funnel")
    model = with_spend(company()) if named is None else read_funnel(named)
    made = read_scenario(path, model)
    changed = apply_scenario(model, made)
    assert made.question.endswith("?")
    assert (changed is model) == (made.changes == ())


def test_sizes_of_pools_by_name() -> None:
    other = with_sizes(company(), ["closers=12"])
    assert other.pools[0].size.tolist() == [12, 12]
    assert with_sizes(other, []) is other


@pytest.mark.parametrize(
    ("text", "words"), [("closer=2", "did you mean 'closers'"), ("closers=two", "'two' given")]
)
def test_wrong_sizes_are_refused(text: str, words: str) -> None:
    with pytest.raises(FunnelError, match=words):
        with_sizes(company(), [text])
