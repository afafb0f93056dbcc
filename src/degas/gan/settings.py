"""A user's GAN settings → the complete settings of a training, and the source of each value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError, create_model

from degas.errors import UserError
from degas.gan.critics import DIGEST, LAYOUT, chosen_layout
from degas.gan.objectives import OBJECTIVES, Objective
from degas.gan.objectives.base import CLASS_WEIGHTS, OF_LABELS
from degas.runtime.comparison import Rules
from degas.settings.base import BatchImages, Fraction, Settings, setting
from degas.settings.rejections import complaint
from degas.settings.resume_rules import resume_rules
from degas.settings.sections import GanSettings, TrainingSettings
from degas.space.critic import CriticLayout


class CompleteGan(TrainingSettings):
    """The complete settings of a training, made by `resolve_gan`.

    `own` is the objective with its own settings. `layout` is that of a critic from a file, None for a registered one.
    `asked` are the user's settings, for config.json. `fine_tunes`: the generator begins with trained weights
    (`gan.fine_tune`).
    """

    own: Objective
    critic: str
    layout: CriticLayout | None = None
    generator_batch_images: BatchImages
    beta2_end: Fraction
    asked: GanSettings
    fine_tunes: bool = False

    def as_config(self) -> dict[str, Any]:
        """The object of config.json: every setting by name; null for a setting that is not in force.

        The content of a critic's file is recorded with its digest, so that the training can resume without the file.
        """
        values = {**self.asked.model_dump(mode="json"), "generator_batch_images": self.generator_batch_images}
        shared = {name: getattr(self, name) for name in TrainingSettings.model_fields}
        own = {name: value for name, value in self.own.model_dump(mode="json").items() if self._counts(name)}
        layout = self.layout
        file = {LAYOUT: layout.to_dict(), DIGEST: layout.digest} if layout is not None else {}
        return {**values, **file, **shared, **own}

    @property
    def scores_labels(self) -> bool:
        """Whether the critic scores images under their labels, by a projection."""
        return self.supervised and self.own.class_head == "projection"

    def _counts(self, name: str) -> bool:
        return name not in _without_meaning(self.own, self.supervised)


def gan_section() -> type[GanSettings]:
    """Return `GanSettings` plus the settings of registered objectives."""
    known = GanSettings.model_fields
    return _extended(tuple(each for each in _objectives() if set(each.model_fields) - set(known)))


@lru_cache
def _extended(objectives: tuple[type[Objective], ...]) -> type[GanSettings]:
    """Return the same class for the same set of objectives, so that isinstance works across calls."""
    fields: dict[str, Any] = {}
    for objective in objectives:
        for name, info in objective.model_fields.items():
            if name not in GanSettings.model_fields:
                doc = f"{info.description or name.replace('_', ' ')}; of {objective.name}"
                fields.setdefault(name, (info.rebuild_annotation() | None, setting(None, doc)))
    if not fields:
        return GanSettings
    return create_model("GanSettings", __base__=GanSettings, __doc__=GanSettings.__doc__, **fields)


def resolve_gan(gan: GanSettings, begun: Path | None = None) -> CompleteGan:
    """The complete settings: the given ones, and the objective's own values for the rest.

    `begun` is the folder of a training to resume, which holds the content of a critic's file. Raises `UserError` for an
    unregistered objective, for a setting that it does not have, and for an unknown critic or a bad file of one.
    """
    objective = OBJECTIVES.find(gan.objective, "--gan.objective")
    given = {name: value for name in own_names() if (value := getattr(gan, name, None)) is not None}
    _reject_foreign(sorted(given.keys() - objective.model_fields.keys()), gan.objective)
    own = _with_classes(_built(objective, given), gan.supervised, given)
    shared = {name: getattr(gan, name) for name in TrainingSettings.model_fields}
    critic = gan.critic or objective.critic
    return CompleteGan(
        **shared,
        own=own,
        critic=critic,
        layout=chosen_layout(critic, begun),
        generator_batch_images=gan.generator_batch_images or 2 * gan.batch_images,
        beta2_end=gan.betas[1] if gan.beta2_end is None else gan.beta2_end,
        asked=gan,
    )


def training_rules(given: GanSettings, **others: Settings) -> Rules:
    """The rules for resuming a training: only settings that do not affect its result may change.

    A setting that the folder lacks has the objective's default, but for `class_head`: what began without it had a
    classifier. `others`: default settings of its other sections.
    """
    plain = resolve_gan(type(given)(objective=given.objective, supervised=given.supervised))
    complete = {**plain.as_config(), "class_head": "classifier" if given.supervised else None}
    return resume_rules(gan=plain.asked, complete={"gan": complete}, **others)


def own_names() -> list[str]:
    """Every setting that belongs to a single objective."""
    return list(dict.fromkeys(name for objective in _objectives() for name in objective.model_fields))


def _built(objective: type[Objective], given: Mapping[str, Any]) -> Objective:
    try:
        return objective(**given)
    except ValidationError as error:
        first = error.errors()[0]
        option = "-".join(str(part) for part in first["loc"][:1]).replace("_", "-")
        raise UserError(f"--gan.{option}: {complaint(first)}") from None


def _reject_foreign(names: Sequence[str], objective: str) -> None:
    """Raise `UserError` for settings of other objectives, each with those."""
    holders = {
        f"--gan.{name.replace('_', '-')}": ", ".join(sorted(o.name for o in _objectives() if name in o.model_fields))
        for name in names
    }
    if len(holders) == 1:
        ((option, owners),) = holders.items()
        raise UserError(f"{option}: objective {objective} has no such setting; it belongs to {owners}")
    if holders:
        belong = ", ".join(f"{option} to {owners}" for option, owners in holders.items())
        raise UserError(f"{' '.join(holders)}: objective {objective} has no such settings; they belong to: {belong}")


def _with_classes(own: Objective, supervised: bool, given: Mapping[str, Any]) -> Objective:
    """Return the objective, with class weights 0 if there is no class loss; `UserError` for contradictory settings."""
    if pointless := _without_meaning(own, supervised):
        if name := next((name for name in pointless if name in given), None):
            what = "no class head" if name == "class_head" else "no class loss"
            why = "with a projection; give --gan.class-head classifier" if supervised else "without --gan.supervised"
            raise UserError(f"--gan.{name.replace('_', '-')}: there is {what} {why}")
        return own.model_copy(update=dict.fromkeys(CLASS_WEIGHTS, 0.0))
    if own.class_weight_critic == 0 and own.class_weight_generator != 0:
        raise UserError(
            "--gan.class-weight-critic 0: the critic would not learn the classes that the generator has to match; "
            "set --gan.class-weight-generator 0 as well"
        )
    return own


def _without_meaning(own: Objective, supervised: bool) -> tuple[str, ...]:
    """The settings on labels that are not in force: all of them without labels, the class weights with a projection."""
    if not supervised:
        return OF_LABELS
    return CLASS_WEIGHTS if own.class_head == "projection" else ()


def _objectives() -> list[type[Objective]]:
    return [OBJECTIVES.find(name, "objective") for name in OBJECTIVES]


def sources(gan: CompleteGan, preset: Mapping[str, Any]) -> list[tuple[str, Any, str]]:
    """Every setting as (name, value, source of the value); `preset` holds the preset's changes."""
    values, own = {**gan.as_config(), "critic": gan.critic}, own_names()
    names = dict.fromkeys([*type(gan.asked).model_fields, *own])
    return [(name, values.get(name), _source(gan, name, values.get(name), preset)) for name in names]


def _source(gan: CompleteGan, name: str, value: Any, preset: Mapping[str, Any]) -> str:
    if name in own_names():
        return _source_of_own(gan, name, value, preset)
    given = getattr(gan.asked, name)
    if given is None and value is None:  # generator_width, noise_size
        return "the architecture's"
    if given is None and name == "critic":
        return f"our choice for {gan.objective}"
    return source_of_shared(gan.asked, name, value, preset)


def _source_of_own(gan: CompleteGan, name: str, value: Any, preset: Mapping[str, Any]) -> str:
    info = type(gan.own).model_fields.get(name)
    if info is None or value is None:
        return "not in force"
    stated: str = (info.json_schema_extra or {}).get("source", "our choice")  # type: ignore[union-attr, assignment]
    if getattr(gan.own, name) == info.default:
        return f"our choice for {gan.objective}" if stated == "our choice" else stated
    return "preset" if preset.get(name) == getattr(gan.own, name) else "given"


def source_of_shared(settings: Settings, name: str, value: Any, preset: Mapping[str, Any]) -> str:
    """Return the source of a value in force.

    A field's stated source is one or two of `where` or `where: value`; the one that names the value is returned.
    """
    info = type(settings).model_fields[name]
    stated = str((info.json_schema_extra or {}).get("source", "our choice")).split("; ")  # type: ignore[union-attr]
    for where, _, text in (part.partition(": ") for part in stated):
        if text and _named(text, value):
            return where
    if value == info.default:
        return stated[0]
    if name == "generator_batch_images" and getattr(settings, name) is None:
        return "our choice"
    return "preset" if name in preset and value == preset[name] else "given"


def _named(text: str, value: Any) -> bool:
    """Return whether the text of a stated source, such as `100,000`, `2e-4` or `none`, means this value."""
    values = value if isinstance(value, tuple) else (value,)
    if text in ("none", "no"):
        return not value or value == text
    if text in (str(value), ", ".join(f"{v:g}" if isinstance(v, float) else str(v) for v in values)):
        return True
    number = text.split(", i.e. ")[0].replace(",", "")
    try:
        return not isinstance(value, bool) and value is not None and float(number) == float(value)
    except (TypeError, ValueError):
        return False
