import numpy as np
import pandas as pd
import pytest

from regiometrics.data.firms import COLUMNS
from regiometrics.errors import DomainError
from regiometrics.simulate.firms import CONTRADICTION, DEFECTS, census


def read(path):
    return pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path, on_bad_lines="skip", dtype=str)


@pytest.mark.parametrize("format", ["parquet", "csv"])
def test_one_seed_gives_one_census(tmp_path, format):
    made = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        (tmp_path / name).mkdir()
        made.append(census(tmp_path / name, n_rows=3000, seed=seed, format=format, years=[2003, 2004]))
    first, again, other = made
    assert first.county_industry.equals(again.county_industry)
    assert not first.county_industry.equals(other.county_industry)
    for year in (2003, 2004):
        name = f"{year}.{format}"
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_every_record_is_counted_and_lines_break_in_csv_alone(tmp_path):
    for format in ("parquet", "csv"):
        made = census(tmp_path, n_rows=3001, format=format, years=[2005, 2006])
        files = sorted(tmp_path.glob(f"*.{format}"))
        if format == "csv":
            records = sum(len(file.read_text().splitlines()) - 1 for file in files)
        else:
            records = sum(len(read(file)) for file in files)
        assert records == made.n_rows == 3001
        assert tuple(read(files[0]).columns) == COLUMNS
        broken = made.planted.set_index("why").loc["line does not fit the header", "records"]
        assert (broken > 0) == (format == "csv")


def test_no_two_defects_are_equally_frequent(tmp_path):
    planted = census(tmp_path, n_rows=4000, format="csv", years=[2004, 2005]).planted.set_index(["step", "why"])
    counts = planted.loc[list(DEFECTS), "records"]
    counts[CONTRADICTION] //= 2  # both of a pair go
    assert counts.is_unique
    assert (counts > 0).all()


def test_totals_are_those_of_the_sound_records(tmp_path):
    made = census(tmp_path, n_rows=2000, years=[2007])
    table = read(tmp_path / "2007.parquet")
    dropped = made.planted.query("step != 'capital' and not why.str.contains('replaced|merged|sales')")["records"].sum()
    assert made.county_industry["firms"].sum() == len(table) - dropped
    assert made.county_industry["output"].sum() < table["gross_output"].sum()


def test_codes_change_hands_and_editions_change_codes(tmp_path):
    made = census(tmp_path, n_rows=8000, years=[2000, 2004, 2005, 2013], n_counties=12, n_industries=10)
    sectors = {year: set(read(tmp_path / f"{year}.parquet")["sector"].dropna()) for year in (2000, 2005, 2013)}
    assert len({frozenset(codes) for codes in sectors.values()}) == 3
    reused = made.recode.query("county == '350100'").groupby("county_2010").size()
    assert len(reused) == 2  # one county until 2004, another since
    assert set(made.recode["action"]) == {"keep", "replace", "merge", "remove"}
    assert not made.concordance.duplicated(["classification", "sector"]).any()
    assert made.concordance["sector"].str.fullmatch(r"\d{4}").all()


def test_impossible_sizes_are_refused(tmp_path):
    with pytest.raises(DomainError, match="records a year do not hold"):
        census(tmp_path, n_rows=100, years=[2005])
    with pytest.raises(DomainError, match="cannot be coded"):
        census(tmp_path, n_industries=5000)
    with pytest.raises(DomainError, match="format='xlsx'"):
        census(tmp_path, format="xlsx")
    assert np.array_equal(list(tmp_path.iterdir()), [])
