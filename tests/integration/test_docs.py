"""The documentation holds: it builds strictly and loads nothing from elsewhere, its commands run, its names exist."""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image

import degas
from degas.cli import main as cli
from degas.cli.arguments import options_of
from degas.cli.commands import find_command
from degas.cli.options import InvertOptions, RunOptions
from degas.cli.values import value_of
from degas.settings import sections as config
from degas.settings.groups import SHOWN, VARIANTS, group_of
from degas.settings.presets import PRESETS
from degas.space.critic import CRITIC_OPERATION_KINDS, CriticLayout
from degas.space.find_critic import shipped_critic

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
needs_mkdocs = pytest.mark.skipif(
    importlib.util.find_spec("mkdocs") is None, reason="mkdocs is not installed: the extra `docs`"
)

ALONE = ("index", "data", "search", "train", "generators")  # Use pages whose commands need only images
IN_CONTEXT = ("tutorial", "report", "evaluation", "contest", "sweep", "grow")  # those with a test of their own

# What the pages' commands get besides, so that each takes a second and not an hour.
DATA = "--data.image-size 8"
SEARCH = "--search.width 4 --search.noise-size 8 --search.num-epochs 1 --search.batch-images 8 --search.plateau-share 0"
GAN = "--gan.num-steps 2 --gan.width 4 --gan.batch-images 4 --gan.sample-steps 1 --gan.log-steps 1"
EVALUATE = "--evaluate.num-samples 8"
CONTEST = (
    "--num-candidates 4 --num-draws 2 --promote 2 1 --seeds 0 --num-verdict-seeds 2 --against resnet "
    "--gan.num-steps 4 --gan.width 4 --gan.batch-images 4 --gan.generator-batch-images 4 --data.max-images 24"
)
TINY = {
    "data": DATA,
    "search": f"{DATA} {SEARCH} --quiet",
    "train": f"{DATA} {GAN} --quiet",
    "evaluate": f"{DATA} {EVALUATE} --quiet",
    "run": f"{DATA} {SEARCH} {GAN} {EVALUATE} --quiet",
    "contest": f"{DATA} {CONTEST} {EVALUATE}",
}
FEW_DIGITS = "--data.max-images 24"  # of 1,797


def all_pages() -> list[Path]:
    return sorted(DOCS.rglob("*.md"))


def commands(page: Path) -> list[str]:
    """Every command of a page: the lines of its `sh` blocks, lines that end in a backslash joined."""
    blocks = re.findall(r"^```sh\n(.*?)^```", page.read_text(), re.M | re.S)
    return [line for block in blocks for line in block.replace("\\\n", " ").splitlines() if line.strip()]


def tiny(command: str) -> list[str]:
    """The words of a command with its own sizes replaced by tiny ones, in one image size throughout a page."""
    program, name, *words = shlex.split(command)
    assert program == "degas"
    extra = TINY.get(name, "")
    if "digits" in words and name in ("search", "train", "run", "evaluate"):
        extra = f"{extra} {FEW_DIGITS}"
    if "degas-digits" in words and name in ("train", "evaluate", "run"):
        extra = extra.replace("--data.image-size 8", "--data.image-size 16")
    given = [word for word in shlex.split(extra) if word.startswith("--")]
    kept: list[str] = []
    dropping = False
    for word in words:
        dropping = word in given if word.startswith("--") else dropping
        kept += [] if dropping else [word]
    return [name, *kept, *shlex.split(extra)]


@pytest.fixture
def with_images(tmp_path: Path, monkeypatch: Any) -> Path:
    """A working folder with `my-images`, pictures in two classes, and `my-digits`, grey ones."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for name in ("cats", "dogs"):
        (tmp_path / "my-images" / name).mkdir(parents=True)
        for k in range(10):
            pixels = rng.integers(0, 256, (10 + k, 12, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "my-images" / name / f"{k:03d}.png")
    (tmp_path / "my-digits").mkdir()
    for k in range(10):
        Image.fromarray(rng.integers(0, 256, (16, 16), dtype=np.uint8)).save(tmp_path / "my-digits" / f"{k}.png")
    return tmp_path


def run_all(page: str, capsys: Any) -> None:
    for command in commands(DOCS / f"{page}.md"):
        if ".onnx" in command and importlib.util.find_spec("onnxscript") is None:
            continue  # the extra `export`; its own tests say so
        assert cli.main(tiny(command)) == 0, f"{page}.md: {command}: {capsys.readouterr().err}"


@pytest.mark.slow
def test_the_commands_of_the_tutorial_run(with_images: Path, capsys: Any) -> None:
    """In their order, and those of the report page after them."""
    for page in ("tutorial", "report"):
        run_all(page, capsys)
    for made in (
        *("my-images.png", "runs/mine/search/architecture.json", "runs/mine/search/pruning.json", "samples.png"),
        *("runs/mine/evaluation/scores.json", "report.html", "classes.png", "generator.pt2", "runs/all/report.html"),
    ):
        assert (with_images / made).stat().st_size > 0, made
    labelled = degas.Generator.load("runs/classes/train/generator")
    assert labelled.class_names == ("cats", "dogs")


@pytest.mark.slow
@pytest.mark.parametrize("page", ALONE)
def test_the_commands_of_a_use_page_run(page: str, with_images: Path, capsys: Any) -> None:
    if page == "train":
        run_all("search", capsys)  # whose architecture it trains
    run_all(page, capsys)


@pytest.mark.slow
def test_the_commands_of_the_evaluate_page_run(with_images: Path, capsys: Any) -> None:
    assert cli.main(tiny("degas train --architecture resnet --data my-images --out runs/mine")) == 0
    run_all("evaluation", capsys)
    assert (with_images / "runs/mine/evaluation/scores.json").exists()


@pytest.mark.slow
def test_the_commands_of_the_grow_page_run(with_images: Path, capsys: Any) -> None:
    """At a quarter of their sizes: a search after a prefix needs two stages."""
    for command in commands(DOCS / "grow.md"):
        words = tiny(command.replace("image-size 32", "image-size 16"))
        if {"--search.prefix", "--search.grow", "--gan.grow"} & set(words):
            words[words.index("--data.image-size") + 1] = "16"
        assert cli.main(words) == 0, f"{command}: {capsys.readouterr().err}"


@pytest.mark.nightly
def test_the_commands_of_the_contest_page_run(with_images: Path, capsys: Any) -> None:
    run_all("contest", capsys)
    assert (with_images / "runs/digits/contest/verdict.json").exists()


def sweep_files() -> list[str]:
    """The TOML blocks of the page on sweeps: a whole file, a list, halving."""
    return re.findall(r"^```toml\n(.*?)^```", (DOCS / "sweep.md").read_text(), re.M | re.S)


def test_the_files_of_the_sweep_page_are_plans(with_images: Path, capsys: Any) -> None:
    """Every trial of the page's file, of its list and of its halving is a command that parses."""
    whole, entries, halving = sweep_files()
    grid = whole.partition("[grid]")[0] + "[grid]\nseed = [0, 1]\n"
    for name, text, trials in (
        ("widths", whole, 12),
        ("list", f"{grid}\n{entries}", 4),
        ("halving", f"{whole}\n{halving}", 12),
    ):
        Path(f"{name}.toml").write_text(text)
        assert cli.main(["sweep", f"{name}.toml", "--out", f"runs/{name}", "--dry-run"]) == 0, capsys.readouterr().err
        assert f"{trials} trials" in capsys.readouterr().out, name


@pytest.mark.nightly
def test_the_commands_of_the_sweep_page_run(with_images: Path, capsys: Any) -> None:
    """Its file with two trials, each tiny."""
    options = "".join(f'"{name[2:]}" = {value}\n' for name, value in pairs(f"{DATA} {GAN} {EVALUATE}"))
    text = sweep_files()[0].replace("1000 ", "24 ").replace("[grid]", f"{options}\n[grid]")
    Path("widths.toml").write_text(text.replace("[16, 32]", "[4]").replace("[0, 1, 2]", "[0]"))
    run_all("sweep", capsys)
    assert len(list((with_images / "runs/widths/runs").iterdir())) == 2


def pairs(options: str) -> list[tuple[str, str]]:
    """Each option with its value, but --gan.width, which the page's grid has."""
    words = shlex.split(options)
    return [(name, value) for name, value in zip(words[::2], words[1::2], strict=True) if name != "--gan.width"]


def test_the_critic_files_of_the_pages_are_critics() -> None:
    found = {}
    for page in ("train", "files"):
        blocks = re.findall(r"^```json\n(.*?)^```", (DOCS / f"{page}.md").read_text(), re.M | re.S)
        (found[page],) = [CriticLayout.from_dict(json.loads(block)) for block in blocks if "degas-critic" in block]
    assert found["files"] == shipped_critic("resnet")
    for size in (8, 32, 64):
        found["train"].check_size(size)
    table = set(re.findall(r"`(\w+)`", (DOCS / "files.md").read_text()))
    assert set(CRITIC_OPERATION_KINDS) <= table


def test_every_use_page_with_commands_is_run_by_a_test() -> None:
    """A page that joins the shelf fails here until a test above runs it, or it has no commands."""
    named = re.findall(r": ([\w/-]+)\.md$", shelf("Use"), re.M)
    assert {page for page in named if commands(DOCS / f"{page}.md")} <= {*ALONE, *IN_CONTEXT}


def test_every_command_in_the_pages_parses() -> None:
    """Also those that no test runs: names of commands, options and values are right."""
    from degas.cli.parse import parse

    for page in all_pages():
        for command in commands(page):
            program, *words = shlex.split(command)
            assert program == "degas", command
            module, name, rest = find_command(words)
            parse(module.Options, name, rest)


def test_every_command_of_the_readme_parses() -> None:
    """In its table and its blocks; `NAME` stands for a measurement, and is not one."""
    from degas.cli.parse import parse

    text = (ROOT / "README.md").read_text()
    found = re.findall(r"`(degas [a-z][^`]*)`|^ +(?:\.venv/bin/)?(degas .*)$", text, re.M)
    listed = [table or block for table, block in found if "NAME" not in table]
    assert len(listed) >= 14
    for command in listed:
        module, name, rest = find_command(shlex.split(command)[1:])
        parse(module.Options, name, rest)


def test_every_setting_that_the_pages_name_exists() -> None:
    known = {
        f"--{section}.{name.replace('_', '-')}"
        for section, (model, _) in hooks_module().SECTIONS.items()
        for name in getattr(config, model).model_fields
    }
    for page in sorted(set(all_pages()) - {DOCS / "bad-input.md"}):  # which shows mistakes
        for option in re.findall(r"--[a-z]+\.[a-z-]+", page.read_text()):
            assert option.replace(".no-", ".") in known, f"{page.name}: {option}"  # --search.no-x turns x off


def test_every_name_in_the_code_that_the_pages_link_exists() -> None:
    found = 0
    for page in all_pages():
        for name in re.findall(r"\]\[(degas[\w.]*)\]", page.read_text()):
            resolve(name)
            found += 1
    assert found > 60


def resolve(name: str) -> Any:
    parts = name.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            thing: Any = importlib.import_module(".".join(parts[:cut]))
        except ModuleNotFoundError:
            continue
        for part in parts[cut:]:
            thing = getattr(thing, part)
        return thing
    raise AssertionError(name)


def test_the_settings_page_holds_every_setting() -> None:
    page = hooks_module().settings_page()
    for section, (model, _) in hooks_module().SECTIONS.items():
        for name in getattr(config, model).model_fields:
            option = f"--{section}.{name.replace('_', '-')}"
            assert page.partition("## What each objective sets")[0].count(f"\n| `{option}` |") == 1
    assert "| `--search.weight-optimizer` | `adam` | `sgd` |" in page
    assert "| `--gan.num-steps` | `5000` | `2500` | `100000` |" in page
    objectives = page.partition("## What each objective sets")[2]
    head, steps = (re.search(rf"^\| {name} \|.*$", objectives, re.M) for name in ("setting", "`--gan.critic-steps`"))
    assert head
    assert steps
    by_name = dict(zip(*(row[0].strip("| ").split(" | ") for row in (head, steps)), strict=True))
    assert (by_name["mmd"], by_name["ct-gan"]) == ("`1`", "`5` CT-GAN code")


def test_the_settings_page_has_one_default_a_row_as_one_types_it() -> None:
    options = {option.name: option for one in (RunOptions, InvertOptions) for option in options_of(one)}
    tables, _, _ = hooks_module().settings_page().partition("## What each objective sets")
    rows = re.findall(r"^\| `(--[\w.-]+)` \| (.+?) \| (.*) \|$", tables, re.M)
    assert len(rows) == sum(len(getattr(config, name).model_fields) for name, _ in hooks_module().SECTIONS.values())
    changed = {
        f"--{section}.{name}": value for section, its in PRESETS["default"].items() for name, value in its.items()
    }
    for name, default, others in rows:
        option = options[name]
        used = changed.get(name.replace("-", "_").replace("__", "--", 1), option.info.default)
        typed = re.fullmatch(r"`(.+)`", default)
        assert "default:" not in others, name
        assert (typed is None) == (used is None), name
        if option.kind is bool:
            assert default == ("`on`" if used else "`off`"), name
        elif typed:
            assert value_of(option, typed[1].split()) == used, name


def test_the_settings_page_stands_as_help_all_does() -> None:
    """What people use first, then each variant under what was measured of it, what concerns the machine last."""
    page = hooks_module().settings_page()
    for section, (model, title) in hooks_module().SECTIONS.items():
        part = page.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
        first, *blocks = part.split("\n### ")
        keys = [f"{section}.{name}" for name in getattr(config, model).model_fields]
        shown = [key for key in keys if key in SHOWN]
        assert table_keys(first) == (shown or keys), title
        machine = [key for key in keys if group_of(key) == "machine"]
        assert [table_keys(block) for block in blocks[-1:] if machine] == [machine] * bool(machine), title
        variants = [variant for variant in VARIANTS if any(key in keys for key in variant.settings)]
        described = [block for block in blocks if ": " not in block.splitlines()[0]]
        assert [block.splitlines()[0].lower() for block in described] == [one.title.lower() for one in variants]
        for variant, block in zip(variants, described, strict=True):
            assert block.splitlines()[2].removesuffix(".").lower() == variant.measured.lower()
            assert set(table_keys(block)) == set(variant.settings) & set(keys)


def table_keys(text: str) -> list[str]:
    return [name.replace("-", "_") for name in re.findall(r"^\| `--([\w.-]+)` \|", text, re.M)]


def shelf(name: str) -> str:
    """The lines of one shelf in the navigation of mkdocs.yml."""
    _, _, nav = (ROOT / "mkdocs.yml").read_text().partition("\nnav:\n")
    return nav.partition(f"  - {name}:\n")[2].partition("\n  - ")[0] + "\n"


def test_every_page_has_its_place_on_one_of_three_shelves() -> None:
    """By name, in mkdocs.yml: hooks.py would list a forgotten one under `More`, where nobody looks."""
    _, _, nav = (ROOT / "mkdocs.yml").read_text().partition("\nnav:\n")
    assert re.findall(r"^  - (\w+):$", nav, re.M) == ["Use", "Understand", "Evidence"]
    named = re.findall(r"^      - .+: ([\w/-]+\.md)$", nav, re.M)
    assert len(named) == len(set(named)) == len(nav.splitlines()) - 3
    assert set(named) - {"settings.md"} == {str(page.relative_to(DOCS)) for page in all_pages()}
    evidence = {page for page in named if page.startswith("evidence/")}
    assert evidence <= set(re.findall(r": ([\w/-]+\.md)$", shelf("Evidence"), re.M))


def test_the_search_page_is_short() -> None:
    assert len((DOCS / "search.md").read_text().split()) <= 900


def test_every_path_in_docs_that_source_and_tests_name_exists() -> None:
    """Messages send people there: docs/… in a message must be a file, and its anchor a heading."""
    places = [*(ROOT / "src").rglob("*.py"), *(ROOT / "tests").rglob("*.py"), ROOT / "README.md"]
    for path in places:
        for name in re.findall(r"\bdocs/[\w/.-]+\.(?:md|py|json|png)\b", path.read_text(encoding="utf-8")):
            assert (ROOT / name).exists(), f"{path.relative_to(ROOT)}: {name}"


def test_a_table_cell_knows_its_heading() -> None:
    """For phones, where a table is a list."""
    table = (
        "<table>\n<tr>\n<th>given</th>\n<th><code>--max</code></th>\n</tr>\n"
        '<tr>\n<td>cap</td>\n<td style="text-align: right;">3</td>\n</tr>\n</table>'
    )
    made = hooks_module().on_page_content(table, page=None)
    assert '<td data-label="given">cap</td>' in made
    assert '<td data-label="--max" style="text-align: right;">3</td>' in made
    assert hooks_module().on_page_content("<table><tr><td>1</td></tr></table>") == "<table><tr><td>1</td></tr></table>"


def test_the_changelog_has_one_line_an_item_under_releases() -> None:
    """A merge by union brings old items back, of several lines, or the same item twice."""
    _, _, releases = (ROOT / "CHANGELOG.md").read_text().partition("\n## ")
    lines = releases.splitlines()[1:]
    assert [line for line in lines if line and not line.startswith(("- ", "## ", "### "))] == []
    items = [line for line in lines if line.startswith("- ")]
    assert len(items) == len(set(items))
    parts = re.split(r"^## ", releases, flags=re.M)
    assert [part.split()[0] for part in parts] == ["Unreleased", "0.2.0", "0.1.0"]
    assert all("### What you must do" in part for part in parts[1:])


def hooks_module() -> ModuleType:
    """docs/hooks.py, with a stand-in for mkdocs where that is not installed."""
    if importlib.util.find_spec("mkdocs") is None:
        for name in ("mkdocs", "mkdocs.config", "mkdocs.config.defaults", "mkdocs.structure", "mkdocs.structure.files"):
            sys.modules.setdefault(name, type(sys)(name))
        for name in ("MkDocsConfig", "File", "Files"):
            for place in ("mkdocs.config.defaults", "mkdocs.structure.files"):
                setattr(sys.modules[place], name, object)
    spec = importlib.util.spec_from_file_location("docs_hooks", DOCS / "hooks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@needs_mkdocs
@pytest.mark.slow
def test_the_site_builds_strictly_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    """Strict: a link, an anchor or a name that leads nowhere fails the build."""
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    pages = list((tmp_path / "site").rglob("*.html"))
    assert len(pages) > 50
    for page in pages:
        loaded = re.findall(r"<(?:script|link|img|iframe)[^>]*?(?:src|href)=\"?(https?:[^\" >]+)", page.read_text())
        assert not loaded, f"{page.name} loads {loaded}"
    for sheet in (tmp_path / "site").rglob("*.css"):
        assert not re.search(r"(url\(|@import)\s*[\"']?https?:", sheet.read_text()), sheet.name
    assert (tmp_path / "site" / "figures" / "space.svg").read_text().count("4 up") == 8
