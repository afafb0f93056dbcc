"""What every extractor has in common, and how one is chosen."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from degas.errors import UserError
from degas.evaluation.extractors.base import Extractor, to_colour
from degas.evaluation.extractors.build import build_extractor
from degas.settings.sections import EvaluateSettings


@pytest.mark.parametrize("images", [torch.zeros(2, 3, 8, 8), torch.zeros(3, 8, 8, dtype=torch.uint8)])
def test_only_uint8_batches_are_taken(tiny: Extractor, images: torch.Tensor) -> None:
    """The past trap: floats in [0, 1], [−1, 1] or [0, 255] all run, and give different figures."""
    with pytest.raises(TypeError, match="uint8"):
        tiny(images)


def test_extractors_never_train(tiny: Extractor) -> None:
    assert not tiny.train().training
    assert not any(module.training for module in tiny.train(True).modules())


def test_grey_is_repeated() -> None:
    grey = torch.arange(4, dtype=torch.uint8).reshape(1, 1, 2, 2)
    assert torch.equal(to_colour(grey), torch.cat([grey, grey, grey], dim=1))
    assert torch.equal(to_colour(to_colour(grey)), to_colour(grey))
    with pytest.raises(ValueError, match="4 channels"):
        to_colour(torch.zeros(1, 4, 2, 2))


def test_the_extractor_is_chosen_by_the_settings() -> None:
    assert build_extractor(EvaluateSettings()).name == "imagenet"
    assert build_extractor(EvaluateSettings(resize_pixels=224)).name == "imagenet-224"


def test_missing_folders_and_files_are_the_users_errors(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="degas features train"):
        build_extractor(EvaluateSettings(extractor="classifier"))
    with pytest.raises(UserError, match=r"config\.json is missing.*degas features train"):
        build_extractor(EvaluateSettings(extractor="classifier", classifier=tmp_path))
    with pytest.raises(UserError, match=r"is not a file.*--evaluate\.inception-weights"):
        build_extractor(EvaluateSettings(extractor="inception", inception_weights=tmp_path / "none.pth"))
