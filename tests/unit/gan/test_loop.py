"""The loop: what it writes, bit-exact resume, every setting's effect, warnings, and that labels come to matter."""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from toy_gan import toy_generator, toy_images, toy_settings, toy_training

from degas.data.image_set import ImageSet
from degas.errors import UserError
from degas.gan import loop as trainer
from degas.gan import watch
from degas.gan.checks import check_generator, check_training
from degas.gan.loop import run_training
from degas.gan.objectives import OBJECTIVES
from degas.gan.settings import CompleteGan
from degas.gan.state import Steps
from degas.generator.generator import Generator
from degas.runtime import save_clock
from degas.runtime.checkpoint import load_newest
from degas.runtime.distributed import Engine
from degas.runtime.finite import NonFiniteError
from degas.runtime.interrupts import Terminated
from degas.runtime.run_folder import StageFolder, read_jsonl
from degas.settings.base import Count, setting
from degas.settings.sections import GanSettings


def files_of(path: Path) -> dict[str, bytes]:
    """Everything a run saved, times apart."""
    found = {str(f.relative_to(path)): f.read_bytes() for f in sorted(path.rglob("*")) if f.is_file()}
    return {name: data for name, data in found.items() if name not in ("timing.jsonl", ".lock")}


def assert_equal(a: Any, b: Any, where: str = "state") -> None:
    assert type(a) is type(b), where
    if isinstance(a, torch.Tensor):
        assert torch.equal(a, b), where
    elif isinstance(a, dict):
        assert a.keys() == b.keys(), where
        for key in a:
            assert_equal(a[key], b[key], f"{where}.{key}")
    elif isinstance(a, list | tuple):
        assert len(a) == len(b), where
        for k, (x, y) in enumerate(zip(a, b, strict=True)):
            assert_equal(x, y, f"{where}[{k}]")
    else:
        assert a == b, where


def test_writes_what_the_contract_says(tmp_path: Path) -> None:
    generator = toy_training(tmp_path, num_steps=4, log_steps=2, sample_steps=3, objective="sn-gan")
    names = set(files_of(tmp_path))
    assert {"generator/model.safetensors", "generator/config.json", "metrics.jsonl", "config.json"} <= names
    assert {"samples/step-000003.png", "samples/step-000004.png", "real_images.png", "done.json"} <= names
    assert (tmp_path / "timing.jsonl").exists()
    records = read_jsonl(tmp_path / "metrics.jsonl")
    assert [record["step"] for record in records] == [2, 4]
    assert {"critic_loss", "critic_hinge", "generator_loss", "critic_gradient_norm"} <= set(records[0])
    assert not any("second" in key for record in records for key in record)
    loaded = Generator.load(tmp_path / "generator")
    assert torch.equal(loaded.sample(3), generator.sample(3))


def test_a_finished_folder_is_only_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = toy_training(tmp_path, objective="sn-gan")
    monkeypatch.setattr(trainer, "Steps", None)
    again = toy_training(tmp_path, objective="sn-gan", resume=True)
    assert torch.equal(first.sample(2), again.sample(2))


RESUMED = [
    {"objective": "ct-gan", "supervised": True, "critic_steps": 2, "augment": "diffaugment"},
    {"objective": "sn-gan", "horizontal_flip": True},
    {"objective": "mmd", "ema_half_life_images": 0, "sampling_bn": "batch"},
    {"objective": "r3gan", "sampling_bn": "running"},
]


@pytest.mark.parametrize("changes", RESUMED, ids=lambda changes: changes["objective"])
def test_ten_steps_equal_five_and_stop_and_five(tmp_path: Path, changes: dict[str, Any]) -> None:
    """Everything saved is equal: weights, optimisers, average, logs, pictures, the best generator."""

    def evaluate(generator: Generator, step: int) -> dict[str, float]:
        return {"score": float(generator.sample(4).float().mean()), "other": float(step)}

    def evaluate_and_stop(generator: Generator, step: int) -> dict[str, float]:
        signal.raise_signal(signal.SIGTERM)
        return evaluate(generator, step)

    changes = {**changes, "num_steps": 10, "sample_steps": 4, "evaluate_steps": 5, "checkpoint_steps": 100}
    toy_training(tmp_path / "whole", on_evaluate=evaluate, **changes)
    with pytest.raises(Terminated):
        toy_training(tmp_path / "halves", on_evaluate=evaluate_and_stop, **changes)
    assert [r["step"] for r in read_jsonl(tmp_path / "halves" / "metrics.jsonl")][-1] == 5
    toy_training(tmp_path / "halves", on_evaluate=evaluate, resume=True, **changes)

    states = [load_newest(tmp_path / name / "checkpoints", pytest.fail) for name in ("whole", "halves")]
    assert_equal(states[0], states[1])
    whole, halves = files_of(tmp_path / "whole"), files_of(tmp_path / "halves")
    for files in (whole, halves):
        for name in [name for name in files if name.startswith("checkpoints/")]:
            del files[name]  # compared above; the earlier checkpoint of the second run has no like in the first
    assert whole.keys() == halves.keys()
    for name, data in whole.items():
        assert data == halves[name], name


@pytest.mark.parametrize("log_steps", [1, 7])
def test_a_training_that_pauses_at_stop_steps_ends_with_the_same_bytes(tmp_path: Path, log_steps: int) -> None:
    changes = {"objective": "sn-gan", "num_steps": 6, "log_steps": log_steps, "sample_steps": 4}
    toy_training(tmp_path / "whole", **changes)
    for stop in (2, 2, 5, 0):  # a pause that was reached before is only read
        made = toy_training(tmp_path / "parts", resume=True, **{**changes, "stop_step": stop})
        found = load_newest(tmp_path / "parts" / "checkpoints", pytest.fail)
        assert found is not None
        assert found[0] == (stop or 6)
        assert (tmp_path / "parts" / "done.json").exists() == (stop == 0)
        assert torch.equal(made.sample(2), Generator.load(tmp_path / "parts" / "generator").sample(2))
    ignored = {"config.json", *(f"checkpoints/{f.name}" for f in (tmp_path / "parts/checkpoints").iterdir())}
    parts, whole = files_of(tmp_path / "parts"), files_of(tmp_path / "whole")
    kept = {name for name in whole if name not in ignored and not name.startswith("checkpoints/")}
    assert kept == {name for name in parts if name not in ignored and not name.startswith("checkpoints/")}
    assert all(parts[name] == whole[name] for name in kept)
    states = [load_newest(tmp_path / name / "checkpoints", pytest.fail) for name in ("whole", "parts")]
    assert_equal(states[0], states[1])


def test_killed_between_the_checkpoint_of_a_pause_and_its_generator(tmp_path: Path) -> None:
    changes = {"objective": "sn-gan", "num_steps": 6, "stop_step": 3}
    toy_training(tmp_path, **changes)
    generator = (tmp_path / "generator/model.safetensors").read_bytes()
    (tmp_path / "generator/model.safetensors").unlink()
    toy_training(tmp_path, resume=True, **changes)
    assert (tmp_path / "generator/model.safetensors").read_bytes() == generator


def test_a_stopped_training_names_the_step_that_it_saved(tmp_path: Path, capsys: Any) -> None:
    """Whatever it logged last."""

    def stop(generator: Generator, step: int) -> dict[str, float]:
        signal.raise_signal(signal.SIGTERM)
        return {"score": 1.0}

    changes = {"num_steps": 10, "log_steps": 4, "evaluate_steps": 7, "objective": "sn-gan"}
    with pytest.raises(Terminated):
        toy_training(tmp_path, on_evaluate=stop, progress=True, **changes)
    found = load_newest(tmp_path / "checkpoints", pytest.fail)
    assert found is not None
    assert f"stopped at step {found[0]} of 10" in capsys.readouterr().err


def test_resume_after_a_kill_repeats_the_lost_steps(tmp_path: Path) -> None:
    """Killed at step 5 with a checkpoint of step 3: the steps after it are taken again, and logged once."""

    def killed(generator: Generator, step: int) -> dict[str, float]:
        raise KeyError("as good as a kill")

    def evaluate(generator: Generator, step: int) -> dict[str, float]:
        return {"score": 1.0}

    changes = {"num_steps": 6, "checkpoint_steps": 3, "evaluate_steps": 5, "objective": "sn-gan"}
    toy_training(tmp_path / "whole", on_evaluate=evaluate, **changes)
    with pytest.raises(KeyError):
        toy_training(tmp_path / "killed", on_evaluate=killed, **changes)
    toy_training(tmp_path / "killed", on_evaluate=evaluate, resume=True, **changes)
    assert files_of(tmp_path / "whole") == files_of(tmp_path / "killed")


def test_mmds_bound_doubles_after_evaluations_without_a_better_one_and_survives_a_kill(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Scores 1, 2, 3, 4, 5 with a patience of 2: doubled after the third and the fifth; the best resets the count."""
    used: list[float] = []
    from degas.gan import losses

    doubled = losses.doubled_bound
    monkeypatch.setattr(losses, "doubled_bound", lambda first, n: used.append(float(n)) or doubled(first, n))
    changes = {"num_steps": 6, "checkpoint_steps": 1, "evaluate_steps": 1, "objective": "mmd", "repulsive_patience": 2}

    def worse(generator: Generator, step: int) -> dict[str, float]:
        return {"score": float(step)}

    def killed(generator: Generator, step: int) -> dict[str, float]:
        if step == 5:
            raise KeyError("as good as a kill")
        return worse(generator, step)

    toy_training(tmp_path / "whole", on_evaluate=worse, **changes)
    assert used == [0, 0, 0, 1, 1, 2]
    with pytest.raises(KeyError):
        toy_training(tmp_path / "killed", on_evaluate=killed, **changes)
    toy_training(tmp_path / "killed", on_evaluate=worse, resume=True, **changes)
    assert files_of(tmp_path / "whole") == files_of(tmp_path / "killed")


def test_killed_between_the_last_checkpoint_and_the_end(tmp_path: Path) -> None:
    toy_training(tmp_path, objective="sn-gan")
    whole = files_of(tmp_path)
    for name in ("done.json", "generator/model.safetensors", "generator/config.json"):
        (tmp_path / name).unlink()
    toy_training(tmp_path, objective="sn-gan", resume=True)
    assert files_of(tmp_path) == whole


def test_looking_changes_nothing(tmp_path: Path) -> None:
    """However often a run samples, evaluates and saves, it ends with the same weights."""

    def evaluate(generator: Generator, step: int) -> dict[str, float]:
        generator.requires_grad_(True)
        for parameter in generator.parameters():
            parameter.data.zero_()
        torch.rand(7)
        return {"score": float(-step)}

    toy_training(tmp_path / "a", num_steps=4, objective="sn-gan")
    often = {"sample_steps": 1, "evaluate_steps": 1, "checkpoint_steps": 1}
    toy_training(tmp_path / "b", num_steps=4, objective="sn-gan", on_evaluate=evaluate, **often)
    states = [load_newest(tmp_path / name / "checkpoints", pytest.fail) for name in "ab"]
    for _, state in states:
        state.pop("best")
    assert_equal(states[0], states[1])


def test_equal_seeds_equal_runs_and_other_seeds_do_not(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        toy_training(tmp_path / name, objective="ct-gan", seed=seed)
    a, b, c = (files_of(tmp_path / name) for name in "abc")
    assert a == b
    assert a["metrics.jsonl"] != c["metrics.jsonl"]
    assert a["generator/model.safetensors"] != c["generator/model.safetensors"]


def test_five_critic_steps_before_every_generator_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    critic_step, generator_step = Steps.critic_step, Steps.generator_step

    def noted_critic(self: Steps, step: int, turn: int) -> Any:
        order.append(f"c{step}.{turn}")
        return critic_step(self, step, turn)

    def noted_generator(self: Steps, step: int) -> Any:
        order.append(f"g{step}")
        return generator_step(self, step)

    monkeypatch.setattr(Steps, "critic_step", noted_critic)
    monkeypatch.setattr(Steps, "generator_step", noted_generator)
    toy_training(tmp_path, objective="ct-gan", num_steps=2)
    assert order == [*(f"c0.{k}" for k in range(5)), "g0", *(f"c1.{k}" for k in range(5)), "g1"]


BASE: dict[str, Any] = {"objective": "ct-gan", "num_steps": 3, "critic_steps": 2}
SUPERVISED = {**BASE, "supervised": True}
# setting → (base, its other value); the outcome compared is everything the run writes.
SWITCHES: dict[str, tuple[dict[str, Any], Any]] = {
    "objective": ({"num_steps": 3}, "r3gan"),
    "num_steps": (BASE, 4),
    "width": (BASE, 5),
    "supervised": (BASE, True),
    "batch_images": (BASE, 6),
    "generator_batch_images": (BASE, 5),
    "critic_steps": (BASE, 3),
    "generator_lr": (BASE, 1e-3),
    "critic_lr": (BASE, 1e-3),
    "betas": (BASE, (0.5, 0.9)),
    "lr_decay": (BASE, "none"),
    "penalty_weight": (BASE, 1.0),
    "consistency_weight": (BASE, 50.0),
    "consistency_feature_weight": (BASE, 50.0),
    "consistency_margin": (BASE, 1.0),
    "dropout": (BASE, (0.1, 0.1, 0.1)),
    "gradient_weight": ({"objective": "r3gan", "num_steps": 3}, 10.0),
    "repulsive_bounds": ({"objective": "mmd", "num_steps": 3}, (0.001, 0.9)),
    "class_head": (SUPERVISED, "projection"),
    "class_weight_critic": (SUPERVISED, 30.0),
    "class_weight_generator": (SUPERVISED, 30.0),
    "ema_half_life_images": (BASE, 0),
    "augment": (BASE, "diffaugment"),
    "horizontal_flip": (BASE, True),
    "sampling_bn": (BASE, "running"),
    "checkpoint_steps": (BASE, 1),
    "log_steps": (BASE, 2),
    "sample_steps": (BASE, 1),
    "evaluate_steps": (BASE, 1),
    "precision": (BASE, "bfloat16"),
    "lr_end_share": (BASE, 0.5),
    "beta2_end": (BASE, 0.5),
    "ema_ramp": (BASE, "cosine"),
    "norm_parts": (BASE, 2),
    "stop_step": (BASE, 2),
    "penalty_at": ({"objective": "r3gan", "num_steps": 3, "augment": "diffaugment"}, "augmented"),
    "gradient_end_share": ({"objective": "r3gan", "num_steps": 3}, 0.5),
    "inconsistency_bound": ({"objective": "cagan", "num_steps": 3}, 1e-4),
}
# Read where the networks are built (test_own_networks.py), not here; what needs a GPU (test_replayed_steps.py), or
# evaluations (above), or images of two sizes (grow/test_steps.py).
BUILT = {"critic", "generator_width", "noise_size", "image_gain", "deconv_start", "frame_start"}
ELSEWHERE = BUILT | {"cuda_graphs", "repulsive_patience", "grow"}


def test_no_setting_is_forgotten() -> None:
    assert set(SWITCHES) | ELSEWHERE == set(GanSettings.model_fields)


@pytest.mark.parametrize("name", SWITCHES)
def test_every_setting_changes_something_observable(tmp_path: Path, name: str) -> None:
    base, value = SWITCHES[name]
    outcomes = []
    for k, changes in enumerate((base, {**base, name: value})):
        saved: list[int] = []
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(StageFolder, "save", lambda _self, step, _state, saved=saved: saved.append(step))
            toy_training(tmp_path / str(k), on_evaluate=lambda _g, _s: {"score": 1.0}, **changes)
        files = files_of(tmp_path / str(k))
        files.pop("config.json")
        files.pop("generator/config.json")
        outcomes.append((files, saved))
    assert outcomes[0] != outcomes[1]


def test_sampling_bn_reaches_the_saved_generator(tmp_path: Path) -> None:
    for value in ("recalibrated", "running", "batch"):
        generator = toy_training(tmp_path / value, objective="sn-gan", sampling_bn=value)
        assert generator.sampling_bn == value
        assert json.loads((tmp_path / value / "generator" / "config.json").read_text())["sampling_bn"] == value
    weights = [load_file(tmp_path / value / "generator" / "model.safetensors") for value in ("recalibrated", "running")]
    moved = [name for name in weights[0] if not torch.equal(weights[0][name], weights[1][name])]
    assert moved
    assert all("running" in name for name in moved)


def test_recalibrated_statistics_are_those_of_the_published_weights(tmp_path: Path) -> None:
    """In evaluation mode the published generator's maps are normalised: mean about 0, variance about 1."""
    generator = toy_training(tmp_path, objective="sn-gan", num_steps=5, generator_lr=0.05)
    normal: list[torch.Tensor] = []
    norm = generator.network.norm
    torch.nn.init.ones_(norm.weight)
    torch.nn.init.zeros_(norm.bias)
    norm.register_forward_hook(lambda _m, _i, output: normal.append(output))
    with torch.no_grad():
        generator.eval()(torch.randn(2000, 6))
    assert float(normal[0].mean((0, 2, 3)).abs().max()) < 0.15
    assert torch.allclose(normal[0].var((0, 2, 3)), torch.ones(4), atol=0.2)


def test_the_average_is_what_is_published(tmp_path: Path) -> None:
    toy_training(tmp_path, objective="sn-gan", num_steps=5, sampling_bn="running", ema_half_life_images=1000)
    _, state = load_newest(tmp_path / "checkpoints", pytest.fail)
    published = load_file(tmp_path / "generator" / "model.safetensors")
    for name, value in state["average"].items():
        assert torch.equal(published[name], value)
    assert any(not torch.equal(value, state["generator"][name]) for name, value in published.items())


def test_best_generator_is_kept(tmp_path: Path) -> None:
    seen: dict[int, torch.Tensor] = {}
    scores = {1: 5.0, 2: 1.0, 3: 3.0, 4: 2.0}

    def evaluate(generator: Generator, step: int) -> dict[str, float]:
        seen[step] = generator.sample(3)
        return {"fid_5k_train[imagenet]": scores[step], "kid": -step}

    changes = {"num_steps": 4, "evaluate_steps": 1, "objective": "sn-gan", "generator_lr": 0.05}
    generator = toy_training(tmp_path, on_evaluate=evaluate, **changes)
    assert torch.equal(generator.sample(3), seen[2])
    assert not torch.equal(generator.sample(3), seen[4])
    assert torch.equal(Generator.load(tmp_path / "generator").sample(3), seen[2])
    logged = [r["fid_5k_train[imagenet]"] for r in read_jsonl(tmp_path / "metrics.jsonl") if "kid" in r]
    assert logged == [5.0, 1.0, 3.0, 2.0]


def test_checkpoints_come_by_time_where_no_steps_are_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved: list[int] = []
    monkeypatch.setattr(StageFolder, "save", lambda self, step, state: saved.append(step))
    toy_training(tmp_path / "a", num_steps=3, checkpoint_steps=0, objective="sn-gan")
    monkeypatch.setattr(save_clock, "SECONDS", 0.0)
    monkeypatch.setattr(save_clock, "SAVING_SHARE", 1e9)
    toy_training(tmp_path / "b", num_steps=3, checkpoint_steps=0, objective="sn-gan")
    assert saved == [3, 1, 2, 3]


def test_the_best_generator_is_one_that_the_restored_state_scored(tmp_path: Path) -> None:
    """The best before the kill was scored after the checkpoint, and scores less well the second time."""
    samples: dict[int, torch.Tensor] = {}

    def killed(generator: Generator, step: int) -> dict[str, float]:
        if step == 5:
            raise KeyError("as good as a kill")
        samples[step] = generator.sample(3)
        return {"score": {1: 3.0, 2: 1.0, 3: 2.0, 4: 0.5}[step]}

    changes = {"num_steps": 6, "checkpoint_steps": 3, "evaluate_steps": 1, "objective": "sn-gan", "generator_lr": 0.05}
    with pytest.raises(KeyError):
        toy_training(tmp_path, on_evaluate=killed, **changes)
    generator = toy_training(tmp_path, on_evaluate=lambda *_: {"score": 4.0}, resume=True, **changes)
    assert torch.equal(generator.sample(3), samples[2])
    assert not torch.equal(samples[2], samples[4])
    assert [path.name for path in (tmp_path / "best").iterdir()] == ["step-000002"]


def test_a_best_generator_from_before_steps_had_names_is_found(tmp_path: Path) -> None:
    changes = {"num_steps": 4, "checkpoint_steps": 2, "evaluate_steps": 2, "objective": "sn-gan"}

    def killed(generator: Generator, step: int) -> dict[str, float]:
        if step == 4:
            raise KeyError("as good as a kill")
        return {"score": 1.0}

    with pytest.raises(KeyError):
        toy_training(tmp_path, on_evaluate=killed, **changes)
    best = Generator.load(tmp_path / "best" / "step-000002")
    shutil.rmtree(tmp_path / "best")
    best.save(tmp_path / "best")
    generator = toy_training(tmp_path, on_evaluate=lambda *_: {"score": 2.0}, resume=True, **changes)
    assert torch.equal(generator.sample(3), best.sample(3))


def test_beaten_generators_go_once_no_checkpoint_needs_them(tmp_path: Path) -> None:
    names: list[set[str]] = []

    def evaluate(generator: Generator, step: int) -> dict[str, float]:
        names.append({path.name for path in (tmp_path / "best").glob("*")})
        return {"score": -float(step)}

    changes = {"num_steps": 6, "checkpoint_steps": 1, "evaluate_steps": 1, "objective": "sn-gan"}
    toy_training(tmp_path, on_evaluate=evaluate, **changes)
    assert max(map(len, names)) == 2
    assert [path.name for path in (tmp_path / "best").iterdir()] == ["step-000006"]


def test_no_evaluation_without_a_callback_or_a_period(tmp_path: Path) -> None:
    toy_training(tmp_path / "a", evaluate_steps=1, objective="sn-gan")
    toy_training(tmp_path / "b", evaluate_steps=0, objective="sn-gan", on_evaluate=lambda *_: pytest.fail("asked"))
    assert not (tmp_path / "a" / "best").exists()


def test_non_finite_stops_and_keeps_the_last_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(NonFiniteError, match=r"step \d+: (critic|generator) \w+ is"):
        toy_training(tmp_path, objective="wgan-gp", critic_lr=1e30, num_steps=10, checkpoint_steps=1)
    found = load_newest(tmp_path / "checkpoints", pytest.fail)
    if found is not None:
        assert all(torch.isfinite(value).all() for value in found[1]["generator"].values())
    assert not (tmp_path / "done.json").exists()


def test_warns_of_a_collapsed_generator(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    monkeypatch.setattr(Generator, "sample", lambda self, n, *_a, **_k: torch.zeros(n, 3, 8, 8, dtype=torch.uint8))
    monkeypatch.setattr(watch, "COLLAPSE_FROM_STEP", 2)
    toy_training(tmp_path, objective="sn-gan", num_steps=4, sample_steps=2)
    warned = read_jsonl(tmp_path / "warnings.jsonl")
    assert [(record["step"], record["kind"]) for record in warned] == [(2, "collapse"), (4, "collapse")]
    assert capsys.readouterr().err.count("collapsed") == 1


def test_warns_of_an_exploding_penalty(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    toy_training(tmp_path, objective="wgan-gp", critic_lr=0.02, penalty_weight=0.0, num_steps=3)
    kinds = {record["kind"] for record in read_jsonl(tmp_path / "warnings.jsonl")}
    assert "penalty" in kinds
    assert "penalty is" in capsys.readouterr().err


def test_a_healthy_run_warns_of_nothing(tmp_path: Path) -> None:
    toy_training(tmp_path, objective="ct-gan", num_steps=3, sample_steps=1)
    assert not (tmp_path / "warnings.jsonl").exists()


def run(images: ImageSet, generator: Generator, tmp_path: Path, **changes: Any) -> None:
    settings = toy_settings(**changes)
    check_training(settings, images, torch.device("cpu"))
    check_generator(generator, images, settings)
    with StageFolder(tmp_path, settings=settings.as_config(), resume=False, kind="train") as folder:
        run_training(generator, images, settings, seed=1, folder=folder, engine=Engine(device="cpu"), progress=False)


def test_refuses_what_does_not_fit(tmp_path: Path) -> None:
    images = toy_images()
    unlabelled = ImageSet(images.images, None, (), "toy", "0" * 64)
    cases = [
        (
            toy_images(size=16),
            toy_generator(),
            {},
            "makes 3×8×8 images, but the data are 3×16×16",
        ),
        (toy_images(channels=1), toy_generator(), {}, "the data are 1×8×8; give .*--data.channels 3"),
        (unlabelled, toy_generator(2), {"supervised": True}, "needs labels"),
        (images, toy_generator(3), {"supervised": True}, "3 classes"),
        (images, toy_generator(2), {}, "2 classes"),
        (toy_images(num_images=1), toy_generator(), {}, "at least two"),
    ]
    for k, (given, generator, changes, message) in enumerate(cases):
        with pytest.raises(UserError, match=message) as error:
            run(given, generator, tmp_path / str(k), **changes)
        assert "\n" not in str(error.value)


def test_fewer_images_than_a_batch(tmp_path: Path) -> None:
    for objective in ("sn-gan", "mmd", "r3gan"):
        run(toy_images(num_images=3), toy_generator(), tmp_path / objective, objective=objective)
        assert (tmp_path / objective / "generator").is_dir()


@pytest.mark.parametrize(
    "own",
    [{"class_weight_generator": 1.0}, {"class_head": "projection", "num_steps": 200}],
    ids=["classifier", "projection"],
)
def test_labels_come_to_matter(tmp_path: Path, own: dict[str, Any]) -> None:
    """Two classes, dark and bright: after a little training samples of the bright label are the brighter ones."""
    changes: dict[str, Any] = {"supervised": True, "num_steps": 100, "batch_images": 8, "width": 8, "log_steps": 100}
    changes |= {"objective": "sn-gan", "generator_lr": 1e-3, "critic_lr": 1e-3, "lr_decay": "none", **own}
    generator = toy_training(tmp_path, ema_half_life_images=0, **changes)
    dark, bright = (generator.sample(32, labels=label).float().mean() for label in (0, 1))
    assert bright > dark + 40
    untrained = toy_generator(2)
    dark, bright = (untrained.sample(32, labels=label).float().mean() for label in (0, 1))
    assert abs(bright - dark) < 1


def test_conditional_grid_has_a_row_a_class(tmp_path: Path) -> None:
    toy_training(tmp_path, objective="sn-gan", supervised=True, sample_steps=2)
    plain = toy_training(tmp_path / "plain", objective="sn-gan", sample_steps=2)
    assert plain.num_classes == 0
    grids = [size_of(tmp_path / part / "samples" / "step-000002.png") for part in ("", "plain")]
    assert np.isclose(grids[0][1] / grids[1][1], 2 / 8, atol=0.02)
    assert grids[0][0] == grids[1][0]


def size_of(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        return image.size


class Calm(OBJECTIVES.find("mmd", "test")):  # type: ignore[misc]
    """An objective with a patience under a name of its own."""

    patience_setting: ClassVar[str] = "calm"
    calm: Count = setting(2, "evaluations")


@pytest.mark.parametrize(
    ("option", "settings"),
    [
        ("--gan.repulsive-patience", toy_settings(objective="mmd", repulsive_patience=2, evaluate_steps=0)),
        ("--gan.calm", toy_settings(objective="mmd", evaluate_steps=0).model_copy(update={"own": Calm()})),
    ],
)
def test_what_patience_needs_is_told_in_the_objectives_words(option: str, settings: CompleteGan) -> None:
    with pytest.raises(UserError, match=f"^{option} counts evaluations; set --gan.evaluate-steps as well"):
        check_training(settings, toy_images(), torch.device("cpu"))
    evaluated = settings.model_copy(update={"evaluate_steps": 1})
    check_training(evaluated, toy_images(), torch.device("cpu"))
    with pytest.raises(UserError, match=f"^{option}: one process only, not 2; leave it out"):
        check_training(evaluated, toy_images(), torch.device("cpu"), num_ranks=2)
