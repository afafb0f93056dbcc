"""The stages of a grown search: sizes, settings and caps of a chain of ordinary searches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from degas.data.image_set import ImageSet
from degas.nas.checks import search_budget
from degas.nas.decide.capped import cheapest, costliest
from degas.nas.job import Place
from degas.nas.searched_space import load_prefix, searched_space
from degas.settings.sections import SearchSettings, SpaceSettings
from degas.space.architecture import Architecture
from degas.space.graph import SearchSpace

MEASURES = {"max_params": "num_parameters", "max_macs": "multiply_adds"}  # cap → what it limits


@dataclass(frozen=True)
class Stage:
    """One search of the chain.

    Attributes:
        image_size: of its images, in pixels.
        heads: maps that feed the images of earlier stages.
        caps: the cap on the size of its architecture, by setting; empty without one.
    """

    image_size: int
    heads: tuple[str, ...]
    caps: dict[str, int]

    @property
    def name(self) -> str:
        """The folder inside that of the search, such as `grow-008`."""
        return f"grow-{self.image_size:03d}"

    def settings(self, asked: SearchSettings, prefix: Path | None) -> SearchSettings:
        """The settings of the stage's search, which is an ordinary one."""
        later = self.heads and asked.grow_epochs is not None
        epochs = {"num_epochs": asked.grow_epochs} if later else {}
        return asked.model_copy(update={"grow": False, "grow_epochs": None, "prefix": prefix, **self.caps, **epochs})


def grown_stages(settings: SearchSettings, space: SpaceSettings, image_size: int, channels: int) -> list[Stage]:
    """The stages of a grown search, the smallest first, the last at `image_size`.

    The first has one up-sampling stage, or one more than the prefix. Raises `UserError` if graph or prefix do not fit.
    """
    graph, base_size = searched_space(settings, space, image_size)
    prefix = load_prefix(settings)
    first = 1 if prefix is None else prefix.num_stages + 1
    sizes = {number: base_size * 2**number for number in range(first, graph.num_stages + 1)}
    caps = stage_caps(settings, space, list(sizes.values()), channels)
    return [
        Stage(size, tuple(f"U{earlier}" for earlier in range(first, number)), caps[size])
        for number, size in sizes.items()
    ]


def stage_caps(
    settings: SearchSettings, space: SpaceSettings, sizes: Sequence[int], channels: int
) -> dict[int, dict[str, int]]:
    """Image size of each stage → its cap: as far above the stage's smallest architecture as the whole cap is, in share.

    With the costs least_k and most_k of the smallest and the largest architecture of stage k, the last being K, a cap c
    becomes least_k + (c − least_K) · (most_k − least_k) / (most_K − least_K). So whatever stage k keeps within its cap,
    the next stage can meet its own. Our choice.
    """
    found: dict[int, dict[str, int]] = {size: {} for size in sizes}
    for cap, measure in MEASURES.items():
        limit = getattr(settings, cap)
        if limit is None:
            continue
        ranges = {size: _cost_range(settings, space, size, channels, measure) for size in sizes}
        least_of_all, most_of_all = ranges[sizes[-1]]
        for size, (least, most) in ranges.items():
            spare = max(0, limit - least_of_all)
            found[size][cap] = least + spare * (most - least) // max(1, most_of_all - least_of_all)
        found[sizes[-1]][cap] = limit
    return found


def _cost_range(
    settings: SearchSettings, space: SpaceSettings, image_size: int, channels: int, measure: str
) -> tuple[int, int]:
    """The cost of the smallest and of the largest architecture for images of this size."""
    graph, base_size = searched_space(settings, space, image_size)
    budget = search_budget(settings, space, graph, base_size=base_size, channels=channels)
    assert budget is not None  # there is a cap
    extremes = (cheapest(graph, budget, measure), costliest(graph, budget, measure))
    least, most = (getattr(budget.cost(edges), measure) for edges in extremes)
    return least, most


@dataclass(frozen=True)
class Part:
    """One search as far as it is known before the chain begins, for checks and estimates.

    Attributes:
        images: of its shape; their pixels are no averages.
        settings, prefix: of its search; for the architecture that the stage before will find, a drawn one stands in,
            and there is no cap.
        place: its image sizes and heads; nothing is taken over.
    """

    images: ImageSet
    settings: SearchSettings
    prefix: Architecture | None
    place: Place | None

    @property
    def at(self) -> str:
        """` at 8 px` for a stage of a grown search, to name its rows; else empty."""
        return f" at {self.place.image_size} px" if self.place else ""


def parts_of(images: ImageSet, settings: SearchSettings, space: SpaceSettings) -> Iterator[Part]:
    """The searches that `settings` mean: those of all stages of a grown search, or the one."""
    prefix = load_prefix(settings)
    if not settings.grow:
        yield Part(images, settings, prefix, None)
        return
    free = settings.model_copy(update=dict.fromkeys(MEASURES, None))
    for stage in grown_stages(free, space, images.image_size, images.channels):
        size = stage.image_size
        shaped = replace(images, images=images.images[:, :, :size, :size])
        one = stage.settings(free, settings.prefix)
        yield Part(shaped, one, prefix, Place(size, heads=stage.heads))
        prefix = stand_in(searched_space(one, space, size, prefix)[0], settings, space, images.channels)


def stand_in(graph: SearchSpace, settings: SearchSettings, space: SpaceSettings, channels: int) -> Architecture:
    """A drawn architecture of `graph`, for checks and estimates of the next stage before this one has found its own."""
    sizes = (graph.num_stages, graph.num_normal, 4, settings.width, settings.noise_size, channels)
    return Architecture(*sizes, graph.draw(0), space.separable_order, graph.order)
