"""The feature term: zero for equal images, sees what pixels do not, and lowers itself in a fit."""

from __future__ import annotations

import torch
from toy_gan import toy_images

from degas.data.pixels import to_symmetric
from degas.evaluation.extractors.base import freeze
from degas.evaluation.extractors.imagenet import EfficientNetLite0, ImagenetExtractor
from degas.nas.glo.standalone import alone, fit, fit_alone
from degas.runtime.distributed import Engine
from degas.runtime.rng import forked_rng
from degas.settings.sections import SearchSettings
from degas.space.architecture import Architecture
from degas.space.graph import SearchSpace
from degas_lab.fits.feature_term import BLOCKS, FeatureTerm, feature_term, fit_with_features


def network() -> EfficientNetLite0:
    with forked_rng(0, "test network"):
        extractor = freeze(ImagenetExtractor(trained=False))
    assert isinstance(extractor, ImagenetExtractor)
    return extractor.network


def test_it_is_zero_for_equal_images_and_bounded() -> None:
    term = FeatureTerm(network())
    reals = to_symmetric(torch.from_numpy(toy_images(6, 8).images))
    assert float(term(reals, reals)["features"]) == 0.0
    assert 0.0 < float(term(-reals, reals)["features"]) <= 4.0
    grey = reals[:, :1]
    assert float(term(grey, -grey)["features"]) > 0.0


def test_the_maps_are_those_of_the_whole_network() -> None:
    """After the last block: the head alone remains to the features."""
    whole, x = network(), torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        shapes = [tuple(part.shape[1:]) for part in whole.maps(x, BLOCKS)]
        last = whole.maps(x, (len(whole._blocks),))[-1]
        features = whole(x)[0]
        head = torch.nn.functional.relu6(whole._bn1(whole._conv_head(last))).mean(dim=(2, 3))
    assert shapes == [(32, 32, 32), (16, 32, 32), (24, 16, 16), (40, 8, 8)]
    assert torch.allclose(head, features, atol=1e-6)


def test_gradients_reach_the_fakes_and_no_weight_of_the_network() -> None:
    term = FeatureTerm(network())
    reals = to_symmetric(torch.from_numpy(toy_images(4, 8).images))
    fakes = (0.5 * reals).requires_grad_()
    term(fakes, reals)["features"].backward()
    assert fakes.grad is not None
    assert float(fakes.grad.abs().max()) > 0
    assert all(parameter.grad is None for parameter in term.network.parameters())


def test_a_fit_with_it_minimises_it() -> None:
    """The term after a fit with it is below that after a fit without, and it is part of the value returned."""
    architecture = Architecture(1, 1, 4, 8, 6, 3, SearchSpace(1, 1).draw(2))
    settings = SearchSettings(width=8, noise_size=6, batch_images=8)
    options = {"seed": 0, "num_epochs": 12, "engine": Engine(device="cpu")}
    images, term = toy_images(16, 8), feature_term(torch.device("cpu"))
    features = {}
    for with_term in (False, True):
        glo, batches = alone(architecture, images, settings, **options)
        glo.further_terms = term if with_term else None
        fit(glo, batches)
        glo.recalibrate()
        glo.further_terms = None
        pixels = glo.mean_loss()
        glo.further_terms = term
        whole = glo.mean_loss()
        features[with_term] = whole - pixels
        if not with_term:
            assert pixels == fit_alone(architecture, images, settings, **options)
    assert 0 < features[True] < features[False]
    assert fit_with_features(architecture, images, settings, term, **options) == whole
