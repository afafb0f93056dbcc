"""The number of images above which augmentation no longer helps: paired trainings on subsets of a larger set.

A critic memorises few images, and DiffAugment is the usual remedy. On each subset the same generator is trained twice
with each seed, with and without it, from the same initial weights and noise. Both are scored against *all* images,
including unseen ones, so that a generator that repeats its images does not score well.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from statistics import mean
from typing import Any

from degas.data.image_set import ImageSet, content_fingerprint, fixed_subset
from degas.errors import UserError
from degas.gan.fresh import fresh_generator
from degas.gan.settings import resolve_gan
from degas.runtime.distributed import Engine
from degas.runtime.json_files import write_json
from degas.settings.sections import GanSettings
from degas.space.architecture import Architecture
from degas_lab.figures import markdown, write_text
from degas_lab.paired import paired_difference
from degas_lab.trainings.adversarial import Score, check_scored, train_and_score
from degas_lab.trainings.augmentation_plan import WAYS, Plan
from degas_lab.trials import Trials, records_in


def measure(
    architecture: Architecture,
    images: ImageSet,
    settings: GanSettings,
    plan: Plan,
    folder: Path,
    score: Score,
    *,
    engine: Engine,
    say: Callable[[str], None] = print,
) -> None:
    """Make the missing trials of `plan` in `folder`/trials.

    Args:
        architecture: at the images' size and channels.
        images: the whole set, which contains the subsets.
        settings: the user's settings; each trial sets `augment`.
    """
    most = max(plan.num_images)
    if most > images.num_images:
        raise UserError(f"--num-images: {most:,} of {images.num_images:,} images; ask for fewer")
    check_scored(settings)
    trials = Trials(folder / "trials", _shared(architecture, images, settings, plan))

    def trial(num_images: int, seed: int, way: str) -> dict[str, Any]:
        few, own = subset(images, num_images), resolve_gan(settings.model_copy(update={"augment": way}))
        generator = fresh_generator(architecture, own, seed)
        marks = [max(1, round(mark * own.num_steps)) for mark in plan.marks]
        facts = {"num_images": few.num_images, "seed": seed, "augment": own.augment}
        return facts | train_and_score(generator, few, own, score, marks=marks, unit="steps", seed=seed, engine=engine)

    names = {(number, seed, way): f"{number}-{way}-seed-{seed}" for number, seed, way in plan.trials()}
    trials.make_ahead({name: partial(trial, *one) for one, name in names.items()})
    for (num_images, seed, way), name in names.items():
        record = trials.run(name, partial(trial, num_images, seed, way))
        say(f"{num_images:>6,} images, seed {seed}, {way:<11} {_score_text(record)}")


def _shared(architecture: Architecture, images: ImageSet, settings: GanSettings, plan: Plan) -> dict[str, Any]:
    return {
        "data": images.identity,
        "architecture": architecture.to_dict(),
        "gan": {name: value for name, value in resolve_gan(settings).as_config().items() if name != "augment"},
        "marks": list(plan.marks),
    }


def subset(images: ImageSet, num_images: int) -> ImageSet:
    """The first `num_images` of a fixed shuffle, without labels; a larger subset contains every smaller one."""
    chosen = images.images[fixed_subset(images.num_images, num_images)]
    return replace(
        images, images=chosen, labels=None, class_names=(), fingerprint=content_fingerprint(chosen, None, ())
    )


def summarise(records: Sequence[dict[str, Any]], metric: str) -> list[dict[str, Any]]:
    """One row per subset and mark: both means of `metric` and the paired difference, with − without, over seeds.

    Pairs with a diverged training are left out and counted.
    """
    pairs: dict[tuple[int, int], dict[str, dict[str, Any]]] = {}
    for record in records:
        pairs.setdefault((record["num_images"], record["seed"]), {})[record["augment"]] = record
    whole = {key: pair for key, pair in pairs.items() if set(pair) == set(WAYS)}
    sound = {key: pair for key, pair in whole.items() if not any("failed" in record for record in pair.values())}
    rows = []
    for num_images in sorted({key[0] for key in whole}):
        mine = [pair for key, pair in sorted(sound.items()) if key[0] == num_images]
        failed = sum(key[0] == num_images for key in whole) - len(mine)
        for place in range(len(mine[0]["none"]["history"]) if mine else 0):
            rows.append({"num_images": num_images, "num_failed": failed, **_row(mine, place, metric)})
    return rows


def _row(pairs: Sequence[dict[str, dict[str, Any]]], place: int, metric: str) -> dict[str, Any]:
    values = {
        way: {int(pair[way]["seed"]): float(pair[way]["history"][place][metric]) for pair in pairs} for way in WAYS
    }
    paired = paired_difference(values["diffaugment"], values["none"])
    return {
        "steps": pairs[0]["none"]["history"][place]["steps"],
        "metric": metric,
        **{way: mean(values[way].values()) for way in WAYS},
        "differences": [values["diffaugment"][seed] - values["none"][seed] for seed in values["none"]],
        "paired": paired and asdict(paired),
    }


def write_summary(folder: Path, source: str, metric: str) -> str:
    """Write summary.json and table.md from the trials in `folder`; return the table."""
    rows = summarise(list(records_in(folder / "trials").values()), metric)
    write_json(folder / "summary.json", {"source": source, "rows": rows})
    table = format_table(rows)
    write_text(folder / "table.md", table)
    return table


def format_table(rows: Sequence[dict[str, Any]]) -> str:
    """Markdown, one line per subset and mark."""
    head = ("images", "steps", "pairs", "without", "with", "with − without", "95 %", "")
    return markdown(head, [_cells(row) for row in rows], numbers_from=0)


def _cells(row: dict[str, Any]) -> list[str]:
    paired = row["paired"]
    interval = "–" if paired["low"] is None else f"{_signed(paired['low'])} to {_signed(paired['high'])}"
    cells = [f"{row['num_images']:,}", f"{row['steps']:,}", str(paired["num_seeds"])]
    return [*cells, *(f"{row[way]:.3f}" for way in WAYS), _signed(paired["difference"]), interval, _verdict(row)]


def _verdict(row: dict[str, Any]) -> str:
    """Return the verdict on training with augmentation; for precision and recall, higher is better."""
    found: str = row["paired"]["verdict"]
    turned = {"better": "worse", "worse": "better"} if row["metric"] in ("precision", "recall") else {}
    return turned.get(found, found)


def _signed(value: float) -> str:
    return f"{value:+.3f}".replace("-", "−")


def _score_text(record: dict[str, Any]) -> str:
    if "failed" in record:
        return f"diverged: {record['failed']}"
    last = record["history"][-1]
    return f"KID {last['kid']:.4f}, Fréchet distance {last['fid']:.1f}, recall {last['recall']:.3f}"
