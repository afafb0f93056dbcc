"""Groups of settings in `--help-all` and on the settings page, and the list of those that `--help` shows.

A setting that is not named here is in the group of its section. No torch.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

GROUPS = (
    "common",
    "data",
    "space",
    "search",
    "search variants",
    "training",
    "objective's own",
    "evaluation",
    "machine",
)
SECTIONS = {"data": "data", "space": "space", "search": "search", "gan": "training"}
SECTIONS |= {"evaluate": "evaluation", "invert": "evaluation"}
# The settings that `--help` shows. It also shows a command's own options, except rare ones.
SHOWN = frozenset(
    (
        *("data.image_size", "data.max_images", "search.width", "search.num_epochs"),
        *("gan.objective", "gan.num_steps", "gan.width", "gan.supervised", "gan.augment"),
        *("evaluate.extractor", "evaluate.num_samples", "invert.num_steps"),
    )
)
MACHINE = frozenset(
    (
        *("device", "quiet", "tracker", "precision", "clock", "data.cache", "data.verify", "evaluate.batch_images"),
        *("processes", "address", "cpus_per_trial", "gpus_per_trial"),
        *(f"{stage}.{name}" for stage in ("search", "gan") for name in ("precision", "cuda_graphs")),
        *(f"{stage}.{name}" for stage in ("search", "gan") for name in ("checkpoint_steps", "log_steps")),
        *("gan.sample_steps", "gan.stop_step", "search.checkpoint_activations"),
    )
)
OBJECTIVES_OWN = frozenset(
    f"gan.{name}"
    for name in (
        *("penalty_weight", "consistency_weight", "consistency_feature_weight", "consistency_margin", "dropout"),
        "inconsistency_bound",
        *("gradient_weight", "gradient_end_share", "penalty_at", "repulsive_bounds", "repulsive_patience"),
    )
)


UNSET = re.compile(
    r"; default: (?P<words>[^\[]*?)(?= \[|$)"
)  # the part of a help text on the default of an unset setting


@dataclass(frozen=True)
class Variant:
    """A group of search settings, with a short note on its measurements."""

    title: str
    measured: str
    settings: tuple[str, ...]

    @property
    def heading(self) -> str:
        return f"{self.title}: {self.measured}"


# Numbers: docs/evidence/search-settings.md. The loss is that of the found architecture fitted alone; lower is better.
VARIANTS = (
    Variant(
        "alternating steps on weights and α",
        "twice the time; seeds agree on 5.7 of 9 decisions, against 7.0 with joint; similar losses",
        ("search.schedule", "search.alpha_batch", "search.held_out_fraction", "search.held_out_latent_steps"),
    ),
    Variant(
        "second order",
        "a step on α takes four backward passes instead of one; its results are not measured",
        ("search.order",),
    ),
    Variant(
        "SGD and random latents, as in the paper",
        "at the paper's rate momentum 0.9 stays at the mean image's loss; GLO's optimiser reaches 0.42 of it",
        (
            *("search.weight_optimizer", "search.weight_momentum", "search.latent_optimizer", "search.latent_init"),
            "search.weight_decay",
        ),
    ),
    Variant(
        "training of α",
        "a decay of 1e-3 costs about 0.02 of loss; untrained α gave 0.288 and 0.271, trained α 0.265 and 0.269",
        (
            *("search.alpha_weight_decay", "search.alpha_betas", "search.alpha_init_std", "search.train_alpha"),
            "search.beta_weight",
        ),
    ),
    Variant(
        "relaxation",
        "pruned by α, Gumbel noise gave 0.268, a falling temperature 0.280 and 0.295, softmax 0.272 and 0.288",
        ("search.relaxation", "search.temperature", "search.temperature_end"),
    ),
    Variant(
        "one path at a time",
        "a step takes the time and memory of one or two operations per edge; its results are not measured",
        ("search.paths",),
    ),
    Variant(
        "operations that leave on the way",
        "later steps compute fewer operations; its results are not measured",
        ("search.leave", "search.leave_share"),
    ),
    Variant(
        "pruning rules",
        "alone gave 0.265 to 0.269 over five seeds, perturbation 0.270 and 0.271, paper 0.272 and more",
        (
            *("search.prune", "search.perturbation_batches", "search.perturbation_tune_steps"),
            *("search.compare", "search.zero_rule"),
        ),
    ),
    Variant(
        "small architectures",
        "a cap gave a lower loss than a cost weight that found the same size",
        ("max_params", "max_macs", "search.max_params", "search.max_macs", "search.cost_weight", "search.cost"),
    ),
    Variant(
        "stopping early",
        "searches of 5 epochs never settle; settle_epochs 2 stops searches of 15 after 8 to 10, with 8 of 9 decisions",
        ("search.settle_epochs", "search.settle_margin", "search.plateau_share"),
    ),
)


def group_of(key: str) -> str:
    """The group of a setting such as `search.width`, or of a command's own option such as `seed`."""
    if key in MACHINE:
        return "machine"
    if variant_of(key) is not None:
        return "search variants"
    if key in OBJECTIVES_OWN:
        return "objective's own"
    return SECTIONS.get(key.rpartition(".")[0], "common")


def variant_of(key: str) -> Variant | None:
    return next((variant for variant in VARIANTS if key in variant.settings), None)


def meaning_and_unset(key: str, description: str) -> tuple[str, str]:
    """Return the meaning of a setting, and its default in words if it is unset."""
    unset = UNSET.search(description)
    words = unset["words"] if unset else "the objective's" if key.startswith("gan.") else ""
    return UNSET.sub("", description), words


def default_text(value: object) -> str:
    """A value as typed on the command line."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, (tuple, list)):
        return " ".join(map(default_text, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
