"""What was fitted is kept, is the same to the last bit, and is data that nobody else can read."""

import json
import sqlite3
import stat
import zipfile
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from typer.testing import CliRunner

import funnelsim.forecasting.forecast as predicting
import funnelsim.forecasting.kept as kept
import funnelsim.forecasting.situation as standing
from funnelsim.calibration.posterior import draw_counts, draw_rates, stream
from funnelsim.cli import app
from funnelsim.forecasting.situation import Situation, situation
from funnelsim.model.store import same
from funnelsim.sample import sample_path
from funnelsim.verbs import forecast

FRAMES = (*kept.FRAMES, "visits", "wins", "open")
MAPPING = "columns: {lead: deal, stage: step, at: day}\nwon: [Won]\nlost: [Lost]\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "funnelsim"


@pytest.fixture
def moves(tmp_path: Path) -> Path:
    """A small history with its mapping beside it."""
    rows = []
    for n in range(40):
        day = pd.Timestamp("2026-01-01") + pd.Timedelta(days=3 * n)
        end = "Won" if n % 3 else "Lost"
        rows.append((f"Miller {n}", "Lead", day, f"Olga {n % 2}"))
        rows.append((f"Miller {n}", end, day + pd.Timedelta(days=9), f"Olga {n % 2}"))
    (tmp_path / "map.yaml").write_text(MAPPING.replace("day}", "day, owner: who}"))
    frame = pd.DataFrame(rows, columns=["deal", "step", "day", "who"])
    frame.to_csv(tmp_path / "moves.csv", index=False)
    return tmp_path / "moves.csv"


def read(moves: Path, **more: object) -> Situation:
    return situation(moves, mapping=moves.with_name("map.yaml"), cache=True, **more)


def no_fitting(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("fitted anew")

    monkeypatch.setattr(standing, "_fit", refuse)


def assert_alike(one: Situation, other: Situation) -> None:
    for name in FRAMES:
        assert_frame_equal(getattr(one.history, name), getattr(other.history, name), check_exact=True)
    plain = [part.name for part in fields(one.history) if part.name not in kept.FRAMES]
    for name in plain:
        assert getattr(one.history, name) == getattr(other.history, name), name
    assert one.history.until.unit == other.history.until.unit
    assert same(one.model, other.model)
    assert_frame_equal(one.booked, other.booked, check_exact=True)
    assert_frame_equal(one.ways, other.ways, check_exact=True)
    for part in fields(one.deals):
        mine, theirs = getattr(one.deals, part.name), getattr(other.deals, part.name)
        assert (mine is None) == (theirs is None)
        if mine is not None:
            assert mine.dtype == theirs.dtype
            np.testing.assert_array_equal(mine, theirs)
    assert one.periods == other.periods


def test_the_sample_comes_back_as_it_was_to_the_last_bit(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {"spend": sample_path("spend.csv"), "mapping": sample_path("mapping.yaml")}
    plain = situation(sample_path(), **given)
    first = situation(sample_path(), **given, cache=True)
    assert len(first.ways)
    no_fitting(monkeypatch)
    again = situation(sample_path(), **given, cache=True)
    assert plain.key == "" != first.key == again.key
    assert_alike(again, plain)
    assert again.history.quality.findings
    fresh, found = forecast(plain, draws=20, by="segment"), forecast(again, draws=20, by="segment")
    for name in ("periods", "widths", "deals", "total", "parts", "past"):
        assert_frame_equal(getattr(found, name), getattr(fresh, name), check_exact=True)


def test_simpler_ways_are_kept_for_the_same_periods_only(folder: Path, moves: Path) -> None:
    one, other = read(moves, period="month"), read(moves, period="month", periods=3)
    assert len(one.ways.columns) == 3
    assert len(other.ways.columns) == 4
    assert_frame_equal(read(moves, period="month").ways, one.ways, check_exact=True)


def test_only_the_owner_can_read_what_is_kept(folder: Path, moves: Path) -> None:
    folder.mkdir(parents=True, mode=0o755)
    read(moves)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()] == [0o600]


@pytest.mark.parametrize("damage", ["empty", "cut", "foreign", "no zip", "wrong frame"])
def test_what_is_damaged_or_foreign_is_passed_by_and_replaced(
    folder: Path, moves: Path, damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = read(moves)
    (file,) = folder.iterdir()
    whole = file.read_bytes()
    if damage in ("foreign", "wrong frame"):
        with zipfile.ZipFile(file) as archive:
            parts = {name: archive.read(name) for name in archive.namelist()}
        if damage == "foreign":
            content = json.loads(parts[kept.CONTENT])
            parts[kept.CONTENT] = json.dumps(content | {"entry": [kept.FORMAT, "another"]}).encode()
        else:
            parts["deals"] = parts["booked"]
        with zipfile.ZipFile(file, "w") as archive:
            for name, data in parts.items():
                archive.writestr(name, data)
    else:
        file.write_bytes({"empty": b"", "cut": whole[: len(whole) // 2], "no zip": b"x" * 999}[damage])
    assert_alike(read(moves), first)
    no_fitting(monkeypatch)
    assert_alike(read(moves), first)


def test_whatever_is_read_or_said_has_its_place_in_the_key(folder: Path, moves: Path) -> None:
    guide, extra = moves.with_name("map.yaml"), moves.with_name("extra.csv")
    spend = moves.with_name("spend.csv")
    keys = {read(moves).key}
    guide.write_text(guide.read_text() + "currency: EUR\n")
    keys.add(read(moves).key)
    more = guide.read_text().replace("owner: who", "owner: who, segment: kind")
    guide.write_text(more + "attributes: {file: extra.csv, lead: deal}\n")
    for kind in ("large", "small"):
        names = "".join(f"Miller {n},{kind}\n" for n in range(40))
        extra.write_text(f"deal,kind\n{names}")
        keys.add(read(moves).key)
    keys.add(read(moves, period="month").key)
    keys.add(read(moves, as_of="2026-04-01").key)
    keys.add(read(moves, anonymise="word").key)
    for money in ("100", "200"):
        spend.write_text(f"channel,week,spend\nsearch,2026-01-05,{money}\n")
        keys.add(kept.key_of(moves, "quarter", spend, None, {"mapping": guide}))
    moves.write_text(moves.read_text().replace("Olga", "Anna"))
    keys.add(read(moves).key)
    assert len(keys) == 10
    assert "" not in keys


def test_another_program_reads_anew(folder: Path, moves: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = read(moves)
    monkeypatch.setattr(kept, "FORMAT", 0)
    assert read(moves).key != first.key


def test_a_file_that_a_mapping_of_earlier_leads_names_counts_too(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text("before: {file: leads.csv, mapping: two.yaml}\n")
    (tmp_path / "two.yaml").write_text("attributes: {file: more.csv}\n")
    named = {path.name for path in kept._named(tmp_path / "one.yaml", (tmp_path,), 0)}
    assert named == {"leads.csv", "two.yaml", "more.csv"}
    (tmp_path / "two.yaml").write_text("before: {file: leads.csv, mapping: two.yaml}\n")
    assert kept.key_of(tmp_path / "x.csv", "month", None, None, {"mapping": tmp_path / "one.yaml"}) == ""


def test_a_data_base_is_known_by_the_rows_that_its_query_gave(
    folder: Path, tmp_path: Path, moves: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with sqlite3.connect(tmp_path / "crm.db") as base:
        pd.read_csv(moves).to_sql("moves", base, index=False)
        base.execute("create table other (x)")
    address, guide = f"sqlite:///{tmp_path / 'crm.db'}", moves.with_name("map.yaml")

    def ask() -> Situation:
        return situation(address, mapping=guide, query="moves", cache=True)

    first = ask()
    with sqlite3.connect(tmp_path / "crm.db") as base:
        base.execute("insert into other values (1)")
    assert ask().key == first.key
    with sqlite3.connect(tmp_path / "crm.db") as base:
        base.execute("insert into moves values ('new', 'Lead', '2026-05-02', 'Olga 1')")
    again = ask()
    assert again.key != first.key
    assert len(again.history.leads) == len(first.history.leads) + 1
    no_fitting(monkeypatch)
    assert_alike(ask(), again)


def test_every_member_of_a_folder_counts(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "crm").mkdir()
    for name in ("a.csv", "b.csv"):
        (tmp_path / "crm" / name).write_text("x\n1\n")
    first = kept.key_of(tmp_path / "crm", "month", None, None, {})
    (tmp_path / "crm" / "b.csv").write_text("x\n2\n")
    second = kept.key_of(tmp_path / "crm", "month", None, None, {})
    (tmp_path / "crm" / "c.csv").write_text("x\n2\n")
    assert len({first, second, kept.key_of(tmp_path / "crm", "month", None, None, {}), ""}) == 4


def test_of_an_anonymised_history_hashes_alone_are_kept(folder: Path, moves: Path) -> None:
    frame = pd.read_csv(moves)
    frame.loc[3, "day"] = ""
    frame.to_csv(moves, index=False)
    secret = "a word of our own"
    assert len(read(moves, anonymise=secret).ways)
    for file in folder.iterdir():
        with zipfile.ZipFile(file) as archive:
            data = b"".join(archive.read(name) for name in archive.namelist())
        for word in ("Miller", "Olga", secret):
            assert word.encode() not in data
    read(moves)
    assert any(b"Miller" in file.read_bytes() for file in folder.iterdir())


def test_without_room_or_leave_the_answer_is_the_same(
    folder: Path, moves: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.parent.write_text("a file, where the folder should be")
    assert_alike(read(moves), situation(moves, mapping=moves.with_name("map.yaml")))
    folder.parent.unlink()
    monkeypatch.setattr(kept, "MOST_BYTES", 0)
    read(moves)
    assert list(folder.iterdir()) == []


def test_what_was_used_longest_ago_goes_first(
    folder: Path, moves: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = read(moves), read(moves, period="month")
    size = max(file.stat().st_size for file in folder.iterdir())
    read(moves)
    monkeypatch.setattr(kept, "MOST_BYTES", int(2.5 * size))
    third = read(moves, period="week")
    assert {file.stem for file in folder.iterdir()} == {first.key, third.key}
    assert second.key not in {first.key, third.key}


def test_what_is_no_file_is_not_kept(folder: Path, moves: Path) -> None:
    assert situation("sales_funnel_5", cache=True).key == ""
    assert situation(pd.read_csv(moves), mapping=moves.with_name("map.yaml"), cache=True).key == ""
    assert not folder.exists()


def test_the_terminal_keeps_unless_told_otherwise(folder: Path, moves: Path) -> None:
    command = ["forecast", str(moves), "--mapping", str(moves.with_name("map.yaml")), "--period", "month"]
    fresh = CliRunner().invoke(app, [*command, "--no-cache"])
    assert fresh.exit_code == 0
    assert not folder.exists()
    first, again = (CliRunner().invoke(app, command) for _ in range(2))
    assert fresh.output == first.output == again.output
    assert len(list(folder.iterdir())) == 3


def test_the_same_question_gets_its_answer_from_the_cache(
    folder: Path, moves: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = {"what_if": "odds Lead > Won +20%", "target": {"total": 3.0}, "draws": 10, "cache": True}
    asked["mapping"] = moves.with_name("map.yaml")
    first, plain = forecast(moves, **asked), forecast(moves, **(asked | {"what_if": ()}))
    assert not first.periods.equals(plain.periods)
    with monkeypatch.context() as patch:
        patch.setattr(predicting, "forecast_periods", None)
        again = forecast(moves, **asked)
        with pytest.raises(TypeError):
            forecast(moves, **(asked | {"seed": 2}))
    for name in ("periods", "widths", "deals", "total", "total_width", "past"):
        assert_frame_equal(getattr(again, name), getattr(first, name), check_exact=True)
    assert (again.as_of, again.currency, again.engine) == (first.as_of, first.currency, first.engine)
    assert again.notes == first.notes


def test_draws_are_made_once_and_leave_the_generator_as_if_made_again() -> None:
    place = situation(sample_path())
    one, other = stream(1, "rates"), stream(1, "rates")
    drawn = draw_counts(place.model.counts, 5, one, place.model.funnel)
    rest = one.random()
    for again in (other, stream(1, "rates")):
        found = draw_rates(replace(place.model, win_level=1.0), 5, again)
        np.testing.assert_array_equal(found[:, 0], drawn)
        assert again.random() == rest
