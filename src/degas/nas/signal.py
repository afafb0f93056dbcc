"""The interface of a search signal: a loss for a network's images, and the training of its weights by that loss.

The search itself has no loss: it draws batches, gives them to its signal, mixes operations by α, and prunes. GLO is the
default signal (`--search.signal glo`). Another one is a subclass with two methods, `inputs` and `loss`; one that holds
more than the network's weights also has a `step` and its own state.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from degas.data.image_set import ImageSet
from degas.data.loader import Batch, Batches
from degas.runtime.distributed import Engine
from degas.runtime.finite import FiniteWatch
from degas.runtime.registry import Registry
from degas.runtime.run_folder import StageFolder
from degas.runtime.schedules import half_cosine
from degas.settings.sections import SIGNALS, SearchSettings

Terms = dict[str, Tensor]  # name → scalar
# In a grown search, our choice: the weight of the loss at each smaller size, and the share of the rate at which weights
# of earlier stages move.
SMALLER_WEIGHT, EARLIER_RATE = 0.1, 0.1
ENTRY_POINTS = "degas.signals"  # entry point group of other packages: name, and module that registers it
REGISTERED: Registry[type[Signal]] = Registry("search signal")
SignalClass = TypeVar("SignalClass", bound="type[Signal]")


@dataclass(frozen=True)
class Finding:
    """A problem without an error: `kind` for programs; `where`, `what` and `mend` form the message."""

    kind: str
    where: str
    what: str
    mend: str

    @property
    def line(self) -> str:
        return f"{self.where}: {self.what}; {self.mend}"

    def as_json(self) -> dict[str, str]:
        return {"kind": self.kind, "where": self.where, "warning": self.line}


class Moved(NamedTuple):
    """Detached values of a step: the terms of its loss, which add up to it, and others for the log."""

    terms: Terms
    others: Terms

    def named(self) -> Terms:
        return {**self.terms, **self.others}


class Signal(ABC):
    """A network from inputs (B, d) to images (B, C, H, W) in [−1, 1], its weights' optimiser, and their loss.

    Args:
        network: on any device; moved to the engine's, in channels-last memory.
        weights: its parameters to fit (without α for a supernet).
        images, settings: the images to fit, and the search settings.
        noise_size: d.
        total_steps: length of the cosine schedule of the rates.

    Attributes:
        replayable: a step depends only on its batch and rates, so that a CUDA graph can replay it.
        has_critic: the signal trains a critic, by the objective `critic_objective`.
        grows: `loss` also takes images smaller than the batch's by a whole factor, as a grown search needs.
        rates: the settings to lower if a number is not finite.
        earlier_sizes: pixels of the smaller images that the loss counts too, in a grown search; largest first.
    """

    replayable: ClassVar[bool] = False
    has_critic: ClassVar[bool] = False
    grows: ClassVar[bool] = False
    rates: ClassVar[str] = "--search.weight-lr"

    def __init__(
        self,
        network: nn.Module,
        weights: Iterable[nn.Parameter],
        images: ImageSet,
        settings: SearchSettings,
        *,
        noise_size: int,
        total_steps: int,
        seed: int,
        engine: Engine,
    ) -> None:
        self.images, self.settings, self.engine, self.seed = images, settings, engine, seed
        self.noise_size, self.total_steps = noise_size, total_steps
        self.network = network.to(engine.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.weights = list(weights)
        self.weight_lr = settings.weight_lr
        self.optimizer = weight_optimizer(self.weights, settings)
        self._all_sizes: Callable[[Tensor], list[Tensor]] | None = None
        self.earlier_sizes: tuple[int, ...] = ()

    # ------------------------------------------------------------------------------------------ of every signal

    @abstractmethod
    def inputs(self, index: Tensor) -> Tensor:
        """The network's inputs (B, d) for the images `index` (B,); constants for α and for pruning."""

    @abstractmethod
    def loss(self, fake_images: Tensor, batch: Batch) -> Terms:
        """The terms of the loss of `fake_images` (B, C, H, W), made from the inputs of `batch`; smaller is better."""

    def step(self, batch: Batch, rate_share: float | Tensor) -> Moved:
        """One update of the weights and of the signal's other values on a batch.

        `rate_share`: the share of the rates, 0 to 1 (`rate_share(step)`). The gradient of α remains on α if α requires
        one. Nothing here waits for the device: the values are tensors.
        """
        terms, norm = self.fit_weights(self.inputs(batch.index), batch, rate_share)
        return Moved(terms, {"gradient_norm": norm})

    def state_dict(self) -> dict[str, Any]:
        """Everything that a resumed search needs: network, optimiser, and the signal's own values."""
        return {"network": dict(self.network.state_dict()), "optimizer": self.optimizer.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.network.load_state_dict(state["network"])
        load_optimizer(self.optimizer, state["optimizer"])

    # ------------------------------------------------------------------------------------------ in a grown search

    def grow(
        self,
        all_sizes: Callable[[Tensor], list[Tensor]],
        earlier_weights: Sequence[nn.Parameter],
        earlier_sizes: Sequence[int],
    ) -> None:
        """Fit the images of earlier stages too, with a small weight, and move `earlier_weights` at a share of the rate.

        `all_sizes`: inputs (B, d) → images of this stage's size and of the `earlier_sizes` (pixels), largest first.
        """
        self._all_sizes, self.earlier_sizes = all_sizes, tuple(earlier_sizes)
        earlier = {id(weight) for weight in earlier_weights}
        new = [weight for weight in self.weights if id(weight) not in earlier]
        self.optimizer = weight_optimizer(new, self.settings)
        self.optimizer.add_param_group({"params": list(earlier_weights), "rate_share": EARLIER_RATE})

    def take_over(self, state: dict[str, Any]) -> None:  # noqa: B027
        """Begin with the values of an earlier fit of the same images at a smaller size: its `state_dict`.

        The network has taken over its weights.
        """

    # ------------------------------------------------------------------------------------------ of some signals

    @classmethod  # noqa: B027
    def check(cls, settings: SearchSettings, image_size: int) -> None:
        """Raise `UserError` for settings that this signal cannot use on images of this size."""

    def start(self) -> None:  # noqa: B027
        """Make the initial values of a fit, which a resumed fit loads from its checkpoint instead."""

    def measure(self, fake_images: Tensor, batch: Batch) -> Terms:
        """The terms that pruning rules measure, like `loss`; another distance if the loss changes with the training."""
        return self.loss(fake_images, batch)

    def adapt(self, batch: Batch, step: int) -> None:  # noqa: B027
        """Fit the signal's values of held-out images, which no weight step sees (`alpha_batch = held_out`)."""

    @property
    def plateau_visits(self) -> int:
        """The visits of every image after which `learned_nothing` can judge a search."""
        return 2

    @property
    def plateau_stops(self) -> bool:
        """Whether a search that learns nothing stops; otherwise it warns."""
        return True

    def learned_nothing(self, loss: float) -> str | None:
        """Return the baseline that the search's `loss` does not beat, with a remedy; None if something was learned."""
        return None

    def findings(self, batches: Batches, num_steps: int, metrics: Sequence[Mapping[str, Any]]) -> list[Finding]:
        """Return the problems of a search of `num_steps` steps on `batches`; `metrics` is its metrics.jsonl."""
        return []

    def write_pictures(self, folder: StageFolder, step: int) -> None:  # noqa: B027
        """Write pictures of the fit; every process calls this, and only the one that writes does so."""

    @classmethod
    def num_own_values(cls, settings: SearchSettings, num_images: int) -> int:
        """Return how many numbers the signal holds besides network and optimiser, for the check of memory."""
        return 0

    # ------------------------------------------------------------------------------------------ shared by all

    def rate_share(self, step: int) -> float:
        """The cosine from 1 to weight_lr_min/weight_lr, for all rates except that of α."""
        last = min(1.0, self.settings.weight_lr_min / self.settings.weight_lr)
        return last + (1.0 - last) * half_cosine(step, self.total_steps)

    def terms(self, inputs: Tensor, batch: Batch) -> Terms:
        """The terms of the loss for inputs (B, d), outside autocast."""
        with self.engine.autocast():
            fake_images, *smaller = self._all_sizes(inputs) if self._all_sizes else [self.network(inputs)]
        found = self.loss(fake_images, batch)
        for images in smaller:
            own = self.loss(images, batch)
            found |= {f"{name}_{images.shape[-1]}px": SMALLER_WEIGHT * term for name, term in own.items()}
        return found

    def fit_weights(self, inputs: Tensor, batch: Batch, rate_share: float | Tensor) -> tuple[Terms, Tensor]:
        """Step the weights on a batch's inputs; return the detached terms and the norm of the gradient."""
        self.optimizer.zero_grad(set_to_none=True)
        terms = self.terms(inputs, batch)
        total(terms).backward()
        self.engine.all_reduce_mean([weight.grad for weight in self.weights if weight.grad is not None])
        norm = nn.utils.clip_grad_norm_(self.weights, self.settings.clip_norm or math.inf)
        for group in self.optimizer.param_groups:
            group["lr"] = self.weight_lr * group.get("rate_share", 1.0) * rate_share
        self.optimizer.step()
        return {name: term.detach() for name, term in terms.items()}, norm


def total(terms: Terms) -> Tensor:
    """The loss: the sum of its terms."""
    return torch.stack(list(terms.values())).sum()


def weight_optimizer(weights: list[nn.Parameter], settings: SearchSettings) -> torch.optim.Optimizer:
    lr, decay = settings.weight_lr, settings.weight_decay
    if settings.weight_optimizer == "adam":
        return torch.optim.Adam(weights, lr=lr, weight_decay=decay, fused=True, capturable=True)
    return torch.optim.SGD(weights, lr=lr, momentum=settings.weight_momentum, weight_decay=decay, fused=True)


def allow_new_weights(optimizer: torch.optim.Optimizer) -> None:
    """Let SGD step weights that get their first gradient later than others, as those that a sampled path reaches.

    Its fused kernels take no weight without momentum beside others with it; those of Adam do.
    """
    if isinstance(optimizer, torch.optim.SGD):
        for group in optimizer.param_groups:
            group["fused"] = False


def load_optimizer(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """`optimizer.load_state_dict` with each moment in its parameter's memory format, as fused kernels need."""
    optimizer.load_state_dict(state)
    for parameter, moments in optimizer.state.items():
        for name, value in moments.items():
            if isinstance(value, Tensor) and value.shape == parameter.shape:
                moments[name] = torch.empty_like(parameter).copy_(value)


def register_signal(name: str) -> Callable[[SignalClass], SignalClass]:
    """Register a subclass of `Signal` as `--search.signal NAME`."""

    def register(signal: SignalClass) -> SignalClass:
        REGISTERED.add(name, signal)
        return signal

    return register


def find_signal(settings: SearchSettings) -> type[Signal]:
    """The signal class that the settings name; raises `UserError` if there is none.

    Imports the module that registers it: degas' own by `sections.SIGNALS`, those of other packages by entry points.
    """
    if settings.signal not in REGISTERED:
        for home in SIGNALS.values():
            importlib.import_module(home)
    offered = importlib.metadata.entry_points(group=ENTRY_POINTS)
    if settings.signal not in REGISTERED and settings.signal in offered.names:
        offered[settings.signal].load()
    return REGISTERED.find(settings.signal, "--search.signal", offered.names)


def fit_watch(what: str, rates: str) -> FiniteWatch:
    """The watch for a fit's terms and gradients; `rates` are the settings to lower."""
    return FiniteWatch(lambda step, name, value: f"{what}: {name} is {value} at step {step}; lower {rates}")
