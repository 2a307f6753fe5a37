"""Every format gives the same table, and a folder that cannot be read says why."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regiometrics.data.load import Bundle, read_table, table_file
from regiometrics.errors import RegionError

CITIES = pd.DataFrame(
    {"city": ["110000", "320500"], "cluster_zh": ["京津冀", "长三角"], "year": [2004, 2005], "C": [1.5, 2.0]}
)

WRITERS = {
    "csv": lambda df, path: df.to_csv(path, index=False),
    "parquet": lambda df, path: df.to_parquet(path),
    "xlsx": lambda df, path: df.to_excel(path, index=False),
    "dta": lambda df, path: df.to_stata(path, write_index=False, version=118),
}


@pytest.mark.parametrize("codes", [str, int, float])
@pytest.mark.parametrize("years", [int, float])
@pytest.mark.parametrize("suffix", WRITERS)
def test_every_format_gives_the_same_table(tmp_path, suffix, years, codes):
    written = CITIES.astype({"city": float}).astype({"city": int}).astype({"city": codes, "year": years})
    WRITERS[suffix](written, tmp_path / f"t.{suffix}")
    read = read_table(tmp_path, "t")
    pd.testing.assert_frame_equal(read, CITIES, check_dtype=False)
    assert pd.api.types.is_integer_dtype(read["year"]) and isinstance(read["city"].iloc[0], str)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_chinese_text_in_every_usual_encoding(tmp_path, encoding):
    CITIES.to_csv(tmp_path / "t.csv", index=False, encoding=encoding)
    pd.testing.assert_frame_equal(read_table(tmp_path, "t"), CITIES, check_dtype=False)


@given(st.lists(st.from_regex(r"[0-9]{6}", fullmatch=True), min_size=1, max_size=5))
def test_codes_keep_their_zeros(tmp_path_factory, codes):
    folder = tmp_path_factory.mktemp("codes")
    pd.DataFrame({"city": codes}).to_csv(folder / "t.csv", index=False)
    assert read_table(folder, "t")["city"].tolist() == codes


def test_missing_codes_and_odd_years_are_left_for_the_schema(tmp_path):
    (tmp_path / "t.csv").write_text(" city ,year\n110000,2004/05\n,2005\n", encoding="utf-8")
    read = read_table(tmp_path, "t")
    assert read["city"].isna().tolist() == [False, True]
    assert read["year"].tolist() == ["2004/05", 2005]


def test_two_files_of_one_table(tmp_path):
    for suffix in ("csv", "xlsx"):
        WRITERS[suffix](CITIES, tmp_path / f"t.{suffix}")
    with pytest.raises(RegionError, match=r"t\.csv, t\.xlsx.*keep one"):
        read_table(tmp_path, "t")


def test_no_file(tmp_path):
    assert table_file(tmp_path, "t") is None
    with pytest.raises(RegionError, match=r"save it there as t\.csv"):
        read_table(tmp_path, "t")
    with pytest.raises(RegionError, match="there is no folder"):
        read_table(tmp_path / "nowhere", "t")


@pytest.mark.parametrize("suffix", WRITERS)
def test_a_broken_file(tmp_path, suffix):
    (tmp_path / f"t.{suffix}").write_bytes(b"" if suffix == "csv" else b"no table at all")
    with pytest.raises(RegionError, match=rf"t\.{suffix} cannot be read"):
        read_table(tmp_path, "t")


def test_bundle_marks_its_tables():
    table = CITIES.copy()
    assert Bundle({"t": table}, "user").tables["t"].attrs == {"source": "user"}
