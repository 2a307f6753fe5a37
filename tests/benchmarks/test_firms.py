"""Firm records to county x industry x year against pandas, in one run (``make bench``).

Both read the same yearly Parquet files and apply the same rules; pandas keeps everything in memory and reports nothing.
"""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from regiometrics.data.firms import COLUMNS, KEY_VARIABLES, clean_firms
from regiometrics.simulate.firms import Census, census

RECORDS, LARGE = 1_000_000, 4_000_000
SECONDS, BYTES = {"parquet": 15, "csv": 30}, 1 << 30  # a CSV is read twice: quotes are taken out line by line first
TIMES_FASTER = 0.5  # pandas needs three times the memory and gives no account; the engine may not be much slower

pytestmark = pytest.mark.benchmark(group=f"firm records, {RECORDS:,} in 14 files")

# ru_maxrss would start from the peak of the process that wrote the census; VmHWM starts anew
LARGE_RUN = r"""
import json, re, resource, sys
from pathlib import Path
from time import perf_counter
import pandas as pd
from regiometrics.data.firms import clean_firms
folder, tables = sys.argv[1:]
concordance, recode = (pd.read_parquet(f"{tables}/{name}.parquet") for name in ("concordance", "recode"))
start = perf_counter()
panel = clean_firms(folder, concordance=concordance, recode=recode)
seconds = perf_counter() - start
used = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps({
    "seconds": seconds, "cpu": used.ru_utime + used.ru_stime,
    "bytes": 1024 * int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1]),
    "rows": int(panel.report["rows_in"].iloc[0]), "firms": int(panel.county_industry["firms"].sum()),
    "output": panel.county_industry["output"].sum(),
}))
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Census:
    return census(tmp_path_factory.mktemp("census"), n_rows=RECORDS)


def by_pandas(made: Census) -> pd.DataFrame:
    """The same panel in pandas, vectorised."""
    df = pd.concat([pd.read_parquet(file, columns=list(COLUMNS)) for file in sorted(made.folder.iterdir())])
    text = df["total_assets"]
    df["total_assets"] = pd.to_numeric(text, errors="coerce")
    df = df[(df["total_assets"].notna() | text.isna()) & df["year"].between(1998, 2013)]
    df = df.dropna(subset=["firm", "county", "sector"])
    again = df.duplicated(["firm", "year"], keep=False)
    some = df[again].drop_duplicates()
    df = pd.concat([df[~again], some[~some.duplicated(["firm", "year"], keep=False)]])
    df = df[(df[list(KEY_VARIABLES)] >= 0).all(axis=1) & (df["employees"] >= 30)]
    df["classification"] = np.select([df["year"] < 2003, df["year"] < 2012], [1994, 2002], 2011)
    concordance = made.concordance.astype({"sector": float})
    df = df.merge(concordance, on=["classification", "sector"])
    recode = made.recode.astype({"county": float})
    undated = (
        recode[recode["year"].isna()].drop(columns="year").merge(pd.DataFrame({"year": range(1998, 2014)}), "cross")
    )
    table = pd.concat([recode.dropna(subset="year"), undated]).drop_duplicates(["county", "year"])
    df = df.merge(table.astype({"year": "int64"}), on=["county", "year"]).dropna(subset="county_2010")
    from_sales = df["sales"] - df["stocks_opening"] + df["stocks_closing"]
    df["output"] = df["gross_output"].where(df["gross_output"].notna() | (df["year"] != 2004), from_sales)
    df = df[df["output"] >= 0].assign(capital=df["paid_in_capital"].fillna(0).clip(lower=0))
    sums = {"output": ("output", "sum"), "employment": ("employees", "sum"), "capital": ("capital", "sum")}
    cells = df.groupby(["county_2010", "industry", "year"], as_index=False).agg(**sums, firms=("firm", "size"))
    return cells.rename(columns={"county_2010": "county"})


def test_the_engine(benchmark, made):
    options = {"concordance": made.concordance, "recode": made.recode}
    panel = benchmark.pedantic(clean_firms, (made.folder,), options, rounds=3)
    assert panel.county_industry.equals(made.county_industry)


def test_peer_pandas(benchmark, versus, made):
    peer = benchmark.pedantic(by_pandas, (made,), rounds=2)
    ours = versus(
        lambda: clean_firms(made.folder, concordance=made.concordance, recode=made.recode),
        job="Firm records cleaned and summed by county and industry",
        size=f"{RECORDS:,} records in {len(list(made.folder.iterdir()))} files",
        package="pandas",
        way="the same rules",
        at_least=TIMES_FASTER,
        rounds=3,
    )
    pd.testing.assert_frame_equal(peer, ours.county_industry, check_dtype=False)


@pytest.mark.parametrize("format", ["parquet", "csv"])
def test_4_million_records_in_bounded_memory(benchmark, tmp_path, format):
    (tmp_path / "records").mkdir()
    made = census(tmp_path / "records", n_rows=LARGE, format=format)
    made.concordance.to_parquet(tmp_path / "concordance.parquet")
    made.recode.to_parquet(tmp_path / "recode.parquet")
    command = [sys.executable, "-c", LARGE_RUN, str(tmp_path / "records"), str(tmp_path)]

    def run() -> dict[str, float]:
        return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    found = benchmark.pedantic(run, rounds=1)
    benchmark.extra_info |= found
    assert found["rows"] == LARGE
    assert found["firms"] == made.county_industry["firms"].sum()
    assert found["output"] == made.county_industry["output"].sum()
    assert found["bytes"] < BYTES
    assert found["seconds"] < SECONDS[format]
