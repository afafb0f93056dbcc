"""Every setting of every stage: default, unit and source. `settings/presets.py` lists the changes of presets.

Names carry units (`_images`, `_steps`, `_epochs`, `_pixels`). The source of a value is a section of the paper, the
authors' code of a system that the paper builds on, or "our choice". Knows no torch and no stage.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from degas.errors import UserError
from degas.settings.base import (
    BatchImages,
    Count,
    Fraction,
    ImageSize,
    NoiseSize,
    Positive,
    Rate,
    Settings,
    Weight,
    Width,
    setting,
)
from degas.settings.evaluation import EvaluateSettings as EvaluateSettings
from degas.settings.evaluation import Extractor as Extractor
from degas.settings.inversion import InvertSettings as InvertSettings
from degas.settings.training import GanSettings as GanSettings
from degas.settings.training import TrainingSettings as TrainingSettings
from degas.space.graph import LIMITS, NORMAL_OPERATIONS, UP_OPERATIONS, Order, SearchSpace


class DataSettings(Settings):
    """Rules by which images become a uint8 array (N, C, H, W)."""

    image_size: ImageSize | None = setting(
        None, "pixels along each side; default: 16 for digits, 48 for STL-10, else 32"
    )
    channels: Literal[1, 3] | None = setting(None, "1 grey, 3 colour; default: as the images")
    max_images: Positive | None = setting(None, "use only this many images, the first of a fixed shuffle; default: all")
    split: str | None = setting(
        None, "part of an official data set: train, test, unlabeled; default: the paper's", source="paper §4"
    )
    fit: Literal["crop", "stretch"] = setting("crop", "centre crop to a square before resizing, or stretch")
    crop_pixels: Positive | None = setting(
        None,
        "side of the centre crop, in source pixels; default: 108 for CelebA, else the shorter side",
        source="paper §4 / DCGAN",
    )
    max_megapixels: Annotated[int, Field(ge=1, le=4096)] = setting(
        64, "largest picture to decode, in units of 2^20 pixels; a JPEG up to four times that is read at half its size"
    )
    bits: Annotated[int, Field(ge=8, le=16)] = setting(
        16, "bits that 16-bit pictures use; the upper 8 are kept; 12 if the brightest value is 4,095"
    )
    image_column: str | None = setting(
        None, "image column of a hub data set or parquet; default: the first image column"
    )
    label_column: str | None = setting(
        None, "label column of a hub data set, parquet or metadata.csv; default: the first class label, or label"
    )
    cache: Path | None = setting(None, "folder of decoded images; default: ~/.cache/degas")
    verify: bool = setting(False, "hash file contents, not only names, sizes and times, to find the cached copy")


class SpaceSettings(Settings):
    """The search space: paper §3.2, Figure 2."""

    base_size: Annotated[int, Field(ge=1, le=LIMITS["base_size"][1])] | None = setting(
        None,
        "pixels of the first feature map; default: the one from 4 to 7 that fits the image size",
        source="paper Fig. 2: 4",
    )
    num_normal: Annotated[int, Field(ge=0, le=LIMITS["num_normal"][1])] = setting(
        1, "n, normal maps between two up-sampled ones", source="paper §4.2"
    )
    normal_operations: tuple[str, ...] = setting(NORMAL_OPERATIONS, "candidates of normal edges", source="paper §3.2")
    up_operations: tuple[str, ...] = setting(UP_OPERATIONS, "candidates of up edges", source="paper §3.2")
    order: Order = setting("normal-up", "normal maps before a stage's up-sampling or after it", source="paper Fig. 2")
    share: Literal["none", "stages"] = setting(
        "none",
        "stages: one α for each role of an edge in all stages, so that the search finds a cell",
        source="paper §3.2: none; DARTS: cells",
    )
    separable_order: Literal["preact", "darts"] = setting(
        "preact",
        "BN, ReLU before the convolutions, or ReLU before and BN after",
        source="our choice; DARTS code: darts",
    )

    def resolve(self, image_size: int) -> tuple[SearchSpace, int]:
        """The graph for `image_size` pixels, and its base size; raises `UserError` if none fits."""
        base, stages = _base_and_stages(image_size, self.base_size)
        operations = (self.normal_operations, self.up_operations)
        return SearchSpace(stages, self.num_normal, *operations, self.order, self.share), base


# Search signals: name → the module that registers it. A signal's own settings are in `SearchSettings`.
SIGNALS = {"glo": "degas.nas.glo.glo"}


class SearchSettings(Settings):
    """The search: paper §3.2 and §4.1, docs/equations.md."""

    signal: str = setting("glo", "the search's training signal, a registered one", source="paper §3.2: glo")
    critic_objective: str = setting(
        "sn-gan-ttur", "objective of the critic, for a signal that trains one (adversarial): as gan.objective"
    )
    width: Width = setting(
        32,
        "channels of every feature map",
        source="our choice; paper: 128, which fits its model sizes if their MB are millions of parameters",
    )
    noise_size: NoiseSize = setting(128, "entries of a latent", source="CT-GAN code")
    prefix: Path | None = setting(
        None, "architecture with fewer stages, whose maps are given; only later ones are searched; default: none"
    )
    grow: bool = setting(
        False, "search at growing image sizes (8, 16, … px), each stage after the one before as its prefix"
    )
    grow_epochs: Positive | None = setting(
        None, "passes over the images in each stage of a grown search after the first; default: as many as in the first"
    )
    num_epochs: Positive | None = setting(
        None, "passes over the images; default: 5, or as many as make 500 steps", source="our choice; DARTS code: 50"
    )
    batch_images: BatchImages = setting(64, "images per search step", source="DARTS code")
    loss: Literal["l2-lap1", "l2", "lap1"] = setting("l2-lap1", "reconstruction loss", source="paper eq. 2")
    pyramid_levels: Positive | None = setting(
        None, "bands of the loss' Laplacian pyramid; default: ⌊log2(size)⌋ − 2", source="our choice; GLO code: 3"
    )
    pyramid_weights: tuple[Weight, ...] | None = setting(
        None, "weights of its bands, finest first, and of the low-pass residual; default: 4^j", source="paper eq. 2"
    )
    schedule: Literal["alternate", "joint"] = setting(
        "joint",
        "step weights and α alternately, or from one backward pass, which takes half the time",
        source="our choice; paper §3.2: alternate",
    )
    alpha_batch: Literal["other", "same", "held_out"] | None = setting(
        None,
        "images of an α step, with alternate; default: other, or held_out with paths reinforce",
        source="our choice; not in the paper",
    )
    held_out_fraction: Fraction = setting(0.2, "share of the images kept for α with alpha_batch = held_out")
    held_out_latent_steps: Count = setting(5, "latent-only steps on a held-out batch before its α step")
    weight_optimizer: Literal["adam", "sgd"] = setting(
        "adam", "optimiser of the generator's weights", source="our choice; DARTS code: sgd"
    )
    weight_lr: Rate = setting(
        3e-3,
        "learning rate of the weights",
        source="our choice; paper §4.1: 0.3 CIFAR-10, 0.03 STL-10 and CelebA",
    )
    weight_lr_min: Weight = setting(
        3e-4, "their rate at the end of the cosine schedule", source="our choice; DARTS code: 1e-3"
    )
    weight_momentum: Fraction = setting(0.9, "momentum, with sgd", source="DARTS code; GLO code: 0")
    weight_decay: Weight = setting(0.0, "weight decay of the weights", source="our choice; DARTS code: 3e-4")
    clip_norm: Weight = setting(5.0, "clip the gradient norm of the weights to this; 0: never", source="DARTS code")
    latent_init: Literal["pca", "pca-raw", "random"] = setting(
        "pca",
        "principal components, whitened (pca) or as they are (pca-raw), or random directions on the unit sphere",
        source="our choice; GLO code: pca-raw",
    )
    latent_optimizer: Literal["adam", "sgd"] = setting(
        "adam", "row-wise Adam or plain SGD on the latents", source="our choice; GLO code: sgd"
    )
    latent_lr: Rate = setting(
        1e-2, "learning rate of the latents", source="our choice; GLO code: ten times the weights' rate"
    )
    alpha_lr: Rate | None = setting(
        None, "Adam rate of α; default: max(3e-4, min(0.03, 15/steps))", source="our choice; DARTS code: 3e-4"
    )
    alpha_betas: tuple[Fraction, Fraction] = setting((0.5, 0.999), "Adam betas of α", source="DARTS code")
    alpha_weight_decay: Weight = setting(
        0.0, "weight decay of α (added to the gradient)", source="our choice; DARTS code: 1e-3"
    )
    alpha_init_std: Weight = setting(1e-3, "standard deviation of α at the start", source="DARTS code")
    train_alpha: bool = setting(True, "train α; without it, a control for rules that use more than α")
    order: Literal["first", "second"] = setting(
        "first", "gradient of α at the weights, or through one SGD step on them", source="DARTS code: first"
    )
    relaxation: Literal["softmax", "gumbel"] = setting(
        "softmax", "mixing weights: softmax of α, or with new Gumbel noise in each pass", source="paper eq. 1"
    )
    paths: Literal["all", "gumbel", "two-path", "reinforce"] = setting(
        "all",
        "operations that a step computes: all of an edge, or one sampled from softmax(α), which learns by "
        "straight-through Gumbel, by the gates of two sampled ones, or by REINFORCE",
        source="paper §3.1: all; GDAS: gumbel; ProxylessNAS: two-path; ENAS: reinforce",
    )
    temperature: Rate = setting(1.0, "divides α before the softmax", source="paper eq. 1: 1.0")
    temperature_end: Rate | None = setting(
        None,
        "temperature at the end of num_epochs, reached in equal ratios; default: constant; a tenth with leave anneal",
    )
    leave: Literal["never", "anneal", "shrink", "layers"] = setting(
        "never",
        "operations leave at the ends of epochs, by α: when their weight is small (anneal), 3/8 and 5/8 of an edge's "
        "after each third (shrink), or all but the best, node by node (layers)",
        source="our choice; ASAP: anneal; P-DARTS: shrink",
    )
    leave_share: Fraction = setting(
        0.4, "share of an equal weight below which an operation leaves, with anneal", source="our choice, after ASAP"
    )
    beta_weight: Weight = setting(
        0.0, "weight of the mean logsumexp of α, growing from 0 to this over the search (β-DARTS: 25 to 50)"
    )
    cost_weight: Weight = setting(
        0.0, "weight of the expected cost in the loss of α; the costliest operation on every edge costs 1"
    )
    cost: Literal["parameters", "multiply-adds"] = setting("parameters", "the cost that cost_weight counts")
    max_params: Positive | None = setting(
        None, "most parameters of the architecture, at the search's width; default: no cap"
    )
    max_macs: Positive | None = setting(None, "most multiply-adds per image, at the search's width; default: no cap")
    prune: str = setting(
        "alone",
        "pruning rule; paper: by α; alone: by the loss with each operation alone on its edge; alone_scaled: likewise, "
        "at the scale of the mix; perturbation: by the loss without each operation; darts: an ablation that may "
        "disconnect the graph; or a registered one",
        source="our choice; paper §3.2: paper",
    )
    perturbation_batches: Positive = setting(
        8, "batches for the losses of a rule that measures them", also="measuring_batches"
    )
    perturbation_tune_steps: Count = setting(
        0, "weight steps after each node that a rule decides by losses", also="measuring_tune_steps"
    )
    compare: Literal["raw", "centred", "softmax_times_k", "above_zero"] = setting(
        "raw", "how to compare α across edges", source="paper §3.2"
    )
    zero_rule: Literal["drops_edge", "ignored"] = setting(
        "drops_edge", "a residual edge is no candidate if zero has its largest α, or zero is ignored"
    )
    polish: Count = setting(
        0, "as the last step, fits of the found architecture and its neighbours alone, to move to a better one; 0: off"
    )
    plateau_share: Weight = setting(
        0.95,
        "stop when the loss after 2 visits of every latent (and 100 steps) is above this share of the mean image's and "
        "hardly falls; with sgd warn, after 10 visits; 0: never",
    )
    settle_epochs: Count = setting(
        0, "stop early once the pruned architecture is the same for this many epochs, with no close decision; 0: never"
    )
    settle_margin: Weight | None = setting(
        None, "a decision is close up to this margin of α; default: twice its standard deviation over those epochs"
    )
    checkpoint_steps: Count = setting(
        0, "search steps between checkpoints, in addition to one a minute; 0: only by time", decides=False
    )
    log_steps: Positive = setting(10, "search steps between lines of metrics.jsonl", decides=False)
    precision: Literal["float32", "bfloat16"] = setting("float32", "arithmetic of the supernet's convolutions")
    checkpoint_activations: bool = setting(
        False,
        "compute the activations of a node's edges again in the backward pass instead of keeping them: less memory, "
        "more time, the same result",
        decides=False,
    )
    cuda_graphs: bool = setting(
        False, "replay each step as one CUDA graph; experimental: not yet run on a GPU", decides=False
    )


def _base_and_stages(image_size: int, base_size: int | None) -> tuple[int, int]:
    bases = [base_size] if base_size else [4, 5, 6, 7]
    for base in bases:
        stages = (image_size // base).bit_length() - 1
        if stages >= 1 and base * 2**stages == image_size:
            return base, stages
    sizes = sorted({b * 2**s for b in bases for s in range(1, 9)}, key=lambda size: (abs(size - image_size), size))
    rule = f"base size {base_size}" if base_size else "a base size from 4 to 7"
    below_above = " or ".join(str(size) for size in sorted(sizes[:2]))
    raise UserError(f"image size {image_size} is not {rule} times a power of two; try {below_above}")
