"""Time mlsynth's synthetic control on a stored problem, in an environment of its own (requirements.txt beside this).

    python time_mlsynth.py problem.json panel.csv      # prints a line of JSON: version, seconds, loss, weights

The problem names the columns ``unit, time, outcome``, the ``treated`` unit, the first treated time ``start``, and
``predictors``: column -> [first, last] time of the mean. A lag of the outcome is a copy of its column.
``loss`` is the mean squared gap before ``start``; donors whose weight rounds to zero at four decimals are left out.
"""

from __future__ import annotations

import json
import sys
import warnings
from importlib.metadata import version
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import pandas as pd
from mlsynth import VanillaSC


def fit(problem: dict[str, Any], panel: pd.DataFrame) -> dict[str, Any]:
    """Seconds of one fit with the global search of predictor weights, no inference, and what it found."""
    unit, time, outcome = problem["unit"], problem["time"], problem["outcome"]
    treated = (panel[unit] == problem["treated"]) & (panel[time] >= problem["start"])
    settings = {
        "df": panel.assign(treat=treated.astype(int)),
        "outcome": outcome,
        "treat": "treat",
        "unitid": unit,
        "time": time,
        "backend": "mscmt",
        "covariates": list(problem["predictors"]),
        "covariate_windows": {name: tuple(window) for name, window in problem["predictors"].items()},
        "inference": False,
        "display_graphs": False,
    }
    begin = perf_counter()
    result = VanillaSC(settings).fit()
    seconds = perf_counter() - begin
    weights = pd.Series(result.weights.donor_weights, dtype=float)
    table = panel[panel[time] < problem["start"]].pivot(index=time, columns=unit, values=outcome)
    gap = table[problem["treated"]] - table[weights.index] @ weights
    found = weights[weights.round(4) > 0].round(6).to_dict()
    return {"version": version("mlsynth"), "seconds": seconds, "loss": float(np.mean(gap**2)), "weights": found}


if __name__ == "__main__":
    warnings.filterwarnings("ignore", category=FutureWarning)
    question, table = (Path(name) for name in sys.argv[1:])
    print(json.dumps(fit(json.loads(question.read_text("utf-8")), pd.read_csv(table))))
