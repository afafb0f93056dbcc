"""Whole numbers as people write them, and output paths whose ending decides or is refused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from degas.cli.values import output_path, whole_number
from degas.errors import UserError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("7", 7), ("-3", -3), ("+4", 4), ("007", 7), ("1_000", 1000), ("5,000", 5000), ("1,234,567", 1_234_567)),
        *(("200k", 200_000), ("200K", 200_000), ("1.5M", 1_500_000), ("1.5m", 1_500_000), ("2G", 2 * 10**9)),
        *(("-5,000", -5000), ("1e5", 100_000), ("0.5k", 500), ("1,000k", 10**6), (" 12 ", 12)),
    ],
)
def test_whole_numbers(text: str, value: int) -> None:
    assert whole_number(text) == value


@pytest.mark.parametrize(
    "text", ["k", "1.5", "2.0", "1.0005k", "5,00", "5,0000", ",500", "1,,000", "1.5.5", "inf", "nan", "0x10", "1kk"]
)
def test_what_is_no_whole_number(text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(text)):
        whole_number(text)


@given(st.integers(-(10**15), 10**15))
def test_what_python_prints_is_read_back(value: int) -> None:
    assert whole_number(f"{value}") == whole_number(f"{value:,}") == whole_number(f"{value:_}") == value


def test_a_short_text_for_an_endless_number_takes_no_time() -> None:
    with pytest.raises(ValueError, match="1e999999999"):
        whole_number("1e999999999")


@pytest.mark.parametrize("name", ["grid.png", "Grid.PNG", "samples", "runs/v1.2", "a.b"])
def test_a_picture_or_a_folder(name: str) -> None:
    assert output_path("--out", name, (".png", "")) == Path(name)


@pytest.mark.parametrize("name", ["x.jpg", "x.jpeg", "x.webp", "x.pdf", "x.tar.gz", "x.npz", "x.json"])
def test_another_kind_of_file_is_no_folder(name: str) -> None:
    with pytest.raises(UserError, match=r"^--out x\.\S+: ends in \.\w+; name a file that ends in \.png, or a folder$"):
        output_path("--out", name, (".png", ""))


def test_a_folder_that_is_there_may_have_any_name(tmp_path: Path) -> None:
    (tmp_path / "x.zip").mkdir()
    assert output_path("--out", str(tmp_path / "x.zip"), ()) == tmp_path / "x.zip"
    with pytest.raises(UserError, match=r"is a folder; name a file that ends in \.json"):
        output_path("--out", str(tmp_path), (".json",))
