"""A saved model comes back equal, and a damaged file is refused in one sentence."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from funnelsim.calibration.posterior import table_of
from funnelsim.errors import FunnelError
from funnelsim.model.funnel import Draw, Funnel, Pool, Referral, Work
from funnelsim.model.model import Cell, Entries, IntakeChange, Model, Spend, Values
from funnelsim.model.rates import Counts, RateChange, table_under
from funnelsim.model.store import load_model, same, save_model

FUNNEL = Funnel(
    "潜在", ("Lead", "Offer"), ("Won", "Lost"), (("Offer", "Lost"), ("Won", "Lost")), {"Won": 1.0}
)
COUNTS = Counts(
    np.array([0.0, 7.0]), np.full((1, 2, 2, 2), 3.0), np.full((1, 2, 2), 91 / 3), np.ones((1, 2, 2))
)
LEVERS = (RateChange("odds", 1, 0, 1.1, (0,), 5.0),)
DAYS = Draw(np.array([0.5, 1.0, 1 / 3]))
MODEL = Model(
    FUNNEL,
    ("all",),
    table_under(LEVERS, table_of(COUNTS, FUNNEL)),
    Entries(
        (Cell(0, 0, "search"), Cell(1, 0)),
        np.array([0.9, 0.1]),
        np.array([1.0, 0.1 + 0.2]),
        0.2,
        (IntakeChange((0,), 3.0, np.inf, 1.2),),
        (Spend("search", 100.0, 0.6),),
    ),
    Values(np.array([[10.0, 20.0]]), np.array([0.97]), np.array([1.0, 0.9])),
    pd.Timestamp("2026-04-01 00:00:00"),
    pools=(Pool("team", np.array([-np.inf, 30.0]), np.array([2, 3]), "value"),),
    work=(Work(1, 0, DAYS, DAYS, 3),),
    referrals=(Referral(2, 0, 0.3, DAYS),),
    counts=COUNTS,
    win_spread=0.1,
    levers=LEVERS,
    notes=("Rates: 24 moves.",),
)


def test_a_model_comes_back_equal(tmp_path: Path) -> None:
    save_model(MODEL, tmp_path / "model.json")
    back = load_model(tmp_path / "model.json")
    assert same(back, MODEL)
    assert back.funnel == MODEL.funnel
    assert (back.table.rate == MODEL.table.rate).all() and back.table.starts[0] == -np.inf
    assert back.pools[0].size.dtype == np.int64


def test_a_change_anywhere_is_a_difference() -> None:
    nudged = replace(MODEL, counts=replace(COUNTS, events=COUNTS.events + 1e-15))
    assert same(MODEL, replace(MODEL)) and not same(MODEL, nudged)


def test_saving_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    save_model(MODEL, tmp_path / "one.json")
    save_model(load_model(tmp_path / "one.json"), tmp_path / "two.json")
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"format": "funnelsim model"', '"format": "recipe"', "no saved model: expected a file that begins"),
        ('"version": 2', '"version": 99', "version 99 of the format; this program reads 2"),
        ('"version": 2', '"version": 1', "version 1 of .*reads 2: calibrate the history again"),
        ('"noun": "Values"', '"noun": "Valuables"', "is damaged: unknown noun 'Valuables'"),
        ('"win_spread": 0.1', '"win_sprade": 0.1', "is damaged: .*win_sprade"),
        ('"groups": [', '"groups": ["one more",', "is damaged: rates for"),
        ("{", "[", "no saved model"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "model.json"
    save_model(MODEL, path)
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(FunnelError, match=message) as refused:
        load_model(path)
    assert str(path) in str(refused.value) and "\n" not in str(refused.value)


def test_every_truncated_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    save_model(MODEL, path)
    text = path.read_text(encoding="utf-8")
    for length in range(0, len(text) - 2, 97):
        path.write_text(text[:length], encoding="utf-8")
        with pytest.raises(FunnelError):
            load_model(path)


def test_a_number_that_became_a_word_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    save_model(MODEL, path)
    data = json.loads(path.read_text(encoding="utf-8"))
    data["model"]["values"]["amounts"]["data"][0] = "plenty"
    path.write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(FunnelError, match="damaged"):
        load_model(path)


def test_what_is_no_noun_of_a_model_is_not_saved(tmp_path: Path) -> None:
    with pytest.raises(FunnelError, match="a set cannot be saved"):
        save_model(replace(MODEL, notes={"a", "b"}), tmp_path / "model.json")  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []
