"""The state of a search, and one step of it: the signal updates the weights, then α is updated (paper §3.2).

The update of α uses another batch, and everything else is constant in it: weights, the signal's values, their moments,
and batch-norm buffers do not change.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from degas.data.image_set import ImageSet
from degas.data.loader import Batch, Batches
from degas.data.store import Store
from degas.nas.alpha.leaving import Leaving
from degas.nas.alpha.paths import ESTIMATORS
from degas.nas.alpha.penalties import Penalties
from degas.nas.alpha.step import AlphaStep
from degas.nas.checks import search_budget
from degas.nas.decide.capped import Budget
from degas.nas.decide.rule import make_rule
from degas.nas.decide.settle import has_settled
from degas.nas.grow.network import GrownSupernet
from degas.nas.held_out import split_held_out
from degas.nas.job import Place
from degas.nas.plateau import Plateau
from degas.nas.searched_space import load_prefix, searched_space
from degas.nas.settings import resolve_search
from degas.nas.signal import Signal, Terms, allow_new_weights, find_signal, load_optimizer, total
from degas.nas.supernet.supernet import Supernet
from degas.nets.growing import fade_share
from degas.runtime.distributed import Engine
from degas.runtime.replay import CudaGraphs, Inputs, Replayed
from degas.runtime.rng import forked_rng
from degas.runtime.run_folder import StageFolder, read_jsonl
from degas.settings.sections import SearchSettings, SpaceSettings
from degas.space.architecture import Architecture
from degas.space.pruning import Alpha


class Search:
    """The state of a search: supernet, signal, the step on α, and the order of the batches.

    Args:
        images, settings, space: images and the user's settings; `checks.check_search` has rejected unusable ones.
        make_signal: called like a signal class, instead of the one that the settings name.
        prefix: the architecture of `settings.prefix`, if it has been read.
        place: in a grown search; after its first stage, the search begins with what the stage before has learned.

    Attributes:
        settings: the complete settings.
    """

    def __init__(
        self,
        images: ImageSet,
        settings: SearchSettings,
        space: SpaceSettings,
        *,
        seed: int,
        engine: Engine,
        make_signal: Callable[..., Signal] | None = None,
        prefix: Architecture | None = None,
        place: Place | None = None,
    ) -> None:
        self.settings = settings = resolve_search(settings, images.num_images, engine.shares.begun_ranks)
        self.images, self.space_settings, self.seed, self.engine = images, space, seed, engine
        self.place = place
        self.prefix = prefix or load_prefix(settings)
        self.space, self.base_size = searched_space(settings, space, images.image_size, self.prefix)
        self.store = Store(images.images, engine.device)
        weight_rows, self.alpha_rows = split_rows(images, settings, seed)
        self.weight_batches = self.make_batches("search weights", weight_rows)
        self.steps_per_epoch = self.weight_batches.steps_per_epoch
        self.total_steps = settings.num_epochs * self.steps_per_epoch
        self.supernet = self._new_supernet()
        self.signal = self._new_signal(make_signal or find_signal(settings))
        budget = search_budget(settings, space, self.space, base_size=self.base_size, channels=images.channels)
        self.cap = budget if budget is not None and budget.is_capped else None
        self.rule = make_rule(settings, self.space, self.cap)
        relaxation = ESTIMATORS[settings.paths]
        self.relaxation = relaxation(self.supernet, settings, total_steps=self.total_steps, seed=seed)
        self.leaving = Leaving(self.supernet, settings)
        self.alpha_step = self._new_alpha_step(budget)
        self.epoch_loss = torch.zeros((), dtype=torch.float64, device=engine.device)
        self.alpha_start = self.supernet.alpha_by_name()
        self.alpha_history: list[Alpha] = []  # after each epoch
        self.plateau = Plateau(self.signal, self.settings, steps_per_epoch=self.steps_per_epoch)
        self.replayed = Replayed(self._replayable, engine.device, CudaGraphs()) if settings.cuda_graphs else None

    def _new_supernet(self) -> Supernet:
        make = partial(GrownSupernet, heads=self.place.heads) if self.place and self.place.heads else Supernet
        with forked_rng(self.seed, "supernet"):
            supernet = make(
                self.space,
                base_size=self.base_size,
                width=self.settings.width,
                noise_size=self.settings.noise_size,
                channels=self.images.channels,
                separable_order=self.space_settings.separable_order,
                alpha_std=self.settings.alpha_init_std,
                recomputes=self.settings.checkpoint_activations,
            )
        return supernet.to(self.engine.device)  # before the optimisers, so that they list the moved weights

    def _new_signal(self, make_signal: Callable[..., Signal]) -> Signal:
        """The signal of the supernet, which in a grown search also fits the images of earlier stages."""
        signal = make_signal(
            self.supernet,
            self.supernet.weights(),
            self.images,
            self.settings,
            noise_size=self.settings.noise_size,
            total_steps=self.total_steps,
            seed=self.seed,
            engine=self.engine,
        )
        if isinstance(self.supernet, GrownSupernet):
            grown = self.supernet
            signal.grow(grown.all_sizes, grown.earlier_weights(), grown.earlier_sizes())
        if self.settings.paths != "all":
            allow_new_weights(signal.optimizer)
        return signal

    def _new_alpha_step(self, budget: Budget | None) -> AlphaStep:
        return AlphaStep(
            self.supernet,
            self.signal,
            self.settings,
            batches=self.make_batches("search alpha", self.alpha_rows),
            weight_batches=self.weight_batches,
            relaxation=self.relaxation,
            penalties=Penalties(self.supernet, self.settings, total_steps=self.total_steps, budget=budget),
        )

    def make_batches(self, purpose: str, rows: np.ndarray | None) -> Batches:
        """Batches of the images `rows` in a separate order for each purpose."""
        return Batches(
            self.images,
            self.settings.batch_images,
            seed=self.seed,
            purpose=purpose,
            **vars(self.engine.shares),
            rows=rows,
            store=self.store,
        )

    # ------------------------------------------------------------------------------------------ one step

    def step(self, step: int) -> Terms:
        """Take search step `step` (from 0): weights, then α; with `joint` both from one backward pass."""
        batch = self.weight_batches(step)
        alpha_batch = self.alpha_step.batch(batch, step)
        if isinstance(self.supernet, GrownSupernet):
            self.supernet.fade = fade_share(step, self.total_steps)
        if self.replayed is None:
            return self._move(batch, alpha_batch, step, self.signal.rate_share(step))
        inputs: dict[str, Tensor | float] = {"rate_share": self.signal.rate_share(step)}
        inputs |= {"index": batch.index, "images": batch.images}
        if alpha_batch is not batch:
            inputs |= {"alpha_index": alpha_batch.index, "alpha_images": alpha_batch.images}
        return self.replayed(inputs)

    def _move(self, batch: Batch, alpha_batch: Batch, step: int, rate_share: float | Tensor) -> Terms:
        """Take the step on its batches; return loss, terms and other logged values. `rate_share`: share of rates."""
        trained, joint = self.settings.train_alpha, self.settings.schedule == "joint"
        self.relaxation.draw(step, "weights")
        self.alpha_step.require_gradients(weights=True, alphas=trained and joint)
        self.alpha_step.optimizer.zero_grad(set_to_none=True)
        moved = self.signal.step(batch, rate_share)
        loss, named = total(moved.terms), moved.named()
        self.epoch_loss += loss
        if trained:
            named |= self.alpha_step.apply(step) if joint else self.alpha_step(alpha_batch, step)
        self.relaxation.rest(step + 1)
        return {**named, "loss": loss}

    def _replayable(self, inputs: Inputs) -> Terms:
        """`_move` as a function of tensors, independent of the step's number; `check_search` ensures that."""
        tensors = cast(dict[str, Tensor], inputs)
        batch = alpha_batch = Batch(tensors["index"], tensors["images"], None)
        if "alpha_index" in tensors:
            alpha_batch = Batch(tensors["alpha_index"], tensors["alpha_images"], None)
        return self._move(batch, alpha_batch, 0, tensors["rate_share"])

    # ------------------------------------------------------------------------------------------ logs

    def log_values(self, terms: Terms, step: int) -> dict[str, float]:
        """The step's values as numbers, averaged over the ranks."""
        values = {"loss": terms["loss"], **terms}
        stacked = torch.stack([value.double() for value in values.values()])
        self.engine.all_reduce_mean([stacked])
        numbers = dict(zip(values, stacked.tolist(), strict=True))
        return {**numbers, "weight_lr": self.signal.weight_lr * self.signal.rate_share(step)}

    def take_epoch_loss(self) -> float:
        """The mean loss of the weight steps in the finished epoch; starts the next epoch's sum."""
        self.engine.all_reduce_mean([self.epoch_loss])
        mean = float(self.epoch_loss) / self.steps_per_epoch
        self.epoch_loss.zero_()
        return mean

    def end_epoch(self, step: int, alpha: Alpha) -> None:
        """Take α after the epoch that `step` steps end, and let operations leave."""
        self.alpha_history.append(alpha)
        self.leaving(alpha, len(self.alpha_history))
        self.relaxation.rest(step)

    def check_plateau(self, epoch: int, loss: float) -> None:
        """Stop or warn if nothing is learned (`Plateau`)."""
        self.plateau(loss)

    def is_settled(self, step: int) -> bool:
        """Return whether `step` ends an epoch with no open decision; this depends only on α after each epoch."""
        ends = step == len(self.alpha_history) * self.steps_per_epoch
        if isinstance(self.supernet, GrownSupernet) and fade_share(step, self.total_steps) < 1.0:
            return False  # its images are still partly those of the stage before
        return ends and has_settled(self.alpha_history, self.space, self.settings)

    # ------------------------------------------------------------------------------------------ checkpoints

    def state_dict(self) -> dict[str, Any]:
        # Until here each rank has its own; training does not use them.
        self.engine.all_reduce_mean(b for b in self.supernet.buffers() if b.is_floating_point())
        return {
            "signal": self.signal.state_dict(),
            "alpha_optimizer": self.alpha_step.optimizer.state_dict(),
            "epoch_loss": self.engine.gather(self.epoch_loss.view(1)),  # (ranks,): each rank's own sum
            **({"relaxation": state} if (state := self.relaxation.state_dict()) else {}),
        }

    def restore(self, folder: StageFolder) -> int:
        """Load the newest usable checkpoint and return its step; 0 without one."""
        found = folder.restore(lambda line: print(line, file=sys.stderr), self.engine)
        if found is None:
            self._begin()
            return 0
        step, state = found
        self.signal.load_state_dict(state["signal" if "signal" in state else "glo"])  # degas 0.1.0 wrote "glo"
        load_optimizer(self.alpha_step.optimizer, state["alpha_optimizer"])
        self.relaxation.load_state_dict(state.get("relaxation", {}))
        self.epoch_loss.copy_(self._own_epoch_loss(state["epoch_loss"].reshape(-1)))
        metrics = [record for record in read_jsonl(folder.path / "metrics.jsonl") if record["step"] <= step]
        self.plateau.recall([record["epoch_loss"] for record in metrics if "epoch_loss" in record])
        records = [record for record in read_jsonl(folder.path / "alpha.jsonl") if record["step"] <= step]
        self.alpha_history = [
            {slot.name: record[slot.name] for slot in self.space.searched_slots} for record in records
        ]
        self.leaving.recall(self.alpha_history)
        self.relaxation.rest(step)
        return step

    def _own_epoch_loss(self, saved: Tensor) -> Tensor:
        """This rank's sum of losses from those of the ranks that saved, (ranks,); their mean if these were others."""
        return saved[self.engine.rank] if len(saved) == self.engine.num_ranks else saved.mean()

    def _begin(self) -> None:
        """Make the initial values, or take over those of the stage before."""
        if self.place is not None and isinstance(self.supernet, GrownSupernet):
            where, state = self.place.earlier_state(self.seed)
            self.supernet.take_over(state["network"], str(where))
            self.signal.take_over(state)
        self.signal.start()


def split_rows(images: ImageSet, settings: SearchSettings, seed: int) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Row numbers of the images for the weights and for α: all for both (None), or a held-out share for α."""
    if settings.alpha_batch != "held_out":
        return None, None
    return split_held_out(images.num_images, settings.held_out_fraction, seed=seed, purpose="search held out")
