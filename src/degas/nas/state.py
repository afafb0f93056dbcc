"""The search: fit weights, latents and α to the images, prune α to an architecture. Paper §3.2, docs/equations.md.

One search step is one update of the generator's weights and this batch's latents, then one of α on another batch,
whose latents are constants in it: neither they, nor their moments, nor any batch norm buffer change.
"""

from __future__ import annotations

import sys
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from degas.data.image_set import ImageSet
from degas.data.loader import Batch, Batches, enough_epochs
from degas.data.store import Store
from degas.errors import UserError
from degas.nas.alpha.penalties import Penalties
from degas.nas.alpha.relaxation import Relaxation
from degas.nas.alpha.step import AlphaStep
from degas.nas.checks import check_search, search_budget
from degas.nas.decide.perturbation import Perturbation
from degas.nas.decide.settle import has_settled
from degas.nas.glo.glo import Glo, load_optimizer, mean_image_loss
from degas.nas.held_out import split_held_out
from degas.nas.loop import SearchLoop, progress_of
from degas.nas.results.inspection import read_signs, write_degenerate
from degas.nas.results.outputs import standing, write_results
from degas.nas.supernet.supernet import Supernet
from degas.runtime.distributed import Engine
from degas.runtime.interrupts import StopRequest
from degas.runtime.replay import CudaGraphs, Inputs, Replayed, check_graphs
from degas.runtime.rng import forked_rng
from degas.runtime.run_folder import StageFolder, read_jsonl
from degas.settings.sections import MEASURING, SearchSettings, SpaceSettings
from degas.space.architecture import Architecture

# The plateau check (after epoch 2) waits for so many steps too: an epoch of a small set is only a few.
PLATEAU_EPOCHS = 2
PLATEAU_STEPS = 100
INDISTINCT = 0.02  # a mean image's loss for images that differ by a grey level or two: then it is all there is to learn
# Where num_epochs is unset: more found nothing better, fewer agree less between seeds (docs/search.md).
FEWEST_EPOCHS = 5
FEWEST_STEPS = 500


def run_search(
    images: ImageSet,
    settings: SearchSettings,
    space: SpaceSettings,
    *,
    seed: int,
    folder: StageFolder,
    engine: Engine,
    progress: bool = True,
) -> Architecture:
    """Search an architecture for `images` and write everything about it into `folder`.

    Files: architecture.json, alpha.jsonl (one object an epoch: step, epoch, and edge name → {operation name: α}),
    mixing.jsonl (likewise, the mixing weight w and w·‖kernel‖), metrics.jsonl, timing.jsonl, pruning.json (every
    decision with its margin), degenerate.json (what has gone wrong although nothing failed), reconstructions.png,
    glo_samples.png, checkpoints/. A folder opened with resume goes on from its newest checkpoint, bit for bit as if
    never stopped. The caller marks the folder done, once it has added what it wants to.

    Raises:
        UserError: images that fit no graph, a loss or gradient that is not finite (naming step and term), a loss that
            stays at the mean image's, a pruning rule that leaves the graph disconnected.
        Terminated, Interrupted: asked to stop, after saving.
    """
    if folder.done(engine):
        return Architecture.load(folder.path / "architecture.json")
    search = Search(images, settings, space, seed=seed, engine=engine)
    step = search.restore(folder)
    quiet = not (progress and engine.is_main)
    with StopRequest() as stop, progress_of(search, step, quiet) as bar:
        loop = SearchLoop(search, folder, bar, step)
        while loop.goes_on(step):
            terms = search.step(step)
            step += 1  # from here on: finished steps
            loop.after_step(step, terms)
            stopping = engine.all_stop(stop.requested, step)
            loop.save_if_due(step, stopping=stopping)
            if stopping and loop.goes_on(step):
                stop.leave()
        loop.end(step)
    search.replayed = None  # its graph's memory is not needed from here on
    signs = read_signs(search.glo, search.weight_batches, step) if engine.is_main else None
    architecture = search.write_results(folder, step)
    if signs is not None:
        alphas = [search.alpha_start, *search.alpha_history]
        write_degenerate(folder, search.glo, signs, architecture.edges, search.space, alphas=alphas, num_steps=step)
    return architecture


class Search:
    """The state of a search: supernet, latents, the step on weights, that on α, and the order of the batches."""

    def __init__(
        self, images: ImageSet, settings: SearchSettings, space: SpaceSettings, *, seed: int, engine: Engine
    ) -> None:
        check_search(settings, space, image_size=images.image_size, channels=images.channels)
        if settings.cuda_graphs:
            check_graphs("search", engine.device, engine.num_ranks)
        self.images, self.settings, self.space_settings = images, settings, space
        self.seed, self.engine = seed, engine
        self.space, self.base_size = space.resolve(images.image_size)
        self.store = Store(images.images, engine.device)
        weight_rows, alpha_rows = split_rows(images, settings, seed)
        self.weight_batches = self._batches("search weights", weight_rows)
        self.alpha_batches = self._batches("search alpha", alpha_rows)
        self.steps_per_epoch = self.weight_batches.steps_per_epoch
        self.num_epochs = settings.num_epochs or enough_epochs(
            self.steps_per_epoch, fewest_epochs=FEWEST_EPOCHS, fewest_steps=FEWEST_STEPS
        )
        self.total_steps = self.num_epochs * self.steps_per_epoch
        self.supernet = self._fresh_supernet()
        self.glo = Glo(
            self.supernet,
            self.supernet.weights(),
            images,
            settings,
            noise_size=settings.noise_size,
            total_steps=self.total_steps,
            seed=seed,
            engine=engine,
        )
        budget = search_budget(settings, space, self.space, base_size=self.base_size, channels=images.channels)
        self.cap = budget if budget is not None and budget.is_capped else None
        self.relaxation = Relaxation(self.supernet, settings, total_steps=self.total_steps, seed=seed)
        self.alpha_step = AlphaStep(
            self.supernet,
            self.glo,
            settings,
            batches=self.alpha_batches,
            weight_batches=self.weight_batches,
            relaxation=self.relaxation,
            penalties=Penalties(self.supernet, settings, total_steps=self.total_steps, budget=budget),
        )
        self.epoch_loss = torch.zeros((), dtype=torch.float64, device=engine.device)
        self.alpha_start = self.supernet.alpha_by_name()
        self.alpha_history: list[dict[str, dict[str, float]]] = []  # after each epoch
        self.replayed = Replayed(self._replayable, engine.device, CudaGraphs()) if settings.cuda_graphs else None

    def _fresh_supernet(self) -> Supernet:
        with forked_rng(self.seed, "supernet"):
            supernet = Supernet(
                self.space,
                base_size=self.base_size,
                width=self.settings.width,
                noise_size=self.settings.noise_size,
                channels=self.images.channels,
                separable_order=self.space_settings.separable_order,
                alpha_std=self.settings.alpha_init_std,
            )
        return supernet.to(self.engine.device)  # now: whoever lists its weights must list those that are moved

    # ------------------------------------------------------------------------------------------ one step

    def step(self, step: int) -> dict[str, Tensor]:
        """Search step `step` (from 0): weights and latents, then α; with `joint` all from one backward pass."""
        batch = self.weight_batches(step)
        alpha_batch = self.alpha_step.batch(batch, step)
        if self.replayed is None:
            return self._move(batch, alpha_batch, step, self.glo.rate_share(step))
        inputs: dict[str, Tensor | float] = {"rate_share": self.glo.rate_share(step)}
        inputs |= {"index": batch.index, "images": batch.images}
        if alpha_batch is not batch:
            inputs |= {"alpha_index": alpha_batch.index, "alpha_images": alpha_batch.images}
        return self.replayed(inputs)

    def _move(self, batch: Batch, alpha_batch: Batch, step: int, rate_share: float | Tensor) -> dict[str, Tensor]:
        """The step on its batches; `rate_share` is that of the weights' and latents' rates."""
        trained, joint = self.settings.train_alpha, self.settings.schedule == "joint"
        self.relaxation.draw(step, "weights")
        self.alpha_step.require_gradients(weights=True, alphas=trained and joint)
        self.alpha_step.optimizer.zero_grad(set_to_none=True)
        terms = self.glo.move(batch, rate_share)
        self.epoch_loss += self._loss(terms)
        if trained:
            terms |= self.alpha_step.apply(step) if joint else self.alpha_step(alpha_batch, step)
        self.relaxation.rest(step + 1)
        return terms

    def _replayable(self, inputs: Inputs) -> dict[str, Tensor]:
        """`_move` as a function of tensors. Nothing in it goes by the step's number: `check_search` sees to that."""
        given = cast(dict[str, Tensor], inputs)
        batch = alpha_batch = Batch(given["index"], given["images"], None)
        if "alpha_index" in given:
            alpha_batch = Batch(given["alpha_index"], given["alpha_images"], None)
        return self._move(batch, alpha_batch, 0, given["rate_share"])

    # ------------------------------------------------------------------------------------------ what is written

    def log_values(self, terms: dict[str, Tensor], step: int) -> dict[str, float]:
        """The step's values as numbers, means over the ranks."""
        values = {"loss": self._loss(terms), **terms}
        stacked = torch.stack([value.double() for value in values.values()])
        self.engine.all_reduce_mean([stacked])
        numbers = dict(zip(values, stacked.tolist(), strict=True))
        return {**numbers, "weight_lr": self.settings.weight_lr * self.glo.rate_share(step)}

    def standing(self, alpha: dict[str, dict[str, float]]) -> str:
        """What would be kept now, in one line."""
        return standing(alpha, self.space, self.settings, self.cap)

    def write_results(self, folder: StageFolder, step: int) -> Architecture:
        """Everything that a search of `step` steps ends in."""
        measures: Perturbation | None = None
        if self.settings.prune in MEASURING:
            _, alpha_rows = split_rows(self.images, self.settings, self.seed)
            batches = self._batches("search perturbation", alpha_rows)
            shares = self.alpha_step.penalties.shares
            measures = Perturbation(
                self.supernet, self.glo, batches, self.weight_batches, step=step, cost_shares=shares
            )
        return write_results(
            folder,
            self.glo,
            self.supernet,
            self.space_settings,
            base_size=self.base_size,
            step=step,
            budget=self.cap,
            perturbation=measures,
        )

    def take_epoch_loss(self) -> float:
        """The mean loss of the weight steps of the epoch that ends; starts the next one's sum."""
        self.engine.all_reduce_mean([self.epoch_loss])
        mean = float(self.epoch_loss) / self.steps_per_epoch
        self.epoch_loss.zero_()
        return mean

    def check_plateau(self, epoch: int, loss: float) -> None:
        """Raise `UserError` if nothing was learned: the loss is still about that of one mean image for all."""
        first = max(PLATEAU_EPOCHS, -(-PLATEAU_STEPS // self.steps_per_epoch))
        if epoch != first or not self.settings.plateau_share:
            return
        mean_image = mean_image_loss(self.images, self.settings, self.engine.device)
        if loss > self.settings.plateau_share * mean_image > INDISTINCT:
            raise UserError(
                f"search: nothing was learned: the loss of epoch {epoch} is {loss:.4f}, and one mean image for all has "
                f"{mean_image:.4f}; use --search.latent-init pca with --search.weight-optimizer adam and "
                f"--search.latent-optimizer adam, or lower --search.weight-lr (--search.plateau-share 0 goes on anyway)"
            )

    def is_settled(self, step: int) -> bool:
        """Whether `step` ends an epoch after which nothing is open; it depends on α after each epoch alone."""
        ends = step == len(self.alpha_history) * self.steps_per_epoch
        return ends and has_settled(self.alpha_history, self.space, self.settings)

    # ------------------------------------------------------------------------------------------ checkpoints

    def state_dict(self) -> dict[str, Any]:
        # Each rank's own until now; unused in training.
        self.engine.all_reduce_mean(b for b in self.supernet.buffers() if b.is_floating_point())
        return {
            "glo": self.glo.state_dict(),
            "alpha_optimizer": self.alpha_step.optimizer.state_dict(),
            "epoch_loss": self.engine.gather(self.epoch_loss.view(1)),  # (ranks,): each rank's own sum
        }

    def restore(self, folder: StageFolder) -> int:
        """The step to go on from: 0, or that of the newest usable checkpoint, whose state is taken over."""
        found = folder.restore(lambda line: print(line, file=sys.stderr), self.engine)
        if found is None:
            return 0
        step, state = found
        self.relaxation.rest(step)
        self.glo.load_state_dict(state["glo"])
        load_optimizer(self.alpha_step.optimizer, state["alpha_optimizer"])
        self.epoch_loss.copy_(state["epoch_loss"].reshape(-1)[self.engine.rank])
        records = [record for record in read_jsonl(folder.path / "alpha.jsonl") if record["step"] <= step]
        self.alpha_history = [{slot.name: record[slot.name] for slot in self.space.slots} for record in records]
        return step

    def _loss(self, terms: dict[str, Tensor]) -> Tensor:
        return torch.stack([terms[name] for name in ("l2", "lap1") if name in terms]).sum()

    def _batches(self, purpose: str, rows: np.ndarray | None) -> Batches:
        return Batches(
            self.images,
            self.settings.batch_images,
            seed=self.seed,
            purpose=purpose,
            rank=self.engine.rank,
            num_ranks=self.engine.num_ranks,
            rows=rows,
            store=self.store,
        )


def split_rows(images: ImageSet, settings: SearchSettings, seed: int) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Image numbers for the weights and for α: all for both (None), or a held-out share for α."""
    if settings.alpha_batch != "held_out":
        return None, None
    return split_held_out(images.num_images, settings.held_out_fraction, seed=seed, purpose="search held out")
