"""Every option of every command: a wrong value gets one plain sentence, and the list of options is frozen."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from option_list import GOLDEN, commands, option_list
from pydantic import BaseModel

from degas.cli.arguments import Option, options_of
from degas.cli.parse import parse
from degas.errors import UserError

COMMANDS = [pytest.param(model, name, id=name) for model, name in commands()]
# What a program says to its programmers, and nobody should read.
INNER_WORDS = re.compile(
    r"validation error|[Ii]nput should|type=|pydantic|NoneType|None|Literal|Annotated|FieldInfo|tuple|instantiated|"
    r"invalid literal|could not convert|choices \(|<class|[Uu]nable to|[Ee]rrors?:",
)


def needed(model: type[BaseModel]) -> list[str]:
    """Words that give what the command cannot do without."""
    words = []
    for option in options_of(model):
        if option.is_required:
            value = {"--out": "x.json" if option.argument.endings == (".json",) else "x"}.get(option.name, "x")
            value = option.choices[0] if option.choices else value
            words += [value] if option.argument.positional else [option.name, value]
    return words


def wrong_values(option: Option) -> Iterator[list[str]]:
    """Words that are no value of the option."""
    number = option.kind in (int, float)
    texts = ["", "a\0b"]
    if option.choices:
        texts += ["nonsense", "None", "l2,l3"]
    elif number:
        texts += ["abc", "None", "32x32", "1.5.5", "200q", "k", "5,00", "--5", "0x10", "1e", "½"]
        texts += ["1.5", "inf", "nan", "1e999999999", "9" * 50] if option.kind is int else []
    count = option.count or 1
    for text in texts:
        yield [f"{option.name}={text}"] if count == 1 else [option.name, *[text] * count]
    if option.kind is bool:
        yield from ([f"{option.name}=yes"], [f"{option.negative}=1"])
    elif not option.argument.positional:
        yield [option.name]
    if count > 1:
        yield [option.name, "0"]


@pytest.mark.parametrize(("model", "name"), COMMANDS)
def test_a_wrong_value_gets_one_plain_sentence(model: type[BaseModel], name: str) -> None:
    tried = 0
    for option in options_of(model):
        if option.argument.positional:
            continue
        for words in wrong_values(option):
            with pytest.raises(UserError) as caught:
                parse(model, name, [*needed(model), *words])
            said = str(caught.value)
            assert said.startswith((f"{option.name}: ", f"{option.negative}: ", "unknown setting --5")), said
            told = said.replace("'None'", "")  # the value itself may be shown
            assert not INNER_WORDS.search(told), said
            assert len(said) < 300, said
            assert "\n" not in said, said
            tried += 1
    assert tried >= 3


def beyond(option: Option) -> Iterator[str]:
    """Numbers just outside each bound of the option."""
    for text in map(str, (option.info.annotation, *option.info.metadata)):
        for kind, bound in re.findall(r"\b(ge|gt|le|lt)=([-\d.]+)", text):
            step = 1 if option.kind is int else 0.5
            value = option.kind(float(bound)) + {"ge": -step, "le": step}.get(kind, 0)
            yield str(option.kind(value))
        if option.kind is float and "allow_inf_nan=False" in text:
            yield from ("inf", "nan")


@pytest.mark.parametrize(("model", "name"), COMMANDS)
def test_a_number_out_of_range_says_the_range(model: type[BaseModel], name: str) -> None:
    for option in options_of(model):
        if option.kind not in (int, float):
            continue
        for text in beyond(option):
            with pytest.raises(UserError) as caught:
                parse(model, name, [*needed(model), option.name, *[text] * (option.count or 1)])
            said = str(caught.value)
            assert re.fullmatch(
                rf"{re.escape(option.name)}: must be "
                r"((at least|above|at most|below) -?[\d.]+|a finite number), not \S+",
                said,
            ), said


@pytest.mark.parametrize(("model", "name"), COMMANDS)
def test_whole_numbers_are_read_as_people_write_them(model: type[BaseModel], name: str) -> None:
    for option in options_of(model):
        if option.kind is not int or option.choices:
            continue
        read = {text: outcome(model, name, option, text) for text in ("1_000", "1,000", "1k", "1K", "1e3", "0.001M")}
        plain = outcome(model, name, option, "1000")
        assert plain in (1000, (1000,), (1000, 1000)) or re.search(r"must be at most \d+, not 1000$", str(plain))
        assert set(read.values()) == {plain}, read


def outcome(model: type[BaseModel], name: str, option: Option, text: str) -> object:
    """The value that the option has then, or what is said of it."""
    try:
        value: object = parse(model, name, [*needed(model), option.name, *[text] * (option.count or 1)])
    except UserError as error:
        return str(error)
    for part in option.path:
        value = getattr(value, part)
    return value


@pytest.mark.parametrize(("model", "name"), COMMANDS)
def test_a_stray_word_is_refused(model: type[BaseModel], name: str) -> None:
    taking = [option for option in options_of(model) if option.argument.positional or option.info.is_required()]
    if any(option.count is None for option in taking):
        return  # any number of words belong there
    with pytest.raises(UserError, match=f"'stray' belongs to no option; see degas {name} --help"):
        parse(model, name, [*needed(model), "stray"])


def test_no_option_came_or_went() -> None:
    """A new option is a decision: `python tests/reference/option_list.py` writes the list anew."""
    assert GOLDEN.read_text(encoding="utf-8") == option_list()
