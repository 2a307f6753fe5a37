"""Rebuild the fitted tables of chapter p4: seed 0 of `regiometrics.simulate.p4.panel`. They are fitted, not data.

python data/results/make_fitted_structure.py         # rebuild both files, a few seconds
"""

from __future__ import annotations

import sys
from pathlib import Path

from regiometrics.simulate.p4 import panel

FOLDER = Path(__file__).parent
FILES = {"province_industry": "fitted_structure.csv", "hightech": "fitted_hightech.csv"}


def main() -> int:
    """Rebuild both files, ten digits a cell."""
    tables = panel(0).tables
    for table, file in FILES.items():
        tables[table].to_csv(FOLDER / file, index=False, lineterminator="\n", float_format="%.10g")
    return 0


if __name__ == "__main__":
    sys.exit(main())
