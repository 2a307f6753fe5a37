"""Search for Chinese terms on English pages.

Sphinx takes a run of Chinese characters for one word, so only whole sentences would be found.
Here such a run is indexed as its characters and its pairs of neighbours, and a query is cut into pairs (a single
character stays itself): a page is found when it holds all pairs of the query.
"""

from __future__ import annotations

import re

from sphinx.application import Sphinx
from sphinx.search import SearchEnglish, languages

HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
RUNS = re.compile(rf"[{HAN}]+|[^\W{HAN}]+")


class SearchEnglishWithHan(SearchEnglish):
    """English stemming, Chinese characters and pairs of characters."""

    js_splitter_code = rf"""
function splitQuery(query) {{
  const runs = query.match(/[{HAN}]+|(?:(?![{HAN}])[\p{{Letter}}\p{{Number}}_])+/gu) || [];
  return runs.flatMap((run) => /^[{HAN}]{{2,}}$/.test(run)
    ? Array.from({{ length: run.length - 1 }}, (_, i) => run.slice(i, i + 2))
    : [run]);
}}
"""

    def split(self, input: str) -> list[str]:
        """Cut a text into words, single Chinese characters and pairs of them."""
        words: list[str] = []
        for run in RUNS.findall(input):
            if re.match(f"[{HAN}]", run):
                words += [*run, *(run[i : i + 2] for i in range(len(run) - 1))]
            else:
                words.append(run)
        return words


def setup(app: Sphinx) -> dict[str, bool]:
    """Replace the English search of Sphinx."""
    languages["en"] = SearchEnglishWithHan
    return {"parallel_read_safe": True, "parallel_write_safe": True}
