import csv
import itertools
import re

import duckdb
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from regiometrics.data import firms
from regiometrics.data.firms import COLUMNS, KEY_VARIABLES, VARIABLES, clean_firms
from regiometrics.errors import DomainError, KeyColumnError, RegionError
from regiometrics.simulate.firms import census

CONCORDANCE = pd.DataFrame(
    {
        "classification": [1994, 1994, 2002, 2011],
        "sector": ["0610", "0611", "0612", "0610"],
        "industry": ["0610", "0610", "0610", "0610"],
    }
)
RECODE = pd.DataFrame(
    [
        ("320281", None, "320281", "keep"),
        ("320211", None, "320281", "merge"),
        ("320299", 2003, "320282", "replace"),
        ("320299", None, "320281", "replace"),
        ("320200", None, None, "remove"),
    ],
    columns=["county", "year", "county_2010", "action"],
)
SOUND = dict.fromkeys(VARIABLES, 100) | {"firm": "a", "year": 2005, "county": 320281, "sector": 612}


def cleaned(folder, *records, concordance=CONCORDANCE, recode=RECODE, **options):
    """The panel of a few records, each the sound one with changes."""
    path = folder / "few.parquet"
    table = pd.DataFrame([SOUND | {"firm": f"f{n}"} | record for n, record in enumerate(records)])
    mixed = {name: table[name].astype("string") for name in COLUMNS if len(set(table[name].map(type))) > 1}
    table.assign(**mixed).to_parquet(path)
    return clean_firms(path, concordance=concordance, recode=recode, **options)


def rows(panel, step):
    """Dropped and changed records by reason of a step, where there are any."""
    found = panel.report.query("step == @step and dropped + changed > 0")
    return dict(zip(found["why"], found["dropped"] + found["changed"], strict=True))


def csv_file(path, records, header=COLUMNS):
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerows([header, *records])
    return path


def slow_definition(folder, concordance, recode):
    """County x industry x year by plain pandas, a rule after the other."""
    tables = []
    for file in sorted(folder.iterdir()):
        if file.suffix == ".csv":
            lines = [line.split(",") for line in file.read_text().splitlines()]
            tables.append(pd.DataFrame([line for line in lines[1:] if len(line) == len(lines[0])], columns=lines[0]))
        else:
            tables.append(pd.read_parquet(file).map(lambda cell: "" if pd.isna(cell) else str(cell).removesuffix(".0")))
    df = pd.concat(tables)
    numbers = df[list(VARIABLES)].apply(pd.to_numeric, errors="coerce")
    df = df[~(numbers.isna() & (df[list(VARIABLES)] != "")).any(axis=1)]
    df = df[df["year"].isin([str(year) for year in range(1998, 2014)])]
    for key in ("firm", "county", "sector"):
        df = df[df[key] != ""]
    df[list(VARIABLES)] = df[list(VARIABLES)].apply(pd.to_numeric)
    df = df.drop_duplicates()
    df = df[~df.duplicated(["firm", "year"], keep=False)]
    for name in KEY_VARIABLES:
        df = df[df[name] >= 0]
    df = df[df["employees"] >= 30].astype({"year": int})
    df["classification"] = np.select([df["year"] < 2003, df["year"] < 2012], [1994, 2002], 2011)
    df["sector"] = df["sector"].str.zfill(4)
    df = df.merge(concordance, on=["classification", "sector"])
    dated = df.merge(recode.dropna(subset="year"), on=["county", "year"], how="left")
    undated = df.merge(recode[recode["year"].isna()].drop(columns="year"), on="county", how="left")
    df["county"] = dated["county_2010"].fillna(undated["county_2010"]).to_numpy()
    df = df.dropna(subset="county")
    from_sales = df["sales"] - df["stocks_opening"] + df["stocks_closing"]
    df["output"] = df["gross_output"].where(df["gross_output"].notna() | (df["year"] != 2004), from_sales)
    df = df[df["output"] >= 0].assign(capital=df["paid_in_capital"].fillna(0).clip(lower=0))
    named = {"output": ("output", "sum"), "employment": ("employees", "sum"), "capital": ("capital", "sum")}
    return df.groupby(["county", "industry", "year"], as_index=False).agg(**named, firms=("firm", "size"))


@pytest.fixture(scope="module", params=["parquet", "csv"])
def made(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("census")
    return census(folder, n_rows=14_000, seed=3, format=request.param, n_counties=20, n_industries=12)


@pytest.fixture(scope="module")
def panel(made):
    return clean_firms(made.folder, concordance=made.concordance, recode=made.recode)


def test_the_panel_is_that_of_the_slow_definition_and_of_the_truth(made, panel):
    slow = slow_definition(made.folder, made.concordance, made.recode)
    pd.testing.assert_frame_equal(panel.county_industry, slow, check_dtype=False)
    pd.testing.assert_frame_equal(panel.county_industry, made.county_industry)


def test_every_rule_finds_exactly_what_was_planted(made, panel):
    found = panel.report.assign(records=panel.report["dropped"] + panel.report["changed"])
    found = found.set_index(["step", "why"])["records"]
    wanted = made.planted.set_index(["step", "why"])["records"]
    pd.testing.assert_series_equal(found, wanted.loc[found.index])
    assert len(found) == len(wanted)


def test_row_counts_add_up_through_all_steps(made, panel):
    report = panel.report
    assert report["rows_in"].iloc[0] == made.n_rows
    assert (report["rows_in"] - report["dropped"] == report["rows_out"]).all()
    assert report["rows_in"].iloc[1:].tolist() == report["rows_out"].iloc[:-1].tolist()
    assert report["rows_out"].iloc[-1] == panel.county_industry["firms"].sum()
    by_rule = panel.dropped_by_year.groupby(["step", "why"])["dropped"].sum()
    assert by_rule.to_dict() == report.query("dropped > 0").set_index(["step", "why"])["dropped"].to_dict()


@given(seed=st.integers(0, 2**32 - 1), cuts=st.integers(1, 5), threads=st.integers(1, 3))
@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_neither_order_nor_division_into_files_matters(tmp_path_factory, seed, cuts, threads):
    folder = tmp_path_factory.mktemp("shuffled")
    (folder / "whole").mkdir()
    made = census(folder / "whole", n_rows=3000, years=[2002, 2004], n_counties=6, n_industries=5)
    whole = clean_firms(made.folder, concordance=made.concordance, recode=made.recode)
    table = pd.concat([pd.read_parquet(file) for file in made.folder.iterdir()])
    part = np.random.default_rng(seed).integers(0, cuts, len(table))
    for place in range(cuts):
        table[part == place].sample(frac=1, random_state=seed).to_parquet(folder / f"{place}.parquet")
    other = clean_firms(folder, concordance=made.concordance, recode=made.recode, threads=threads)
    assert other.county_industry.equals(whole.county_industry)
    assert other.report.drop(columns="examples").equals(whole.report.drop(columns="examples"))
    assert other.dropped_by_year.equals(whole.dropped_by_year)
    assert other.unmatched_sectors.equals(whole.unmatched_sectors)
    assert other.unmatched_counties.equals(whole.unmatched_counties)


def test_amounts_add_up_to_the_yuan_whatever_their_order(tmp_path):
    amounts = [0.1, 0.2, 0.3, 1e11, 0.001, 0.7]
    for order in itertools.islice(itertools.permutations(amounts), 0, 720, 240):
        found = cleaned(tmp_path, *({"gross_output": amount} for amount in order)).county_industry
        assert found["output"].tolist() == [100000000001.301]


@pytest.mark.parametrize(
    ("change", "step", "why"),
    [
        ({"sales": "1O0"}, "read", "text, or an impossible number, where a number is needed"),
        ({"sales": "inf"}, "read", "text, or an impossible number, where a number is needed"),
        ({"employees": "1,200"}, "read", "text, or an impossible number, where a number is needed"),
        ({"total_assets": 1e20}, "read", "text, or an impossible number, where a number is needed"),
        ({"year": 1997}, "keys", "no year of 1998-2013"),
        ({"year": 2005.5}, "keys", "no year of 1998-2013"),
        ({"year": "year"}, "keys", "no year of 1998-2013"),
        ({"firm": " "}, "keys", "no firm"),
        ({"county": 3202}, "keys", "no county code of six digits"),
        ({"county": "宜兴"}, "keys", "no county code of six digits"),
        ({"sector": 61}, "keys", "no sector code of four digits"),
        ({"sector": None}, "keys", "no sector code of four digits"),
        ({"value_added": None}, "key_variables", "value_added missing"),
        ({"value_added": -0.5}, "key_variables", "value_added negative"),
        ({"employees": 29}, "size", "fewer than 30 employees"),
        ({"employees": None}, "size", "no number of employees"),
        ({"sector": 610}, "sectors", "sector code not in the concordance"),
        ({"county": 999999}, "counties", "county code not in the recode table"),
        ({"county": 320200}, "counties", "county removed"),
        ({"gross_output": None}, "output", "gross output missing"),
        ({"gross_output": -1}, "output", "gross output negative"),
        ({"year": 2004, "gross_output": None, "sales": 0, "stocks_closing": 0}, "output", "gross output negative"),
    ],
)
def test_a_defect_goes_under_its_own_name(tmp_path, change, step, why):
    panel = cleaned(tmp_path, {}, change)
    assert rows(panel, step).get(why) == 1
    assert panel.report["dropped"].sum() == 1
    assert panel.county_industry["firms"].tolist() == [1]


def test_zeros_thirty_employees_and_unused_blanks_are_kept(tmp_path):
    kept = [
        dict.fromkeys(KEY_VARIABLES, 0),
        {"employees": 30},
        {"sales": None, "stocks_opening": None},
        {"sales": "  "},
    ]
    assert cleaned(tmp_path, *kept).county_industry["firms"].tolist() == [4]


def test_output_of_2004_comes_from_sales_and_stocks_where_it_is_missing(tmp_path):
    missing = {"gross_output": None, "sales": 500, "stocks_opening": 70, "stocks_closing": 90}
    panel = cleaned(tmp_path, {"year": 2004, **missing}, {"year": 2004, "sales": 500}, {"year": 2005, **missing})
    assert panel.county_industry[["year", "output", "firms"]].values.tolist() == [[2004, 620, 2]]
    assert rows(panel, "output") == {"sales - opening stocks + closing stocks": 1, "gross output missing": 1}


def test_copies_count_once_and_contradictions_not_at_all(tmp_path):
    panel = cleaned(tmp_path, {}, *[{"firm": "b"}] * 3, {"firm": "c"}, {"firm": "c", "sales": None}, {"firm": "c"})
    assert panel.county_industry["firms"].tolist() == [2]
    assert list(rows(panel, "duplicates").values()) == [2, 3]
    assert cleaned(tmp_path, {"firm": "b"}, {"firm": "b", "year": 2006}).county_industry["firms"].tolist() == [1, 1]


def test_a_broken_record_does_not_make_a_sound_one_a_duplicate(tmp_path):
    panel = cleaned(tmp_path, {"firm": "b"}, {"firm": "b", "sales": "text"}, {"firm": "b", "county": None})
    assert rows(panel, "duplicates") == {}
    assert panel.county_industry["firms"].tolist() == [1]


def test_a_dated_row_of_the_recode_table_wins_over_the_undated_one(tmp_path):
    reused = [{"county": 320299, "year": year, "sector": 612} for year in (2003, 2004, 2005)]
    panel = cleaned(tmp_path, *reused, {"county": 320211, "year": 2003})
    assert panel.county_industry[["county", "year", "firms"]].values.tolist() == [
        ["320281", 2003, 1],
        ["320281", 2004, 1],
        ["320281", 2005, 1],
        ["320282", 2003, 1],
    ]
    assert rows(panel, "counties") == {"county code replaced": 3, "county merged into another": 1}


def test_the_edition_of_the_year_decides_the_industry(tmp_path):
    sound = [(2002, 611), (2003, 612), (2011, 612), (2012, 610)]
    panel = cleaned(tmp_path, *({"year": year, "sector": code} for year, code in [*sound, (2003, 611), (2012, 612)]))
    assert panel.county_industry["year"].tolist() == [2002, 2003, 2011, 2012]
    assert panel.unmatched_sectors[["classification", "sector"]].values.tolist() == [[2002, "0611"], [2011, "0612"]]
    assert panel.unmatched_sectors["share"].tolist() == pytest.approx([1 / 6, 1 / 6])
    earlier = {1994: 1990, 2002: 2003, 2011: 2013}
    panel = cleaned(tmp_path, {"year": 2012, "sector": 612}, classifications=earlier)
    assert panel.county_industry["firms"].tolist() == [1]


def test_unmatched_counties_are_listed_largest_first(tmp_path):
    lost = [{"county": 110101, "gross_output": 20}, {"county": 110102, "gross_output": 60}]
    table = cleaned(tmp_path, {"gross_output": 120}, *lost).unmatched_counties
    assert table.values.tolist() == [["110102", 2005, 1, 60.0, 0.3], ["110101", 2005, 1, 20.0, 0.1]]


def test_a_variable_that_was_not_asked_drops_nothing_in_its_years(tmp_path):
    records = [{"year": year, "value_added": None} for year in (2007, 2008)]
    assert cleaned(tmp_path, *records).county_industry.empty
    asked = cleaned(tmp_path, *records, {"year": 2008, "value_added": -1}, not_asked={"value_added": [2008]})
    assert asked.county_industry["year"].tolist() == [2008]
    assert asked.dropped_by_year[["why", "year"]].values.tolist() == [
        ["value_added missing", 2007],
        ["value_added negative", 2008],
    ]


def test_capital_that_is_unknown_counts_as_nothing_and_is_reported(tmp_path):
    panel = cleaned(tmp_path, {}, {"paid_in_capital": None}, {"paid_in_capital": -5}, {"paid_in_capital": np.nan})
    assert panel.county_industry[["capital", "firms"]].values.tolist() == [[100, 4]]
    assert list(rows(panel, "capital").values()) == [2, 1]


def test_a_stray_quote_costs_its_own_line_and_no_other(tmp_path):
    lines = [",".join(str((SOUND | {"firm": f"f{n}"})[name]) for name in COLUMNS) for n in range(5000)]
    lines[10] = '"' + lines[10]
    lines[20] = lines[20].replace("f20", '"f20"')
    lines[30] = lines[30].replace("f30", '"f,30"')
    lines[40] = lines[40].replace("f40", 'f4"0')
    path = tmp_path / "quotes.csv"
    path.write_text("\n".join([",".join(COLUMNS), *lines]))
    panel = clean_firms(path, concordance=CONCORDANCE, recode=RECODE)
    assert panel.county_industry["firms"].tolist() == [4999]
    assert panel.report["rows_in"].iloc[0] == 5000
    assert panel.report.loc[0, ["dropped", "examples"]].tolist() == [1, ["quotes.csv: line 12"]]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_encodings_line_ends_blank_lines_and_names_are_read(tmp_path, encoding, line_end):
    header = ["企业名称", "法人代码", *COLUMNS[1:]]
    places = ["宜兴, 钢铁", "无锡"] * 3
    fields = [[place, f"f{n}", *(SOUND[name] for name in COLUMNS[1:])] for n, place in enumerate(places)]
    path = csv_file(tmp_path / "names.csv", fields, header)
    text = path.read_text(encoding="utf-8").splitlines()
    path.write_bytes(line_end.join([*text[:3], "", *text[3:], "", ""]).encode(encoding))
    panel = clean_firms(path, concordance=CONCORDANCE, recode=RECODE, columns={"firm": "法人代码"})
    assert panel.county_industry["firms"].tolist() == [6]
    assert panel.report["dropped"].sum() == 0


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_hostile_file_and_column_names_are_only_names(tmp_path, suffix):
    folder = tmp_path / "x'; DROP TABLE records; --"
    folder.mkdir()
    firm = "firm\"'; DROP TABLE records; --"
    table = pd.DataFrame([SOUND]).rename(columns={"firm": firm}).assign(**{"count(*)": 1, "name": "n", "gone": 3})
    (folder / f"a1{suffix}").write_text("not to be read")
    path = folder / f"a[1]*?{suffix}"
    table.to_csv(path, index=False) if suffix == ".csv" else table.to_parquet(path)
    out = folder / "it's.csv"
    panel = clean_firms(path, concordance=CONCORDANCE, recode=RECODE, columns={"firm": firm}, dropped_to=out)
    assert panel.county_industry["firms"].tolist() == [1]
    assert out.is_file()


def test_examples_and_the_dropped_file_lead_to_the_record(made, tmp_path):
    out = tmp_path / "dropped.parquet"
    panel = clean_firms(made.folder, concordance=made.concordance, recode=made.recode, dropped_to=out)
    dropped = pd.read_parquet(out)
    counts = dropped.groupby("why").size().to_dict()
    assert counts == panel.report.query("dropped > 0").set_index("why")["dropped"].to_dict()
    for file, table in dropped[dropped["why"] != "line does not fit the header"].groupby("file"):
        path = made.folder / file
        if path.suffix == ".parquet":
            ids = pd.read_parquet(path)["firm"].fillna("").tolist()
        else:
            fields = [line.split(",") for line in path.read_text().splitlines()[1:]]
            ids = [line[0] for line in fields if len(line) == len(COLUMNS)]
        assert table["firm"].fillna("").tolist() == [ids[record - 1] for record in table["record"]]
    text = panel.report.query("why.str.startswith('text')")["examples"].iloc[0]
    assert len(text) == 5
    assert all(
        re.fullmatch(r"200[01]\.\w+: record \d+ \(1\d{8}, 200[01], total_assets=12O0\)", shown) for shown in text
    )


def test_a_column_that_one_file_lacks_is_missing_there(tmp_path):
    whole = pd.DataFrame([SOUND])
    lacking = pd.DataFrame([SOUND | {"firm": "b", "year": 2004}]).drop(columns="gross_output")
    whole.to_parquet(tmp_path / "2005.parquet")
    csv_file(tmp_path / "2004.csv", lacking.values.tolist(), list(lacking))
    panel = clean_firms([tmp_path / "2005.parquet", tmp_path / "2004.csv"], concordance=CONCORDANCE, recode=RECODE)
    assert panel.county_industry["output"].tolist() == [100, 100]
    with pytest.raises(KeyColumnError, match="column 'gross_output' is in no file"):
        clean_firms(tmp_path / "2004.csv", concordance=CONCORDANCE, recode=RECODE)


def test_little_memory_gives_the_same_panel(made, panel, tmp_path):
    tight = clean_firms(
        made.folder,
        concordance=made.concordance,
        recode=made.recode,
        memory_limit="40MB",
        threads=1,
        temporary=tmp_path,
    )
    assert tight.county_industry.equals(panel.county_industry)
    assert list(tmp_path.iterdir()) == []


def test_the_engine_installs_and_loads_nothing(tmp_path):
    with firms._engine(str(tmp_path), "100MB", 1) as engine:
        names = ["autoinstall_known_extensions", "autoload_known_extensions", "python_enable_replacements"]
        for name in names:
            assert engine.execute("SELECT current_setting(?)::BOOLEAN", [name]).fetchone() == (False,)
        with pytest.raises(duckdb.Error):
            engine.execute("SELECT * FROM 'https://localhost:1/a.parquet'")


def test_tables_and_inputs_stay_as_they_were(tmp_path):
    concordance, recode = CONCORDANCE.copy(deep=True), RECODE.copy(deep=True)
    cleaned(tmp_path, {}, concordance=concordance, recode=recode)
    pd.testing.assert_frame_equal(concordance, CONCORDANCE)
    pd.testing.assert_frame_equal(recode, RECODE)


@pytest.mark.parametrize(
    ("error", "message", "options"),
    [
        (KeyColumnError, "'industry' is not in the table", {"concordance": CONCORDANCE.drop(columns="industry")}),
        (KeyColumnError, "must identify each row", {"concordance": pd.concat([CONCORDANCE, CONCORDANCE])}),
        (KeyColumnError, "no code of 4 digits", {"concordance": CONCORDANCE.assign(sector="C6")}),
        (DomainError, "no known edition", {"concordance": CONCORDANCE.assign(classification=2017)}),
        (KeyColumnError, "two entries in a year", {"recode": pd.concat([RECODE, RECODE])}),
        (KeyColumnError, "no code of 6 digits", {"recode": RECODE.assign(county=1)}),
        (DomainError, "unknown action", {"recode": RECODE.assign(action="split")}),
        (DomainError, "contradicts the codes", {"recode": RECODE.assign(action="keep")}),
        (DomainError, "column 'year': no year", {"recode": RECODE.assign(year="later")}),
        (KeyColumnError, "no column of a firm record", {"columns": {"name": "x"}}),
        (DomainError, "not_asked= names 'sales'", {"not_asked": {"sales": [2004]}}),
        (DomainError, "without gaps", {"years": range(1980, 1990)}),
        (DomainError, "no known format", {"dropped_to": "dropped.xlsx"}),
        (DomainError, "refuses its options", {"memory_limit": "much"}),
        (DomainError, "threads=0", {"threads": 0}),
    ],
)
def test_wrong_tables_and_options_are_refused(tmp_path, error, message, options):
    with pytest.raises(error, match=message):
        cleaned(tmp_path, {}, **options)


def test_files_that_are_none_are_refused(tmp_path):
    tables = {"concordance": CONCORDANCE, "recode": RECODE}
    with pytest.raises(RegionError, match="no CSV or Parquet file"):
        clean_firms(tmp_path, **tables)
    with pytest.raises(RegionError, match=r"no CSV or Parquet file: .*nowhere\.csv"):
        clean_firms(tmp_path / "nowhere.csv", **tables)
    (tmp_path / "a.parquet").write_text("no Parquet")
    with pytest.raises(RegionError, match=r"a\.parquet cannot be read"):
        clean_firms(tmp_path, **tables)
    (tmp_path / "b.csv").write_text("")
    with pytest.raises(RegionError, match=r"b\.csv has no header"):
        clean_firms(tmp_path / "b.csv", **tables)
    (tmp_path / "c.csv").write_text("firm,firm\n1,2\n")
    with pytest.raises(KeyColumnError, match="names 'firm' twice"):
        clean_firms(tmp_path / "c.csv", **tables)
    csv_file(tmp_path / "d.csv", [])
    assert clean_firms(tmp_path / "d.csv", **tables).county_industry.empty
