"""The generator: a plain module, saved as `model.safetensors` + `config.json`, loadable without the training code.

`config.json` holds the whole architecture, so that these two files suffice to build, load and sample it anywhere.
"""

from __future__ import annotations

import errno
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from degas.data.pixels import to_uint8
from degas.errors import UserError, unreadable
from degas.generator.config import SIZES, SamplingBn, checked_config, make_config, one_line, read_config, sizes_of
from degas.nets.backbone import Backbone
from degas.nets.cost import count_parameters
from degas.nets.generators import GENERATORS, check_network, make_network
from degas.nets.normalisation import frozen_buffers, make_norm
from degas.nets.operations import build_operation
from degas.runtime.durable import replace_file, writing
from degas.runtime.paths import expanded
from degas.runtime.rng import torch_generator
from degas.runtime.torch_state import plain_torch
from degas.settings.rejections import whole
from degas.space.architecture import Architecture

NOISE_ROWS = 64  # rows of noise per seed


class Generator(nn.Module):
    """Noise (N, noise_size) ~ N(0, I) → images (N, channels, image_size, image_size) in [−1, 1].

    Build one with `from_architecture`, `from_baseline` or `load`. `num_classes` is 0 for an unconditional generator,
    which ignores labels; a conditional one takes labels (N,) in 0 … num_classes − 1. `sampling_bn` sets the batch-norm
    statistics of `sample`: the stored ones, or with `batch` those of each batch of samples (CT-GAN). `image_gain` sets
    the scale of an untrained architecture's images (`nets.backbone`).
    """

    def __init__(self, config: Mapping[str, Any], where: str = "generator", *, image_gain: float = 1.0) -> None:
        super().__init__()
        self.config = checked_config(config, where)
        sizes = sizes_of(self.config)
        self.noise_size: int = sizes["noise_size"]
        self.channels: int = sizes["channels"]
        self.image_size: int = sizes["base_size"] * 2 ** sizes["num_stages"]
        self.class_names: tuple[str, ...] = tuple(self.config["class_names"])
        self.num_classes: int = self.config["num_classes"]
        self.sampling_bn: SamplingBn = self.config["sampling_bn"]
        with plain_torch():
            self.network = _build_network(self.config, where, image_gain)
        self.loaded_from: Path | None = None

    @classmethod
    def from_architecture(
        cls,
        architecture: Architecture,
        num_classes: int = 0,
        class_names: Sequence[str] = (),
        sampling_bn: SamplingBn = "running",
        image_gain: float = 1.0,
    ) -> Generator:
        """The generator of an architecture file, with initial weights.

        Its first images have unit variance before their tanh, which suits a critic; for a fit by reconstruction use
        `image_gain=backbone.FLAT` (docs/evidence/up-sampling.md).
        """
        config = make_config("architecture", architecture.to_dict(), num_classes, class_names, sampling_bn)
        return cls(config, image_gain=image_gain)

    @classmethod
    def from_baseline(
        cls,
        kind: str,
        *,
        width: int,
        noise_size: int,
        base_size: int,
        num_stages: int,
        channels: int,
        num_classes: int = 0,
        class_names: Sequence[str] = (),
        sampling_bn: SamplingBn = "running",
    ) -> Generator:
        """A registered generator, such as `resnet` (CT-GAN's) or `dcgan`, with initial weights."""
        GENERATORS.find(kind, "--architecture")
        sizes = dict(zip(SIZES, (width, noise_size, base_size, num_stages, channels), strict=True))
        generator = cls(make_config(kind, sizes, num_classes, class_names, sampling_bn))
        check_network(generator.network, sizes, num_classes, kind)
        return generator

    @property
    def num_parameters(self) -> int:
        return count_parameters(self)

    @property
    def architecture(self) -> Architecture | None:
        """The architecture, or None for a baseline."""
        return Architecture.from_dict(self.config["architecture"]) if "architecture" in self.config else None

    def forward(self, noise: Tensor, labels: Tensor | None = None) -> Tensor:
        if not isinstance(noise, Tensor) or not noise.is_floating_point():
            kind = noise.dtype if isinstance(noise, Tensor) else type(noise).__name__
            raise UserError(f"noise: this generator takes a tensor of floats, not {kind}")
        if noise.ndim != 2 or noise.shape[1] != self.noise_size:
            raise UserError(f"noise: this generator takes (N, {self.noise_size}), not {tuple(noise.shape)}")
        if self.num_classes and labels is None:
            raise UserError(f"labels: this generator has {self.num_classes} classes; give one label per image")
        if not self.num_classes and labels is not None:
            raise UserError("labels: this generator is unconditional; train one with --gan.supervised")
        if labels is None:
            return self.network(noise)
        looked_at = (
            not isinstance(labels, Tensor) or labels.device.type == "cpu"
        )  # on a GPU the check would wait for it
        if looked_at and not self.training and not torch.compiler.is_compiling() and not torch.jit.is_tracing():
            self._check_labels(labels, len(noise))
        try:
            return self.network(noise, labels)
        except (IndexError, RuntimeError, TypeError):
            self._check_labels(labels, len(noise))
            raise

    def images(
        self, n: int, seed: int = 0, labels: Tensor | Sequence[int] | int | None = None, batch_images: int = 100
    ) -> Iterator[Tensor]:
        """Stream `n` samples as uint8 batches on the CPU; image i depends only on (seed, i) and its label.

        A conditional generator draws labels uniformly unless they are given. With `sampling_bn` = batch an image also
        depends on its batch, and so on `batch_images`.
        """
        n, seed = whole("n", n, least=0), whole("seed", seed)
        chosen = self._labels(n, seed, labels)
        for start in range(0, n, batch_images):
            stop = min(n, start + batch_images)
            noise = draw_noise(stop - start, self.noise_size, seed, start)
            yield self.draw(noise, None if chosen is None else chosen[start:stop])

    @plain_torch()
    @torch.no_grad()
    def draw(self, noise: Tensor, labels: Tensor | None = None) -> Tensor:
        """The images of `noise` (N, noise_size), uint8 on the CPU; autograd and the module's mode do not change.

        A separate function, because the caller of `images` runs other code, or stops, between two batches.
        """
        was_training, device = self.training, next(self.parameters()).device
        self.train(self.sampling_bn == "batch")
        try:
            with frozen_buffers(self):
                moved = (noise.to(device), None if labels is None else labels.to(device))
                return to_uint8(self(*moved)).cpu()
        finally:
            self.train(was_training)

    def sample(
        self, n: int, seed: int = 0, labels: Tensor | Sequence[int] | int | None = None, batch_images: int = 100
    ) -> Tensor:
        """`n` samples, uint8 (n, C, H, W) on the CPU; see `images`."""
        with plain_torch():
            batches = list(self.images(n, seed, labels, batch_images))
            none = torch.empty((0, self.channels, self.image_size, self.image_size), dtype=torch.uint8)
            return torch.cat(batches) if batches else none

    def save(self, folder: str | Path) -> None:
        """Write `model.safetensors` and `config.json` into `folder`; each file is complete or absent.

        Raises `UserError` if they cannot be written, as where `folder` is a file.
        """
        folder = expanded(folder)
        tensors = {name: value.detach().cpu().contiguous() for name, value in self.state_dict().items()}
        with writing(folder):
            folder.mkdir(exist_ok=True)
            replace_file(folder / "model.safetensors", save(tensors, metadata={"format": "pt"}))
            config = json.dumps(self.config, indent=2, ensure_ascii=False) + "\n"
            replace_file(folder / "config.json", config.encode())

    @classmethod
    @plain_torch(keep_random_state=True)
    def load(cls, folder: str | Path, device: str | torch.device = "cpu") -> Generator:
        """Read a generator folder; raises `UserError` if it is not one or is damaged."""
        folder = expanded(folder)
        generator = cls(read_config(folder / "config.json"), str(folder / "config.json"))
        weights = folder / "model.safetensors"
        try:
            generator.load_state_dict(load_file(weights))
        except (OSError, SafetensorError) as error:
            if isinstance(error, OSError) and error.errno not in (None, errno.ENOENT):
                raise unreadable(weights, error) from None
            raise UserError(f"{weights}: cannot be read ({one_line(error)}); copy the generator folder again") from None
        except RuntimeError as error:
            raise UserError(f"{weights}: does not fit the config.json next to it: {one_line(error)}") from None
        generator.loaded_from = folder
        return generator.to(device).eval()

    @classmethod
    def from_pretrained(
        cls, path_or_id: str | Path, *, device: str | torch.device = "cpu", **download: Any
    ) -> Generator:
        """`load` from a local folder, from a shipped generator's name, or from the model hub's repository OWNER/NAME.

        See `hub.generator_files`.
        """
        from degas.generator.hub import generator_files

        return cls.load(generator_files(path_or_id, **download), device)

    def save_pretrained(
        self, folder: str | Path, *, repo_id: str | None = None, push_to_hub: bool = False, **options: Any
    ) -> None:
        """`save` with a model card; with `push_to_hub` also to the hub (default name: the folder's)."""
        from degas.generator.hub import save_with_card

        save_with_card(self, expanded(folder), repo_id)
        if push_to_hub:
            self.push_to_hub(repo_id or Path(folder).name, **options)

    def push_to_hub(self, repo_id: str, *, private: bool | None = None, **options: Any) -> str:
        """Push weights, configuration and model card to the model hub; see `hub.upload`."""
        from degas.generator.hub import upload

        return upload(self, repo_id, private=private, **options)

    @plain_torch()
    def _labels(self, n: int, seed: int, labels: Tensor | Sequence[int] | int | None) -> Tensor | None:
        if not self.num_classes:
            if labels is not None:
                raise UserError("labels: this generator is unconditional; train one with --gan.supervised")
            return None
        if labels is None:
            return draw_labels(n, self.num_classes, seed)
        chosen = torch.full((n,), labels) if isinstance(labels, int) else torch.as_tensor(labels)
        self._check_labels(chosen, n)
        return chosen.long()

    def _check_labels(self, labels: Any, n: int) -> None:
        """Raise `UserError` unless `labels` are `n` valid class numbers."""
        sound = isinstance(labels, Tensor) and labels.shape == (n,) and not labels.dtype.is_floating_point
        if not sound or labels.dtype == torch.bool:
            raise UserError(f"labels: {n} whole numbers are needed, one per image")
        if n and not 0 <= int(labels.min()) <= int(labels.max()) < self.num_classes:
            raise UserError(f"labels: must be in 0 … {self.num_classes - 1}")


@plain_torch()
def draw_noise(n: int, noise_size: int, seed: int, start: int = 0) -> Tensor:
    """Rows `start` … `start + n` of the endless standard normal noise of `seed`: float32 (n, noise_size)."""
    first = start // NOISE_ROWS
    last = (start + max(n, 1) - 1) // NOISE_ROWS
    blocks = [
        torch.randn(NOISE_ROWS, noise_size, generator=torch_generator(seed, "sample noise", block))
        for block in range(first, last + 1)
    ]
    offset = start - first * NOISE_ROWS
    return torch.cat(blocks)[offset : offset + n]


@plain_torch()
def draw_labels(n: int, num_classes: int, seed: int, counts: Sequence[int] | None = None) -> Tensor:
    """Labels int64 (n,), uniform or with the frequencies of `counts`; row i depends only on (seed, i).

    Equal `counts` give the same labels as no `counts`.
    """
    shares = torch.tensor([1] * num_classes if counts is None else [count // math.gcd(*counts) for count in counts])
    ends = shares.cumsum(0)  # class k has the whole numbers from ends[k − 1] to ends[k] − 1
    blocks = range((n + NOISE_ROWS - 1) // NOISE_ROWS)
    draws = [
        torch.randint(int(ends[-1]), (NOISE_ROWS,), generator=torch_generator(seed, "sample labels", block))
        for block in blocks
    ]
    return torch.searchsorted(ends, torch.cat(draws)[:n], right=True) if draws else torch.empty(0, dtype=torch.long)


def _build_network(config: Mapping[str, Any], where: str, image_gain: float) -> nn.Module:
    num_classes = config["num_classes"]
    if config["kind"] != "architecture":
        return make_network(config["kind"], config["sizes"], num_classes, where)
    architecture = Architecture.from_dict(config["architecture"], where)
    chosen = {(edge.source, edge.target): edge.operation for edge in architecture.edges}
    slots = [slot for slot in architecture.graph.slots if (slot.source, slot.target) in chosen]
    return Backbone(
        slots,
        num_stages=architecture.num_stages,
        base_size=architecture.base_size,
        width=architecture.width,
        noise_size=architecture.noise_size,
        channels=architecture.channels,
        make_edge=lambda slot: build_operation(
            chosen[slot.source, slot.target],
            architecture.width,
            factor=slot.factor,
            norm=lambda width: make_norm(width, num_classes),
            separable_order=architecture.separable_order,
        ),
        image_gain=image_gain,
    )
