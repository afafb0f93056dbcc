"""Help: examples that work, few options first, one default each."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from typing import Any

import pytest
from option_list import commands
from pydantic import BaseModel

from degas.cli import main as cli
from degas.cli.arguments import options_of
from degas.cli.commands import find_command
from degas.cli.help import _defaults, describe, help_text, is_shown
from degas.cli.options import RunOptions
from degas.cli.own_modules import OWN
from degas.cli.parse import parse
from degas.settings.groups import GROUPS, MACHINE, OBJECTIVES_OWN, SHOWN, VARIANTS
from degas.settings.presets import PRESETS

COMMANDS = [pytest.param(model, name, id=name) for model, name in commands()]


def flags(text: str) -> Sequence[str]:
    """The options that a help lists, one line each."""
    return re.findall(r"^  (--[\w.-]+)", text, re.MULTILINE)


@pytest.mark.parametrize(("model", "name"), COMMANDS)
def test_it_opens_with_two_or_three_examples_that_parse(model: type[BaseModel], name: str) -> None:
    examples = model.EXAMPLES  # type: ignore[attr-defined]
    assert 2 <= len(examples) <= 3
    text = help_text(model, name, {})
    for example in examples:
        words = shlex.split(example)
        program = next(k for k, word in enumerate(words) if "=" not in word)
        assert words[program] == "degas"
        module, found, rest = find_command(words[program + 1 :])
        assert found == name
        parse(module.Options, name, rest)
        assert text.index(example) < text.index("\noptions\n")


@pytest.mark.parametrize(("model", "name"), COMMANDS)
def test_help_all_has_every_option_once_and_help_the_ones_that_people_use(model: type[BaseModel], name: str) -> None:
    options = [option for option in options_of(model) if not option.argument.hidden and not option.argument.positional]
    values = _defaults(model, {})
    typed = {option.negative if option.kind is bool and values[option.key] else option.name for option in options}
    everything = flags(help_text(model, name, {}, everything=True))
    assert sorted(everything) == sorted(typed)
    few = flags(help_text(model, name, {}))
    assert set(few) <= set(everything)
    assert len(few) <= 26
    assert (len(few) < len(everything)) == ("--help-all" in help_text(model, name, {}))


@pytest.mark.parametrize("everything", [False, True])
@pytest.mark.parametrize(("model", "name"), COMMANDS)
def test_its_last_line_tells_of_what_it_does_not_list(model: type[BaseModel], name: str, everything: bool) -> None:
    text = help_text(model, name, {}, everything=everything)
    last = text.splitlines()[-1]
    assert last.endswith("--import MODULE")
    assert len(last) <= 80
    assert text.count("--import") == 1
    assert text.count("--help-all") == last.count("--help-all")
    hidden = sum(not is_shown(option) and not option.argument.hidden for option in options_of(model))
    expected = f"{hidden} more option" if hidden and not everything else "your own"
    assert last.startswith(expected)


@pytest.mark.parametrize("words", [[], ["data"], ["experiment"], ["features"]])
def test_the_list_of_commands_and_those_of_families_end_alike(words: list[str], capsys: Any) -> None:
    assert cli.main([*words, "--help"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == OWN


def test_run_shows_about_twenty() -> None:
    assert 18 <= len(flags(help_text(RunOptions, "run", {}))) <= 24


@pytest.mark.parametrize("preset", list(PRESETS))
@pytest.mark.parametrize(("model", "name"), COMMANDS)
def test_every_option_has_one_default(model: type[BaseModel], name: str, preset: str) -> None:
    changes = PRESETS[preset]
    values = _defaults(model, changes)
    for option in options_of(model):
        text = describe(option, values.get(option.key))
        told = len(re.findall(r"\(default: |\(required(?: unless --(?:init|images) is given)?\)", text)) + text.count(
            "short for"
        )
        inside = text.rpartition(" (default: ")[0]
        assert "default:" not in inside, text
        if option.kind is bool:
            assert told == 0, text
        elif values.get(option.key) is None and not option.is_required:
            assert told >= 1, f"{option.name} does not say what it is where it is left unset: {text}"
        else:
            assert told == 1, text
        assert "None" not in text
        assert "of no effect" not in text


def test_groups_and_variants_name_settings_that_exist() -> None:
    known = {option.key for model, _ in commands() for option in options_of(model)}
    for key in (*SHOWN, *MACHINE, *OBJECTIVES_OWN, *(key for variant in VARIANTS for key in variant.settings)):
        assert key in known, key
    for variant in VARIANTS:
        assert 20 < len(variant.measured) < 140, variant.title


def test_help_all_stands_in_the_groups_order_with_variants_and_what_was_measured() -> None:
    text = help_text(RunOptions, "run", {}, everything=True)
    places = [re.search(rf"^{re.escape(group)}\b", text, re.MULTILINE) for group in GROUPS]
    starts = [place.start() for place in places if place]
    assert len(starts) == len(GROUPS)
    assert starts == sorted(starts)
    flat = " ".join(text.split())
    for variant in VARIANTS:
        assert variant.heading in flat


def test_help_is_found_by_every_way_to_ask(capsys: Any) -> None:
    said = set()
    for words in (["run", "--help"], ["run", "-h"], ["help", "run"], ["run", "--data", "x", "--help"]):
        assert cli.main(words) == 0
        said.add(capsys.readouterr().out)
    assert len(said) == 1
    assert cli.main(["features", "train", "--help"]) == 0
    assert capsys.readouterr().out.startswith("usage: degas features train --data SRC --out FOLDER [OPTIONS]")


def test_options_that_do_not_change_anything_are_not_shown() -> None:
    for option in options_of(RunOptions):
        if option.name == "--resume":
            assert not is_shown(option)
            assert parse(RunOptions, "run", ["--data", "x", "--out", "y", "--resume"])


def test_an_objectives_own_settings_are_those_that_others_have_not() -> None:
    from degas.gan.objectives import OBJECTIVES

    fields = [set(OBJECTIVES.find(name, "test").model_fields) for name in OBJECTIVES]
    assert {f"gan.{name}" for name in set.union(*fields) - set.intersection(*fields)} == OBJECTIVES_OWN
