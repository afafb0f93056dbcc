"""The README.md of a generator's folder: contents, use, training and scores.

It uses only the run's JSON, so that the card says nothing beyond the files.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from degas.errors import UserError
from degas.report.collect import Run, collect_run, flatten
from degas.report.scoring import comparability, score_rows
from degas.report.sections import commands, data_text
from degas.runtime.paths import expanded
from degas.space.architecture import Architecture

FOUND = "found by DEGAS"
ORIGINS = {
    "made by hand": "of an architecture made by hand",
    "drawn uniformly": "of an architecture drawn at random",
    "random α, pruned": "of an architecture drawn at random",
}
HEAD = """---
library_name: degas
pipeline_tag: unconditional-image-generation
tags:
- gan
- image-generation
- neural-architecture-search
---
"""


def write_model_card(run: Path) -> Path:
    """Write `RUN/train/generator/README.md`, and the newest sample grid beside it; returns the card's path.

    Raises `UserError` if the run has no trained generator.
    """
    run = expanded(run)
    folder = run / "train" / "generator"
    if not (folder / "config.json").is_file():
        raise UserError(f"{run}: holds no train/generator/config.json; run `degas train` first")
    collected = collect_run(run)
    card = folder / "README.md"
    try:
        if collected.frames:
            _replace(folder / "samples.png", collected.frames[-1].path.read_bytes())
        _replace(card, model_card(collected, picture=bool(collected.frames)).encode("utf-8", "replace"))
    except OSError as error:
        raise UserError(f"{card}: cannot be written: {error.strerror}; make the folder writable") from None
    return card


def model_card(run: Run, picture: bool = False, shipped_as: str | None = None) -> str:
    """The card's text: Markdown with the metadata header of model hubs. Foreign text is escaped.

    `shipped_as` is the name under which the generator comes with the package.
    """
    use = _use(run, "load", "path/to/this/folder") if shipped_as is None else _use(run, "from_pretrained", shipped_as)
    parts = [HEAD + _title(run), _picture() if picture else "", use, _architecture(run), _training(run)]
    parts += [_scores(run), _limits(), _repeat(run)]
    return "\n\n".join(part for part in parts if part) + "\n"


def escape(text: Any) -> str:
    """`text` on one line, escaped so that Markdown and HTML show it literally."""
    return re.sub(r"([\\`*_{}\[\]<>|#!&~$])", r"\\\1", " ".join(str(text).split()))


def code(text: Any) -> str:
    """A code span, on one line."""
    plain = " ".join(str(text).split()).replace("`", "'").replace("|", "¦")
    return f"`{plain}`" if plain else ""


def _title(run: Run) -> str:
    sizes = _sizes(run)
    size = sizes["base_size"] * 2 ** sizes["num_stages"] if sizes else None
    kind = _origin(run)
    title = f"# A generator of {size}×{size} images {kind}" if size else f"# A generator {kind}"
    facts = [f"trained on {escape(data_text(run).replace(' · ', ', '))}"] if data_text(run) else []
    facts += [f"fine-tuned from {escape(run.fine_tuned_from)}"] if run.fine_tuned_from is not None else []
    facts += [f"{run.num_parameters:,} parameters"] if run.num_parameters else []
    classes = run.generator.get("num_classes")
    facts += [f"conditional on {classes} classes"] if isinstance(classes, int) and classes else []
    how = "DEGAS finds an architecture by reconstructing the images, then trains it against a critic."
    sentences = [f"A generator {'; '.join(facts)}."] if facts else []
    return f"{title}\n\n" + " ".join([*sentences, *([how] if kind == FOUND else [])])


def _origin(run: Run) -> str:
    """Where the architecture comes from, by its provenance; one whose file does not say counts as found."""
    if run.generator.get("kind") != "architecture":
        return "(a hand-made baseline)"
    architecture = _own_architecture(run)
    method = str(architecture.provenance.get("method")) if architecture is not None else ""
    return ORIGINS.get(method, FOUND)


def _picture() -> str:
    return "![generated images](samples.png)"


def _use(run: Run, reader: str, name: str) -> str:
    classes = run.generator.get("num_classes")
    labels = ", labels=[0] * 16" if isinstance(classes, int) and classes else ""
    return f"""## Use

```python
import degas

generator = degas.Generator.{reader}("{name}")
images = generator.sample(16, seed=0{labels})  # uint8 (16, C, H, W)
```

It is a plain PyTorch module: `generator(noise)` takes noise (N, `generator.noise_size`) from a standard normal
distribution and returns images (N, C, H, W) in [−1, 1]."""


def _architecture(run: Run) -> str:
    architecture = _own_architecture(run)
    if architecture is None:
        kind = run.generator.get("kind")
        return f"## Architecture\n\nThe baseline {code(kind)}." if isinstance(kind, str) else ""
    rows = [f"| {edge.source} → {edge.target} | `{edge.operation}` |" for edge in architecture.edges]
    order = {"normal-up": "then up-samples", "up-normal": "after up-sampling"}[architecture.order]
    sizes = (
        f"Base size {architecture.base_size} px, {architecture.num_stages} up-sampling stages, "
        f"{architecture.width} channels, {architecture.noise_size} noise entries"
        f"; each stage convolves {order}."
    )
    return "\n".join(["## Architecture", "", sizes, "", "| edge | operation |", "|---|---|", *rows])


def _training(run: Run) -> str:
    settings = flatten(run.train.config) if run.train else {}
    environment = run.train.environment if run.train else {}
    names = {
        "gan.objective": "objective",
        "gan.num_steps": "generator steps",
        "gan.batch_images": "real images a critic step",
        "gan.supervised": "with labels",
        "gan.critic": "critic",
        "gan.critic_digest": "fingerprint of the critic's stages",
        "init.generator": "fine-tuned from",
        "init.weights": "fingerprint of the weights it began with",
        "seed": "seed",
        "data.fingerprint": "fingerprint of the images",
    }
    lines = [f"- {words}: {code(settings[key])}" for key, words in names.items() if settings.get(key) is not None]
    lines += [f"- {key}: {code(environment[key])}" for key in ("degas", "torch", "device") if environment.get(key)]
    if run.train and not run.train.done:
        lines.append("- the training had not finished when this card was written")
    return "\n".join(["## Training", "", *lines]) if lines else ""


def _scores(run: Run) -> str:
    rows = []
    for row in score_rows([run]):
        cell = row["cells"][0]
        value = cell["value"] + (f" ± {cell['std']}" if cell["std"] else "")
        rows.append(f"| {code(row['name'])} | {value} | {cell['floor'] or '—'} | {escape(row['words'])} |")
    if not rows:
        return "## Scores\n\nNot evaluated yet."
    head = ["## Scores", "", "| protocol | value | real against real | what it is |", "|---|---|---|---|"]
    return "\n".join([*head, *rows, "", escape(comparability([run])[0])])


def _limits() -> str:
    return """## Limits

It makes only images like its training images; their rights and biases carry over to it. This card does not check
whether single samples repeat training images."""


def _repeat(run: Run) -> str:
    lines = [line.replace("```", "'''").replace("\n", " ") for line in commands(run)]
    return "\n".join(["## How to repeat the run", "", "```sh", *lines, "```"]) if lines else ""


def _own_architecture(run: Run) -> Architecture | None:
    """The generator's own architecture; its sizes may differ from those in the search's file."""
    data = run.generator.get("architecture")
    try:
        return Architecture.from_dict(data) if data is not None else None
    except UserError:
        return None


def _sizes(run: Run) -> dict[str, int]:
    architecture = _own_architecture(run)
    if architecture is not None:
        return {"base_size": architecture.base_size, "num_stages": architecture.num_stages}
    sizes = run.generator.get("sizes")
    names = ("base_size", "num_stages")
    good = isinstance(sizes, dict) and all(type(sizes.get(n)) is int and 1 <= sizes[n] <= 64 for n in names)
    return {name: sizes[name] for name in names} if good and isinstance(sizes, dict) else {}


def _replace(path: Path, data: bytes) -> None:
    scratch = path.with_name(f".{path.name}.part")  # a fixed name, so that a killed process's rest is overwritten
    scratch.write_bytes(data)
    os.replace(scratch, path)
