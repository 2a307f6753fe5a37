"""Time statspai's system GMM on a stored problem, in an environment of its own (requirements.txt beside this).

    python time_gmm.py problem.json panel.csv      # prints a line of JSON: version, seconds, estimates, errors, Hansen

The problem names the columns ``unit, time, outcome`` and ``exogenous``; one lag of the outcome, whose lags 2 and on are
the instruments, two steps, Windmeijer's errors. ``seconds`` is the shortest of ``rounds`` fits after a first one.
"""

from __future__ import annotations

import json
import sys
import warnings
from importlib.metadata import version
from pathlib import Path
from time import perf_counter
from typing import Any

import pandas as pd
from statspai import xtabond


def fit(problem: dict[str, Any], panel: pd.DataFrame) -> dict[str, Any]:
    """The shortest time of several fits, and what they found."""
    settings = {
        "y": problem["outcome"],
        "x": problem["exogenous"],
        "id": problem["unit"],
        "time": problem["time"],
        "method": "system",
        "gmm_lags": (2, None),
        "collapse": problem["collapse"],
        "time_dummies": False,
        "twostep": True,
    }
    times = []
    for _ in range(1 + problem["rounds"]):
        begin = perf_counter()
        result = xtabond(panel, **settings)
        times.append(perf_counter() - begin)
    table = result.detail.set_index("variable")
    return {
        "version": version("statspai"),
        "seconds": min(times[1:]),
        "estimates": table["coefficient"].tolist(),
        "errors": table["se"].tolist(),
        "hansen": result.model_info["hansen_stat"],
        "n_instruments": result.model_info["n_instruments"],
    }


if __name__ == "__main__":
    warnings.filterwarnings("ignore", category=FutureWarning)
    question, table = (Path(name) for name in sys.argv[1:])
    print(json.dumps(fit(json.loads(question.read_text("utf-8")), pd.read_csv(table))))
