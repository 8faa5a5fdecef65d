"""Throw damaged and strange files at the readers: each must end as a history or as one sentence.

    python benchmarks/fuzz.py [--inputs 20000] [--seed 1]

Every input is a pure function of (seed, number), so a failure is replayed with --only NUMBER.
"""

from __future__ import annotations

import argparse
import faulthandler
import gzip
import io
import sys
import tempfile
import time
import traceback
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from funnelsim.errors import FunnelError
from funnelsim.history.log import bookings, open_leads, quality_table, spells
from funnelsim.history.read import read_history

SLOW = 5.0  # seconds of the processor, so that a busy machine is no finding
HANG = 300.0  # seconds of the clock
TIDY = """lead,stage,at,channel,segment,owner,value
a,Inquiry,2026-01-01,web,small,Ann,100
a,Proposal,2026-01-05 10:00,web,small,Bob,"1,100.50"
a,Won,2026-01-10,web,small,Bob,90
b,Proposal,2026-01-02,event,large,Ann,
b,Lost,2026-01-03,event,large,Ann,
c,Inquiry,2026-01-06,,small,Ann,70
"""
SALESFORCE = """Id,OpportunityId,CreatedDate,StageName,Amount,CloseDate,IsDeleted
1,006A,02/13/26 08:55 PM,Prospecting,100,04/01/26,FALSE
2,006A,02/14/26 08:55 AM,Prospecting,150,04/01/26,FALSE
3,006A,02/15/26 12:05 AM,Closed Won,140,02/15/26,FALSE
4,006B,02/13/26 08:55 PM,Prospecting,50,05/01/26,TRUE
"""
HUBSPOT = '''Record ID,Amount,"Date entered ""Lead (A)""","Date entered ""Won (A)""",hs_v2_latest_time_in_x
1,"1.000,50 \u20ac",2026-01-01T09:00:00Z,2026-01-04T09:00:00Z,
2,20,2026-01-02T09:00:00Z,,12
'''
PIPEDRIVE = """Deal - ID;Deal - Value;Deal - Status;Deal - Deal created;Deal - Won time;Deal - Lost time
1;100;won;2026-01-01 10:00;2026-01-05 10:00;
2;200;lost;2026-01-01 11:00;;2026-01-06 10:00
3;300;open;2026-01-02 10:00;;
"""
DYNAMICS = """opportunityid,activestageid,createdon,activestagestartedon,completedon,traversedpath,statuscode
A,s3,2026-01-01,2026-01-05,2026-01-09,"s1,s2,s3",2
B,s1,2026-01-02,2026-01-02,,s1,1
"""
CHINESE = "客户,阶段,日期,金额\n甲,线索,2026年1月1日,\n甲,赢单,2026年1月9日,￥1.5\n乙,丢单,2026年1月3日,\n"
PAIRS = """7,Ann,qualifiedtobuy,2026-01-01 09:00
8,Bob,contractsent,2026-01-06 10:00,qualifiedtobuy,2026-01-02 10:00
9,x,closedwon,2026-01-09 08:00,contractsent,2026-01-05 08:00,qualifiedtobuy,2026-01-03 08:00
"""
XES = """<?xml version="1.0"?><log><trace><string key="concept:name" value="c1"/><event>
<string key="concept:name" value="Lead"/><date key="time:timestamp" value="2026-01-01"/></event><event>
<string key="concept:name" value="Won"/><date key="time:timestamp" value="2026-01-03T09:00:00Z"/></event>
</trace></log>"""
MAPPING = """columns: {lead: lead, stage: stage, at: at, value: value}
stages: {Inquiry: First, Proposal: Second}
won: [Won]
lost: Lost
where: {segment: [small, large]}
replace: {channel: {web: Web}}
period_start: 4
"""
CELLS = (
    *(
        "",
        " ",
        "=1+1",
        "<script>",
        "0",
        "-1",
        "1e999",
        "nan",
        "inf",
        "2026-02-30",
        "99/99/9999",
        "31.12.1899",
    ),
    *(
        "9" * 400,
        "x" * 5000,
        "\u202e",
        "\u0000",
        "\ud7ff",
        "\U0001f600",
        '"',
        "'",
        ",",
        ";",
        "\t",
        "\r",
        "\n",
    ),
    *(
        "2026-01-01",
        "2026-01-01T00:00:00+14:00",
        "46000",
        "1767225600000",
        "lead",
        "Lost",
        "A\u0301",
        "\ufeff",
    ),
    *("%s", "won", "1"),
)


def parquet(text: str) -> bytes:
    """Return a CSV text as a Parquet file."""
    data = io.BytesIO()
    pd.read_csv(io.StringIO(text)).to_parquet(data)
    return data.getvalue()


def excel(text: str) -> bytes:
    """Return a CSV text as an Excel file."""
    data = io.BytesIO()
    pd.read_csv(io.StringIO(text)).to_excel(data, index=False)
    return data.getvalue()


def zipped(text: str) -> bytes:
    """Return a CSV text in a zip archive."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("log.csv", text)
    return data.getvalue()


def seeds() -> list[tuple[str, bytes]]:
    """Return the files that are damaged: name and content."""
    texts = [TIDY, SALESFORCE, HUBSPOT, PIPEDRIVE, DYNAMICS, CHINESE, PAIRS, XES]
    found = [(f"{number}.txt", text.encode()) for number, text in enumerate(texts)]
    found += [("gbk.csv", CHINESE.encode("gb18030")), ("utf16.csv", TIDY.encode("utf-16"))]
    found += [("latin.csv", HUBSPOT.encode("cp1252")), ("log.csv.gz", gzip.compress(TIDY.encode()))]
    return [*found, ("log.parquet", parquet(TIDY)), ("log.xlsx", excel(TIDY)), ("log.zip", zipped(TIDY))]


def damaged(data: bytes, rng: np.random.Generator) -> bytes:
    """Return the file with some bytes changed, cut, doubled, moved or put in."""
    for _ in range(int(rng.integers(1, 6))):
        place = int(rng.integers(0, len(data) + 1))
        length = int(rng.integers(0, max(2, len(data) // 4)))
        part = data[place : place + length]
        change = rng.integers(0, 5)
        if change == 0:
            data = data[:place] + rng.bytes(int(rng.integers(1, 9))) + data[place:]
        elif change == 1:
            data = data[:place] + data[place + length :]
        elif change == 2:
            data = data[:place] + part * int(rng.integers(2, 5)) + data[place:]
        elif change == 3:
            data = data[:place]
        else:
            data = data[place:] + data[:place]
    return data[:2_000_000]


def rewritten(data: bytes, rng: np.random.Generator) -> bytes:
    """Return a text table with some cells replaced by strange ones; another file damaged by bytes."""
    lines = _lines(data)
    if lines is None:
        return damaged(data, rng)
    for _ in range(int(rng.integers(1, 4))):
        row = int(rng.integers(0, len(lines)))
        separator = ";" if ";" in lines[row] else ","
        cells = lines[row].split(separator)
        cells[int(rng.integers(0, len(cells)))] = CELLS[int(rng.integers(0, len(CELLS)))]
        lines[row] = separator.join(cells)
    return "\n".join(lines).encode("utf-8", "surrogatepass")


def reshaped(data: bytes, rng: np.random.Generator) -> bytes:
    """Return a text table with its rows shuffled, doubled and left out; another file damaged by bytes."""
    lines = _lines(data)
    if lines is None or len(lines) < 3:
        return damaged(data, rng)
    rows = [lines[int(number)] for number in rng.integers(1, len(lines), int(rng.integers(1, 40)))]
    if rng.random() < 0.3:
        rows = [
            row.replace("2026", str(rng.integers(1969, 2101))) if rng.random() < 0.3 else row for row in rows
        ]
    end = ("\n", "\r\n", "\r", "\n\n")[int(rng.integers(0, 4))]
    return end.join([lines[0], *rows]).encode()


def _lines(data: bytes) -> list[str] | None:
    try:
        return data.decode("utf-8").split("\n")
    except UnicodeDecodeError:
        return None


def require(holds: bool, otherwise: str) -> None:
    """Raise AssertionError with a sentence unless something holds."""
    if not holds:
        raise AssertionError(otherwise)


def one(seed: int, number: int, folder: Path, files: list[tuple[str, bytes]]) -> str:
    """Read one input; return "read" or the sentence of refusal.

    Raises:
        AssertionError: the refusal is no single sentence, or reading took too long.
    """
    rng = np.random.default_rng((seed, number))
    name, data = files[int(rng.integers(0, len(files)))]
    change: Callable[[bytes, np.random.Generator], bytes] = (damaged, rewritten, reshaped)[rng.integers(0, 3)]
    mapping: Path | None = None
    if rng.random() < 0.2:
        name, said = "map.csv", change(MAPPING.encode(), rng)
        data, mapping = TIDY.encode(), folder / "map.yaml"
        mapping.write_bytes(said)
    else:
        data = change(data, rng)
    path = folder / name
    path.write_bytes(data)
    started = time.process_time()
    faulthandler.dump_traceback_later(HANG, exit=True)
    try:
        history = read_history(path, mapping)
        for look in (spells, open_leads, bookings, quality_table):
            look(history)
        result = "read"
    except FunnelError as refusal:
        result = str(refusal)
        require("\n" not in result, f"a refusal of more than one line: {result[:200]!r}")
        require(10 < len(result) < 1000, f"a refusal of {len(result)} characters: {result[:200]!r}")
    finally:
        faulthandler.cancel_dump_traceback_later()
        path.unlink()
        if mapping is not None:
            mapping.unlink()
    require(time.process_time() - started < SLOW, "too slow")
    require(not list(folder.iterdir()), "a file was left behind")
    return result


def run(numbers: range, seed: int, stop: bool = False) -> tuple[Counter[str], list[str]]:
    """Read many inputs; return how each kind ended, and what failed."""
    ends: Counter[str] = Counter()
    failures = []
    files = seeds()
    with tempfile.TemporaryDirectory() as place:
        for number in numbers:
            try:
                result = one(seed, number, Path(place), files)
                ends["read" if result == "read" else "refused"] += 1
            except Exception as error:  # whatever comes is the finding
                ends["failed"] += 1
                where = traceback.extract_tb(error.__traceback__)[-1]
                failures.append(
                    f"{number}: {type(error).__name__}: {str(error)[:150]!r} at {where.name}:{where.lineno}"
                )
                if stop:
                    traceback.print_exc()
    return ends, failures


def main() -> int:
    """Run from a terminal; the exit code is 1 when anything failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int, help="replay one input, with its traceback")
    asked = parser.parse_args()
    numbers = range(asked.inputs) if asked.only is None else range(asked.only, asked.only + 1)
    started = time.perf_counter()
    ends, failures = run(numbers, asked.seed, stop=asked.only is not None)
    print(f"{sum(ends.values())} inputs in {time.perf_counter() - started:.0f} s: {dict(ends)}")
    print("\n".join(failures[:40]))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
