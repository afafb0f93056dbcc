"""Generators made by hand, by name, and the plan of the measurement that trains them. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import Field

from degas.settings.base import Settings, setting
from degas.settings.sections import EvaluateSettings, GanSettings, SpaceSettings
from degas.space.architecture import Architecture
from degas.space.graph import Edge, Order
from degas_lab.plan_fields import Marks

RESNET = "resnet"  # CT-GAN's own generator, to which the others are compared
RESNET_START = "@resnet-start"  # after a file's name in --rows: this row's frame starts as resnet's
NOISE_SIZE = 128


@dataclass(frozen=True)
class Pattern:
    """An architecture with the same pattern in every stage.

    Direct edges have `normal` and `up`; a stage's last map also has `residual` from the previous up-sampled map, like
    the shortcut of a residual block, or no residual edge (None). `gan`: changed settings of the training.
    """

    normal: str = "conv_3x3"
    up: str = "nearest_conv_3x3"
    residual: str | None = "nearest_conv_1x1"
    order: Order = "up-normal"
    num_normal: int = 1
    gan: Mapping[str, Any] = field(default_factory=dict)

    def architecture(self, image_size: int, *, width: int, noise_size: int, channels: int) -> Architecture:
        """The architecture at these sizes."""
        graph, base_size = SpaceSettings(order=self.order, num_normal=self.num_normal).resolve(image_size)
        edges = []
        for slot in graph.slots:
            if slot.direct:
                edges.append(Edge(slot.source, slot.target, self.normal if slot.kind == "normal" else self.up))
            elif slot.kind == "up" and slot.factor == 2 and self.residual is not None:
                edges.append(Edge(slot.source, slot.target, self.residual))
        sizes = (graph.num_stages, self.num_normal, base_size, width, noise_size, channels)
        return Architecture(*sizes, tuple(edges), order=self.order)


# The first five test the order within a stage; each of the others changes one thing in them.
ROWS: dict[str, Pattern | None] = {
    RESNET: None,
    "up-normal": Pattern(),
    "normal-up": Pattern(order="normal-up"),
    "up-normal-n2": Pattern(num_normal=2),
    "normal-up-n2": Pattern(order="normal-up", num_normal=2),
    "up-normal-direct": Pattern(residual=None),
    "normal-up-direct": Pattern(residual=None, order="normal-up"),
    "up-normal-deconv": Pattern(up="deconv_4x4"),
    "normal-up-deconv": Pattern(up="deconv_4x4", order="normal-up"),
    "up-normal-separable": Pattern(normal="sep_conv_5x5"),
    "up-normal-residual-3x3": Pattern(residual="nearest_conv_3x3"),
    "up-normal-deconv-nearest": Pattern(up="deconv_4x4", gan={"deconv_start": "nearest"}),
    "up-normal-deconv-bilinear": Pattern(up="deconv_4x4", gan={"deconv_start": "bilinear"}),
    "up-normal-resnet-start": Pattern(gan={"frame_start": "resnet"}),
    "normal-up-resnet-start": Pattern(order="normal-up", gan={"frame_start": "resnet"}),
    "up-normal-n2-resnet-start": Pattern(num_normal=2, gan={"frame_start": "resnet"}),
    "up-normal-nearest-5x5": Pattern(up="nearest_conv_5x5"),
    "up-normal-bilinear-3x3": Pattern(up="bilinear_conv_3x3"),
}


class Plan(Settings):
    """The plan of the trainings and their scoring, equal for every row."""

    rows: Annotated[tuple[str, ...], Field(min_length=1)] = setting(
        tuple(ROWS),
        "generators by name, or architecture files, whose rows have the file's name; FILE@resnet-start: with "
        "--gan.frame-start resnet",
    )
    seeds: Annotated[tuple[int, ...], Field(min_length=1)] = setting(
        (0, 1, 2), "seeds; rows of one seed share reals, noise and initial critic, and are compared with each other"
    )
    marks: Marks = setting((0.9, 1.0), "shares of the steps at which a training is scored; the last one counts")
    gan: GanSettings = setting(
        GanSettings(num_steps=2500, width=32, generator_batch_images=64), "the adversarial training, equal for all"
    )
    evaluate: EvaluateSettings = EvaluateSettings(num_samples=1797)
