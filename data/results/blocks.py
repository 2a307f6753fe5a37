"""What the scripts of this folder share: blocks of replications, each with a seed of its own, drawn two at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor

import pandas as pd


def together(work: Callable[..., pd.DataFrame], jobs: Iterable[Sequence[object]]) -> pd.DataFrame:
    """The tables of all blocks on two cores, in the order of the jobs; a job is the arguments of ``work``."""
    with ProcessPoolExecutor(2) as pool:
        found = [pool.submit(work, *job) for job in jobs]
        return pd.concat([future.result() for future in found], ignore_index=True)
