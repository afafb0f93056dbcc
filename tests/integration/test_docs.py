"""The documentation holds: it builds strictly and loads nothing from elsewhere, its commands run, its names exist."""

from __future__ import annotations

import importlib
import importlib.util
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
from degas.cli.options import RunOptions
from degas.cli.values import value_of
from degas.settings import sections as config
from degas.settings.groups import SHOWN, VARIANTS, group_of

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
needs_mkdocs = pytest.mark.skipif(
    importlib.util.find_spec("mkdocs") is None, reason="mkdocs is not installed: the extra `docs`"
)

# What the tutorial's commands get besides, so that each takes a second and not an hour.
DATA = "--data.image-size 8"
SEARCH = "--search.width 4 --search.noise-size 8 --search.num-epochs 1 --search.batch-images 8 --search.plateau-share 0"
GAN = "--gan.num-steps 2 --gan.width 4 --gan.batch-images 4 --gan.sample-steps 1 --gan.log-steps 1"
EVALUATE = "--evaluate.num-samples 8"
TINY = {
    "data": DATA,
    "search": f"{DATA} {SEARCH} --quiet",
    "train": f"{DATA} {GAN} --quiet",
    "evaluate": f"{DATA} {EVALUATE} --quiet",
    "run": f"{DATA} {SEARCH} {GAN} {EVALUATE} --quiet",
}


def commands(page: str) -> list[str]:
    """Every command of a page: the lines of its `sh` blocks, lines that end in a backslash joined."""
    blocks = re.findall(r"^```sh\n(.*?)^```", (DOCS / page).read_text(), re.M | re.S)
    return [line for block in blocks for line in block.replace("\\\n", " ").splitlines() if line.strip()]


def tiny(command: str) -> list[str]:
    """The words of a command with its own sizes replaced by tiny ones."""
    program, name, *words = shlex.split(command)
    assert program == "degas"
    extra = shlex.split(TINY.get(name, ""))
    for option in extra[::2]:
        if option in words:
            where = words.index(option)
            del words[where : where + 2]
    return [name, *words, *extra]


@pytest.mark.slow
def test_the_commands_of_the_tutorial_run(tmp_path: Path, monkeypatch: Any, capsys: Any) -> None:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for name in ("cats", "dogs"):
        (tmp_path / "my-images" / name).mkdir(parents=True)
        for k in range(10):
            pixels = rng.integers(0, 256, (10 + k, 12, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "my-images" / name / f"{k:03d}.png")
    listed = [*commands("tutorial.md"), *commands("report.md")]
    assert len(listed) >= 10
    for command in listed:
        assert cli.main(tiny(command)) == 0, f"{command}: {capsys.readouterr().err}"
    for made in (
        *("my-images.png", "runs/mine/search/architecture.json", "runs/mine/search/pruning.json", "samples.png"),
        *("runs/mine/evaluation/scores.json", "report.html", "classes.png", "generator.pt2", "runs/all/report.html"),
    ):
        assert (tmp_path / made).stat().st_size > 0, made
    labelled = degas.Generator.load("runs/classes/train/generator")
    assert labelled.class_names == ("cats", "dogs")


def test_every_command_in_the_pages_parses() -> None:
    """Also those that no test runs: names of commands, options and values are right."""
    from degas.cli.parse import parse

    for page in sorted(DOCS.glob("*.md")):
        for command in commands(page.name):
            program, *words = shlex.split(command)
            assert program == "degas", command
            module, name, rest = find_command(words)
            parse(module.Options, name, rest)


def test_every_setting_that_the_pages_name_exists() -> None:
    known = {
        f"--{section}.{name.replace('_', '-')}"
        for section, (model, _) in hooks_module().SECTIONS.items()
        for name in getattr(config, model).model_fields
    }
    for page in sorted(set(DOCS.glob("*.md")) - {DOCS / "bad-input.md"}):  # which shows mistakes
        for option in re.findall(r"--[a-z]+\.[a-z-]+", page.read_text()):
            assert option.replace(".no-", ".") in known, f"{page.name}: {option}"  # --search.no-x turns x off


def test_every_name_in_the_code_that_the_pages_link_exists() -> None:
    found = 0
    for page in sorted(DOCS.glob("*.md")):
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
    assert "| `--gan.critic-steps` | `1` | `1` | `1` | `5` CT-GAN code | `5` CT-GAN code |" in page
    assert "| `--search.weight-optimizer` | `adam` | `sgd` |" in page
    assert "| `--gan.num-steps` | `5000` | `2500` | `100000` |" in page


def test_the_settings_page_has_one_default_a_row_as_one_types_it() -> None:
    options = {option.name: option for option in options_of(RunOptions)}
    tables, _, _ = hooks_module().settings_page().partition("## What each objective sets")
    rows = re.findall(r"^\| `(--[\w.-]+)` \| (.+?) \| (.*) \|$", tables, re.M)
    assert len(rows) == sum(len(getattr(config, name).model_fields) for name, _ in hooks_module().SECTIONS.values())
    for name, default, others in rows:
        option = options[name]
        typed = re.fullmatch(r"`(.+)`", default)
        assert "default:" not in others, name
        assert (typed is None) == (option.info.default is None), name
        if option.kind is bool:
            assert default == ("`on`" if option.info.default else "`off`"), name
        elif typed:
            assert value_of(option, typed[1].split()) == option.info.default, name


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


def test_every_page_has_its_place_in_the_navigation() -> None:
    """By name, in mkdocs.yml: hooks.py would list a forgotten one under `More`, where nobody looks."""
    _, _, nav = (ROOT / "mkdocs.yml").read_text().partition("\nnav:\n")
    named = re.findall(r": ([\w/-]+\.md)$", nav, re.M)
    assert len(named) == len(set(named)) == len(nav.splitlines())
    assert set(named) - {"settings.md"} == {page.name for page in DOCS.glob("*.md")}


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
