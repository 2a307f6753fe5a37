import json
from decimal import Decimal
from functools import cache

import nbformat
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nbclient import NotebookClient

from regiometrics.data import published
from regiometrics.errors import DomainError, KeyColumnError, RegionError
from regiometrics.measure.inequality import gini
from regiometrics.report import consistency, ledger

SERIES = "coagglomeration"


def printed_as_computed(paper, table):
    """The printed numbers of a table as a computed frame: one row per key, value columns as floats."""
    return _printed_as_computed(paper, table).copy()


@cache
def _printed_as_computed(paper, table):
    numbers = published.numbers(paper, table)
    keys = [key for key in ("panel", *published.KEYS) if (numbers[key] != "").any()]
    wide = numbers.assign(printed=numbers["printed"].astype(float)).pivot(
        index=keys, columns="value_column", values="printed"
    )
    return wide.reset_index()


def within_ginis(**ginis):
    """Table 2's row of 2004, cluster by cluster."""
    return pd.DataFrame({"year": 2004, "cluster": list(ginis), "gini": list(ginis.values())})


def verdict_of(frame, number):
    return frame.set_index("id").loc[number, "verdict"]


# the half-unit rule


@pytest.mark.parametrize(
    ("printed", "computed", "kind", "relation", "expected"),
    [
        ("0.140", 0.1395, "decimal", "", True),  # a tie
        ("0.140", 0.1405, "decimal", "", True),  # the other tie
        ("0.140", 0.14050001, "decimal", "", False),
        ("0.14", 0.1449, "decimal", "", True),  # without the trailing zero more is allowed
        ("0.140", 0.1449, "decimal", "", False),
        ("1.50", 1.495, "decimal", "", True),
        ("0.072", 0.0725, "decimal", "", True),  # 0.0725 in binary lies below, 0.0715 above
        ("0.072", 0.0715, "decimal", "", True),
        ("0.3", 0.1 + 0.2 + 0.05, "decimal", "", True),  # 0.35000000000000003 is the tie 0.35
        ("-0.0253", -0.02525, "decimal", "", True),
        ("-0.0253", 0.0253, "decimal", "", False),
        ("-24", -24.5, "integer", "", True),
        ("-24", -24.51, "integer", "", False),
        ("264428", 264428.4, "integer", "", True),
        ("500", 495, "integer", "", False),  # zeros before the point are digits
        ("44.42", 44.416, "decimal", "", True),
        ("156", 156.0, "count", "", True),
        ("156", 156.4, "count", "", False),
        ("2004", 2004, "count", "", True),
        ("8", 8.3, "words", "", False),
        ("0.640625", 41 / 64, "fraction", "", True),
        ("0.640625", 0.6406251, "fraction", "", False),
        ("30", 30.0, "bound", "gt", False),
        ("30", 30.001, "bound", "gt", True),
        ("30", 300, "bound", "gt", True),
        ("0.5", 0.4999, "bound", "lt", True),
        ("0.5", 0.5, "bound", "lt", False),
        ("-5", -6, "bound", "lt", True),
        ("10", 9.0, "bound", "about", True),
        ("10", 8.9, "bound", "about", False),
    ],
)
def test_a_number_is_reproduced_as_far_as_print_can_tell(printed, computed, kind, relation, expected):
    assert ledger.reproduces(Decimal(printed), computed, kind=kind, relation=relation) is expected


@given(st.decimals(-1000, 1000, places=3), st.floats(-0.0004999, 0.0004999))
def test_rounding_to_print_is_always_reproduced(exact, noise):
    assert ledger.reproduces(exact, float(exact) + noise)
    assert not ledger.reproduces(exact, float(exact) + noise + 0.0011)


@pytest.mark.parametrize("paper", published.papers())
def test_printed_numbers_reproduce_themselves(paper):
    for table in published.tables(paper):
        if len(published.numbers(paper, table)):
            frame = ledger.compare(paper, table, printed_as_computed(paper, table), basis="printed")
            assert set(frame["verdict"]) == {"reproduced"}
            assert (frame["reason"] == "").all()
            assert (frame["gap"] == 0).all()
    text = published.numbers(paper, "text")
    items = {row.item: float(row.printed) for row in text.itertuples() if row.relation in ("", "about")}
    frame = ledger.compare_text(paper, items, basis="printed")
    assert (frame["verdict"] == "reproduced").sum() == len(items)


# verdicts


def test_words_are_fixed():
    words = ["reproduced", "close", "relabelled", "misprint", "not reproduced", "method only", "not attempted"]
    assert list(ledger.VERDICTS) == words
    assert ledger.counts(pd.DataFrame({"verdict": ["close"]}))["verdict"].tolist() == words


def test_each_printed_number_has_one_row_in_print_order():
    frame = ledger.compare("p3", 2, within_ginis(overall=0.1141, guanzhong_plain=0.1409), basis="real")
    assert frame.columns.tolist() == list(ledger.COLUMNS)
    assert frame["id"].tolist() == published.numbers("p3", 2)["id"].tolist()
    assert frame["printed"].tolist() == published.numbers("p3", 2)["printed"].tolist()
    row = frame.set_index("id").loc["p3.t2.2004.guanzhong_plain.gini"]
    assert (row["computed"], row["gap"], row["tolerance"]) == (0.1409, 0.0009, 0.001)
    assert (row["verdict"], row["basis"]) == ("close", "real")
    assert "one per cent" in row["reason"]
    unmatched = frame[frame["computed"].isna()]
    assert len(unmatched) == 142
    assert set(unmatched["verdict"]) == {"not attempted"}
    assert set(unmatched["reason"]) == {"no number was computed for it"}


def test_outside_the_tolerance_says_by_how_much():
    frame = ledger.compare("p3", 2, within_ginis(guanzhong_plain=0.15), basis="real").set_index("id")
    row = frame.loc["p3.t2.2004.guanzhong_plain.gini"]
    assert (row["verdict"], row["reason"]) == ("not reproduced", "off by 0.010; the tolerance is 0.001")
    frame = ledger.compare_text("p2", {"model_u1": 0.64, "share_gdp": 90, "n_cities": 155.8}, basis="printed")
    reasons = frame.set_index("id")["reason"]
    assert reasons["p2.text.model_u1"] == "off by 0.000625; it must be met exactly"
    assert reasons["p2.text.n_cities"] == "off by 0.2; it must be met exactly"
    assert reasons["p2.text.share_gdp"] == "off by 2; no tolerance is stated"
    frame = ledger.compare_text("p3", {"between_growth_threshold": 29.5}, basis="real").set_index("id")
    assert "the text says more than 30" in frame.loc["p3.text.between_growth_threshold", "reason"]


def test_what_is_known_about_a_number_is_added_where_it_is_not_reproduced():
    computed = pd.DataFrame({"year": [2008, 2009], "cluster": "yangtze_river_delta", "coagglomeration_index": 2.97})
    reasons = ledger.compare("p3", 1, computed, basis="real").set_index("id")["reason"]
    assert "blocks of years" in reasons["p3.t1.2008.yangtze_river_delta.coagglomeration_index"]
    assert reasons["p3.t1.2009.yangtze_river_delta.coagglomeration_index"] == "off by 0.229; the tolerance is 0.03"
    close = computed.assign(coagglomeration_index=2.70)
    reasons = ledger.compare("p3", 1, close, basis="real").set_index("id")["reason"]
    assert "blocks" not in reasons["p3.t1.2008.yangtze_river_delta.coagglomeration_index"]


def test_another_header_must_be_named_and_the_number_be_right_there():
    computed = pd.DataFrame(
        {
            "year": [2004, 2004, 2004, 2004],
            "cluster": ["middle_yangtze", "harbin_changchun", "guanzhong_plain", "overall"],
            "coefficient_of_variation": [0.1301, 0.2719, 0.2, 0.202],
            "relabelled": ["Yangtze delta", "Guanzhong", "Harbin-Changchun", ""],
        }
    )
    frame = ledger.compare("p3", 5, computed, basis="real").set_index("id")[["verdict", "reason"]]
    number = "p3.t5.2004.{}.coefficient_of_variation".format
    assert frame.loc[number("middle_yangtze")].tolist() == [
        *("relabelled", "right under the header Yangtze delta, to the last digit"),
    ]
    assert frame.loc[number("harbin_changchun"), "verdict"] == "relabelled"
    assert frame.loc[number("harbin_changchun"), "reason"].startswith("right under the header Guanzhong within 0.001: ")
    assert frame.loc[number("guanzhong_plain"), "verdict"] == "not reproduced"
    assert frame.loc[number("guanzhong_plain"), "reason"].startswith("under the header Harbin-Changchun off by 0.012")
    assert frame.loc[number("overall"), "verdict"] == "reproduced"
    missing = computed.assign(relabelled=[None, None, np.nan, None])
    assert "relabelled" not in set(ledger.compare("p3", 5, missing, basis="real")["verdict"])


def test_a_misprint_is_one_that_other_printed_numbers_prove(monkeypatch):
    sentence = "the fifteen yearly values average 0.118"
    monkeypatch.setattr(
        consistency,
        "misprints",
        lambda paper: dict.fromkeys(["p3.t2.mean.overall.gini", "p3.t2.2004.overall.gini"], sentence),
    )
    computed = pd.DataFrame({"year": ["mean", 2004], "cluster": "overall", "gini": [0.1170, 0.1141]})
    frame = ledger.compare("p3", 2, computed, basis="real").set_index("id")
    assert frame.loc["p3.t2.mean.overall.gini", ["verdict", "reason"]].tolist() == ["misprint", sentence]
    assert frame.loc["p3.t2.2004.overall.gini", "verdict"] == "reproduced"
    nothing = ledger.compare("p3", 2, computed.assign(gini=np.nan), basis="real")
    assert set(nothing["verdict"]) == {"not attempted"}


def test_the_audit_proves_the_mean_of_table_2_wrong():
    computed = pd.DataFrame({"year": ["mean"], "cluster": ["overall"], "gini": [0.1170]})
    frame = ledger.compare("p3", 2, computed, basis="real").set_index("id")
    assert frame.loc["p3.t2.mean.overall.gini", "verdict"] == "misprint"


# basis


@settings(max_examples=15)
@given(st.integers(0, 143), st.floats(-1, 1))
def test_a_simulated_number_never_reproduces_and_never_stands_beside_print(row, shift):
    computed = printed_as_computed("p3", 5)
    computed.loc[row, "coefficient_of_variation"] += shift
    for relabelled in ("", "another header"):
        frame = ledger.compare("p3", 5, computed.assign(relabelled=relabelled), basis="simulated")
        assert set(frame["verdict"]) == {"method only"}
        assert frame[["computed", "gap"]].isna().all(axis=None)
        assert (frame["reason"] != "").all()


def test_a_simulated_basis_needs_no_numbers_and_keeps_its_reason():
    frame = ledger.compare("p1", 3, None, basis="simulated", reason="the firm records are not public")
    assert set(frame["verdict"]) == {"method only"}
    assert set(frame["reason"]) == {"the firm records are not public"}
    partly = ledger.compare_text("p1", {"n_cities_delta": 41}, basis="simulated")
    assert ledger.counts(partly).set_index("verdict")["numbers"].to_dict() == {
        **dict.fromkeys(ledger.VERDICTS, 0),
        "method only": 1,
        "not attempted": 31,
    }


def test_without_a_basis_nothing_is_attempted_for_a_reason():
    frame = ledger.compare("p4", "text", None, basis="none", reason="the tables are pictures")
    assert set(frame["verdict"]) == {"not attempted"}
    assert set(frame["reason"]) == {"the tables are pictures"}
    own = ledger.compare("p3", 2, within_ginis(overall=0.1141), basis="none", reason="other data than the paper's")
    assert set(own["verdict"]) == {"not attempted"}
    assert own["computed"].isna().all()


@pytest.mark.parametrize(
    ("computed", "basis", "reason", "error", "message"),
    [
        (None, "none", None, RegionError, "needs a reason"),
        (None, "real", None, RegionError, "needs computed numbers"),
        (None, "printed", "because", RegionError, "needs computed numbers"),
        (within_ginis(overall=0.1), "guessed", None, DomainError, "unknown basis 'guessed'"),
    ],
)
def test_a_basis_that_does_not_fit_is_refused(computed, basis, reason, error, message):
    with pytest.raises(error, match=message):
        ledger.compare("p3", 2, computed, basis=basis, reason=reason)


# keys


def test_keys_match_as_text_under_other_names_and_in_either_order():
    plain = within_ginis(overall=0.1141, pearl_river_delta=0.0512)
    renamed = plain.rename(columns={"year": "time", "cluster": "group"}).astype({"time": float, "group": "category"})
    renamed.index = [7, 7]
    given_on = ledger.compare("p3", 2, renamed, on={"year": "time", "cluster": "group"}, basis="real")
    pd.testing.assert_frame_equal(given_on, ledger.compare("p3", 2, plain, on=["year", "cluster"], basis="real"))
    pair = pd.DataFrame({"cluster_a": ["guanzhong_plain"], "cluster_b": ["pearl_river_delta"], "mean_gini": [0.1655]})
    frame = ledger.compare("p3", 3, pair, basis="real")
    assert verdict_of(frame, "p3.t3.pearl_river_delta.guanzhong_plain.mean_gini") == "reproduced"
    assert (frame["verdict"] == "not attempted").sum() == 55


def test_regression_tables_match_by_column_and_term():
    computed = pd.DataFrame(
        {"column": [6, 6], "term": ["policy", "n_obs"], "value": [-0.0253, 5480], "spread": [0.0065, None]}
    )
    frame = ledger.compare("p5", 3, computed, basis="printed")
    assert [verdict_of(frame, f"p5.t3.c6.{cell}") for cell in ("policy.value", "policy.spread", "n_obs.value")] == [
        "reproduced"
    ] * 3
    assert (frame["verdict"] == "reproduced").sum() == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.assign(cluster=["overall", "shandong"]), "without a printed number.*2004 shandong"),
        (lambda c: c.assign(cluster=["overall", "shandong"], gini=[0.1, None]), "without a printed number"),
        (lambda c: c.assign(cluster="overall"), "must identify each row"),
        (lambda c: c.assign(year=["2004", 2004], cluster="overall"), "must identify each row"),
        (lambda c: c.assign(cluster=["overall", None]), "column 'cluster': a key may not be missing"),
        (lambda c: c.drop(columns="year"), "column 'year' is not in the table"),
        (lambda c: c.rename(columns={"gini": "value"}), "no value column of the table.*gini"),
    ],
)
def test_rows_that_do_not_belong_are_an_error(change, message):
    with pytest.raises(KeyColumnError, match=message):
        ledger.compare("p3", 2, change(within_ginis(overall=0.1, pearl_river_delta=0.1)), basis="real")


def test_pairs_given_in_both_orders_are_one_key_twice():
    pairs = pd.DataFrame({"cluster_a": ["x", "y"], "cluster_b": ["y", "x"], "mean_gini": [0.1, 0.1]})
    with pytest.raises(KeyColumnError, match="must identify each row"):
        ledger.compare("p3", 3, pairs, basis="real")


def test_a_number_for_an_empty_cell_is_an_error():
    computed = pd.DataFrame({"column": [6], "term": ["r2"], "value": [0.892], "spread": [0.1]})
    with pytest.raises(KeyColumnError, match=r"without a printed number.*6 r2 spread"):
        ledger.compare("p5", 3, computed, basis="printed")


def test_names_of_keys_that_the_table_has_not_are_refused():
    with pytest.raises(KeyColumnError, match="'time'.*no keys of the table.*year, cluster"):
        ledger.compare("p3", 2, within_ginis(overall=0.1), on={"time": "year"}, basis="real")


def test_infinite_numbers_and_text_are_refused():
    with pytest.raises(DomainError, match="infinite value"):
        ledger.compare("p3", 2, within_ginis(overall=np.inf), basis="real")
    with pytest.raises(DomainError, match="text where a number is needed"):
        ledger.compare("p3", 2, within_ginis(overall="high"), basis="real")


def test_the_computed_frame_is_left_alone():
    computed = within_ginis(overall=0.1)
    before = computed.copy()
    ledger.compare("p3", 2, computed, basis="real")
    pd.testing.assert_frame_equal(computed, before)


# counts and headline


@settings(max_examples=15)
@given(st.lists(st.floats(-0.02, 0.02), min_size=28, max_size=28), st.sets(st.integers(0, 27)))
def test_counts_add_up_and_whatever_is_not_reproduced_has_a_reason(shifts, absent):
    computed = printed_as_computed("p3", 3)
    computed["mean_gini"] += shifts
    computed.loc[list(absent), "mean_gini"] = np.nan
    frame = ledger.compare("p3", 3, computed, basis="real")
    assert ledger.counts(frame)["numbers"].sum() == len(frame) == 56
    assert ((frame["reason"] == "") == (frame["verdict"] == "reproduced")).all()
    assert (frame["verdict"] == "not attempted").sum() == len(absent)


@pytest.mark.parametrize(
    ("verdicts", "headline"),
    [
        (
            {"reproduced": 4},
            "Full reproduction: of 4 printed numbers (real data), 4 (100.0%) are reproduced to the ",
        ),
        (
            {"reproduced": 1, "close": 1, "relabelled": 1, "misprint": 1},
            "Full reproduction with minor issues: of 4 ",
        ),
        ({"reproduced": 1, "close": 1, "not reproduced": 1}, "Partial reproduction: of 3 printed numbers "),
        ({"reproduced": 1, "method only": 2}, "Not able to reproduce most or all: of 3 printed numbers "),
    ],
)
def test_the_headline_grades_by_the_share_that_differs(verdicts, headline):
    rows = [verdict for verdict, number in verdicts.items() for _ in range(number)]
    box = ledger.verdict_box(pd.DataFrame({"verdict": rows, "basis": "real"}))
    assert box.startswith(headline)
    assert box.count("(") == 1 + len(verdicts)


def test_the_headline_names_each_basis_and_each_verdict():
    frame = pd.DataFrame({"verdict": ["reproduced", "reproduced", "misprint"], "basis": ["real", "printed", "real"]})
    assert ledger.verdict_box(frame) == (
        "Partial reproduction: of 3 printed numbers (real data 2, printed numbers 1), 2 (66.7%) are reproduced to "
        "the last printed digit and 1 (33.3%) is proved wrong by other printed numbers."
    )
    with pytest.raises(DomainError, match="empty ledger"):
        ledger.verdict_box(frame.iloc[:0])


# recorded and collected


def notebook_with(outputs, path):
    cell = nbformat.v4.new_code_cell("ledger.record(frame, 'table')", outputs=outputs)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# Chapter"), cell])
    nbformat.validate(notebook)
    nbformat.write(notebook, path)


@pytest.fixture
def recorded(monkeypatch):
    """Record a ledger and get the output it leaves."""

    def output_of(frame, name="p3, table 2"):
        kept = []
        monkeypatch.setattr(ledger, "show", lambda data, metadata: kept.append((data, metadata)))
        ledger.record(frame, name)
        [(data, metadata)] = kept
        return nbformat.v4.new_output("display_data", data=dict(data), metadata=json.loads(json.dumps(metadata)))

    return output_of


def test_recorded_ledgers_come_back_and_the_rest_is_not_attempted(recorded, tmp_path):
    one = ledger.compare("p3", 2, within_ginis(overall=0.11411111111, middle_yangtze=0.083), basis="real")
    two = ledger.compare("p1", "5a", None, basis="simulated")
    notebook_with([recorded(one), recorded(two, "p1, table 5a")], tmp_path / "chapter.ipynb")
    frame = ledger.collect(tmp_path)
    assert frame.columns.tolist() == ["id", "paper", "table", *ledger.COLUMNS[1:]]
    assert frame["id"].tolist() == published.numbers()["id"].tolist()
    assert frame["printed"].tolist() == published.numbers()["printed"].tolist()
    back = frame[frame["paper"].eq("p3") & frame["table"].eq("2")].reset_index(drop=True)[list(ledger.COLUMNS)]
    pd.testing.assert_frame_equal(back, one, check_dtype=False, rtol=1e-5)
    assert verdict_of(frame, "p3.t2.2004.overall.gini") == "reproduced"
    assert set(frame.loc[frame["table"] == "5a", "verdict"]) == {"method only"}
    other = frame[~frame["id"].isin([*one["id"], *two["id"]])]
    assert set(other["verdict"]) == {"not attempted"}
    assert set(other["basis"]) == {"none"}
    assert set(other.loc[other["paper"].isin(["p1", "p3"]), "reason"]) == {"the chapter does not take it up"}
    assert set(other.loc[~other["paper"].isin(["p1", "p3"]), "reason"]) == {"no executed chapter of this paper"}
    assert ledger.counts(frame)["numbers"].sum() == 1365


def test_without_notebooks_all_1365_numbers_are_still_to_come(tmp_path):
    frame = ledger.collect(tmp_path)
    assert len(frame) == 1365
    assert set(frame["verdict"]) == {"not attempted"}
    assert set(frame["reason"]) == {"no executed chapter of this paper"}


def test_the_line_shown_tells_a_change_in_any_number(recorded):
    def line(overall):
        return recorded(ledger.compare("p3", 2, within_ginis(overall=overall), basis="real"))["data"]

    assert set(line(0.1141)) == {"text/plain"}
    assert line(0.1141)["text/plain"].startswith(
        "p3, table 2: 144 printed numbers, 1 reproduced, 143 not attempted [digest "
    )
    assert line(0.1141) == line(0.1141 + 1e-9)
    assert line(0.1141) != line(0.11411)


def test_a_number_recorded_twice_is_an_error(recorded, tmp_path):
    frame = ledger.compare("p3", 2, within_ginis(overall=0.1141), basis="real")
    with pytest.raises(KeyColumnError, match="must identify each row"):
        ledger.record(pd.concat([frame, frame]), "twice")
    notebook_with([recorded(frame)], tmp_path / "a.ipynb")
    notebook_with([recorded(frame)], tmp_path / "b.ipynb")
    with pytest.raises(KeyColumnError, match="must identify each row"):
        ledger.collect(tmp_path)


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("id", "p3.t9.2004.overall.gini", "no printed number has this id"),
        ("printed", "0.115", "recorded another printed number than the data hold.*p3.t2.2004.overall.gini"),
    ],
)
def test_a_notebook_that_no_longer_fits_the_data_is_an_error(recorded, tmp_path, column, value, message):
    frame = ledger.compare("p3", 2, within_ginis(overall=0.1141), basis="real")
    output = recorded(frame[frame["computed"].notna()])
    output["metadata"][ledger.KEY]["rows"][0][column] = value
    notebook_with([output], tmp_path / "old.ipynb")
    with pytest.raises(RegionError, match=message):
        ledger.collect(tmp_path)


def test_an_executed_notebook_keeps_values_and_ledger(tmp_path):
    """The only test that starts a kernel: what the display machinery of Jupyter really stores."""
    code = (
        "import pandas as pd\n"
        "from regiometrics.report import ledger\n"
        "from regiometrics.report.record import record\n"
        "record(gini=0.1141)\n"
        "frame = pd.DataFrame({'year': [2004], 'cluster': ['overall'], 'gini': [0.1141]})\n"
        "ledger.record(ledger.compare('p3', 2, frame, basis='real'), 'p3, table 2')"
    )
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    nbformat.write(notebook, tmp_path / "executed.ipynb")
    assert verdict_of(ledger.collect(tmp_path), "p3.t2.2004.overall.gini") == "reproduced"
    value, line = notebook.cells[0].outputs
    assert value["metadata"]["regiometrics"] == {"gini": 0.1141}
    assert line["data"]["text/plain"].startswith("p3, table 2: 144 printed numbers")


# the tolerances and notes of p3 say what the shipped series shows


def clusters_of(shipped, year):
    return {name: group[SERIES].to_numpy() for name, group in shipped[shipped["year"] == year].groupby("cluster")}


def test_one_per_cent_in_a_national_total_moves_the_means_of_table_1_as_stated(shipped):
    moved = []
    for scale in (0.99, 1.01):
        m, s = scale * shipped["lq_manufacturing"], scale * shipped["lq_producer_services"]
        index = 1 - (m - s).abs() / (m + s) + m + s
        change = (index - shipped[SERIES]).groupby([shipped["year"], shipped["cluster"]]).mean()
        moved += change.abs().tolist()
    assert 0.0125 < min(moved) < max(moved) < 0.0295


def test_leaving_out_one_city_moves_the_overall_indices_as_stated(shipped):
    for year in (2004, 2018):
        values = shipped.loc[shipped["year"] == year, SERIES].to_numpy()
        without = [np.delete(values, i) for i in range(len(values))]
        moved = [abs(gini(rest) - gini(values)) for rest in without]
        assert 0.0007 < np.quantile(moved, 0.9) < 0.0012
        spread = values.std(ddof=1) / values.mean()
        moved = [abs(rest.std(ddof=1) / rest.mean() - spread) for rest in without]
        assert 0.0010 < np.quantile(moved, 0.9) < 0.0018


@pytest.mark.parametrize(
    ("cluster", "printed_years", "computed_years", "within"),
    [
        ("yangtze_river_delta", range(2004, 2009), range(2014, 2019), 0.03),
        ("yangtze_river_delta", range(2014, 2019), range(2006, 2011), 0.008),
        ("chengdu_chongqing", range(2011, 2014), range(2016, 2019), 0.007),
        ("chengdu_chongqing", range(2016, 2019), range(2011, 2014), 0.012),
    ],
)
def test_columns_of_table_1_coincide_with_other_years_as_noted(shipped, cluster, printed_years, computed_years, within):
    table = published.table("p3", 1)
    printed = table[table["cluster"] == cluster].set_index("year")["coagglomeration_index"].astype(float)
    computed = shipped[shipped["cluster"] == cluster].groupby("year")[SERIES].mean()
    gaps = [abs(printed[str(a)] - computed[b]) for a, b in zip(printed_years, computed_years, strict=True)]
    assert max(gaps) < within


def test_middle_yangtze_and_2013_lie_apart_as_noted(shipped):
    table = published.table("p3", 2)
    printed = table.assign(gini=table["gini"].astype(float)).set_index(["year", "cluster"])["gini"]
    gaps = pd.DataFrame(
        {
            year: {
                name: abs(gini(values) - printed[str(year), name])
                for name, values in clusters_of(shipped, year).items()
            }
            for year in range(2004, 2019)
        }
    )
    assert (gaps.loc["middle_yangtze"] > 0.001).sum() == 12
    assert gaps.loc["harbin_changchun"].gt(0.001).loc[lambda apart: apart].index.tolist() == [2009]
    for cluster in ("guanzhong_plain", "central_plains"):
        assert gaps.loc[cluster].idxmax() == 2013
        assert gaps.loc[cluster, 2013] > 8 * gaps.loc[cluster].drop(2013).max()
    rest = shipped[shipped["city_zh"] == "宿州"]
    assert set(range(2004, 2019)) - set(rest["year"]) == {2017}
    assert set(rest["cluster"]) == {"central_plains"}


def test_a_number_takes_the_first_ground_on_which_it_was_attempted():
    real = ledger.compare_text("p2", {"share_land": 20.0}, basis="real")
    printed = ledger.compare_text("p2", {"share_land": 24.2, "model_u1": 41 / 64}, basis="printed")
    method = ledger.compare_text("p2", None, basis="simulated")
    both = ledger.first_judged(real, printed, method).set_index("id")
    assert both.loc["p2.text.share_land", ["basis", "verdict"]].tolist() == ["real", "not reproduced"]
    assert both.loc["p2.text.model_u1", "basis"] == "printed"
    assert (both.drop(index=["p2.text.share_land", "p2.text.model_u1"])["verdict"] == "method only").all()
    assert both.index.tolist() == real["id"].tolist()
    alone = ledger.first_judged(real, printed).set_index("id")
    assert (alone.drop(index=["p2.text.share_land", "p2.text.model_u1"])["verdict"] == "not attempted").all()
    with pytest.raises(KeyColumnError, match="different numbers"):
        ledger.first_judged(real, ledger.compare_text("p1", None, basis="simulated"))
