"""Our EfficientNet-Lite0 against the package it was published with, and its resize rule."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from efficientnet_lite_pytorch import EfficientNet
from PIL import Image
from torch import nn

from degas.errors import UserError
from degas.evaluation.extractors.base import Extractor, freeze
from degas.evaluation.extractors.imagenet import EfficientNetLite0, ImagenetExtractor, load_weights


@pytest.fixture(scope="module")
def extractor() -> Extractor:
    return freeze(ImagenetExtractor(224))


def _photographs() -> torch.Tensor:
    pytest.importorskip("sklearn")
    from sklearn.datasets import load_sample_images

    crops = [image[100:324, 200:424] for image in load_sample_images().images]
    return torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2)


def test_logits_equal_the_published_packages(extractor: Extractor) -> None:
    published = EfficientNet.from_name("efficientnet-lite0")
    published.load_state_dict(load_weights())
    published.eval()
    noise = torch.randint(0, 256, (2, 3, 224, 224), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    for images in (_photographs(), noise):
        with torch.inference_mode():
            want = published(((images.float() - 127) / 128).contiguous(memory_format=torch.channels_last))
            got = extractor(images).logits
        torch.testing.assert_close(got, want, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("size", [32, 45])
def test_folding_changes_no_feature(size: int) -> None:
    """Against the network as published, batch norms apart; within 1e-5 of the largest feature."""
    plain = EfficientNetLite0().eval()
    plain.load_state_dict(load_weights())
    folded = EfficientNetLite0().eval()
    folded.load_state_dict(load_weights())
    assert not [module for module in folded.fold().modules() if isinstance(module, nn.BatchNorm2d)]
    images = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        for want, got in zip(plain(images), folded(images), strict=True):
            assert float((got - want).abs().max()) < 1e-5 * float(want.abs().max())
        for want, got in zip(plain.maps(images, (2, 5)), folded.maps(images, (2, 5)), strict=True):
            assert float((got - want).abs().max()) < 1e-5 * float(want.abs().max())


def test_photographs_are_recognised(extractor: Extractor) -> None:
    """Classes of ImageNet-1k: 698 palace, 985 daisy."""
    pytest.importorskip("sklearn")
    from sklearn.datasets import load_sample_images

    classes = []
    for image in load_sample_images().images:
        square = torch.from_numpy(image[:, 106:533].copy()).permute(2, 0, 1)[None]
        with torch.inference_mode():
            logits = extractor(square).logits
        assert logits is not None
        classes.append(int(logits.argmax()))
    assert classes == [698, 985]


def test_resize_is_pillows_bicubic(extractor: Extractor) -> None:
    """At mid contrast, since Pillow also clips between its two passes; it rounds twice, hence the tolerance."""
    images = torch.randint(90, 160, (1, 3, 32, 32), generator=torch.Generator().manual_seed(1)).to(torch.uint8)
    want = Image.fromarray(images[0].permute(1, 2, 0).numpy()).resize((224, 224), Image.Resampling.BICUBIC)
    got = extractor.prepare(images)[0].permute(1, 2, 0) * 128 + 127
    assert (got - torch.from_numpy(np.array(want)).float()).abs().max() < 1.5


def test_overshoot_is_clipped(extractor: Extractor) -> None:
    images = torch.zeros(1, 3, 32, 32, dtype=torch.uint8)
    images[..., 16:] = 255
    pixels = extractor.prepare(images) * 128 + 127
    assert (pixels.min(), pixels.max()) == (0, 255)


def test_grey_gives_the_features_of_its_three_equal_channels(extractor: Extractor) -> None:
    grey = torch.randint(0, 256, (2, 1, 16, 16), generator=torch.Generator().manual_seed(1)).to(torch.uint8)
    assert torch.equal(extractor.prepare(grey), extractor.prepare(grey.expand(-1, 3, -1, -1)))


def test_names_and_shapes_at_both_sizes(extractor: Extractor) -> None:
    small = freeze(ImagenetExtractor(128))
    images = torch.zeros(2, 3, 20, 20, dtype=torch.uint8)
    assert (small.name, extractor.name) == ("imagenet", "imagenet-224")
    assert small.prepare(images).shape == (2, 3, 128, 128)
    features, logits = small(images)
    assert logits is not None
    assert (features.shape, logits.shape) == ((2, 1280), (2, 1000))
    assert not small.has_inception_score
    assert small.card["resize"] == "bicubic 128 px"


def test_other_weights_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(b"something else")
    with pytest.raises(UserError, match="SHA-256"):
        load_weights(path)
