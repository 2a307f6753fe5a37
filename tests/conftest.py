"""Fixtures that several floors of tests share, and the definitions that fast paths are held against."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).parents[1]

settings.register_profile("project", deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("project")


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def sources() -> Path:
    """The folder of files that may not be shipped; tests that need it are skipped where it is absent."""
    folder = os.environ.get("REGIOMETRICS_SOURCES")
    if not folder or not Path(folder).is_dir():
        pytest.skip("REGIOMETRICS_SOURCES names no folder: files that may not be shipped are not here")
    return Path(folder)


@pytest.fixture
def shipped() -> pd.DataFrame:
    """The shipped co-agglomeration series, 138 cities, 2004-2018."""
    path = ROOT / "data" / "derived" / "coagglomeration_138_cities_2004_2018.csv"
    return pd.read_csv(path, dtype={"adcode": str})


def dagum_by_definition(values: np.ndarray, groups: np.ndarray) -> dict[str, object]:
    """Equations (3) to (11) literally, from all n^2 differences; integrals (9) and (10) as means over pairs."""
    y, labels = np.asarray(values, float), np.unique(groups)
    n, mu, k = y.size, np.mean(values), len(labels)
    members = [y[groups == label] for label in labels]
    means, sizes = np.array([m.mean() for m in members]), np.array([m.size for m in members])
    p, s = sizes / n, sizes * means / (n * mu)
    within = between = overlap = 0.0
    pairs = {}
    for j in range(k):
        differences = np.abs(members[j][:, None] - members[j])
        within += differences.sum() / (2 * means[j] * sizes[j] ** 2) * p[j] * s[j]
        for h in range(j):
            high, low = (j, h) if means[j] >= means[h] else (h, j)
            difference = members[high][:, None] - members[low]
            scale = sizes[j] * sizes[h]
            g_jh = np.abs(difference).sum() / (scale * (means[j] + means[h]))
            d, t = np.clip(difference, 0, None).sum() / scale, np.clip(-difference, 0, None).sum() / scale
            affluence = (d - t) / (d + t) if d + t > 0 else 0.0
            share = p[j] * s[h] + p[h] * s[j]
            between += g_jh * share * affluence
            overlap += g_jh * share * (1 - affluence)
            pairs[labels[h], labels[j]] = (g_jh, affluence)
    total = sum(np.abs(y - value).sum() for value in y) / (2 * n**2 * mu)
    return {"gini": total, "within": within, "between_net": between, "overlap": overlap, "pairs": pairs}


@pytest.fixture(scope="session")
def definition():
    """The pairwise definition of Dagum's decomposition."""
    return dagum_by_definition
