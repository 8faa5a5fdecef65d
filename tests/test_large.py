"""A file read in parts gives the model that it gives when it is read at once."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from funnelsim.calibration import parts as large
from funnelsim.calibration.calibrate import fit_model, open_pipeline
from funnelsim.calibration.parts import calibrate_large
from funnelsim.cli import app
from funnelsim.errors import FunnelError
from funnelsim.history.large_file import read_in_parts
from funnelsim.history.log import bookings
from funnelsim.history.quality import Quality
from funnelsim.history.read import read_history
from funnelsim.history.spend import read_spend
from funnelsim.model.model import Model, OpenDeals
from funnelsim.model.store import load_model
from funnelsim.sample import sample_path

pytest.importorskip("duckdb", reason="no DuckDB: pip install 'funnelsim[formats]'")
PARTS = 6_000


@pytest.fixture(scope="module")
def spend() -> pd.DataFrame:
    return read_spend(sample_path().with_name("spend.csv"))


@pytest.fixture(scope="module")
def whole(spend: pd.DataFrame) -> tuple[Model, OpenDeals]:
    history = read_history(sample_path())
    model = fit_model(history, spend=spend)
    return model, open_pipeline(history, model)


def alike(found: Model, told: Model) -> None:
    assert found.funnel == told.funnel
    assert (found.groups, found.as_of, found.currency) == (told.groups, told.as_of, told.currency)
    for name in ("events", "exposure", "spent"):
        np.testing.assert_allclose(getattr(found.counts, name), getattr(told.counts, name), rtol=1e-9)
    np.testing.assert_allclose(found.table.rate, told.table.rate, rtol=1e-9)
    assert found.entries.cells == told.entries.cells
    np.testing.assert_allclose(found.entries.share, told.entries.share, rtol=1e-9)
    np.testing.assert_allclose(found.entries.path, told.entries.path, rtol=1e-9)
    assert [answer.channel for answer in found.entries.spend] == [
        answer.channel for answer in told.entries.spend
    ]
    assert (found.values.tilt is None) == (told.values.tilt is None)
    for name in ("ratio", "amounts") if told.values.tilt is None else ("ratio", "amounts", "tilt"):
        np.testing.assert_allclose(getattr(found.values, name), getattr(told.values, name), rtol=1e-9)
    assert found.calendar.first_month == told.calendar.first_month
    np.testing.assert_allclose(found.calendar.week, told.calendar.week, rtol=1e-9)
    np.testing.assert_allclose(found.calendar.rush, told.calendar.rush, rtol=1e-9)
    assert found.win_level == pytest.approx(told.win_level, rel=1e-9)
    assert found.win_spread == pytest.approx(told.win_spread, rel=1e-9)
    assert found.notes[-len(told.notes) :] == told.notes


def test_text_in_parts(whole: tuple[Model, OpenDeals], spend: pd.DataFrame) -> None:
    model, rest = calibrate_large(sample_path(), spend=spend, rows=PARTS)
    deals = rest.deals
    assert model.notes[0].startswith("Read in 6 parts: 32,423 rows, 32,4"), model.notes[0]
    alike(model, whole[0])
    told = whole[1]
    order, expected = np.argsort(deals.name.astype(str)), np.argsort(told.name.astype(str))
    assert len(deals) == len(told) > 100
    for name in ("name", "stage", "group", "age", "value"):
        np.testing.assert_array_equal(getattr(deals, name)[order], getattr(told, name)[expected])


def test_parquet_in_parts_with_a_mapping_and_another_grouping(tmp_path: Path) -> None:
    frame = pd.read_csv(sample_path(), parse_dates=["at"]).rename(columns={"lead": "deal.id"})
    path = tmp_path / "log of [2024] 'x'.parquet"
    frame.to_parquet(path, index=False)
    columns = {"lead": "deal.id", "stage": "stage", "at": "at", "channel": "channel", "value": "value"}
    said = {"columns": columns, "won": "Won", "lost": "Lost"}
    model, _ = calibrate_large(path, said, "2024-06-30", groups="channel", rows=PARTS)
    told = fit_model(read_history(path, said, "2024-06-30"), groups="channel")
    alike(model, told)
    assert len(model.groups) > 2
    assert "set aside: future dates" in model.notes[0]


def test_amounts_of_some_leads_are_said_and_close(
    whole: tuple[Model, OpenDeals], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(large, "LEADS_FOR_AMOUNTS", 4_000)
    model, _ = calibrate_large(sample_path(), rows=PARTS)
    assert model.notes[1].startswith("Values: learnt from "), model.notes[1]
    assert "chosen by a hash" in model.notes[1]
    np.testing.assert_allclose(model.counts.events, whole[0].counts.events, rtol=1e-9)
    assert not np.array_equal(model.values.amounts, whole[0].values.amounts)
    np.testing.assert_allclose(model.values.mean, whole[0].values.mean, rtol=0.25)


def test_a_stage_of_one_lead_is_no_stage_of_most_parts(tmp_path: Path) -> None:
    rows = pd.read_csv(sample_path(), dtype="str")
    odd = pd.DataFrame(
        {"lead": ["odd"] * 2, "stage": ["Legal", "won"], "at": ["2024-01-05", "2024-01-09"]}, dtype="str"
    )
    pd.concat([rows, odd]).to_csv(tmp_path / "log.csv", index=False)
    model, _ = calibrate_large(tmp_path / "log.csv", rows=PARTS)
    told = fit_model(read_history(tmp_path / "log.csv"))
    assert set(model.funnel.stages) == set(told.funnel.stages)
    assert "Legal" in model.funnel.stages
    assert model.funnel.ends == told.funnel.ends
    assert model.counts.events.sum() == pytest.approx(told.counts.events.sum())


def test_the_terminal_takes_it(tmp_path: Path, whole: tuple[Model, OpenDeals]) -> None:
    out = tmp_path / "model.json"
    ran = CliRunner().invoke(app, ["calibrate", str(sample_path()), "--large", "-o", str(out)])
    assert ran.exit_code == 0, ran.output
    assert "Read in 1 part:" in ran.output
    np.testing.assert_allclose(load_model(out).counts.events, whole[0].counts.events, rtol=1e-9)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("lead,stage,at\n甲,线索,2026-01-01\n".encode("gb18030"), "must be UTF-8 or Parquet"),
        (b"", "the file is empty"),
        (b"lead,stage,at\na,Lead,2026-01-01\na,Won,2026-01-02,x,y\n", "row 3"),
        (b"lead,stage,when\na,Lead,2026-01-01\n", "no column 'at'"),
        (b"lead,stage,at,currency\na,Lead,2026-01-01,EUR\nb,Won,2026-01-02,USD\n", "cannot be added up"),
        (b"PAR1 this is none", "damaged Parquet file"),
    ],
)
def test_refusals_are_one_sentence(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "log.csv"
    path.write_bytes(content)
    with pytest.raises(FunnelError) as refusal:
        calibrate_large(path)
    assert said in str(refusal.value)
    assert "\n" not in str(refusal.value)
    with pytest.raises(FunnelError, match="no such file"):
        calibrate_large(tmp_path / "absent.csv")


def test_parts_say_how_the_whole_was_read_and_may_not_differ(tmp_path: Path) -> None:
    moves = (("New", 1), ("Won", 2))
    rows = [f"L{n},{place},2024-0{m}-05,{n % 7 + 1}.150" for n in range(400) for place, m in moves]
    path = tmp_path / "log.csv"
    path.write_text("\n".join(["lead,stage,at,value", *rows]), encoding="utf-8")
    parts = list(read_in_parts(path, rows=200))
    whole = read_history(path)
    assert len(parts) > 2
    assert sum((part.quality for part in parts), Quality()).read == whole.quality.read
    readings = {part.quality.reading for part in parts}
    assert readings == {replace(whole.quality.reading, until="row 3, 2024-02-05")}
    assert sum(bookings(part)["value"].sum() for part in parts) == pytest.approx(
        bookings(whole)["value"].sum()
    )
    other = ["lead;stage;at;value", *(row.replace(",", ";") for row in rows), "x;New;2024-01-05;1.5"]
    path.write_text("\n".join(other), encoding="utf-8")
    with pytest.raises(
        FunnelError, match=r"its parts differ \(comma and point\); give `decimal` in a mapping"
    ):
        list(read_in_parts(path, rows=200))
