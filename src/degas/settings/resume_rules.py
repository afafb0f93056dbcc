"""Rules for resuming: the settings that may differ between config.json and the command. No torch, no stage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from degas.runtime.comparison import Rules
from degas.settings.base import Settings

# Images are compared by content, not by path; a preset by its settings; an architecture by its operations, not by its
# origin.
SAME_RESULT = (
    *("preset", "data.source", "generator.architecture.provenance", "init.generator"),
    "gan.critic_layout.provenance",
)
CONTENTS = {
    "evaluate.classifier": "evaluate.classifier_fingerprint",
    "gan.critic": "gan.critic_digest",
    "search.prefix": "prefix",
}
DATA_SENTENCES = {
    "data.num_images": "the data changed: {old} → {new} images",
    "data.image_size": "the data changed: {old} → {new} px",
    "data.channels": "the data changed: {old} → {new} channel(s)",
    "data.num_classes": "the data changed: {old} → {new} classes",
    "data.fingerprint": "the data changed: the same number of images, with other pixels, labels or class names",
}
CONTENT_SENTENCES = {
    "gan.critic_digest": "--gan.critic holds another critic than before ({old} → {new})",
    "init.weights": "--init holds other weights than before ({old} → {new})",
    "prefix": "--search.prefix holds other operations than before",
    "evaluate.classifier_fingerprint": "--evaluate.classifier holds another classifier than before",
}


def resume_rules(*, complete: Mapping[str, Mapping[str, Any]] | None = None, **defaults: Settings) -> Rules:
    """The rules of a stage whose config.json holds these sections.

    A setting with `decides=False` changes no result.

    Args:
        complete: the full defaults of a section whose settings complete each other.
        defaults: the default settings of each section.
    """
    ignored = [
        f"{section}.{name}"
        for section, settings in defaults.items()
        for name, info in type(settings).model_fields.items()
        if not (info.json_schema_extra or {}).get("decides", True)  # type: ignore[union-attr]
    ]
    sections = {name: settings.model_dump(mode="json") for name, settings in defaults.items()} | dict(complete or {})
    values = {f"{section}.{name}": value for section, values in sections.items() for name, value in values.items()}
    return Rules(frozenset([*SAME_RESULT, *ignored]), values, DATA_SENTENCES | CONTENT_SENTENCES, CONTENTS)
