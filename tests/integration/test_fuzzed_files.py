"""Mutated files, read in process: only a valid one loads, any other gives one clear line, at once, and without memory.

2,000 of each kind every day, 20,000 nightly. What a file may ask for is bounded, so that loading a valid one is cheap.
"""

from __future__ import annotations

import json
import math
import random
import struct
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bad_input import make_folder
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from degas.data.decode import FitRule, decode
from degas.errors import UserError
from degas.generator.config import checked_config, read_config
from degas.generator.generator import Generator
from degas.space.architecture import Architecture
from degas.space.critic import MAX_NORMAL, MAX_STAGES, CriticLayout
from degas.space.find_critic import shipped_critic
from degas.space.graph import LIMITS, MAX_IMAGE_SIZE, SearchSpace

SLOWEST_SECONDS = 0.1
MOST_BYTES = 64 * 2**20
HOSTILE = [10**9, 40, -1, 0, 1.5, True, None, "", "x" * 200, [], {}, math.nan, math.inf, 2**70, "\x00", "../..", "zero"]
EXAMPLES = [pytest.param(2_000, marks=pytest.mark.slow), pytest.param(20_000, marks=pytest.mark.nightly)]
every_day_and_night = pytest.mark.parametrize("num_files", EXAMPLES)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("fuzz")
    make_folder(root)
    return root


def fuzz(num_files: int, mutants: st.SearchStrategy[bytes], read: Callable[[bytes], object]) -> tuple[int, int]:
    """(read, refused) of so many mutants; each refusal is one line, and 99 of 100 are quicker than a tenth of a second.

    Processor time, so that a busy machine fails nobody. Without shrinking: a failure shows its own file.
    """
    seconds: list[float] = []
    counts = [0, 0]

    @settings(
        max_examples=num_files,
        database=None,
        deadline=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(mutants)
    def attempt(content: bytes) -> None:
        began = time.process_time()
        try:
            read(content)
        except UserError as error:
            said = str(error)
        else:
            said = None
        seconds.append(time.process_time() - began)
        counts[said is not None] += 1
        if said is not None:
            assert said.strip()
            assert "\n" not in said
            assert len(said) < 600

    attempt()
    assert sum(counts) >= 0.9 * num_files  # Hypothesis leaves out repetitions
    assert np.percentile(seconds, 99) < SLOWEST_SECONDS
    return counts[0], counts[1]


@st.composite
def mutated_json(draw: st.DrawFn, value: Any) -> bytes:
    """A JSON object with a few places changed, dropped or added, now and then with its bytes damaged as well."""
    chance = random.Random(draw(st.integers(0, 2**64)))
    value = json.loads(json.dumps(value))
    for _ in range(chance.randint(0, 3)):
        _change(value, chance)
    text = json.dumps(value).encode()
    return _damaged(text, chance) if chance.random() < 0.3 else text


def _change(value: Any, chance: random.Random) -> None:
    """One change somewhere inside nested containers."""
    while True:
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        if not keys:
            return
        key = chance.choice(keys)
        if isinstance(value[key], dict | list) and value[key] and chance.random() < 0.8:
            value = value[key]
            continue
        act = chance.randrange(4)
        if act == 0:
            value[key] = chance.choice(HOSTILE)
        elif act == 1:
            del value[key]
        elif act == 2 and isinstance(value, dict):
            value[chance.choice(["width", "extra", "U9", "N1.1", "from"])] = chance.choice(HOSTILE)
        else:
            value[key] = value[chance.choice(keys)]
        return


def _damaged(content: bytes, chance: random.Random) -> bytes:
    data = bytearray(content)
    for _ in range(chance.randint(1, 4)):
        place = chance.randrange(len(data) + 1)
        act = chance.randrange(4)
        if act == 0:
            del data[place:]
        elif act == 1 and place < len(data):
            data[place] ^= 1 << chance.randrange(8)
        elif act == 2:
            data[place:place] = bytes(chance.randrange(256) for _ in range(chance.randint(1, 8)))
        else:
            data[place : place + chance.randint(1, 20)] = b""
    return bytes(data)


@st.composite
def damaged(draw: st.DrawFn, content: bytes) -> bytes:
    return _damaged(content, random.Random(draw(st.integers(0, 2**64))))


def architecture_object() -> dict[str, Any]:
    return Architecture(3, 1, 4, 8, 16, 3, SearchSpace().draw(1), provenance={"seed": 1}).to_dict()


def within_limits(architecture: Architecture) -> None:
    for name, (low, high) in LIMITS.items():
        value = getattr(architecture, name)
        assert type(value) is int
        assert low <= value <= high
    assert architecture.image_size <= MAX_IMAGE_SIZE
    assert Architecture.from_dict(json.loads(architecture.to_json())) == architecture


@every_day_and_night
def test_architecture_files(num_files: int, tmp_path: Path) -> None:
    path = tmp_path / "architecture.json"

    def read(content: bytes) -> None:
        path.write_bytes(content)
        within_limits(Architecture.load(path))

    loaded, refused = fuzz(num_files, mutated_json(architecture_object()), read)
    assert loaded > num_files / 100
    assert refused > num_files / 2


@every_day_and_night
def test_critic_files(num_files: int, tmp_path: Path) -> None:
    path, good = tmp_path / "critic.json", shipped_critic("resnet")

    def read(content: bytes) -> None:
        path.write_bytes(content)
        layout = CriticLayout.load(path)
        assert 1 <= len(layout.stages) <= MAX_STAGES
        assert all(len(stage.normal) <= MAX_NORMAL for stage in layout.stages)
        assert CriticLayout.from_dict(json.loads(layout.to_json())) == layout

    loaded, refused = fuzz(num_files, mutated_json(good.to_dict()), read)
    assert loaded > num_files / 100
    assert refused > num_files / 2


@every_day_and_night
def test_generator_configurations(num_files: int, folder: Path, tmp_path: Path) -> None:
    path, good = tmp_path / "config.json", json.loads((folder / "gen" / "config.json").read_text())

    def read(content: bytes) -> None:
        path.write_bytes(content)
        config = checked_config(read_config(path), str(path))
        within_limits(Architecture.from_dict(config["architecture"]))

    loaded, refused = fuzz(num_files, mutated_json(good), read)
    assert loaded > num_files / 100
    assert refused > num_files / 2


@every_day_and_night
def test_weights_files(num_files: int, folder: Path, tmp_path: Path) -> None:
    """Bits of the numbers themselves may flip: they are numbers still. The header must be that of this generator."""
    weights = (folder / "gen" / "model.safetensors").read_bytes()
    (tmp_path / "config.json").write_bytes((folder / "gen" / "config.json").read_bytes())
    expected = {name: value.shape for name, value in Generator.load(folder / "gen").state_dict().items()}

    def read(content: bytes) -> None:
        (tmp_path / "model.safetensors").write_bytes(content)
        generator = Generator.load(tmp_path)
        assert {name: value.shape for name, value in generator.state_dict().items()} == expected

    _, refused = fuzz(num_files // 4, damaged(weights), read)  # building a network takes a while
    assert refused > num_files / 8


@every_day_and_night
def test_pictures(num_files: int, folder: Path) -> None:
    whole = (folder / "images" / "down" / "1.png").read_bytes()
    rule = FitRule(8)

    def read(content: bytes) -> None:
        assert decode(("a.png", content), rule).pixels.shape == (3, 8, 8)

    _, refused = fuzz(num_files, damaged(whole), read)
    assert refused > num_files / 2


@pytest.mark.parametrize("name", ["wide", "deep"])
def test_a_hostile_architecture_takes_no_memory(name: str, folder: Path) -> None:
    assert _traced_peak(lambda: Architecture.load(folder / f"{name}.json")) < 4 * 2**20


def test_a_hostile_generator_takes_no_memory(folder: Path) -> None:
    assert _traced_peak(lambda: Generator.load(folder / "gen-wide")) < 4 * 2**20


def test_a_header_that_promises_an_exabyte_takes_no_memory(folder: Path) -> None:
    header = json.dumps({"a": {"dtype": "F32", "shape": [2**58], "data_offsets": [0, 2**60]}}).encode()
    (folder / "gen-header" / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)
    assert _traced_peak(lambda: Generator.load(folder / "gen-header")) < MOST_BYTES


def test_a_decompression_bomb_takes_no_memory(folder: Path) -> None:
    path = folder / "bomb" / "a.png"
    assert _traced_peak(lambda: decode((str(path), path), FitRule(8))) < 4 * 2**20


def _traced_peak(read: Callable[[], object]) -> int:
    """Python's own peak while a file is refused; torch and numpy allocate through it or not at all here."""
    tracemalloc.start()
    try:
        with pytest.raises(UserError) as caught:
            read()
        assert "\n" not in str(caught.value)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
