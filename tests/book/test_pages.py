"""The built pages: complete, readable without a network, with links that hold and figures that speak."""

from __future__ import annotations

import contextlib
import json
import re
from itertools import pairwise
from urllib.parse import unquote, urlsplit

import pytest

HAN = re.compile("[\u4e00-\u9fff]{2,}")
TEX = re.compile(r"\$\$|\\[A-Za-z]+|\\[()\[\]]")
FOREIGN = re.compile(r"""(?:url\(\s*|@import\s+)["']?(?:https?:)?//[^"')]*""")


@pytest.fixture(scope="module")
def folder(root, make):
    return root / make.HTML


def test_every_page_of_the_contents_is_there(html, folder, root, make):
    with contextlib.chdir(root):
        wanted = {folder / page.with_suffix(".html") for page in make.pages()}
    assert wanted <= set(html)


def test_local_links_and_anchors_exist(html):
    anchors = {file: {tag["id"] for tag in page.find_all(id=True)} for file, page in html.items()}
    broken = []
    for file, page in html.items():
        for link in {tag.get("href") or tag.get("src") for tag in page.select("[href], [src]")} - {None, "#"}:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (file.parent / unquote(parts.path)).resolve() if parts.path else file
            fragment = unquote(parts.fragment)
            if not target.is_file() or (fragment and fragment not in anchors.get(target, {fragment})):
                broken.append((file.name, link))
    assert broken == []


def test_nothing_is_loaded_from_a_network(html, folder):
    loaded = [
        (file.name, address)
        for file, page in html.items()
        for tag in page.select("script[src], link[href], img[src], iframe[src], source[src], video[src], object[data]")
        for address in [tag.get("src") or tag.get("href") or tag.get("data")]
        if urlsplit(address).netloc
    ]
    styles = {file: file.read_text("utf-8") for file in folder.rglob("*.css")}
    styles |= {file: " ".join(tag.get_text() for tag in page.find_all("style")) for file, page in html.items()}
    loaded += [(file.name, found) for file, text in styles.items() for found in FOREIGN.findall(text)]
    assert loaded == []


def test_figures_have_a_text_for_those_who_cannot_see_them(html):
    mute = [
        (file.name, image["src"])
        for file, page in html.items()
        for image in page.find_all("img")
        if not image.get("alt", "").strip() or re.search(r"[/\\]|\.(png|svg|jpe?g)$", image["alt"])
    ]
    assert mute == []


def test_formulas_are_formulas(html):
    raw = [
        (file.name, str(text).strip()[:80])
        for file, page in html.items()
        for text in page.find_all(string=TEX)
        if not text.find_parent(["script", "style", "pre", "code"]) and not text.find_parent(class_="math")
    ]
    assert raw == []
    formulas = [page for page in html.values() if page.find(class_="math")]
    assert formulas
    for page in formulas:
        assert page.find("script", src=re.compile("mathjax/"))


def test_search_finds_the_chinese_terms_of_each_page(html, folder):
    index = json.loads(
        (folder / "searchindex.js").read_text("utf-8").removeprefix("Search.setIndex(").removesuffix(")")
    )
    terms: dict[str, set[str]] = {}
    for term, places in [*index["terms"].items(), *index["titleterms"].items()]:
        pages = [places] if isinstance(places, int) else places
        terms.setdefault(term, set()).update(index["docnames"][page] for page in pages)
    sought = 0
    for file, page in html.items():
        name = file.relative_to(folder).with_suffix("").as_posix()
        if name not in index["docnames"]:
            continue
        for text in (text for paragraph in page.select("article p") for text in paragraph.find_all(string=HAN)):
            for run in HAN.findall(text):
                for pair in map("".join, pairwise(run)):
                    assert name in terms.get(pair, ()), f"{pair} of {run} on {name}"
                    sought += 1
    assert sought


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Dagum 基尼系数", ["Dagum", "基", "尼", "系", "数", "基尼", "尼系", "系数"]),
        ("GDP增长 4.5", ["GDP", "增", "长", "增长", "4", "5"]),
        ("fixed_effects", ["fixed_effects"]),
    ],
)
def test_words_of_the_search_index(search, text, words):
    assert search.SearchEnglishWithHan({}).split(text) == words
