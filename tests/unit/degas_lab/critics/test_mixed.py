"""The mixed critic: one-hot weights give the chosen critic, gradients reach every α, costs are those of the modules."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from degas.nets.cost import module_cost
from degas.nets.critic import Critic
from degas_lab.critics.mixed import MixedCritic, MixedDown, MixedNormal, costs
from degas_lab.critics.space import CriticSpace

SIZES = {"channels": 3, "width": 4, "image_size": 9}
SPACE = CriticSpace(2, 1)


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def one_hot(space: CriticSpace, choices: dict[str, str]) -> dict[str, Tensor]:
    names = {slot.name: space.operations(slot) for slot in space.slots}
    return {
        place: torch.tensor([float(name == choices[place]) for name in options]).double()
        for place, options in names.items()
    }


def chosen(mixed: MixedCritic, space: CriticSpace, choices: dict[str, str], **options: object) -> Critic:
    """The critic with these operations, and the mixed critic's weights for them."""
    critic = Critic(layout=space.layout(choices), **SIZES, **options).double()
    own = iter([critic.image_block, *critic.extra, *critic.blocks])
    with torch.no_grad():
        for name, place in mixed.places.items():
            candidate = place.candidates[place.names.index(choices[name])]
            if isinstance(place, MixedNormal):
                if choices[name] != "skip":
                    next(own).load_state_dict(candidate.state_dict())
                continue
            assert isinstance(place, MixedDown)
            block = next(own)
            for part in ("conv1", "shortcut"):
                getattr(block, part).load_state_dict(getattr(place, part).state_dict())
            block.conv2.load_state_dict(candidate.state_dict())
        critic.score.load_state_dict(mixed.critic.score.state_dict())
    return critic


@pytest.mark.parametrize("seed", range(8))
def test_one_hot_weights_are_the_chosen_critic(seed: int) -> None:
    mixed = MixedCritic(SPACE, **SIZES, output_size=2).double()
    choices = SPACE.draw(seed)
    mixed.mix(one_hot(SPACE, choices))
    images = torch.randn(2, 3, 9, 9).double()
    output, expected = mixed(images), chosen(mixed, SPACE, choices, output_size=2)(images)
    torch.testing.assert_close(output.scores, expected.scores, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(output.features, expected.features, rtol=1e-12, atol=1e-12)


def test_a_sum_by_hand_and_permuted_candidates() -> None:
    x, weights = torch.randn(2, 4, 5, 5), torch.tensor([0.2, 0.5, 0.3])
    mixed = MixedNormal(("conv_1x1", "skip", "residual"), 4)
    mixed.weights = weights
    first, _, last = mixed.candidates
    torch.testing.assert_close(mixed(x), 0.2 * first(x) + 0.5 * x + 0.3 * last(x))
    before = mixed(x)
    mixed.candidates, mixed.weights = nn.ModuleList(reversed(mixed.candidates)), weights.flip(0)
    torch.testing.assert_close(mixed(x), before)


def test_gradients_reach_every_weight_of_every_place() -> None:
    mixed = MixedCritic(SPACE, **SIZES, spectral=True)
    alpha = {slot.name: torch.zeros(len(SPACE.operations(slot)), requires_grad=True) for slot in SPACE.slots}
    mixed.mix({name: value.softmax(0) for name, value in alpha.items()})
    gradients = torch.autograd.grad(mixed(torch.randn(2, 3, 9, 9)).scores.sum(), list(alpha.values()))
    assert all(bool((gradient != 0).all()) for gradient in gradients)


def test_costs_are_those_of_the_critics() -> None:
    found = costs(SPACE, **SIZES)
    assert sum(float(each.max()) for each in found.values()) == pytest.approx(1.0)
    shares, counts = [], []
    for seed in range(5):
        choices = SPACE.draw(seed)
        places = [(found[slot.name], SPACE.operations(slot).index(choices[slot.name])) for slot in SPACE.slots]
        shares.append(sum(float(each[index]) for each, index in places))
        whole = module_cost(Critic(layout=SPACE.layout(choices), **SIZES), torch.empty(1, 3, 9, 9)).multiply_adds
        counts.append(whole - 4)  # without the linear layer of the score
    for share, count in zip(shares, counts, strict=True):
        assert share / shares[0] == pytest.approx(count / counts[0], rel=1e-5)
