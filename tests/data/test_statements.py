import pandas as pd
import pytest

from regiometrics.data.facts import high_tech_industries, manufacturing_sectors
from regiometrics.data.published import rebuilt, statements
from regiometrics.errors import KeyColumnError


@pytest.mark.parametrize(("number", "rows"), [(1, 8), (4, 20)])
def test_statements_name_known_provinces_and_sectors(number, rows):
    said = statements("p4", number)
    assert len(said) == rows and said["id"].is_unique
    assert (said["gist_en"] != "").all() and said["gist_en"].str.isascii().all()
    assert set(said["evidence"]) <= {"text", "scrambled"}
    industries = manufacturing_sectors()["industry"] if number == 4 else high_tech_industries()["industry"]
    assert set(";".join(said["sectors"]).split(";")) - {""} <= set(industries)
    provinces = set(said["province"]) | set(said["other_province"])
    assert provinces - {""} <= {"shanghai", "jiangsu", "zhejiang", "anhui", "beijing", "tianjin", "hebei"}


def test_every_sector_is_named_and_what_is_scrambled_is_marked():
    said = statements("p4", 4)
    assert set(";".join(said["sectors"]).split(";")) - {""} == set(rebuilt("p4", 4)["sector_code"])
    assert said.loc[said["evidence"] == "scrambled", "id"].tolist() == [
        "anhui_jiangsu",
        "anhui_zhejiang",
        "anhui_zhejiang_inside",
    ]


def test_statements_stand_as_extracted():
    """Two names in the list shared with Jiangsu and six in that shared with Zhejiang, both said to be four."""
    said = statements("p4", 4).query("province == 'anhui' and other_province != ''")
    named = said["sectors"].str.split(";").where(said["sectors"] != "").str.len().groupby(said["other_province"]).sum()
    assert named.to_dict() == {"jiangsu": 2, "shanghai": 3, "zhejiang": 6}
    counted = said.query("kind == 'count'").set_index("other_province")["count"].to_dict()
    assert counted == {"shanghai": "3", "jiangsu": "4", "zhejiang": "4"}


def test_no_other_table_has_statements():
    for paper, number in (("p4", 2), ("p3", 1)):
        with pytest.raises(KeyColumnError, match=f"{paper} has no statements on a table {number}"):
            statements(paper, number)
    assert isinstance(statements("p4", 1), pd.DataFrame)
