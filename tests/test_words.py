"""Questions in words: what they mean, what they refuse, and that a saved one is the same scenario."""

from __future__ import annotations

import datetime
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_cli import run
from test_scenario import company

import funnelsim as fs
from funnelsim.errors import FunnelError
from funnelsim.forecasting.attribution import outlays
from funnelsim.model.funnel import Funnel
from funnelsim.model.levers import LEVERS, Scenario, apply_scenario
from funnelsim.model.model import Calendar, Model
from funnelsim.model.scenario import CLAUSES, FORMS, grammar, read_scenario, read_words, scenario_text
from funnelsim.model.stated import read_funnel

QUESTIONS = {
    "price +5%": "{value: all, multiply: 1.05}",
    "price large -7,5 %": "{value: large, multiply: 0.925}",
    "odds Negotiation > Won +15% from 2026-10": (
        "{odds: {Negotiation: Won}, multiply: 1.15, from: 2026-10-01}"
    ),
    "ODDS negotiation -> won x2 in Large until 2026Q4": (
        "{odds: {Negotiation: Won}, multiply: 2, segment: large, to: 2026-12-31}"
    ),
    "rate 'Needs analysis' > Proposal *1.5": "{rate: {Needs analysis: Proposal}, multiply: 1.5}",
    "days Needs analysis -20% from 2026-08-05 until 2026-09": (
        "{days: Needs analysis, multiply: 0.8, from: 2026-08-05, to: 2026-09-30}"
    ),
    "leads x1.5": "{entries: all, multiply: 1.5}",
    "leads search x1.5": "{entries: search, multiply: 1.5}",
    "leads +10 per week by events at Lead in large": (
        "{entries: all, add: 10 per week, channel: events, stage: Lead, segment: large}"
    ),
    "spend events +12k per month": "{spend: events, add: 12000 per month}",
    "spend search -6,000 per month today 31000 per month elasticity 0,4": (
        "{spend: search, add: -6000 per month, today: 31000 per month, elasticity: 0.4}"
    ),
    "spend events -20% social +10% elasticity 0.3 today 9000 per month from 2026-08": (
        "{spend: events, multiply: 0.8, elasticity: 0.3, today: 9000 per month, from: 2026-08-01}, "
        "{spend: social, multiply: 1.1, elasticity: 0.3, today: 9000 per month, from: 2026-08-01}"
    ),
    "reps closers +2 ramp 35% 65% from 2026-08": (
        "{reps: closers, add: 2, ramp: [0.35, 0.65], from: 2026-08-01}"
    ),
    "reps closers -1": "{reps: closers, add: -1}",
    "reps closers =9": "{reps: closers, set: 9}",
    "reps closers +12 until 2026": "{reps: closers, add: 12, to: 2026-12-31}",
    "referrals Won x3": "{referrals: Won, multiply: 3}",
    "work -50%": "{work: all, multiply: 0.5}",
    "value all *1.1; entries social x0": "{value: all, multiply: 1.1}, {entries: social, multiply: 0}",
    " price +5% ;days Lead x2; ": "{value: all, multiply: 1.05}, {days: Lead, multiply: 2}",
}


def by_file(folder: Path, changes: str, model: Model) -> Scenario:
    path = folder / "same.yaml"
    path.write_text(f"changes: [{changes}]", encoding="utf-8")
    return read_scenario(path, model)


@pytest.mark.parametrize("words", QUESTIONS)
def test_words_mean_what_a_file_says(tmp_path: Path, words: str) -> None:
    model = company()
    assert read_words(words, model).changes == by_file(tmp_path, QUESTIONS[words], model).changes


def test_a_question_is_said_back() -> None:
    asked = read_words("price +5%; odds Negotiation > Won +15% from 2026-10", company())
    assert asked.sentence == (
        "Prices, also of open deals, rise by 5 %; odds of Negotiation > Won rise by 15 % from 1 October 2026."
    )
    assert asked.name == asked.question == "price +5%; odds Negotiation > Won +15% from 2026-10"


WRONG = {
    "pric +5%": "'pric' (character 1) is no lever; did you mean 'price'?",
    "price +5%; odd Lead > Lost +1%": "'odd' (character 12) is no lever; did you mean 'odds'?",
    "odds Negotation > Won +15%": "'Negotation' (character 6) is no stage; did you mean 'Negotiation'?",
    "odds Negotiation > Wonn +15%": "'Wonn' (character 20) is no exit of 'Negotiation'; did you mean 'Won'?",
    "odds Negotiation Won +15%": "'Won' (character 18) stands where '>' was expected",
    "odds Lead > Won +1%": "'Won' (character 13) is no exit of 'Lead'; known: Qualified, Nurturing, Lost",
    "odds 'Leda' > Lost +1%": "is no stage; did you mean 'Lead'?",
    "days +5%": "'+5%' (character 6) stands where the name of a stage was expected",
    "price 5%": "'5%' (character 7) does not say by how much; expected one of +5% | -20% | x1.5 | *1.5",
    "price": "the end does not say by how much",
    "days Lead": "the end does not say by how much",
    "leads serch x1.5": "'serch' (character 7) is no channel, stage or segment; did you mean 'search'?",
    "spend events -20% serch +30%": "'serch' (character 19) is no channel; did you mean 'search'?",
    "spend events -20% from 2026-13": "from character 23 on: '2026-13' is no date; expected one like 2026-10",
    "reps closers +2.5": "'+2.5' (character 14) is no number of reps; expected one of +2 | -1 | =9",
    "reps closer +2": "'closer' (character 6) is no pool; did you mean 'closers'?",
    "reps closers +2 ramp fast": "'fast' (character 22) stands where speeds such as 35% 65% was expected",
    "work -5% from 2026-10": "'from' (character 10) is not understood; expected ';' or the end; nothing",
    "days Lead +1% fro 2026-10": "'fro' (character 15) is not understood; expected ';' or the end; did you",
    "days Lead +1% from 2026-08 from 2026-09": "'from' (character 28) is not understood",
    "leads +5 per fortnight": "unknown unit of time 'fortnight'",
    "reps closers +" + 5000 * "9": "is no number of reps",
    "leads +" + 400 * "9" + " per week": "given, expected a number",
    "price x1,500": "'1,500' could be two numbers; write 1.5 or 1500",
    "price -120%": "multiply: -0.2 given, expected greater than or equal to 0",
    "days Lead +1% until 2026-06": "to: 2026-06-30 is over: the model begins on 2026-07-01",
    "spend social -20%": "spend: nothing is spent on 'social' today",
    "": "the end is no lever; known: price, odds",
}


@pytest.mark.parametrize("words", WRONG)
def test_wrong_words_are_refused_with_their_place(words: str) -> None:
    with pytest.raises(FunnelError, match=re.escape(WRONG[words])) as told:
        read_words(words, company())
    assert str(told.value).startswith(f"what if {words!r}"[:50]) and "\n" not in str(told.value)


def test_a_funnel_without_reps_has_no_pool_to_name() -> None:
    with pytest.raises(FunnelError, match="no pools of reps"):
        read_words("reps closers +2", replace(company(), pools=(), work=()))


ODD = (
    "from",
    "odds",
    "To sales",
    "To",
    "A > B",
    "x2",
    "Deal; signed",
    '"quoted"',
    "until 2026",
    "初步 洽谈",
    "no",
    "1e6",
)


def named(names: tuple[str, ...]) -> Model:
    """A chain of stages with odd names, each of which leads to the next or is lost."""
    plain = company()
    exits = (*((name, "Lost") for name in names[1:]), ("Won", "Lost"))
    funnel = Funnel("odd", names, ("Won", "Lost"), exits, {"Won": 1.0})
    entries = replace(plain.entries, cells=tuple(replace(cell, stage=0) for cell in plain.entries.cells))
    return replace(plain, funnel=funnel, entries=entries, work=(), referrals=())


@pytest.mark.parametrize(("stage", "place"), list(zip(ODD, (*ODD[1:], "Won"), strict=True)))
def test_names_that_hold_words_of_the_grammar(tmp_path: Path, stage: str, place: str) -> None:
    model = named(ODD)
    bare = f"odds {stage} > {place} +15% from 2026-10; days {stage} x2"
    quoted = f"odds '{stage}' > '{place}' +15% from 2026-10; days '{stage}' x2"
    for words in (bare, quoted):
        asked = read_words(words, model)
        assert asked.changes[0].odds == {stage: place}
        assert (asked.changes[1].days, asked.changes[1].multiply) == (stage, 2.0)
        (tmp_path / "s.yaml").write_text(scenario_text(asked), encoding="utf-8")
        assert read_scenario(tmp_path / "s.yaml", model).changes == asked.changes


def test_a_channel_called_as_a_clause() -> None:
    cells = company().entries.cells
    turned = tuple(
        replace(cell, channel={"search": "until"}.get(cell.channel, cell.channel)) for cell in cells
    )
    model = replace(company(), entries=replace(company().entries, cells=turned))
    words = "spend events -20% until +30% today 100 per day elasticity 0.3 until 2026-12"
    asked = read_words(words, model)
    assert [change.spend for change in asked.changes] == ["events", "until"]
    assert {str(change.to) for change in asked.changes} == {"2026-12-31"}


def test_quarters_follow_the_fiscal_year() -> None:
    model = replace(company(), calendar=Calendar(first_month=4))
    asked = read_words("days Lead x2 from FY2027Q3", model)
    assert str(asked.changes[0].from_) == "2026-10-01"
    with pytest.raises(FunnelError, match="the fiscal year starts in April; write FY2026Q4, or a month"):
        read_words("days Lead x2 from 2026Q4", model)


PERCENT = st.decimals(-99, 900, places=2).map(lambda share: f"{share:+}%")
FACTOR = PERCENT | st.decimals("0.01", 999, places=3).map(lambda factor: f"x{factor}")
PER = st.sampled_from(["day", "week", "month", "quarter", "year"])
FLOW = st.builds("+{} per {}".format, st.integers(1, 10**7) | st.decimals("0.1", 9999, places=2), PER)
DAYS = st.dates(min_value=datetime.date(2026, 7, 1), max_value=datetime.date(2031, 1, 1))
SPANS = st.one_of(
    st.just(""),
    DAYS.map(" from {}".format),
    DAYS.map(" until {:%Y-%m}".format),
    DAYS.map(" from {0} until {0}".format),
)
WITHIN = st.sampled_from(["", " in large", " in small"])
CHANGES = st.one_of(
    st.builds("price {}{}".format, st.sampled_from(["", "large ", "all "]), FACTOR),
    st.builds("odds Proposal > Negotiation {}{}{}".format, FACTOR, WITHIN, SPANS),
    st.builds("rate Nurturing > Qualified {}{}{}".format, FACTOR, WITHIN, SPANS),
    st.builds("days Needs analysis {}{}{}".format, FACTOR, WITHIN, SPANS),
    st.builds("leads {}{}{}".format, st.sampled_from(["", "search ", "Lead "]), FACTOR | FLOW, SPANS),
    st.builds("spend events {} {}{}".format, FACTOR | FLOW, st.sampled_from(["", "elasticity 0.35"]), SPANS),
    st.builds(
        "reps closers +{}{}{}".format, st.integers(1, 99), st.sampled_from(["", " ramp 35% 65.5%"]), SPANS
    ),
    st.builds("referrals {}".format, FACTOR),
    st.builds("work Negotiation {}".format, FACTOR),
)


@settings(max_examples=150)
@given(st.lists(CHANGES, min_size=1, max_size=5))
def test_a_saved_question_is_the_same_scenario(tmp_path: Path, changes: list[str]) -> None:
    model = company()
    asked = read_words("; ".join(changes), model)
    (tmp_path / "s.yaml").write_text(scenario_text(asked), encoding="utf-8")
    again = read_scenario(tmp_path / "s.yaml", model)
    assert again.changes == asked.changes
    assert again.question == asked.question == " ".join("; ".join(changes).split())


PIECES = ("price", "odds", "Lead", ">", "Lost", "+5%", "x2", "from", "2026-10", ";", "'", "per")


@settings(max_examples=300)
@given(st.text(max_size=40) | st.lists(st.sampled_from(PIECES)).map(" ".join))
def test_whatever_is_typed_is_read_or_refused(text: str) -> None:
    try:
        asked = read_words(text, company())
    except FunnelError:
        return
    assert asked.changes and asked.sentence.endswith(".")


def test_the_grammar_tells_every_lever_and_its_examples_are_read() -> None:
    assert {form.key for form in FORMS} == set(LEVERS)
    told = grammar()
    for form in FORMS:
        assert form.syntax in told
        keys = {field.alias or name for name, field in LEVERS[form.key].__pydantic_fields__.items()}
        assert {CLAUSES[clause][1] for clause in form.clauses} <= keys
    sample = {form.example for form in FORMS if form.word not in ("reps", "spend")}
    for example in sample:
        assert read_words(example, company()).changes
    reps = next(form.example for form in FORMS if form.word == "reps")
    assert read_words(reps, read_funnel("saas_marketing_and_sales")).changes


def test_verbs_take_words_wherever_they_take_a_scenario(tmp_path: Path) -> None:
    quick = {"period": "month", "periods": 1, "draws": 20}
    by_words = fs.forecast("sales_funnel_5", what_if="price +10%", **quick)
    as_scenario = fs.forecast("sales_funnel_5", scenario="price +10%", **quick)
    (tmp_path / "s.yaml").write_text("changes: [{value: all, multiply: 1.1}]", encoding="utf-8")
    by_file = fs.forecast("sales_funnel_5", scenario=tmp_path / "s.yaml", **quick)
    assert by_words.periods.equals(by_file.periods) and by_words.periods.equals(as_scenario.periods)
    assert by_words.notes[0] == "What if: Prices, also of open deals, rise by 10 %."
    twice = fs.forecast(
        "sales_funnel_5", scenario=tmp_path / "s.yaml", what_if=["price x2", "leads x0"], **quick
    )
    assert twice.notes[0].count("rice") == 2 and "cease" in twice.notes[0]
    compared = fs.compare("sales_funnel_5", "price  +10%", **quick)
    assert compared.table["scenario"].tolist() == ["as planned", "price +10%"]
    assert fs.compare("sales_funnel_5", compared.plans["price +10%"], **quick).table.equals(compared.table)
    run = fs.simulate("lead_funnel", 60, what_if="odds Consideration > Conversion x2")
    assert len(run.log) and run.model.levers[0].multiply == 2.0
    with pytest.raises(FunnelError, match="more than one scenario is called 'price x2'"):
        fs.compare("sales_funnel_5", ["price x2", Scenario("price x2")], **quick)


def test_the_terminal_tells_the_grammar(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("forecast", "any.csv", "--what-if", "help") == 0
    assert capsys.readouterr().out.strip() == grammar()


@pytest.mark.parametrize(
    ("said", "paid"),
    [
        ("costs 50000", [50_000.0, 0.0]),
        ("costs 50k from 2026-08", [0.0, 50_000.0]),
        ("price +5%; costs 3100 per month until 2026-07", [3100 * 31 / (365.25 / 12), 0.0]),
        ("spend events -50%", [-400.0 * 31, -400.0 * 31]),
        ("spend search +10% elasticity 0.5", [float("nan")] * 2),
    ],
)
def test_what_a_plan_costs_is_said_once_or_per_time(said: str, paid: list[float]) -> None:
    """July and August; events cost 800 a day today, and nobody knows what search costs."""
    model, ends = company(), np.array([0.0, 31.0, 62.0])
    found = sum(one.within(ends) for one in outlays(model, read_words(said, model)))
    np.testing.assert_allclose(found, paid)


def test_costs_alone_move_no_lead_and_are_written_and_read(tmp_path: Path) -> None:
    model = company()
    asked = read_words("costs 12k per month from 2026-08 until 2026-10; costs 50k", model)
    assert apply_scenario(model, asked) is model
    (tmp_path / "s.yaml").write_text(scenario_text(asked), encoding="utf-8")
    assert read_scenario(tmp_path / "s.yaml", model).changes == asked.changes
    (tmp_path / "top.yaml").write_text("costs: [50000, 12000 per month]\nchanges: []\n", encoding="utf-8")
    told = read_scenario(tmp_path / "top.yaml", model).sentence
    assert told == "The plan costs 50,000 once; the plan costs 12,000 per month."


@pytest.mark.parametrize(
    ("said", "wrong"),
    [
        ("costs -5", "stands where money such as 50000"),
        ("costs 3 per fortnight", "unknown unit of time 'fortnight'"),
        ("costs 50k until 2026-08", "is paid once"),
    ],
)
def test_wrong_costs_are_refused(said: str, wrong: str) -> None:
    with pytest.raises(FunnelError, match=wrong):
        read_words(said, company())
