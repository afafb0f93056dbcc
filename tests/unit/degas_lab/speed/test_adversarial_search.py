from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import degas
from degas.data.pixels import to_uint8
from degas.errors import UserError
from degas.evaluation.extractors.imagenet import ImagenetExtractor
from degas.gan.settings import resolve_gan
from degas.nas.results.outputs import searched
from degas.nas.state import Search
from degas.runtime.distributed import Engine
from degas.settings.sections import GanSettings, SearchSettings, SpaceSettings
from degas_lab.speed.adversarial_search import AdversarialSignal
from degas_lab.speed.benchmark import Sizes

SIZES = Sizes(width=4, batch_images=4, image_size=8, noise_size=8)
SMALL: dict[str, Any] = {"width": 4, "noise_size": 8, "batch_images": 4, "schedule": "alternate"}


def make_search(
    objective: str, settings: dict[str, Any] = SMALL, **changed: object
) -> tuple[Search, AdversarialSignal]:
    gan = resolve_gan(GanSettings(objective=objective, width=8, batch_images=4, **changed))  # type: ignore[arg-type]
    make_signal = partial(AdversarialSignal, gan=gan)
    options: Any = {"seed": 0, "engine": Engine(device="cpu"), "make_signal": make_signal}
    search = Search(SIZES.images(0), SearchSettings(**settings), SpaceSettings(), **options)
    assert isinstance(search.signal, AdversarialSignal)
    return search, search.signal


def values_of(module: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in module.named_parameters()}


@pytest.mark.parametrize("objective", ["sn-gan", "ct-gan", "cagan", "r3gan", "mmd"])
def test_a_step_moves_critic_weights_and_alphas(objective: str) -> None:
    search, signal = make_search(objective)
    before = [values_of(signal.critic), values_of(search.supernet)]
    terms = search.step(0)
    assert torch.equal(terms["loss"], terms["generator"])
    for module, old in zip((signal.critic, search.supernet), before, strict=True):
        still = [name for name, value in module.named_parameters() if torch.equal(value, old[name])]
        assert not [name for name in still if "bias" not in name]


def test_the_critics_turn_moves_nothing_of_the_supernet() -> None:
    search, signal = make_search("sn-gan")
    parameters = values_of(search.supernet)
    buffers = {name: value.clone() for name, value in search.supernet.named_buffers()}
    signal.critic_step(1.0)
    assert all(torch.equal(value, parameters[name]) for name, value in search.supernet.named_parameters())
    assert all(torch.equal(value, buffers[name]) for name, value in search.supernet.named_buffers())


def test_so_many_critic_steps_are_taken_as_set_on_fresh_images_and_noise() -> None:
    search, signal = make_search("wgan-gp", critic_steps=3)
    search.step(0)
    assert signal.num_critic_steps == 3
    assert signal.num_drawn == 3 + 1 + 1  # the critic's, that of the weights, that of α
    assert not torch.equal(signal.inputs(torch.arange(4)), signal.inputs(torch.arange(4)))


@pytest.mark.parametrize(("given", "expected"), [({}, "sn-gan-ttur"), ({"critic_objective": "wgan-gp"}, "wgan-gp")])
def test_the_objective_of_the_critic_is_a_setting(given: dict[str, Any], expected: str) -> None:
    settings = SearchSettings(**SMALL, signal="adversarial", **given)
    search = Search(SIZES.images(0), settings, SpaceSettings(), seed=0, engine=Engine(device="cpu"))
    assert isinstance(search.signal, AdversarialSignal)
    assert search.signal.objective.name == expected
    assert (search.signal.gan.width, search.signal.gan.batch_images) == (4, 4)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_it_searches_prunes_and_goes_on_as_any_signal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its name; killed between checkpoints it ends with the same bytes."""
    settings = {**SMALL, "signal": "adversarial", "prune": "alone", "num_epochs": 2, "checkpoint_steps": 2}
    settings |= {"measuring_batches": 1, "log_steps": 1}
    given: dict[str, Any] = {"search": settings, "device": "cpu", "progress": False}
    images = SIZES.images(0)
    found = degas.search(images, tmp_path / "whole", **given)
    step_of = Search.step
    with monkeypatch.context() as patch:
        patch.setattr(Search, "step", lambda self, step: step_of(self, step) if step < 3 else 1 / 0)
        with pytest.raises(ZeroDivisionError):
            degas.search(images, tmp_path / "halves", **given)
    assert degas.search(images, tmp_path / "halves", resume=True, **given) == found
    other = {**given, "search": {**settings, "critic_objective": "mmd"}}
    with pytest.raises(UserError, match="critic_objective"):
        degas.search(images, tmp_path / "halves", resume=True, **other)
    for name in ("metrics.jsonl", "alpha.jsonl", "pruning.json"):
        whole, halves = ((tmp_path / run / "search" / name).read_bytes() for run in ("whole", "halves"))
        assert whole == halves, name
    record = json.loads((tmp_path / "whole/search/metrics.jsonl").read_text().splitlines()[0])
    assert {"loss", "generator", "critic", "gradient_norm", "alpha_loss"} <= set(record)
    assert (tmp_path / "whole/search/critic_samples.png").read_bytes() == (
        tmp_path / "halves/search/critic_samples.png"
    ).read_bytes()


def test_rules_measure_the_unbiased_kernel_distance_of_fixed_features() -> None:
    """Four fakes and four reals, pair by pair."""
    search, signal = make_search("sn-gan")
    batch = search.weight_batches(0)
    fakes = search.supernet(signal.inputs(batch.index)).detach()
    features = [
        ImagenetExtractor()(images).features.detach() for images in (to_uint8(fakes), torch.as_tensor(batch.images))
    ]
    fake, real = (one.double().numpy() for one in features)
    same = sum(_k(a, b) / 12 for own in (fake, real) for i, a in enumerate(own) for j, b in enumerate(own) if i != j)
    expected = same - 2 * sum(_k(a, b) / 16 for a in fake for b in real)
    assert float(signal.measure(fakes, batch)["features"]) == pytest.approx(expected, rel=1e-4)


def test_the_reals_of_a_batch_are_passed_once_with_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Against an extraction at every call; other images, and the same rows mirrored, have their own."""
    search, signal = make_search("sn-gan")
    batches = [search.weight_batches(step) for step in (0, 1, 0)]
    mirrored = replace(batches[0], images=batches[0].images.flip(3))
    passes: list[int] = []
    features = signal.features
    monkeypatch.setattr(signal, "features", lambda images: passes.append(len(images)) or features(images))
    fakes = search.supernet(signal.inputs(batches[0].index)).detach()
    found = [signal.measure(fakes, batch)["features"] for batch in (*batches, mirrored)]
    assert len(passes) == 4 + 3  # fakes at each call, three kinds of reals
    slow = []
    for batch in (*batches, mirrored):
        signal._real_features.clear()
        slow.append(signal.measure(fakes, batch)["features"])
    assert all(map(torch.equal, found, slow))
    assert found[0] == found[2]
    assert len({float(value) for value in found}) == 3


def _k(a: np.ndarray, b: np.ndarray) -> float:
    return (float(a @ b) / len(a) + 1) ** 3


def test_the_critic_has_no_say_in_what_is_kept() -> None:
    """Decisions of one supernet, with the critic that it was trained by and with none at all (NaN)."""
    settings = {**SMALL, "prune": "alone", "measuring_batches": 1}
    kept = []
    for spoils in (False, True):
        search, signal = make_search("sn-gan", settings)
        search.step(0)
        if spoils:
            for weight in signal.critic.parameters():
                weight.data.fill_(torch.nan)
        kept.append(search.rule.values(searched(search, 1)))
    assert kept[0] == kept[1]


def test_alpha_has_the_loss_of_the_weights() -> None:
    """In a joint step, the gradient of the generator's loss at the same images, noise and softmax."""
    search, signal = make_search("sn-gan", {**SMALL, "schedule": "joint"})
    batch = search.weight_batches(0)
    search.alpha_step.require_gradients(weights=True, alphas=True)
    signal.fit_weights(signal.inputs(batch.index), batch, 0.0)
    found = [alpha.grad.clone() for alpha in search.supernet.alphas()]
    search, signal = make_search("sn-gan", {**SMALL, "schedule": "joint"})
    (loss,) = signal.terms(signal.inputs(batch.index), batch).values()
    for mine, exact in zip(found, torch.autograd.grad(loss, search.supernet.alphas()), strict=True):
        torch.testing.assert_close(mine, exact)
        assert float(mine.abs().max()) > 0


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_several_seeds_and_their_agreement(tmp_path: Path) -> None:
    settings = {**SMALL, "signal": "adversarial", "prune": "alone", "num_epochs": 1, "measuring_batches": 1}
    given: dict[str, Any] = {"search": settings, "space": SpaceSettings(), "device": "cpu", "progress": False}
    found = degas.search(SIZES.images(0), tmp_path, seeds=2, **given)
    agreement = json.loads((tmp_path / "search/agreement.json").read_text())
    assert agreement["seeds"] == [0, 1]
    assert 0 <= agreement["mean_equal_decisions"] <= agreement["num_decisions"] == 3
    assert found.provenance["search"]["signal"] == "adversarial"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"order": "second", "weight_optimizer": "sgd"}, "--search.signal adversarial has Adam; leave it out"),
        ({"batch_images": 1}, "compares images of a batch; raise --search.batch-images"),
        ({"critic_objective": "hinge"}, "--search.critic-objective: unknown objective 'hinge'; known are cagan"),
        ({"critic_objective": "mmd", "signal": "glo"}, "the signal glo has no critic; add --search.signal adversarial"),
    ],
)
def test_what_a_critic_cannot_do_is_one_line_before_a_folder_is_made(
    changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    settings = {**SMALL, "signal": "adversarial", **changes}
    with pytest.raises(UserError, match=message) as caught:
        degas.search(SIZES.images(0), tmp_path / "run", search=settings, device="cpu", progress=False)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()
