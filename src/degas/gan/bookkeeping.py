"""Everything around the steps of a training: resuming, logs, samples, evaluations, warnings, checkpoints."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from degas.data.image_set import ImageSet
from degas.figures.grids import save_grid
from degas.gan import watch
from degas.gan.grow.steps import GrownSteps
from degas.gan.publish import published
from degas.gan.settings import CompleteGan
from degas.gan.state import Steps
from degas.generator.generator import Generator
from degas.generator.grids import GRID_COLUMNS, enlarged, real_grid, sample_grid, spread
from degas.runtime.distributed import Engine
from degas.runtime.progress import Progress
from degas.runtime.run_folder import StageFolder
from degas.runtime.save_clock import SaveClock

Evaluate = Callable[[Generator, int], dict[str, float]]


class Bookkeeping:
    """Everything around the steps: resuming, logging, sampling, evaluating, saving."""

    def __init__(
        self,
        steps: Steps | GrownSteps,
        images: ImageSet,
        settings: CompleteGan,
        seed: int,
        folder: StageFolder,
        engine: Engine,
        on_evaluate: Evaluate | None,
    ) -> None:
        self.steps, self.images, self.settings, self.seed = steps, images, settings, seed
        self.folder, self.engine, self.on_evaluate = folder, engine, on_evaluate
        self.best: dict[str, float] = {}  # {"step", "score"} of the best evaluation so far
        self.kept_best: list[float | None] = []  # steps of the best generators at the last two checkpoints
        self.stalled = 0  # evaluations since the best one, or since the objective's patience last ran out
        self.warned: set[str] = set()
        self.saved_step = -1
        self.saves = SaveClock(settings.checkpoint_steps)
        self.clock = (0, time.perf_counter())

    def resume(self) -> int:
        """Restore the newest usable checkpoint; return the number of finished generator steps."""
        found = self.folder.restore(self._tell, self.engine)
        start = 0
        if found is not None:
            start, state = found
            self.best = state.pop("best")
            self.stalled, self.steps.num_doublings = state.pop("bound", (0, 0))
            self.steps.load_state_dict(state)
            self.saved_step = start
        self.clock = (start, time.perf_counter())
        return start

    def after_step(self, done: int, critic: dict[str, Tensor], generator: dict[str, Tensor], bar: Progress) -> None:
        """Log, sample, evaluate and save if due after `done` generator steps."""
        last = done == self.settings.num_steps
        due = {name: every > 0 and (done % every == 0 or last) for name, every in self._periods().items()}
        if due["log"]:
            values = self._log(done, critic, generator)
            bar.update(done, critic=values["critic_loss"], generator=values["generator_loss"])
        else:
            bar.update(done)  # a stopped run reports its step
        if due["sample"] or due["evaluate"]:
            self.steps.watch.check()  # never show or choose a diverged generator
            shown = self.published()
            if due["sample"]:
                self._sample(done, shown)
            if due["evaluate"] and shown.image_size == self.images.image_size:  # it may still grow
                self._evaluate(done, shown)
        if due["checkpoint"] or self.engine.all_stop(self.saves.due_now(), done):
            self.save(done)

    def _periods(self) -> dict[str, int]:
        """Return the number of steps between two logs, samples, evaluations or checkpoints; 0: never."""
        settings = self.settings
        return {
            "log": settings.log_steps,
            "sample": settings.sample_steps,
            "checkpoint": settings.checkpoint_steps,
            "evaluate": settings.evaluate_steps if self.on_evaluate is not None else 0,
        }

    def published(self) -> Generator:
        """A copy ready for sampling."""
        return published(self.steps, self.settings, self.seed)

    def save(self, done: int) -> None:
        """Save a checkpoint and the current generator, unless this step is saved already."""
        self.steps.watch.check()
        if done == self.saved_step:
            return
        with self.saves.saving():
            bound = (self.stalled, self.steps.num_doublings)
            self.folder.save(done, {**self.steps.state_dict(), "best": self.best, "bound": bound})
            self._remove_unneeded_best()
            self._publish()
        self.saved_step = done
        self.engine.wait()

    def pause(self, done: int) -> None:
        """Save and publish the generator so far; a later call resumes."""
        self.save(done)
        self._publish()  # again, since an earlier attempt may have been killed before this line
        self.engine.wait()

    def finish(self) -> None:
        """Publish the best generator if there were evaluations, else the last one; mark the folder as done."""
        self.steps.replayed.clear()  # releases their graphs' memory
        self.save(self.settings.num_steps)
        self._publish(best=bool(self.best))  # again, since an earlier attempt may have been killed before this line
        self.folder.mark_done()
        self.kept_best = [self.best.get("step")]  # a finished training is never resumed from a checkpoint
        self._remove_unneeded_best()
        self.engine.wait()

    def _publish(self, best: bool = False) -> None:
        if self.engine.is_main:
            generator = Generator.load(self._best_folder()) if best else self.published()
            generator.save(self.folder.path / "generator")

    def _best_folder(self) -> Path:
        """Return the best generator's folder, named by the scored step, so that a restored state finds its own.

        Older runs have it in `best/` itself.
        """
        folder = self.folder.path / "best"
        named = folder / f"step-{int(self.best['step']):06d}"
        return named if named.is_dir() or not (folder / "config.json").is_file() else folder

    def _remove_unneeded_best(self) -> None:
        """Remove best generators that no kept checkpoint needs for resuming; those of the last two saves are kept."""
        self.kept_best = [*self.kept_best, self.best.get("step")][-2:]
        if self.engine.is_main and len(self.kept_best) == 2:
            kept = {f"step-{int(step):06d}" for step in self.kept_best if step is not None}
            for folder in (self.folder.path / "best").glob("step-*"):
                if folder.name not in kept:
                    shutil.rmtree(folder)

    def _log(self, done: int, critic: dict[str, Tensor], generator: dict[str, Tensor]) -> dict[str, float]:
        """Write a line of metrics, averaged over the ranks, and one of times; return the metrics."""
        self.steps.watch.check()
        named = {f"critic_{name}": value.float() for name, value in critic.items()}
        named |= {f"generator_{name}": value.float() for name, value in generator.items()}
        self.engine.all_reduce_mean(named.values())
        values = {name: float(value) for name, value in named.items()}
        self._warn(done, "penalty", watch.exploded(done, values))
        self.folder.log_metrics(done, **values)
        since, moment = self.clock
        self.clock = (done, time.perf_counter())
        self.folder.log_timing(done, seconds_per_step=(self.clock[1] - moment) / max(1, done - since))
        return values

    def _sample(self, done: int, shown: Generator) -> None:
        """Save a grid of samples, always from the same noise; a conditional grid has one row per class."""
        if not self.engine.is_main:
            return
        samples = enlarged(sample_grid(shown, self.seed), self.images.image_size)
        path = self.folder.path / "samples" / f"step-{done:06d}.png"
        save_grid(samples, path, columns=GRID_COLUMNS)
        self.folder.track_picture(done, "samples", path)
        self._show_real_images(shown)
        # Real images spread over the set, which may be sorted by class.
        rows = spread(np.arange(self.images.num_images), len(samples))
        reals = torch.from_numpy(self.images.images[rows])
        self._warn(done, "collapse", watch.collapsed(done, watch.diversity(samples[: len(reals)], reals)))

    def _show_real_images(self, shown: Generator) -> None:
        """Save a grid of real images, once, to look at beside the samples."""
        path = self.folder.path / "real_images.png"
        if not path.exists():
            save_grid(real_grid(self.images, shown), path, columns=GRID_COLUMNS)

    def _evaluate(self, done: int, shown: Generator) -> None:
        """Score a copy; keep the best one under `best/`, named by its step."""
        if not self.engine.is_main or self.on_evaluate is None:
            return
        scores = self.on_evaluate(shown, done)
        self.folder.log_metrics(done, **scores)
        score = next(iter(scores.values()))
        if not self.best or score < self.best["score"]:
            self.best = {"step": done, "score": float(score)}
            shown.save(self.folder.path / "best" / f"step-{done:06d}")
            self.stalled = 0
        else:
            self.stalled += 1
            self._count_doublings()

    def _count_doublings(self) -> None:
        """One more after as many evaluations without a better score as the objective has patience for."""
        patience = self.settings.own.patience
        if patience and self.stalled >= patience:
            self.steps.num_doublings += 1
            self.stalled = 0

    def _warn(self, done: int, kind: str, message: str | None) -> None:
        """Print the warning once per run, and write it to `warnings.jsonl` every time."""
        if message is None or not self.engine.is_main:
            return
        self.folder.append("warnings.jsonl", {"step": done, "kind": kind, "warning": message})
        if kind not in self.warned:
            self.warned.add(kind)
            self._tell(message)

    def _tell(self, message: str) -> None:
        if self.engine.is_main:
            print(f"warning: {message}", file=sys.stderr)
