"""The numbers of the Evidence pages are those of the files in docs/results, and the pages are built alike."""

from __future__ import annotations

import re
import sys
from html import unescape
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted((DOCS / "evidence").glob("*.md"))
WITH_QUESTION = [page for page in PAGES if page.stem != "index"]


@pytest.fixture(scope="module")
def evidence() -> ModuleType:
    """docs/evidence_pages.py, which is no part of the package."""
    sys.path.insert(0, str(DOCS))
    import evidence_pages

    return evidence_pages


def pages_with_numbers() -> list[Path]:
    return [page for page in sorted(DOCS.rglob("*.md")) if "<!-- numbers: " in page.read_text(encoding="utf-8")]


@pytest.mark.parametrize("page", pages_with_numbers(), ids=lambda page: page.stem)
def test_a_pages_tables_are_what_its_files_give(page: Path, evidence: ModuleType) -> None:
    """`python docs/evidence_pages.py` writes them."""
    assert page in evidence.pages()
    assert page.read_text(encoding="utf-8") == evidence.written(page)


@pytest.mark.parametrize(
    "name",
    [
        "found-vs-drawn",
        "evolution",
        "search-settings",
        "up-sampling",
        "augmentation",
        "labels",
        "metrics",
        "contest",
        "paper-rate",
    ],
)
def test_a_figure_is_what_its_files_give(name: str, evidence: ModuleType) -> None:
    """And its words fit into its 520 pixels: a letter takes about seven."""
    words = re.findall(r">([^<]+)</text>", evidence.FIGURES[name]())
    assert max(len(unescape(line)) for line in words) <= 70
    assert evidence.figure_path(name).read_text(encoding="utf-8") == evidence.FIGURES[name]()


def test_every_figure_is_listed_above_and_shown(evidence: ModuleType) -> None:
    """And a row's dots lie where the axis says: the first is at the value of its tick."""
    for name in evidence.FIGURES:
        assert f"figures/evidence/{name}.svg" in (DOCS / "evidence" / f"{name}.md").read_text(encoding="utf-8")
    from evidence_figures import Row, dots

    made = dots([Row("a", [1.0, 3.0], (0.0, 4.0))], "axis")
    ticks = {
        float(text): x
        for x, text in re.findall(r'<text x="([\d.]+)" y="\d+" text-anchor="middle">([\d.]+)</text>', made)
    }
    circles = re.findall(r'<circle cx="([\d.]+)"', made)
    assert circles == [ticks[1.0], ticks[3.0]]
    assert f'<line x1="{ticks[0.0]}" x2="{ticks[4.0]}"' in made


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_number_in_prose_is_in_a_table_or_listed_as_one_without_a_file(page: Path, evidence: ModuleType) -> None:
    assert evidence.loose_numbers(page) == []


@pytest.mark.parametrize("page", WITH_QUESTION, ids=lambda page: page.stem)
def test_no_table_with_numbers_stands_outside_a_block(page: Path, evidence: ModuleType) -> None:
    """Except tables of words, such as what a test does."""
    outside = evidence.BLOCK.sub("", page.read_text(encoding="utf-8"))
    rows = "\n".join(re.findall(r"^\|.*$", outside, re.M))
    assert [number for number in evidence.numbers_of(rows) if page.stem != "kill-and-resume"] == []


def test_an_exception_is_of_a_page_and_in_it(evidence: ModuleType) -> None:
    """So that the list of numbers without a file shrinks when a page loses one."""
    used = {name for page in pages_with_numbers() for name in re.findall(r"<!-- numbers: (.+?) -->", page.read_text())}
    assert set(evidence.TABLES_WITHOUT_FILES) <= used
    assert set(evidence.TABLES_WITHOUT_FILES) & set(evidence.TABLES) == set()
    for stem, reasons in evidence.PROSE.items():
        text = (DOCS / "evidence" / f"{stem}.md").read_text(encoding="utf-8")
        assert evidence.LEFT in text, stem
        told = evidence.prose(text)
        assert [one for numbers in reasons for one in numbers.split(", ") if one not in told] == [], stem


@pytest.mark.parametrize("page", WITH_QUESTION, ids=lambda page: page.stem)
def test_a_page_asks_answers_shows_how_and_says_what_it_does_not_say(page: Path) -> None:
    title, _, rest = page.read_text(encoding="utf-8").partition("\n\n")
    assert title.startswith("# ")
    assert title.endswith("?")
    assert rest.startswith("**Answer.** ")
    headings = re.findall(r"^## (.*)$", rest, re.M)
    assert "What it does not say" in headings
    if page.stem != "not-kept":
        assert headings.index("Command, seeds, machine, hours") < headings.index("What it does not say")


def test_the_questions_page_links_every_page() -> None:
    text = (DOCS / "evidence/index.md").read_text(encoding="utf-8")
    assert {page.name for page in WITH_QUESTION} == set(re.findall(r"^\| \[[^]]*\]\(([\w-]+\.md)\)", text, re.M))


def test_a_wrong_number_is_noticed(tmp_path: Path, evidence: ModuleType, monkeypatch: Any) -> None:
    """In a table, in a list of exceptions and in a sentence."""
    text = (DOCS / "evidence/found-vs-drawn.md").read_text(encoding="utf-8")
    page = tmp_path / "found-vs-drawn.md"
    page.write_text(text.replace("| 0.2654 |", "| 0.2645 |"), encoding="utf-8")
    assert evidence.written(page) == text
    page.write_text(text + "\nThe best has 0.1234 with 123,456 parameters in 777 steps.\n", encoding="utf-8")
    assert evidence.loose_numbers(page) == ["0.1234", "123,456", "777"]


def test_a_table_without_a_file_says_so(evidence: ModuleType) -> None:
    made = evidence.block("not-kept", "earlier demos", "| a |\n|---|\n| 1.5 |\n\n*No file: old words.*\n")
    assert "| 1.5 |" in made
    assert f"*No file: {evidence.TABLES_WITHOUT_FILES['earlier demos']}*" in made
    assert "old words" not in made
    with pytest.raises(KeyError, match="no table is called 'unheard of'"):
        evidence.block("demo", "unheard of", "")


def test_the_readmes_numbers_are_those_of_evidence_pages(evidence: ModuleType) -> None:
    readme = (DOCS.parent / "README.md").read_text(encoding="utf-8").partition("## What is measured")[2]
    pages = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert [number for number in evidence.numbers_of(readme.partition("## More")[0]) if number not in pages] == []


@pytest.mark.parametrize("path", ["../README.md", "index.md", "tutorial.md", "search.md", "train.md"])
def test_outside_tables_numbers_are_few(path: str, evidence: ModuleType) -> None:
    """At most three in a hundred words: what people read first."""
    text = evidence.prose((DOCS / path).read_text(encoding="utf-8"))
    assert len(re.findall(r"(?<![\w.])\d[\d,.]*", text)) <= 0.03 * len(text.split())
