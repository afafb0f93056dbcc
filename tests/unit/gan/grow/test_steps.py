"""A whole growing training: its files, every objective, resuming in each stage and at the border, and no growth."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from slow_growth import SlowStage
from torch import Tensor
from toy_gan import toy_generator, toy_images, toy_settings, toy_training

from degas.data.image_set import area_downsampled
from degas.errors import UserError
from degas.gan.grow.generator import FadingGenerator
from degas.gan.grow.plan import training_stages
from degas.gan.grow.steps import GrownSteps, StageSteps
from degas.gan.objectives import OBJECTIVES
from degas.generator.generator import Generator
from degas.runtime.checkpoint import load_newest
from degas.runtime.distributed import Engine
from degas.runtime.run_folder import read_jsonl

GROWN: dict[str, Any] = {"grow": "fade", "num_stages": 2, "num_steps": 6, "batch_images": 3, "width": 2}
GROWN |= {"sampling_bn": "running", "critic_steps": 1}  # faster


def files_of(path: Path) -> dict[str, bytes]:
    found = {str(f.relative_to(path)): f.read_bytes() for f in sorted(path.rglob("*")) if f.is_file()}
    return {name: data for name, data in found.items() if name not in ("timing.jsonl", ".lock", "config.json")}


def grown_steps(num_images: int = 24, **changes: Any) -> GrownSteps:
    settings = toy_settings(**{"objective": "mmd", "num_steps": 80, "grow": "fade", "width": 2, **changes})
    generator = toy_generator(kind="architecture", num_stages=2)
    stages = training_stages(settings, generator)
    return GrownSteps(generator, toy_images(num_images, 16), settings, stages, seed=1, engine=Engine(device="cpu"))


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_every_objective_grows_and_ends_with_an_ordinary_generator(tmp_path: Path, objective: str) -> None:
    supervised, kind = objective in ("ct-gan", "mmd"), "architecture" if objective != "r3gan" else "resnet"
    changes = {"objective": objective, "supervised": supervised, "kind": kind, "num_steps": 4, "sample_steps": 2}
    changes |= {"sampling_bn": "recalibrated" if objective == "mmd" else "running"}
    made = toy_training(tmp_path, **{**GROWN, **changes})
    plain = toy_generator(2 if supervised else 0, kind=kind, num_stages=2)
    assert {**made.config, "sampling_bn": "running"} == plain.config  # as built by hand
    assert {n: v.shape for n, v in made.state_dict().items()} == {n: v.shape for n, v in plain.state_dict().items()}
    assert made.sample(2).shape == (2, 3, 16, 16)
    assert json.loads((tmp_path / "growth.json").read_bytes()) == [
        {"image_size": 8, "first_step": 1, "last_step": 2},
        {"image_size": 16, "first_step": 3, "last_step": 4},
    ]
    assert [record["step"] for record in read_jsonl(tmp_path / "metrics.jsonl")] == [1, 2, 3, 4]
    with Image.open(tmp_path / "samples/step-000002.png") as small, Image.open(tmp_path / "real_images.png") as real:
        grid = np.asarray(small.convert("RGB"))
        assert small.size[0] == real.size[0]  # samples of 8 px are shown as large as the real images
    assert np.array_equal(grid[::2], grid[1::2])


def test_a_training_killed_in_a_stage_or_at_the_border_ends_with_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed with a checkpoint of steps 1, 3 (the border) and 4, while the next step is taken."""
    changes = {**GROWN, "objective": "ct-gan", "supervised": True, "kind": "architecture", "checkpoint_steps": 1}
    toy_training(tmp_path / "whole", **changes)
    both = GrownSteps.both
    for step in (1, 3, 4):

        def killed(self: GrownSteps, k: int, last: int = step) -> Any:
            values = both(self, k)
            if k == last:
                raise KeyError("as good as a kill")
            return values

        with monkeypatch.context() as patch:
            patch.setattr(GrownSteps, "both", killed)
            with pytest.raises(KeyError):
                toy_training(tmp_path / "killed", resume=step > 1, **changes)
        assert load_newest(tmp_path / "killed" / "checkpoints", pytest.fail)[0] == step  # type: ignore[index]
    toy_training(tmp_path / "killed", resume=True, **changes)
    assert files_of(tmp_path / "whole") == files_of(tmp_path / "killed")


def test_a_pause_publishes_the_generator_of_the_last_size_that_has_faded_in(tmp_path: Path) -> None:
    changes = {**GROWN, "objective": "sn-gan", "num_steps": 40, "log_steps": 20}
    sizes = {}
    for stop in (20, 21, 22, 0):  # the fade takes two steps
        made = toy_training(tmp_path, resume=True, **changes, stop_step=stop)
        sizes[stop] = made.image_size
        again = toy_training(tmp_path, resume=True, **changes, stop_step=stop)  # nothing is left to do
        assert torch.equal(made.sample(2), again.sample(2))
    assert sizes == {20: 8, 21: 8, 22: 16, 0: 16}


def test_a_training_of_one_stage_is_a_plain_one_to_the_bit(tmp_path: Path) -> None:
    for name, grow in (("plain", "none"), ("grown", "fade")):
        toy_training(tmp_path / name, objective="sn-gan", grow=grow)
    assert files_of(tmp_path / "plain") == files_of(tmp_path / "grown")


def test_growing_changes_the_result(tmp_path: Path) -> None:
    made = [toy_training(tmp_path / grow, **{**GROWN, "grow": grow, "num_steps": 2}) for grow in ("none", "fade")]
    assert not torch.equal(made[0].sample(2), made[1].sample(2))


def test_evaluations_begin_with_the_full_size(tmp_path: Path) -> None:
    asked: list[tuple[int, int]] = []

    def evaluate(generator: Generator, step: int) -> dict[str, float]:
        asked.append((step, generator.image_size))
        return {"score": 1.0}

    toy_training(tmp_path, on_evaluate=evaluate, **GROWN, objective="sn-gan", evaluate_steps=1)
    assert asked == [(4, 16), (5, 16), (6, 16)]


def test_reals_are_downsampled_and_fade_in() -> None:
    steps = grown_steps()
    images = area_downsampled(toy_images(24, 16), 8)
    assert np.array_equal(steps.now._reals(steps.now.batches, 0, "x")[0].shape, (4, 3, 8, 8))
    assert np.array_equal(steps.now.store._host, images.images)
    steps._advance()
    whole, _ = steps.now._reals(steps.now.batches, 3, "x")
    steps.now.set_fade(0.25)
    mixed, _ = steps.now._reals(steps.now.batches, 3, "x")
    squares = whole.unflatten(3, (8, 2)).unflatten(2, (8, 2)).mean((3, 5))
    expected = 0.25 * whole + 0.75 * squares.repeat_interleave(2, 2).repeat_interleave(2, 3)
    torch.testing.assert_close(mixed, expected, rtol=0, atol=1e-6)


def test_steps_through_the_fade_and_after_it_are_those_of_a_slow_twin() -> None:
    """Weights, running statistics and average, after each of the four steps of the fade and one more."""
    steps = grown_steps(objective="r3gan", ema_half_life_images=100, lr_decay="linear", betas=(0.0, 0.9))
    steps.both(39)  # the last one of the first stage
    steps._advance()
    twin = SlowStage(steps.now, 40, 80, 80)
    for step in range(40, 45):
        steps.both(step)
        twin.step(step)
        assert steps.now.average is not None
        for module, slow in ((steps.now.critic, twin.critic), (steps.now.generator, twin.parts)):
            compare(module.state_dict(), slow.state_dict())
        compare(steps.now.average.module.state_dict(), twin.average)


def compare(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert found.keys() == expected.keys()
    for name, value in found.items():
        if name != "score.bias":  # cancels in the difference of two scores, so Adam moves it by the sign of rounding
            torch.testing.assert_close(value, expected[name], rtol=1e-4, atol=1e-6, msg=lambda t, n=name: f"{n}: {t}")


def test_a_new_stage_takes_over_networks_average_and_bound_but_no_moments() -> None:
    steps = grown_steps(ema_half_life_images=100)
    steps.both(0)
    old, steps.num_doublings = steps.now, 2
    steps._advance()
    new = steps.now
    assert isinstance(new.generator, FadingGenerator)
    for module, before in ((new.generator, old.generator), (new.average.module, old.average.module)):  # type: ignore[union-attr]
        taken = module.generator.network.linear.weight  # type: ignore[union-attr]
        assert torch.equal(taken, before.network.linear.weight)  # type: ignore[union-attr]
        assert torch.equal(module.before.to_image.weight, before.network.to_image.weight)  # type: ignore[union-attr]
    assert not torch.equal(old.generator.network.linear.weight, old.average.module.network.linear.weight)  # type: ignore[union-attr]
    assert steps.num_doublings == 2
    assert not new.generator_optimizer.state
    assert old.generator_optimizer.state


def test_a_restored_training_has_its_stage_fade_and_bound() -> None:
    """The bound's doublings are known before the state, and the new stage must not lose them."""
    steps = grown_steps()
    steps._advance()
    steps.now.set_fade(0.25)
    again = grown_steps()
    again.num_doublings = 3
    again.load_state_dict(steps.state_dict())
    assert (again.now.stage.number, again.now.fade, again.now.generator.fade) == (1, 0.25, 0.25)  # type: ignore[union-attr]
    assert again.num_doublings == 3
    assert again.to_publish().image_size == 8


def test_every_weight_of_a_stage_gets_a_gradient_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several processes wait for the gradients of all weights, also of those whose share has become 0."""
    steps = grown_steps(num_steps=4)
    for step in range(4):
        steps.both(step)
        for network in (steps.now.generator, steps.now.critic):
            assert all(value.grad is not None for value in network.parameters())
    assert steps.now.fade == 1.0


def test_a_diverged_stage_is_not_taken_over(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = grown_steps()
    checked: list[int] = []
    monkeypatch.setattr(steps.now.watch, "check", lambda: checked.append(1))
    steps._advance()
    assert checked == [1]


def test_step_by_step_the_fade_moves_generator_critic_and_reals_together() -> None:
    steps = grown_steps()
    steps._advance()
    now = steps.now
    assert isinstance(now, StageSteps)
    for step, fade in ((40, 0.25), (41, 0.5), (43, 1.0)):
        now.critic_step(step, 0)
        assert (now.fade, now.generator.fade, now.critic.image_block.fade) == (fade, fade, fade)  # type: ignore[union-attr]
        now.set_fade(0.0)
        now.generator_step(step)
        assert (now.fade, now.generator.fade, now.critic.image_block.fade) == (fade, fade, fade)  # type: ignore[union-attr]


def test_dcgan_is_refused_by_the_stage(tmp_path: Path) -> None:
    from degas.api import stages as api

    with pytest.raises(UserError, match="dcgan cannot"):
        api.train("dcgan", toy_images(), tmp_path, gan={"grow": "fade"}, progress=False, device="cpu")
    assert not (tmp_path / "train").exists()
