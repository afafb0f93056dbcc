"""The numbers of the Evidence pages come from files: this writes the tables, and says what no file holds.

A page in docs/evidence has its tables between two comments:

    <!-- numbers: NAME -->
    <!-- end -->

`TABLES[NAME]` (evidence_search.py, evidence_speed.py, evidence_trainings.py, evidence_contest.py,
evidence_variants.py, evidence_paper.py) makes the text between them from docs/results. A measurement whose files were
not kept has its table in the page and its reason in evidence_unkept.py, printed below the table.

Numbers in prose must be in a table of their page, in a command, among the settings of evidence_unkept.py, or in the
page's list of numbers without a file, which `<!-- numbers: without a file -->` prints.

`python docs/evidence_pages.py` rewrites the pages; tests/integration/test_evidence.py compares them.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

DOCS = Path(__file__).parent
if str(DOCS) not in sys.path:
    sys.path.insert(0, str(DOCS))

from evidence_contest import TABLES as CONTEST  # noqa: E402
from evidence_figures import FIGURES  # noqa: E402
from evidence_paper import TABLES_OF_THE_PAPER  # noqa: E402
from evidence_search import TABLES as SEARCH  # noqa: E402
from evidence_search import cost  # noqa: E402
from evidence_speed import TABLES as SPEED  # noqa: E402
from evidence_trainings import TABLES as TRAININGS  # noqa: E402
from evidence_unkept import PROSE, SETTINGS, TABLES_WITHOUT_FILES  # noqa: E402
from evidence_variants import TABLES as VARIANTS  # noqa: E402

TABLES = {**SEARCH, **SPEED, **TRAININGS, **CONTEST, **VARIANTS, **TABLES_OF_THE_PAPER}
LEFT = "without a file"  # the block that lists a page's numbers in prose that no file holds
HOURS = "hours of "  # and folders of trials: how many, and their processor time
BLOCK = re.compile(r"<!-- numbers: (.+?) -->\n(.*?)<!-- end -->", re.S)
NOT_PROSE = re.compile(r"```.*?```|^    .*?$|`[^`]*`|\]\([^)]*\)|<!--.*?-->|^\|.*?$|^#.*?$|§[\d.]+", re.S | re.M)
# Counts with a comma, decimals, and whole numbers from 100; smaller ones are seeds, sizes and rows.
NUMBER = re.compile(
    r"(?<![\w.])\d{1,3}(?:,\d{3})+(?![\w,])|(?<![\w.,])\d+\.\d+(?!\w)|(?<![\w.,])\d{3,}(?![\w.,]\d)(?!\w)"
)


def pages() -> list[Path]:
    """The pages that have numbers: the Evidence pages, and others with a table of measurements."""
    return [path for path in sorted(DOCS.rglob("*.md")) if BLOCK.search(path.read_text(encoding="utf-8"))]


def written(page: Path) -> str:
    """The text of the page with every block made anew."""
    text = page.read_text(encoding="utf-8")
    return BLOCK.sub(lambda found: block(page.stem, found[1], found[2]), text)


def block(page: str, name: str, old: str) -> str:
    """A block with its comments: made from files, or the old text with the reason why there is no file."""
    if name == LEFT:
        body = left_list(PROSE[page])
    elif name.startswith(HOURS):
        body = cost(name.removeprefix(HOURS))
    elif name in TABLES:
        body = TABLES[name]()
    elif name in TABLES_WITHOUT_FILES:
        table = "\n".join(line for line in old.splitlines() if line.startswith("|"))
        body = f"{table}\n\n*No file: {TABLES_WITHOUT_FILES[name]}*\n"
    else:
        raise KeyError(f"{page}.md: no table is called {name!r}")
    return f"<!-- numbers: {name} -->\n\n{body.strip()}\n\n<!-- end -->"


def left_list(reasons: dict[str, str]) -> str:
    """The numbers in prose that no file holds, each group with its reason."""
    return "\n".join(f"- {numbers}: {reason}" for numbers, reason in reasons.items())


def loose_numbers(page: Path) -> list[str]:
    """Numbers in the page's prose that neither its tables nor its commands nor its list of exceptions hold."""
    text = page.read_text(encoding="utf-8")
    known = set(numbers_of("\n".join(known_text(page, text))))
    return [number for number in numbers_of(prose(text)) if plain(number) not in {plain(one) for one in known}]


def known_text(page: Path, text: str) -> Iterator[str]:
    """Tables, commands and exceptions of a page."""
    yield from re.findall(r"^\|[^\n]*$|^    [^\n]*$|```.*?```|`[^`]*`", text, re.S | re.M)
    yield from PROSE.get(page.stem, {})
    yield from SETTINGS


def prose(text: str) -> str:
    """The text outside blocks, tables, commands, links and headings."""
    return NOT_PROSE.sub(" ", BLOCK.sub(" ", text))


def numbers_of(text: str) -> list[str]:
    return NUMBER.findall(text)


def plain(number: str) -> str:
    """1,797 and 1797 are the same number."""
    return number.replace(",", "")


def figure_path(name: str) -> Path:
    return DOCS / "figures" / "evidence" / f"{name}.svg"


def main() -> None:
    """Rewrite every page whose blocks have changed, and the figures."""
    for name, draw in FIGURES.items():
        figure_path(name).parent.mkdir(exist_ok=True)
        figure_path(name).write_text(draw(), encoding="utf-8")
    for page in pages():
        text = written(page)
        if text != page.read_text(encoding="utf-8"):
            page.write_text(text, encoding="utf-8")
            print(page.relative_to(DOCS.parent))


if __name__ == "__main__":
    main()
