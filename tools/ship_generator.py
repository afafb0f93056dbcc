"""Put the trained generator of a run into the package:

    python tools/ship_generator.py RUN NAME [--note TEXT] [--rename /my/disk/cifar=CIFAR-10-JPEG …]

RUN holds a finished training and its evaluation, made by commands that anyone can repeat: the card quotes them. Weights
are stored as float16 if images of them differ by less than `BOUND`, and the folder has at most `MAX_BYTES`. Afterwards
run `pytest tests/unit/generator/test_shipped.py`.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save

from degas.errors import UserError
from degas.figures.grids import save_grid
from degas.generator import shipped
from degas.generator.generator import Generator, draw_labels, draw_noise
from degas.report.collect import Run, collect_run
from degas.report.model_card import model_card
from degas.report.sections import commands
from degas.runtime.fingerprint import fingerprint_of
from degas.runtime.json_files import write_json
from degas.space.shipped import NAME

BOUND = 1 / 127.5  # of images in [−1, 1]: one step of their 8 bits
NUM_COMPARED = 256  # images whose largest difference is taken
NUM_SAMPLES, COLUMNS = 64, 8  # of samples.png
NUM_MEANS = 16  # samples of seed 0 whose mean pixel is noted, for a test to compare with


def ship(run: Path, name: str, note: str = "", renames: Mapping[str, str] | None = None) -> Path:
    """Write `shipped.FOLDER`/NAME from the run folder; returns it. Raises `UserError` and then writes nothing.

    `renames`: path on this machine → its name in the card and in `shipped.json`, which others read.
    """
    collected, generator = _finished(run), Generator.load(run / "train" / "generator")
    _check(collected, generator, name)
    weights, difference = stored_weights(generator)
    stored = with_weights(generator, weights)
    kind = str(next(iter(weights.values())).dtype).removeprefix("torch.")
    card = model_card(collected, picture=True, shipped_as=name) + _as_it_ships(kind, difference, note)
    card, facts = renamed([card, json.dumps(_facts(collected, stored, kind, difference))], renames or {})
    with tempfile.TemporaryDirectory() as scratch:
        part = Path(scratch)
        (part / "model.safetensors").write_bytes(save(weights, metadata={"format": "pt"}))
        (part / "README.md").write_text(card, encoding="utf-8")
        shutil.copyfile(run / "train" / "generator" / "config.json", part / "config.json")
        save_grid(_samples(stored, NUM_SAMPLES), part / "samples.png", columns=COLUMNS)
        write_json(part / "shipped.json", json.loads(facts))
        if (size := size_of(part)) > shipped.MAX_BYTES:
            raise UserError(f"{run}: {size:,} bytes, and {shipped.MAX_BYTES:,} are allowed; train a smaller generator")
        return Path(shutil.copytree(part, shipped.FOLDER / name, dirs_exist_ok=True))


def renamed(texts: Sequence[str], renames: Mapping[str, str]) -> list[str]:
    """The texts with every path replaced by its new name. Raises `UserError` for a path that is in none of them."""
    for old, new in renames.items():
        if not any(old in text for text in texts):
            raise UserError(f"--rename {old}={new}: neither the card nor the commands name {old}")
        texts = [text.replace(old, new) for text in texts]
    return list(texts)


def stored_weights(generator: Generator) -> tuple[dict[str, torch.Tensor], float]:
    """The weights to store, and by how much their images differ: float16 if that is below `BOUND`, else as they are."""
    state = generator.state_dict()
    halves = {key: value.half() if value.is_floating_point() else value for key, value in state.items()}
    difference = largest_difference(generator, with_weights(generator, halves))
    return (halves, difference) if difference < BOUND else (state, 0.0)


def with_weights(generator: Generator, weights: dict[str, torch.Tensor]) -> Generator:
    """Return a generator like this one that has read these weights."""
    made = Generator(generator.config)
    made.load_state_dict(weights)
    return made.eval()


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


@torch.no_grad()
def largest_difference(first: Generator, second: Generator) -> float:
    """The largest absolute difference of their images in [−1, 1], over `NUM_COMPARED` of them."""
    noise = draw_noise(NUM_COMPARED, first.noise_size, seed=0)
    labels = draw_labels(NUM_COMPARED, first.num_classes, seed=0) if first.num_classes else None
    return float((first.eval()(noise, labels) - second.eval()(noise, labels)).abs().max())


def _finished(run: Path) -> Run:
    collected = collect_run(run)
    if collected.train is None or not collected.train.done or not collected.scores.get("scores"):
        raise UserError(
            f"{run}: needs a finished training and its scores; run `degas train` and `degas evaluate` first"
        )
    return collected


def _check(run: Run, generator: Generator, name: str) -> None:
    if not NAME.fullmatch(name):
        raise UserError(f"{name}: a name has small letters, digits and single hyphens, such as degas-digits")
    if run.scores.get("generator", {}).get("weights") != fingerprint_of(generator):
        raise UserError(f"{run.path}: its scores are of other weights; run `degas evaluate` again")
    if generator.sampling_bn == "batch":
        raise UserError(
            f"{run.path}: samples with the statistics of each batch; train with --gan.sampling-bn recalibrated"
        )


def _samples(generator: Generator, n: int) -> torch.Tensor:
    """Samples of seed 0, uint8 (n, C, H, W); of a conditional generator the classes in turn."""
    labels = [k % generator.num_classes for k in range(n)] if generator.num_classes else None
    return generator.sample(n, seed=0, labels=labels)


def _facts(run: Run, stored: Generator, kind: str, difference: float) -> dict[str, Any]:
    means = _samples(stored, NUM_MEANS).double().mean((1, 2, 3))
    return {
        "commands": commands(run),
        "data": run.scores["data"],
        "scores": run.scores["scores"],
        "stored_as": kind,
        "largest_difference": difference,
        "sample_means": [round(float(mean), 3) for mean in means],
    }


def _as_it_ships(kind: str, difference: float, note: str) -> str:
    text = f"The weights are stored as {kind} and loaded as float32."
    if difference:
        text += f""" No pixel of {NUM_COMPARED} samples, in [−1, 1], is
further than {difference:.1e} from that of the trained float32 weights, which the scores above are of."""
    return "\n\n".join(["\n## As it ships", text, *([note] if note else [])]) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("name")
    parser.add_argument("--note", default="", help="a paragraph for the card: how it was chosen, what to know")
    parser.add_argument(
        "--rename", nargs="+", default=[], metavar="OLD=NEW", help="paths that mean something only here"
    )
    given = parser.parse_args()
    try:
        folder = ship(given.run, given.name, given.note, dict(one.split("=", 1) for one in given.rename))
    except UserError as error:
        raise SystemExit(f"ship_generator: {error}") from None
    print(f"{folder}: {size_of(folder):,} of at most {shipped.MAX_BYTES:,} bytes")


if __name__ == "__main__":
    main()
