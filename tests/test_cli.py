"""The terminal as a user meets it: its contract, its refusals, and nothing half-written."""

import json
import re
import sys

import numpy as np
import pandas as pd
import pytest
from hotels import company

import funnelsim as fs
from funnelsim.cli import main

EXAMPLE = """question: What if more proposals were won?
changes:
  - {odds: {Proposal: Won}, multiply: 1.5}
"""


def run(*words: object) -> int:
    """Run the command line in this process and return its exit code."""
    sys.argv = ["funnelsim", *map(str, words)]
    with pytest.raises(SystemExit) as stopped:
        main()
    return int(stopped.value.code or 0)


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    """A small history: leads enter daily, wait, and are won or lost."""
    rng = np.random.default_rng(8)
    start = pd.Timestamp("2025-01-01")
    rows = []
    for lead in range(400):
        born = start + pd.Timedelta(days=float(rng.uniform(0, 365)))
        offer = born + pd.Timedelta(days=float(rng.exponential(20)))
        end = offer + pd.Timedelta(days=float(rng.exponential(30)))
        rows.append((lead, "Lead", born, 1000 + lead))
        rows.append((lead, "Proposal" if rng.random() < 0.6 else "Lost", offer, 1000 + lead))
        if rows[-1][1] == "Proposal":
            rows.append((lead, "Won" if rng.random() < 0.5 else "Lost", end, 1000 + lead))
    table = pd.DataFrame(rows, columns=["lead", "stage", "at", "value"])
    path = tmp_path_factory.mktemp("history") / "log.csv"
    table[table["at"] < "2026-01-01"].to_csv(path, index=False)
    return path


def test_forecast_keeps_its_contract(log, tmp_path, capsys):
    out = {name: tmp_path / name for name in ("f.json", "f.html", "deals.csv")}
    code = run(
        "forecast", log, "--as-of", "2025-12-31", "--period", "month", "--periods", 3, "--target", 20_000,
        "--draws", 20, "--json", out["f.json"], "--html", out["f.html"], "--deals", out["deals.csv"],
    )  # fmt: skip
    assert code == 0
    said = json.loads(out["f.json"].read_text(encoding="utf-8"))
    assert [said["as_of"], said["period"], said["currency"]] == ["2025-12-31", "month", None]
    assert [p["start"] for p in said["periods"]] == ["2026-01-01", "2026-02-01", "2026-03-01"]
    assert [p["end"] for p in said["periods"]] == ["2026-02-01", "2026-03-01", "2026-04-01"]
    for period in said["periods"]:
        for part in (period, period["wins"], *period["by_origin"].values()):
            levels = [part["quantiles"][level] for level in ("0.01", "0.10", "0.50", "0.90", "0.99")]
            assert levels == sorted(levels)
        assert set(period["by_origin"]) == {"booked", "open", "new"}
        assert 0 < period["noise_floor_sd"] <= period["sd"] * 1.001
    assert "chance to reach" in capsys.readouterr().out
    assert not re.search(r"(src|href)=.https?:", out["f.html"].read_text(encoding="utf-8"))
    deals = pd.read_csv(out["deals.csv"])
    assert {"lead", "stage", "P(win 2026-01)", "expected"} <= set(deals.columns)


def test_the_same_seed_writes_the_same_file(log, tmp_path):
    for name in ("a.json", "b.json"):
        assert run("forecast", log, "--draws", 10, "--seed", 3, "--json", tmp_path / name) == 0
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def test_an_empty_scenario_changes_nothing_bit_for_bit(log, tmp_path):
    (tmp_path / "empty.yaml").write_text("question: nothing?\nchanges: []\n")
    assert run("forecast", log, "--draws", 10, "--json", tmp_path / "a.json") == 0
    scenario = ("--scenario", tmp_path / "empty.yaml")
    assert run("forecast", log, "--draws", 10, *scenario, "--json", tmp_path / "b.json") == 0
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def test_simulated_engines_answer_like_the_exact_one(log, tmp_path):
    means = {}
    for engine, draws in (("exact", 60), ("compiled", 400)):
        path = tmp_path / f"{engine}.json"
        words = ("--period", "quarter", "--periods", 1, "--engine", engine, "--draws", draws, "--json", path)
        assert run("forecast", log, *words) == 0
        wins = json.loads(path.read_text())["periods"][0]["wins"]
        means[engine] = wins["mean"], wins["sd"]
    error = 4 * means["compiled"][1] / np.sqrt(400) + 4 * means["exact"][1] / np.sqrt(60) / 2
    assert abs(means["exact"][0] - means["compiled"][0]) < error


def test_compare_says_what_a_lever_brings(log, tmp_path, capsys):
    (tmp_path / "better.yaml").write_text(EXAMPLE)
    words = (tmp_path / "better.yaml", "--draws", 40, "--html", tmp_path / "c.html")
    assert run("compare", log, *words) == 0
    told = capsys.readouterr().out
    assert "better" in told and "as planned" in told
    assert (tmp_path / "c.html").stat().st_size > 100_000


def test_parts_of_levers_add_up_to_the_differences_shown(log, tmp_path, capsys):
    lever = "  - {odds: {Proposal: Won}, multiply: 0.8}\n"
    (tmp_path / "both.yaml").write_text(EXAMPLE + lever.replace("odds: {Proposal: Won}", "value: all"))
    (tmp_path / "one.yaml").write_text(EXAMPLE)
    words = (tmp_path / "both.yaml", tmp_path / "one.yaml", "--draws", 40, "--period", "month")
    assert run("compare", log, *words) == 0
    told = capsys.readouterr().out
    assert "What each lever of 'both' brings, all periods together" in told
    assert "What each lever of 'one' brings" not in told
    rows = [re.split(r"\s{2,}", line) for line in told.splitlines()]
    expected = [
        [
            float(row[2].replace(",", ""))
            for row in rows
            if row[0] == name and row[1] in ("2026-01", "2026-02")
        ]
        for name in ("as planned", "both")
    ]
    parts = re.findall(r" by \d+ % +([\u2212\d,]+)$", told, re.MULTILINE)
    gain = sum(float(part.replace(",", "").replace("\u2212", "-")) for part in parts)
    assert len(parts) == 2 and len(expected[0]) == 2
    assert gain == pytest.approx(sum(expected[1]) - sum(expected[0]), rel=0.03)


def test_simulate_writes_a_log_that_reads_back(tmp_path, capsys):
    assert run("simulate", "lead_funnel", "--days", 60, "--engine", "compiled", "-o", tmp_path / "l.csv") == 0
    log = pd.read_csv(tmp_path / "l.csv")
    assert list(log.columns[:3]) == ["lead", "stage", "at"]
    assert run("check", tmp_path / "l.csv", "--map", tmp_path / "l.map.yaml") == 0
    assert "entrances" in capsys.readouterr().out


def test_both_engines_write_the_same_file(tmp_path):
    for engine in ("simpy", "compiled"):
        path = tmp_path / f"{engine}.csv"
        assert run("simulate", "real_estate", "--days", 120, "--engine", engine, "-o", path) == 0
    assert (tmp_path / "simpy.csv").read_bytes() == (tmp_path / "compiled.csv").read_bytes()


def test_calibrate_writes_a_model_that_reads_back(log, tmp_path):
    from funnelsim.model.store import load_model

    assert run("calibrate", log, "-o", tmp_path / "m.json") == 0
    assert load_model(tmp_path / "m.json").funnel.stages == ("Lead", "Proposal")


@pytest.mark.parametrize(
    "command", ["demo", "check", "calibrate", "forecast", "compare", "live", "simulate", "backtest"]
)
def test_help_has_an_example(command, capsys):
    assert run(command, "--help") == 0
    assert f"Example: funnelsim {command}" in " ".join(capsys.readouterr().out.split())


BAD_TABLES = {
    "no_column.csv": ("id,stage,at\n1,Lead,2026-01-01\n", "no column 'lead'"),
    "date.csv": ("lead,stage,at\n1,Lead,2026-01-01\n1,Won,2026-13-40\n", "2026-13-40"),
    "empty.csv": ("", "empty"),
    "header.csv": ("lead,stage,at\n", "no row"),
    "long.csv": ("lead,stage,at\n1," + "x" * 1_000_000 + ",2026-01-01\n", "1,000,000 characters"),
    "negative.csv": ("lead,stage,at,value\n1,Lead,2026-01-01,-5\n1,Won,2026-01-03,-5\n", "-5"),
    "binary.csv": ("\x00\x01\x02" * 99, "binary"),
    "thin.csv": ("lead,stage,at\n1,Lead,2026-01-01\n", "no stage looks like a win"),
}


@pytest.mark.parametrize("name", BAD_TABLES)
def test_bad_tables_are_refused_in_one_sentence(name, tmp_path, capsys):
    text, words = BAD_TABLES[name]
    (tmp_path / name).write_text(text)
    assert run("forecast", tmp_path / name, "--json", tmp_path / "out.json") == 2
    told = capsys.readouterr().err.strip()
    assert name in told and words in told and "\n" not in told
    assert sorted(path.name for path in tmp_path.iterdir()) == [name]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--period", "qarter"], "did you mean 'quarter'"),
        (["--periods", "0"], "periods 0"),
        (["--periods", "100000"], "end after the year 9999"),
        (["--as-of", "tomorrow"], "'tomorrow' is no date"),
        (["--engine", "magic"], "engine 'magic'"),
        (["--draws", "0"], "draws 0"),
        (["--seed", "-1"], "seed -1"),
        (["--target", "-5"], "target -5"),
        (["--target", "nan"], "target nan"),
        (["--json", "no/folder/x.json"], "does not exist"),
        (["--deals", "deals.pdf"], "as .csv or .xlsx"),
        (["--by", "chanel"], "did you mean 'channel'"),
        (["--map", "missing.yaml"], "missing.yaml"),
        (["--scenario", "missing.yaml"], "missing.yaml"),
    ],
)
def test_wrong_words_are_refused_in_one_sentence(words, said, log, capsys):
    assert run("forecast", log, *words) == 2
    told = capsys.readouterr().err.strip()
    assert said in told and "\n" not in told


def test_a_demo_that_cannot_make_its_folder_says_so(tmp_path, monkeypatch, capsys):
    (tmp_path / "out").write_text("a file")
    monkeypatch.chdir(tmp_path)
    assert run("demo") == 2
    assert "its folder cannot be made" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--workers", "0"], ["--draws", "0"], ["--seed", "-1"]])
def test_a_backtest_refuses_wrong_numbers_before_it_starts(words, log, capsys):
    assert run("backtest", log, *words) == 2
    told = capsys.readouterr()
    assert told.err.startswith(f"funnelsim: {' '.join(words).strip('-')}: ") and told.out == ""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("changes:\n  - {oddz: {Proposal: Won}, multiply: 2}\n", "did you mean 'odds'"),
        ("changes:\n  - {odds: {Propsal: Won}, multiply: 2}\n", "did you mean 'Proposal'"),
        ("changes:\n  - {odds: {Proposal: Won}, multiply: -2}\n", "-2"),
    ],
)
def test_wrong_levers_are_refused_with_the_nearest_name(text, said, log, tmp_path, capsys):
    (tmp_path / "s.yaml").write_text(f"question: what?\n{text}")
    assert run("forecast", log, "--scenario", tmp_path / "s.yaml") == 2
    told = capsys.readouterr().err
    assert "s.yaml" in told and said in told


HOTEL = """columns: {lead: booking, value: price, segment: kind, expected_close: arrival}
dates: {Asked: asked, Booked: booked, Won: arrived, Lost: cancelled}
won: Won
lost: Lost
"""


@pytest.fixture(scope="module")
def bookings(tmp_path_factory):
    """A hotel's bookings, one row each, as a reservation system would export them."""
    history, _ = company(4, years=1.5)
    last = history.events.drop_duplicates(["lead", "stage"], keep="last")
    table = last.pivot(index="lead", columns="stage", values="at").join(history.leads)
    names = {"Asked": "asked", "Booked": "booked", "Won": "arrived", "Lost": "cancelled"}
    names |= {"value": "price", "segment": "kind", "expected_close": "arrival"}
    folder = tmp_path_factory.mktemp("hotel")
    table.rename(columns=names).rename_axis("booking").to_csv(folder / "bookings.csv")
    (folder / "map.yaml").write_text(HOTEL, encoding="utf-8")
    return folder


def test_a_hotel_is_forecast_by_its_dates(bookings, tmp_path, capsys):
    said = ("--map", bookings / "map.yaml", "--as-of", "2025-12-31")
    assert run("check", bookings / "bookings.csv", *said) == 0
    assert "deals win at their expected date" in capsys.readouterr().out.replace("\n", " ")
    months = ("--period", "month", "--periods", 1, "--draws", 20)
    widths = {}
    for name, engine in (("exact", ()), ("lived", ("--engine", "compiled"))):
        out = tmp_path / f"{name}.json"
        assert run("forecast", bookings / "bookings.csv", *said, *months, *engine, "--json", out) == 0
        assert ("Simulated: 20 replications" in capsys.readouterr().out) == bool(engine)
        levels = json.loads(out.read_text(encoding="utf-8"))["periods"][0]["wins"]["quantiles"]
        widths[name] = levels["0.90"] - levels["0.10"]
    assert 0.5 < widths["lived"] / widths["exact"] < 2, "lives keep their dates too"


def test_levers_act_on_leads_with_dates(bookings, tmp_path, capsys):
    said = (bookings / "bookings.csv", "--map", bookings / "map.yaml", "--as-of", "2025-12-31")
    lever, quick = tmp_path / "lever.yaml", ("--period", "month", "--periods", 1, "--draws", 10)
    lever.write_text("question: What if?\nchanges:\n  - {odds: {Booked: Won}, multiply: 1.5}\n", "utf-8")
    wins = {}
    for name, more in (("plain", ()), ("lever", ("--scenario", lever))):
        assert run("forecast", *said, *more, *quick, "--json", tmp_path / f"{name}.json") == 0
        wins[name] = json.loads((tmp_path / f"{name}.json").read_text(encoding="utf-8"))["periods"][0]["wins"]
    assert wins["lever"]["mean"] > 1.001 * wins["plain"]["mean"]
    assert "set aside" not in capsys.readouterr().out
    lever.write_text("question: What if?\nchanges:\n  - {value: all, multiply: 1.1}\n", "utf-8")
    assert run("forecast", *said, "--scenario", lever, *quick) == 0
    assert "set aside" not in capsys.readouterr().out, "prices leave the dates alone"
    assert run("compare", *said[:1], lever, *said[1:], *quick) == 0
    assert "set aside" not in capsys.readouterr().out


def test_pages_show_shares_as_percents_and_no_empty_column(log, tmp_path):
    (tmp_path / "better.yaml").write_text(EXAMPLE)
    assert run("forecast", log, "--draws", 10, "--html", tmp_path / "f.html") == 0
    assert run("compare", log, tmp_path / "better.yaml", "--draws", 10, "--html", tmp_path / "c.html") == 0
    assert run("backtest", log, "--draws", 10, "--workers", 1, "--html", tmp_path / "b.html") == 0
    page = {name: (tmp_path / f"{name}.html").read_text(encoding="utf-8") for name in "fcb"}
    assert ">p target<" not in page["f"] and "Standard deviations by chance" in page["f"]
    assert ">p better<" in page["c"] and ">0.01<" not in page["c"]
    shares = re.search(r"<td[^>]*>revenue</td>.*?<td[^>]*>funnelsim</td>(.*?)</tr>", page["b"])
    assert shares is not None
    assert shares[1].count(" %</td>") == 5


def test_a_question_in_words_is_said_back_saved_and_compared(log, tmp_path, capsys):
    words = "odds Proposal > Won +50%; price -5%"
    quick = ("--draws", 10, "--periods", 1)
    assert (
        run(
            "forecast",
            log,
            *quick,
            "--what-if",
            words,
            "--save",
            tmp_path / "s.yaml",
            "--json",
            tmp_path / "a",
        )
        == 0
    )
    assert "What if: Odds of Proposal > Won rise by 50 %; prices, also of open" in capsys.readouterr().out
    assert run("forecast", log, *quick, "--scenario", tmp_path / "s.yaml", "--json", tmp_path / "b") == 0
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    capsys.readouterr()
    assert run("compare", log, *quick, "--what-if", words, "--what-if", "days Lead -50%", "price +1%") == 0
    told = capsys.readouterr().out
    assert f"{words}: Odds of" in told and "days Lead -50%: Days in Lead fall by 50 %." in told
    assert run("compare", log, "price +1%", "price +2%", "--save", tmp_path / "t.yaml") == 2
    assert "one scenario is written, but 2 were given" in capsys.readouterr().err
    assert run("forecast", log, "--what-if", "oods Proposal > Won +50%") == 2
    assert "'oods' (character 1) is no lever; did you mean 'odds'?" in capsys.readouterr().err
    assert run("forecast", log, *quick, "--what-if", "price -5%", "--save", "-") == 0
    told = capsys.readouterr()
    assert told.out == 'question: "price -5%"\nchanges:\n  - {value: all, multiply: 0.95}\n'
    assert "What if: Prices" in told.err
    saas = ("saas_marketing_and_sales", "--days", 20, "--what-if", "reps account executives +2 from 2026-02")
    assert run("simulate", *saas, "--save", tmp_path / "r.yaml") == 0
    assert "2 more reps in account executives from 1 February 2026." in capsys.readouterr().out
    assert "add: 2, from: 2026-02-01}" in (tmp_path / "r.yaml").read_text(encoding="utf-8")


def test_a_span_with_its_targets(log, tmp_path, capsys):
    rows = 'group,period,target\nall,2026Q1,5k\nall,total,"1,5 Mio"\n'
    (tmp_path / "goals.csv").write_text(rows, encoding="utf-8")
    words = ("--until", "2026-05-15", "--draws", 10, "--by", "segment", "--targets", tmp_path / "goals.csv")
    out = ("--json", tmp_path / "f.json", "--html", tmp_path / "f.html")
    goals = ("--target", "2026Q1=20k,total=100k", *out)
    assert run("forecast", log, *words, *goals) == 0
    told = capsys.readouterr().out
    assert re.search(r"2026 Q1 +2026 Q2 to 2026-05-15 +total\n", told) and "Targets by segment" in told
    assert re.search(r"\ntarget +20,000 +– +100,000\n", told) and "chance to reach it" in told
    said = json.loads((tmp_path / "f.json").read_text(encoding="utf-8"))
    assert [one["end"] for one in said["periods"]] == ["2026-04-01", "2026-05-16"]
    total = said["total"]
    assert (total["start"], total["end"], total["target"]) == ("2026-01-01", "2026-05-16", 100_000)
    assert total["mean"] == pytest.approx(sum(one["mean"] for one in said["periods"]), rel=1e-9)
    assert total["quantiles"]["0.90"] < sum(one["quantiles"]["0.90"] for one in said["periods"])
    assert [one["target"] for one in said["targets"]] == [5000, 1_500_000]
    page = (tmp_path / "f.html").read_text(encoding="utf-8")
    assert ">total<" in page and "Who reaches the target?" in page
    assert run("forecast", log, "--period", "year", "--periods", 1, "--draws", 5) == 0
    assert "2026\n" in capsys.readouterr().out


def test_check_has_a_horizon_and_a_target(log, capsys):
    assert run("check", log, "--horizon", 30, "--target", "100k") == 0
    told = capsys.readouterr().out
    known = fs.check(log, horizon=30, target="100k").metrics.set_index("metric")["value"]
    assert "within 30 days" in told and "within 90 days" not in told
    (line,) = [line for line in told.splitlines() if line.startswith("pipeline coverage")]
    assert float(line.split()[3]) == pytest.approx(known["pipeline coverage"], rel=0.01)
    for words, said in ((("--horizon", 0), "horizon 0"), (("--target", "2026Q1=5k"), "expected one amount")):
        assert run("check", log, *words) == 2
        assert said in capsys.readouterr().err
