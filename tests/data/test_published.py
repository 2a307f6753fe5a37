import csv
import re
from decimal import Decimal
from fnmatch import fnmatchcase

import pytest

from regiometrics.data import published
from regiometrics.errors import KeyColumnError, RegionError

NOT_NUMBERS = {"table", "column", "column_position", "year", "section", "also_in_table"}

# every other statement is an equality: each relation was read off the sentence it stands in
RELATIONS = {
    "p2.text.share_land": "about",
    "p3.text.between_growth_threshold": "gt",
    "p4.text.annual_growth_pre_crisis": "gt",
    "p4.text.growth_other_years_cap": "lt",
    "p4.text.tech_intensive_gain_beijing": "about",
    "p4.text.relative_specialization_cap_jiangsu_zhejiang": "lt",
    "p4.text.pair_specialization_floor_beijing_hebei": "gt",
    "p4.text.pair_specialization_cap_shanghai_zhejiang": "lt",
    "p5.text.placebo_p_value": "gt",
}


def test_the_papers_print_1365_numbers_each_with_an_id_of_its_own():
    numbers = published.numbers()
    assert numbers["id"].is_unique
    assert (numbers["table"] != "text").sum() == 1223
    assert (numbers["table"] == "text").sum() == 142


def test_every_number_in_the_files_of_the_tables_is_counted(root):
    """Counted over the raw files, without the list of value columns."""
    cells = 0
    for path in sorted((root / "data" / "published").glob("p*/table_*.csv")):
        with path.open(encoding="utf-8") as file:
            for row in csv.DictReader(file):
                cells += sum(
                    re.fullmatch(r"-?\d+(\.\d+)?", text) is not None
                    for column, text in row.items()
                    if column not in NOT_NUMBERS
                )
    assert cells == (published.numbers()["table"] != "text").sum()


@pytest.mark.parametrize(
    ("number", "printed"),
    [
        ("p1.t1.szong.std_dev", "20.170"),
        ("p1.t2.human.all.synthetic", "0.357"),
        ("p1.t3.new.did.t_value", "1.29"),
        ("p1.t5a.c1.did.value", "0.231"),
        ("p1.t5b.c2.mediator.spread", "1.13"),
        ("p1.t7.patent_success.share_ab_over_c_percent", "7.3"),
        ("p2.t3.guanzhong_plain.q_2017", "1.41"),
        ("p2.t5.c3.mediated_share_percent.value", "44.42"),
        ("p3.t2.2004.guanzhong_plain.gini", "0.140"),
        ("p3.t2.mean.overall.gini", "0.111"),
        ("p3.t3.beijing_tianjin_hebei.harbin_changchun.change_percent", "-1"),
        ("p3.t4.2013.transvariation.share_percent", "37.016"),
        ("p3.t5.2004.central_plains.coefficient_of_variation", "0.155"),
        ("p4.text.output_2014_yrd", "264428"),
        ("p5.t2.policy.min", "0.0000"),
        ("p5.t3.c6.policy.spread", "0.0065"),
        ("p5.t4.within.beta", "0.5402"),
    ],
)
def test_numbers_are_found_by_id_with_their_printed_decimals(number, printed):
    numbers = published.numbers(number[:2]).set_index("id")
    assert str(numbers.loc[number, "printed"]) == printed
    assert numbers.loc[number, "text"] == printed


def test_decimals_are_those_of_print():
    numbers = published.numbers()
    plain = numbers[~numbers["kind"].isin(["fraction", "words"])]
    assert len(plain) == 1365 - 4
    assert plain["printed"].map(str).tolist() == plain["text"].tolist()


def test_fractions_and_numerals_in_words_are_numbers():
    numbers = published.numbers().set_index("id")
    assert numbers[numbers["kind"] == "fraction"]["printed"].to_dict() == {
        "p2.text.model_c1h": Decimal("0.625"),
        "p2.text.model_c2h": Decimal("0.8125"),
        "p2.text.model_u1": Decimal("0.640625"),
    }
    assert numbers[numbers["kind"] == "words"]["printed"].to_dict() == {"p3.text.n_clusters": Decimal(8)}


def test_relations_are_those_of_the_sentences():
    numbers = published.numbers()
    related = numbers[numbers["relation"] != ""]
    assert dict(zip(related["id"], related["relation"], strict=True)) == RELATIONS
    assert (numbers["kind"] == "bound").tolist() == (numbers["relation"] != "").tolist()


def test_counts_are_told_from_rounded_measurements():
    numbers = published.numbers().set_index("id")["kind"]
    assert numbers["p1.t1.szong.n_obs"] == numbers["p5.t3.c1.n_obs.value"] == "count"
    assert numbers["p3.text.first_year"] == numbers["p4.text.hightech_employees_2014"] == "count"
    assert numbers["p3.t3.yangtze_river_delta.pearl_river_delta.change_percent"] == "integer"
    assert numbers["p4.text.output_2014_yrd"] == numbers["p5.text.winsor_percent"] == "integer"


@pytest.mark.parametrize("paper", published.papers())
def test_tables_and_the_long_form_hold_the_same_numbers(paper):
    frames = [published.table(paper, number) for number in published.tables(paper)] + [published.in_text(paper)]
    found = {}
    for frame in frames:
        for column in [c for c in published.VALUES if c in frame]:
            rows = frame[frame[f"{column}_id"] != ""]
            found |= dict(zip(rows[f"{column}_id"], rows[column], strict=True))
    numbers = published.numbers(paper)
    assert found == dict(zip(numbers["id"], numbers["printed"], strict=True))


def test_zero_is_a_number_and_yes_is_none():
    zero = published.table("p5", 2).set_index("variable").loc["policy"]
    assert (zero["min"], zero["min_id"]) == (Decimal("0.0000"), "p5.t2.policy.min")
    rows = published.table("p2", 1)
    marks = rows[rows["row_kind"] == "fixed_effect"]
    assert set(marks["value"]) == {"yes"}
    assert set(marks["value_id"]) == set(marks["spread_id"]) == {""}
    assert marks["spread"].isna().all()


def test_panels_can_be_asked_for_alone():
    whole, first = published.table("p1", 5), published.table("p1", "5a")
    assert set(whole["panel"]) == {"5a", "5b"}
    assert set(first["panel"]) == {"5a"}
    assert len(published.numbers("p1", 5)) == 44
    assert len(published.numbers("p1", "5a")) == 20


def test_keys_are_text_so_that_the_row_of_means_is_one_of_them():
    years = list(dict.fromkeys(published.table("p3", 2)["year"]))
    assert years == [str(year) for year in range(2004, 2019)] + ["mean"]


def test_rebuilt_tables_are_patterns_and_no_printed_numbers():
    pattern = published.rebuilt("p4", 4)
    specialised = pattern.groupby("province")["lq_above_one"].sum()
    assert specialised.to_dict() == {"shanghai": 8, "jiangsu": 10, "zhejiang": 12, "anhui": 14}
    assert pattern["sector_code"].nunique() == 28
    assert set(published.numbers("p4")["table"]) == {"text"}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: published.table("p6", 1), "no paper 'p6'.*p1, p2, p3, p4, p5"),
        (lambda: published.table("p3", 9), "p3 has no printed table 9.*1, 2, 3, 4, 5"),
        (lambda: published.table("p4", 1), "p4 has no printed table 1.*none is printed"),
        (lambda: published.table("p1", "5c"), "p1 has no printed table 5c"),
        (lambda: published.table("p3", "2a"), "p3 has no printed table 2a"),
        (lambda: published.numbers("p3", "all"), "p3 has no printed table all"),
        (lambda: published.rebuilt("p3", 1), "p3 has no rebuilt table 1"),
    ],
)
def test_what_is_not_printed_is_refused_with_what_there_is(call, message):
    with pytest.raises(KeyColumnError, match=message):
        call()


def test_an_incomplete_data_folder_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("REGIOMETRICS_DATA", str(tmp_path))
    with pytest.raises(RegionError, match="in_text.csv is not in the data folder"):
        published.in_text("p3")


def test_rules_fit_printed_numbers(root):
    """A pattern in tolerances.csv or notes.csv that fits no number is a slip of the pen."""
    ids = published.numbers()["id"]
    for name in ("tolerances.csv", "notes.csv"):
        with (root / "data" / "published" / name).open(encoding="utf-8") as file:
            rules = list(csv.DictReader(file))
        decided = [next((r["pattern"] for r in rules if fnmatchcase(i, r["pattern"])), None) for i in ids]
        assert {rule["pattern"] for rule in rules} <= set(decided), name
        assert all(text.strip() for rule in rules for text in rule.values())
