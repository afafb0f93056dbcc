"""A critic that grows: it begins as the critic of the stage before on images of half the size, by slow twins."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from toy_gan import toy_images, toy_settings

from degas.gan.grow.critic import critic_of_stage, front_of, parts_of, take_over_critic
from degas.nets.critic import Critic, make_critic
from degas.space.critic import CriticLayout, CriticStage
from degas.space.find_critic import shipped_critic

MIXED = CriticLayout(
    (
        CriticStage("blur_pool", ("conv_3x3", "skip")),
        CriticStage("strided_conv_4x4", ("residual", "conv_1x1")),
        CriticStage("max_pool"),
    )
)
CASES: list[tuple[CriticLayout | None, dict[str, Any]]] = [
    (None, {"objective": "mmd"}),
    (None, {"objective": "ct-gan", "supervised": True}),
    (MIXED, {"objective": "r3gan"}),
    (MIXED, {"objective": "sn-gan", "supervised": True}),
    (None, {"objective": "mmd", "supervised": True}),
]
names = ["mmd", "ct-gan", "r3gan file", "sn-gan file", "mmd with labels"]
cases = pytest.mark.parametrize(("layout", "changes"), CASES, ids=names)


def critics(layout: CriticLayout | None, changes: dict[str, Any], seed: int = 0) -> list[Critic]:
    """Those of the stages at 8, 16 and 32 px, each of which has taken over the one before."""
    settings = toy_settings(**changes).model_copy(update={"layout": layout})
    made: list[Critic] = []
    for number in range(3):
        images = toy_images(4, 8 * 2**number)
        made.append(critic_of_stage(settings, images, number, 2 - number, seed=seed).double().eval())
        if number:
            take_over_critic(made[-1], made[-2])
    return made


def images(size: int) -> Tensor:
    return torch.rand(3, 3, size, size, dtype=torch.float64, generator=torch.Generator().manual_seed(size)) * 2 - 1


def squares(x: Tensor) -> Tensor:
    """The mean of each 2×2 pixels, pixel by pixel."""
    return (x[..., ::2, ::2] + x[..., 1::2, ::2] + x[..., ::2, 1::2] + x[..., 1::2, 1::2]) / 4


def outputs(critic: Critic, x: Tensor, fade: float) -> list[Tensor]:
    front_of(critic).fade = fade
    with torch.no_grad():
        labels = torch.arange(len(x)) % 2
        return [value for value in critic(x, labels) if value is not None]


@cases
def test_a_new_critic_begins_as_the_one_before_on_images_of_half_the_size(
    layout: CriticLayout | None, changes: dict[str, Any]
) -> None:
    made = critics(layout, changes)
    for before, critic, size in zip(made, made[1:], (16, 32), strict=False):
        own, smaller = outputs(critic, images(size), 0.0), outputs(before, squares(images(size)), 1.0)
        assert len(own) == len(smaller) == (3 if critic.classify is not None else 2)
        for value, expected in zip(own, smaller, strict=True):
            torch.testing.assert_close(value, expected, rtol=0, atol=1e-12)
        whole = outputs(critic, images(size), 1.0)
        assert all(not torch.equal(value, other) for value, other in zip(whole, own, strict=True))


@cases
def test_every_weight_but_the_new_front_is_taken_over(layout: CriticLayout | None, changes: dict[str, Any]) -> None:
    """Each tensor of the one before is in the new one, whatever its name; not the front of the one before that."""
    for before, critic in pairwise(critics(layout, changes)):
        found = [value.flatten().tolist() for value in critic.state_dict().values()]
        kept = [value for name, value in before.state_dict().items() if not name.startswith("image_block.before")]
        assert kept
        assert all(value.flatten().tolist() in found for value in kept)


def test_the_map_after_the_front_fades_in() -> None:
    front = front_of(critics(None, {"objective": "r3gan"})[1])
    assert front.before is not None
    new = front.new(F.conv2d(images(16), front.from_images.weight, front.from_images.bias))
    old = F.conv2d(squares(images(16)), front.before.weight, front.before.bias)
    front.fade = 0.25
    torch.testing.assert_close(front(images(16)), 0.25 * new + 0.75 * old, rtol=0, atol=1e-12)


@cases
def test_the_last_critic_is_a_plain_one_behind_a_convolution_1x1(
    layout: CriticLayout | None, changes: dict[str, Any]
) -> None:
    last = critics(layout, changes)[-1]
    settings = toy_settings(**changes).model_copy(update={"layout": layout})
    sizes = {"width": 4, "channels": 4, "image_size": 32, "num_classes": 2 if settings.supervised else 0}
    own = settings.own
    given = {"score_size": own.score_size, "compares_features": own.compares_features, "options": own.critic_options}
    given["class_head"] = own.class_head
    plain = make_critic("resnet", layout=layout, **sizes, **given)
    shapes = [value.shape for value in last.state_dict().values()]
    front = {*front_of(last).from_images.parameters(), *front_of(last).before.parameters()}  # type: ignore[union-attr]
    assert sum(value.numel() for value in last.parameters() if value not in front) == sum(
        value.numel() for value in plain.parameters()
    )
    assert all(value.shape in shapes for value in plain.state_dict().values())
    rates = [module.p for module in plain.modules() if isinstance(module, torch.nn.Dropout)]
    assert [module.p for module in last.modules() if isinstance(module, torch.nn.Dropout)] == rates


def test_each_stage_draws_its_new_weights_from_the_seed_and_the_first_has_nothing_to_fade_in_from() -> None:
    first, again, other = (critics(None, {"objective": "r3gan"}, seed=seed) for seed in (1, 1, 2))
    assert front_of(first[0]).before is None
    for critic, same, different in zip(first, again, other, strict=True):
        own, equal, drawn = (front_of(each).from_images.weight for each in (critic, same, different))
        assert torch.equal(own, equal)
        assert not torch.equal(own, drawn)
    assert len({front_of(critic).from_images.weight[0, 0].item() for critic in first}) == 3


def test_parts_in_the_order_in_which_they_come() -> None:
    assert parts_of(shipped_critic("resnet"), 32) == [["mean_pool"], ["mean_pool"], ["residual", "residual"]]
    assert len(parts_of(shipped_critic("resnet"), 128)) == 4
    expected = [["blur_pool"], ["conv_3x3", "strided_conv_4x4"], ["residual", "conv_1x1", "max_pool"], []]
    assert parts_of(MIXED, 32) == expected
