"""The plan of a command: settings in force, images, parameters, memory and steps. Writes nothing."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from degas.data.image_set import ImageSet
from degas.data.loader import steps_per_epoch
from degas.data.sources import load_images
from degas.gan.fine_tune import start_from
from degas.gan.fresh import build_critic, chosen_generator
from degas.gan.grow.critic import critic_of_stage
from degas.gan.grow.plan import check_grown_generator, training_stages
from degas.gan.settings import CompleteGan, resolve_gan, source_of_shared, sources
from degas.generator.generator import Generator
from degas.nas.grow.plan import Part, parts_of
from degas.nas.polish.procedure import most_fits
from degas.nas.searched_space import searched_space
from degas.nas.settings import resolve_search, steps_of_epoch
from degas.nas.stage import check_search_job, search_bytes
from degas.nets.cost import count_parameters, supernet_parameters
from degas.runtime.environment import num_ranks
from degas.runtime.memory import in_words
from degas.settings.base import Settings
from degas.settings.sections import DataSettings, EvaluateSettings, GanSettings, SearchSettings, SpaceSettings
from degas.space.architecture import Architecture
from degas.space.neighbours import num_neighbours

Row = tuple[str, str, str]  # name, value, source of the value


def images_of(source_name: str, settings: DataSettings) -> ImageSet:
    """Return the images, without writing to the cache."""
    with tempfile.TemporaryDirectory(prefix="degas-") as folder:
        found = load_images(source_name, settings.model_copy(update={"cache": Path(folder)}))
        return ImageSet(found.images[:].copy(), found.labels, found.class_names, found.source, found.fingerprint)


def images_facts(images: ImageSet) -> list[Row]:
    classes = f", {images.num_classes} classes" if images.num_classes else ""
    size = f"{images.channels}×{images.image_size}×{images.image_size}"
    return [("images", f"{images.num_images:,}, {size}{classes}", images.source)]


def search_facts(images: ImageSet, settings: SearchSettings, space: SpaceSettings, *, seeds: int | None) -> list[Row]:
    """Return parameters of the supernet, steps and memory of a search; raise `UserError` if the search would."""
    check_search_job(images, settings, space)
    return [row for part in parts_of(images, settings, space) for row in _part_facts(part, space, seeds)]


def _part_facts(part: Part, space: SpaceSettings, seeds: int | None) -> list[Row]:
    images, settings = part.images, part.settings
    graph, base_size = searched_space(settings, space, images.image_size, part.prefix)
    sizes = {"width": settings.width, "noise_size": settings.noise_size, "channels": images.channels}
    per_epoch = steps_of_epoch(settings, images.num_images, num_ranks())
    epochs = resolve_search(settings, images.num_images, num_ranks()).num_epochs
    times = f"{seeds} searches of " if seeds else ""
    return [
        (
            f"search parameters{part.at}",
            f"{supernet_parameters(graph, base_size=base_size, **sizes):,}",
            "the supernet",
        ),
        (f"search steps{part.at}", f"{times}{epochs * per_epoch:,}", f"epochs {epochs:,}, steps each {per_epoch:,}"),
        (
            f"search memory{part.at}",
            f"at least {in_words(search_bytes(part, space))}",
            "weights and the signal's values",
        ),
        *(_polish_facts(part, num_neighbours(graph), epochs) if settings.polish else ()),
    ]


def _polish_facts(part: Part, num_neighbours: int, num_epochs: int) -> list[Row]:
    num_steps = num_epochs * steps_per_epoch(part.images.num_images, part.settings.batch_images, num_ranks())
    fits = f"at most {most_fits(num_neighbours, part.settings.polish):,} fits of {num_steps:,} steps"
    return [(f"polish{part.at}", fits, f"the found architecture and its {num_neighbours:,} neighbours, alone")]


def train_facts(
    images: ImageSet,
    gan: CompleteGan,
    space: SpaceSettings,
    architecture: Architecture | str | Path | None,
    seed: int,
    init: Generator | str | Path | None = None,
) -> list[Row]:
    """Return parameters of both networks, steps and memory of a training.

    Without `architecture` and `init`, the architecture is not yet known.
    """
    critic = count_parameters(build_critic(gan, images, seed))
    steps = f"{gan.num_steps * gan.own.critic_steps:,} of the critic"
    facts = [("training steps", f"{gan.num_steps:,}", f"of the generator; {steps}")]
    if init is not None:
        start = start_from(init, architecture, images, gan.asked, space, seed)
        made, record = start.generator.num_parameters, start.record or {}
        facts += [("fine-tuned from", record["generator"], f"weights {record['weights']}")]
    else:  # whatever a search finds has as many stages as resnet
        generator = chosen_generator("resnet" if architecture is None else architecture, images, gan.asked, space, seed)
        check_grown_generator(gan, generator)
        made, stages = generator.num_parameters, training_stages(gan, generator)
        if len(stages) > 1:
            facts += [(f"stage at {one.image_size} px", f"{one.num_steps:,} steps", one.in_words) for one in stages]
            critic = count_parameters(critic_of_stage(gan, images, stages[-1].number, 0, seed))
    facts += [("critic parameters", f"{critic:,}", "")]
    if init is None and architecture is None:
        return [*facts, ("generator parameters", "depend on the search", "degas space shows their range")]
    held = 4 * (made * (5 if gan.ema_half_life_images else 4) + 4 * critic)  # weights, gradients, two moments, average
    facts += [("generator parameters", f"{made:,}", "")]
    return [*facts, ("training memory", f"at least {in_words(held)}", "weights, gradients and moments")]


def settings_rows(sections: Mapping[str, Settings], changes: Mapping[str, Mapping[str, Any]]) -> list[Row]:
    """Every setting in force as (`search.width`, value, source of the value); `changes`: the preset's."""
    rows: list[Row] = []
    for section, settings in sections.items():
        mine = changes.get(section, {})
        if isinstance(settings, GanSettings):
            found = sources(resolve_gan(settings), mine)
        else:
            names = type(settings).model_fields
            values = {name: getattr(settings, name) for name in names}
            found = [(name, value, source_of_shared(settings, name, value, mine)) for name, value in values.items()]
            found = [(name, value, _unset(settings, name) if value is None else where) for name, value, where in found]
        rows += [(f"{section}.{name}", _value(value), where) for name, value, where in found]
    return rows


def evaluate_facts(settings: EvaluateSettings) -> list[Row]:
    also = ", and as many of the untrained generator" if settings.untrained else ""
    return [("samples to score", f"{settings.num_samples:,}", f"extractor {settings.extractor}{also}")]


def table(rows: list[Row]) -> str:
    """Format the rows as lines with aligned columns."""
    name, value = (max(len(row[column]) for row in rows) for column in (0, 1))
    return "\n".join(f"{row[0]:<{name}}  {row[1]:<{min(value, 40)}}  {row[2]}".rstrip() for row in rows)


def _unset(settings: Settings, name: str) -> str:
    """Return the default of an unset setting, in the words of its description."""
    words = re.search(r"; default: ([^\[]*)", str(type(settings).model_fields[name].description))
    return words[1].strip() if words else ""


def _value(value: Any) -> str:
    if isinstance(value, (tuple, list)):
        return " ".join(map(str, value))
    return "unset" if value is None else str(value)
