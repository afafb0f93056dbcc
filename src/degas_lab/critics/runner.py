"""A search for a critic in a folder, RUN/critic, where a second call continues.

critic.json      the result, for --gan.critic            search.json      decisions, mixing weights, powers, costs
metrics.jsonl    losses, powers and cost by step          alpha.jsonl      mixing weights along the way
config.json, environment.json, timing.jsonl, checkpoints/
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from degas.data.image_set import ImageSet, check_size
from degas.errors import UserError
from degas.gan.settings import CompleteGan, resolve_gan, training_rules
from degas.gan.watch import training_watch
from degas.generator.generator import Generator
from degas.runtime.environment import write_environment
from degas.runtime.fingerprint import fingerprint_of
from degas.runtime.interrupts import StopRequest
from degas.runtime.progress import Progress
from degas.runtime.run_folder import StageFolder
from degas.runtime.save_clock import SaveClock
from degas.space.critic import CriticLayout
from degas_lab.critics.results import by_name, choices_of, decide
from degas_lab.critics.search import CriticSearch
from degas_lab.critics.search_plan import Plan

MEASURED_BATCHES = 8  # held-out batches behind the powers in search.json; our choice


def run_critic_search(
    generators: Sequence[Generator],
    images: ImageSet,
    plan: Plan,
    folder: Path,
    *,
    device: torch.device,
    command: list[str] | None = None,
    progress: bool = True,
) -> CriticLayout:
    """Search into `folder`, or continue there; return the critic. A finished search is read back.

    Raises `UserError` for generators or images that do not fit, or a folder that holds another search.
    """
    plan.check()
    settings = resolve_gan(plan.gan)
    for generator in generators:
        check_size(images, generator)
        if generator.num_classes:
            raise UserError("--generators: one has classes; give generators trained without --gan.supervised")
    check_split(images, plan, settings)
    with StageFolder(
        folder,
        settings=_config(generators, images, plan, settings),
        resume=True,
        kind="critic-search",
        rules=training_rules(plan.gan),
    ) as stage:
        if not stage.done():
            if command is not None:
                write_environment(stage.path, command)
            search = CriticSearch(generators, images, plan, settings, device=device)
            _take_steps(search, stage, settings.num_steps, progress)
            _write(search, stage, images, generators)
        return CriticLayout.load(stage.path / "critic.json")


def check_split(images: ImageSet, plan: Plan, settings: CompleteGan) -> None:
    """Raise `UserError` if either part of the images is too small."""
    held = max(2, round(plan.held_out * images.num_images))
    if images.num_images - held < max(2, settings.own.fewest_images):
        raise UserError(
            f"{images.source}: {images.num_images} images leave too few beside --held-out {plan.held_out:g}; "
            "lower it, or give more images"
        )


def _config(generators: Sequence[Generator], images: ImageSet, plan: Plan, settings: CompleteGan) -> dict[str, Any]:
    return {
        "data": images.identity,
        "generators": [fingerprint_of(each) for each in generators],
        "plan": plan.model_dump(mode="json", exclude={"gan"}, include=set(Plan.model_fields)),
        "gan": settings.as_config(),
    }


def _take_steps(search: CriticSearch, stage: StageFolder, num_steps: int, progress: bool) -> None:
    """Take the remaining steps from the newest checkpoint, with logs and checkpoints."""
    found = stage.restore(lambda line: None)
    if found is not None:
        search.load_state_dict(found[1])
    begun = 0 if found is None else found[0]
    gan, watch, began = search.settings, training_watch(deferred=False), time.perf_counter()
    saves = SaveClock(gan.checkpoint_steps)
    with StopRequest() as stop, Progress("critic search", num_steps, start_step=begun, quiet=not progress) as bar:
        for step in range(begun + 1, num_steps + 1):  # counts finished steps
            values = search.step(step - 1)
            watch.add(step, values)
            bar.update(step)
            if step == 1 or step % gan.log_steps == 0 or step == num_steps:
                watch.check()
                stage.log_metrics(step, **{name: float(value) for name, value in values.items()})
                stage.append("alpha.jsonl", {"step": step, **by_name(search.space, search.mixing())})
                seconds = time.perf_counter() - began
                stage.log_timing(step, seconds=seconds, steps_per_second=(step - begun) / seconds)
            if stop.requested or saves.due_at(step) or saves.due_now() or step == num_steps:
                watch.check()
                with saves.saving():
                    stage.save(step, search.state_dict())
            if stop.requested and step < num_steps:
                stop.leave()


@torch.no_grad()
def _write(search: CriticSearch, stage: StageFolder, images: ImageSet, generators: Sequence[Generator]) -> None:
    """Write critic.json and search.json, and mark the folder as done."""
    weights = by_name(search.space, search.mixing())
    decisions = decide(weights)
    results = {
        "decisions": decisions,
        "weights": weights,
        "alpha": by_name(search.space, search.alpha),
        "costs": by_name(search.space, search.costs),
        "expected_cost": float(search.expected_cost()),
        "powers": [_measured(search, k) for k in range(len(generators))],
    }
    identity = {name: value for name, value in images.identity.items() if name != "source"}  # a path: no provenance
    config = _config(generators, images, search.plan, search.settings)
    provenance = {"method": "critic search", **config, "data": {**identity, "image_size": images.image_size}}
    search.space.layout(choices_of(decisions), provenance).save(stage.path / "critic.json")
    stage.write_json("search.json", results)
    stage.mark_done()


def _measured(search: CriticSearch, k: int) -> float:
    """The mean test power of the mixed critic `k` over a few batches that no weight has seen, with the final weights.

    α has seen them, so for α it is no test.
    """
    search.critics[k].mix(search.mixing())
    return statistics.fmean(float(search.power(k, n, "critic search results")) for n in range(MEASURED_BATCHES))
