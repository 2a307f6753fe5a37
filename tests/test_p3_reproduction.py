"""How near the shipped series comes to the printed tables of p3, through the public functions alone."""

import pandas as pd
import pytest

from regiometrics import chapters
from regiometrics.data import published
from regiometrics.measure.inequality import coefficient_of_variation, dagum

DOUBTFUL = ["yangtze_river_delta", "chengdu_chongqing"]  # the columns of table 1 with years out of order
ODD_YEAR = 2013


@pytest.fixture(scope="module")
def cities():
    return chapters.load("p3").tables["coagglomeration"]


@pytest.fixture(scope="module")
def parts(cities):
    return dagum(cities, value="coagglomeration", group="cluster", time="year", unit="adcode")


def printed(number, value, cluster="cluster"):
    """Printed cells by (year, cluster), without the row of means."""
    table = published.table("p3", number).query("year != 'mean'").astype({"year": int, value: float})
    return table.set_index(["year", cluster])[value].rename_axis(["time", "group"])


def gaps(printed_cells, computed):
    return (printed_cells - computed.reindex(printed_cells.index)).abs()


def test_table_1_is_met_where_its_years_are_in_order(parts):
    means = parts.groups.set_index(["time", "group"])["mean"]
    gap = gaps(printed(1, "coagglomeration_index"), means).unstack().drop(columns=DOUBTFUL)
    assert gap.size == 90
    assert (gap <= 0.03).sum().sum() == 80
    assert gap.median().max() < 0.012
    doubtful = gaps(printed(1, "coagglomeration_index"), means).unstack()[DOUBTFUL]
    assert doubtful.max().min() > 0.1


def test_table_2_to_three_ten_thousandths_in_the_median(parts):
    cells = printed(2, "gini")
    within = gaps(cells.drop("overall", level="group"), parts.groups.set_index(["time", "group"])["gini"])
    assert len(within) == 120
    assert within.median() <= 0.0003
    assert (within <= 0.0006).mean() >= 0.82
    overall = (cells.xs("overall", level="group") - parts.to_frame().set_index("time")["gini"]).abs()
    assert (overall <= 0.0012).sum() == 14
    assert overall.idxmax() == ODD_YEAR


def test_table_3_as_the_pooled_gini(parts):
    table = published.table("p3", 3)
    pairs = parts.pairs.assign(pair=[frozenset(p) for p in parts.pairs[["group_a", "group_b"]].to_numpy()])
    pooled, across = pairs.groupby("pair")["gini_pooled"].mean(), pairs.groupby("pair")["gini"].mean()
    key = [frozenset(p) for p in table[["cluster_a", "cluster_b"]].to_numpy()]
    means = table["mean_gini"].astype(float).to_numpy()
    gap = pd.Series(pooled.loc[key].to_numpy() - means).abs()
    assert len(gap) == 28
    assert gap.median() <= 0.0006
    assert gap.max() <= 0.004
    assert pd.Series(across.loc[key].to_numpy() - means).abs().median() > 0.01


def test_table_4_shares_in_fourteen_years(parts):
    yearly = parts.to_frame().set_index("time")
    shares = published.table("p3", 4).astype({"year": int, "share_percent": float})
    shares = shares.pivot(index="year", columns="component", values="share_percent")
    names = {"within": "share_within", "between_net": "share_between_net", "transvariation": "share_overlap"}
    gap = pd.DataFrame({c: (100 * yearly[name] - shares[c]).abs() for c, name in names.items()}).max(axis=1)
    assert (gap <= 0.45).sum() == 14
    assert gap.idxmax() == ODD_YEAR


def test_table_5_by_position_with_one_degree_of_freedom_lost(cities):
    def computed(ddof):
        by = {"value": "coagglomeration", "time": "year", "ddof": ddof}
        clusters = coefficient_of_variation(cities, group="cluster", **by)
        everything = coefficient_of_variation(cities, **by).assign(group="overall")
        return pd.concat([clusters, everything]).set_index(["time", "group"])["coefficient_of_variation"]

    by_position = printed(5, "coefficient_of_variation", "cluster_corrected")
    gap = gaps(by_position, computed(1))
    assert (gap.drop("overall", level="group") <= 0.001).sum() == 96
    assert (gap.xs("overall", level="group") <= 0.0015).sum() == 14
    assert (gaps(by_position, computed(0)).drop("overall", level="group") <= 0.001).sum() == 3
    headed = printed(5, "coefficient_of_variation")
    assert (gaps(headed, computed(1)).drop("overall", level="group") <= 0.001).sum() == 26
