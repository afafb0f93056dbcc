"""Makes run folders that look like real ones, for tests of the report: no network, no training, a second at most."""

from __future__ import annotations

import json
import math
import random
import struct
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from degas.space.architecture import Architecture
from degas.space.graph import ZERO, Edge, SearchSpace
from degas.space.pruning import decisions

EPOCHS, TILE = 12, 16


def fake_run(
    path: Path, *, seed: int = 0, search: bool = True, train: bool = True, evaluate: bool = True, **more: Any
) -> Path:
    """A run folder with the stages asked for; `num_stages`, `num_normal` and `data` go to its parts."""
    data = more.pop("data", DATA)
    config = {"preset": "quick", "seed": seed, "data": {**data, "image_size": 16, "channels": 1, "num_classes": 10}}
    architecture, history = fake_search_result(seed, **more)
    if search:
        _write_search(path / "search", architecture, history, seed, config)
    if train:
        _write_train(path / "train", architecture, seed, config)
    if evaluate:
        _write_evaluation(path / "evaluation", data, config)
    return path


def score(value: float, std: float | None = None, reference: str = "1797 training images") -> dict[str, Any]:
    return {"value": value, "std": std, "extractor": "imagenet-224", "num_samples": 1797, "reference": reference}


SCORES = {
    "fid_1797_train[imagenet-224]": score(21.74),
    "kid_1797_train[imagenet-224]": score(0.0132, 0.0011),
    "precision_1797_train[imagenet-224]": score(0.71),
    "recall_1797_train[imagenet-224]": score(0.64),
    "fid_1797_train_floor[imagenet-224]": score(4.02, reference="898 training images against 898 others"),
    "kid_1797_train_floor[imagenet-224]": score(0.0001, 0.0004, reference="898 training images against 898 others"),
}
UNTRAINED = {"fid_1797_train[imagenet-224]": score(301.5), "kid_1797_train[imagenet-224]": score(1.2, 0.01)}
DATA = {"source": "digits", "fingerprint": "ab" * 32, "num_images": 1797}


def fake_search_result(
    seed: int, num_stages: int = 2, num_normal: int = 1
) -> tuple[Architecture, list[dict[str, dict[str, float]]]]:
    """An architecture and an α history whose last record the paper's rule prunes to it."""
    rng = random.Random(seed)
    space = SearchSpace(num_stages, num_normal)
    goal = {s.name: {name: rng.gauss(0, 0.35) for name in space.operations(s)} for s in space.slots}
    history = []
    for epoch in range(EPOCHS):
        pull = 1 - math.exp(-epoch / 4)
        history.append(
            {e: {n: pull * v + rng.gauss(0, 0.012) for n, v in values.items()} for e, values in goal.items()}
        )
    edges = tuple(edge for node in space.nodes[1:] for edge in _prune(space, node, history[-1]))
    provenance = {"seed": seed, "data": "digits"}
    return Architecture(num_stages, num_normal, 4, 32, 128, 1, edges, provenance=provenance), history


def fake_pruning(architecture: Architecture, alpha: dict[str, dict[str, float]]) -> dict[str, Any]:
    """What a search by the paper's rule writes of its decisions."""
    found = decisions(alpha, architecture.graph)
    return {"rule": "paper", "compare": "raw", "decisions": [{"name": one.name, **vars(one)} for one in found]}


def _prune(space: SearchSpace, node: str, alpha: dict[str, dict[str, float]]) -> list[Edge]:
    direct, *residual = space.incoming(node)
    best = {slot.name: max(alpha[slot.name], key=lambda n: alpha[slot.name][n]) for slot in (direct, *residual)}
    edges = [Edge(direct.source, node, best[direct.name])]
    live = [slot for slot in residual if best[slot.name] != ZERO]
    winner = max((direct, *live), key=lambda slot: alpha[slot.name][best[slot.name]])
    return edges if winner == direct else [*edges, Edge(winner.source, node, best[winner.name])]


def _write_search(
    folder: Path, architecture: Architecture, history: list[Any], seed: int, config: dict[str, Any]
) -> None:
    architecture.save(folder / "architecture.json")
    rng = random.Random(seed + 1)
    losses = [
        {
            "step": s,
            "epoch": s // 28,
            "loss": 0.21 + 0.6 * math.exp(-s / 60) + rng.gauss(0, 0.006),
            "alpha_loss": 0.22 + 0.6 * math.exp(-s / 60) + rng.gauss(0, 0.008),
        }
        for s in range(0, 28 * EPOCHS, 4)
    ]
    write_jsonl(folder / "metrics.jsonl", losses)
    write_jsonl(folder / "timing.jsonl", [{"step": s, "seconds_per_step": 0.093} for s in range(0, 28 * EPOCHS, 28)])
    alpha = [{"epoch": k + 1, "step": 28 * (k + 1), **record} for k, record in enumerate(history)]
    write_jsonl(folder / "alpha.jsonl", alpha)
    write_json(folder / "pruning.json", fake_pruning(architecture, history[-1]))
    write_json(folder / "config.json", {"kind": "search", **config, "search": {"width": 32, "num_epochs": EPOCHS}})
    write_json(folder / "environment.json", fake_environment("search"))
    save_digits(folder / "reconstructions.png", rows=4, columns=10, seed=seed)
    save_digits(folder / "glo_samples.png", rows=6, columns=10, seed=seed, blur=0.5)
    write_json(folder / "done.json", {})


def _write_train(folder: Path, architecture: Architecture, seed: int, config: dict[str, Any]) -> None:
    rng = random.Random(seed + 2)
    public = {"format": "degas-generator", "version": 1, "kind": "architecture", "architecture": architecture.to_dict()}
    public |= {"num_classes": 0, "class_names": [], "sampling_bn": "recalibrated"}
    write_json(folder / "generator" / "config.json", public)
    write_safetensors(
        folder / "generator" / "model.safetensors", {"linear.weight": [512, 128], "bn.running_mean": [32]}
    )
    terms = [
        {
            "step": s,
            "critic_loss": 1.6 + math.exp(-s / 200) + rng.gauss(0, 0.1),
            "generator_loss": 0.4 + rng.gauss(0, 0.2),
            "critic_real": 0.8 + rng.gauss(0, 0.1),
            "critic_fake": -0.6 + rng.gauss(0, 0.1),
        }
        for s in range(10, 1510, 10)
    ]
    write_jsonl(folder / "metrics.jsonl", terms)
    write_jsonl(folder / "timing.jsonl", [{"step": s, "seconds_per_step": 0.082} for s in range(250, 1501, 250)])
    gan = {"objective": "sn-gan", "num_steps": 1500, "supervised": False}
    write_json(folder / "config.json", {"kind": "train", **config, "generator": public, "gan": gan})
    write_json(folder / "environment.json", fake_environment("train"))
    for step in range(250, 1501, 250):
        save_digits(folder / "samples" / f"step-{step:06d}.png", rows=8, columns=8, seed=seed, blur=1 - step / 1600)


def _write_evaluation(folder: Path, data: dict[str, Any], config: dict[str, Any]) -> None:
    scores = {"generator": "train/generator", "data": data, "scores": SCORES, "untrained": UNTRAINED}
    write_json(folder / "scores.json", scores)
    write_jsonl(folder / "timing.jsonl", [{"seconds": 40.0}])
    for name, blur in (("real_images", 0.0), ("generated_images", 0.2)):
        save_digits(folder / f"{name}.png", rows=8, columns=8, seed=0, blur=blur)
    evaluate = {"extractor": "imagenet", "resize_pixels": 224, "num_samples": 1797}
    write_json(folder / "config.json", {"kind": "evaluation", **config, "evaluate": evaluate})
    write_json(folder / "environment.json", fake_environment("evaluate"))


def fake_environment(stage: str) -> dict[str, Any]:
    command = ["degas", stage, "--data", "digits", "--out", "runs/my run", "--preset", "quick"]
    return {
        "degas": "0.1.0",
        "python": "3.11.7",
        "torch": "2.13.0",
        "cpu": "A Processor @ 2.0 GHz",
        "device": "cpu",
        "num_threads": 2,
        "command": command,
    }


def save_digits(path: Path, *, rows: int, columns: int, seed: int, blur: float = 0.0) -> None:
    """A grid of ring- and bar-shaped blobs that look like digits from afar, mixed with noise by `blur`."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:TILE, 0:TILE] - (TILE - 1) / 2
    tiles = []
    for k in range(rows * columns):
        radius, lean = rng.uniform(3, 5.5), rng.uniform(-0.5, 0.5)
        ring = np.exp(-((np.hypot(x + lean * y, y) - radius) ** 2) / 2)
        bar = np.exp(-((x + lean * y) ** 2) / 2) * (np.abs(y) < 6)
        tiles.append((1 - blur) * (ring if k % 3 else bar) + blur * rng.uniform(0, 0.7, (TILE, TILE)))
    height, width = rows * TILE, columns * TILE
    grid = np.array(tiles).reshape(rows, columns, TILE, TILE).transpose(0, 2, 1, 3).reshape(height, width)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray((255 * grid.clip(0, 1)).astype(np.uint8)).resize((columns * TILE * 2, rows * TILE * 2), 0).save(
        path
    )


def write_json(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")


def write_jsonl(path: Path, records: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")


def write_safetensors(path: Path, shapes: dict[str, list[int]]) -> None:
    """The header of a safetensors file; the report reads no further."""
    entries = {name: {"dtype": "F32", "shape": shape, "data_offsets": [0, 0]} for name, shape in shapes.items()}
    header = json.dumps(entries).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(struct.pack("<Q", len(header)) + header)
