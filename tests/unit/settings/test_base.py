"""What every section of settings takes and rejects."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pytest

from degas.errors import UserError
from degas.gan.objectives import OBJECTIVES
from degas.gan.settings import gan_section, resolve_gan
from degas.settings.base import Settings
from degas.settings.inversion import InvertSettings
from degas.settings.resolve import settings_for
from degas.settings.sections import DataSettings, EvaluateSettings, GanSettings, SearchSettings, SpaceSettings

SECTIONS: dict[str, type[Settings]] = {
    "data": DataSettings,
    "space": SpaceSettings,
    "search": SearchSettings,
    "gan": gan_section(),
    "evaluate": EvaluateSettings,
    "invert": InvertSettings,
    **{f"objective {name}": OBJECTIVES.find(name, "test") for name in OBJECTIVES},
}
FIELDS = [(section, name) for section, model in SECTIONS.items() for name in model.model_fields]


def plain_types(annotation: Any) -> str:
    """The annotation as text: slow, and right since no type's name holds another's."""
    return " ".join([str(annotation), *map(plain_types, get_args(annotation))])


@pytest.mark.parametrize("truth", [True, False, np.True_])
def test_no_number_is_true_or_false(truth: Any) -> None:
    """Every setting of every section: a number rejects it, also in a tuple, and a switch takes it."""
    numbers, switches = 0, 0
    for section, name in FIELDS:
        model, types = SECTIONS[section], plain_types(SECTIONS[section].model_fields[name].annotation)
        if "'bool'" in types:
            switches += isinstance(truth, bool)
            assert not isinstance(truth, bool) or getattr(model(**{name: truth}), name) is truth
        elif "'int'" in types or "'float'" in types:
            numbers += 1
            value = (truth, *[0.5] * (types.count("tuple[") and 1)) if "tuple[" in types else truth
            with pytest.raises(UserError) as caught:
                settings_for(section, model, {name: value}, "default")
            assert str(caught.value).startswith(f"{section}.{name}: must be a "), caught.value
            assert "number, not " in str(caught.value)
            assert "\n" not in str(caught.value)
    assert numbers > 60
    assert switches > 5 or not isinstance(truth, bool)


def test_the_line_says_what_is_wanted() -> None:
    for name, value, told in (
        ("width", True, "search.width: must be a whole number, not True"),
        ("weight_lr", False, "search.weight_lr: must be a number, not False"),
        ("alpha_betas", (True, 0.9), "search.alpha_betas: must be a number, not (True, 0.9)"),
    ):
        with pytest.raises(UserError) as caught:
            settings_for("search", SearchSettings, {name: value}, "default")
        assert str(caught.value) == told


def test_whole_numbers_are_numbers_as_before() -> None:
    assert SearchSettings(width=np.int64(8)).width == 8  # type: ignore[arg-type]
    assert SearchSettings(weight_lr=1).weight_lr == 1.0
    assert resolve_gan(GanSettings(objective="ct-gan", supervised=True)).own.class_weight_critic == 1.0
