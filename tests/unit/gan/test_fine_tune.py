"""Training that begins with given weights: the slow twin, resuming, what is recorded, and every refusal."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from toy_gan import toy_generator, toy_images

from degas.api import stages as api
from degas.cli import main as cli
from degas.data.image_set import ImageSet
from degas.errors import UserError
from degas.gan.fresh import chosen_generator
from degas.gan.settings import resolve_gan
from degas.gan.state import Steps
from degas.generator.generator import Generator
from degas.nets.generators import GENERATORS, register_generator
from degas.report.model_card import write_model_card
from degas.runtime.checkpoint import load_newest
from degas.runtime.distributed import Engine
from degas.runtime.fingerprint import fingerprint_of
from degas.settings.sections import GanSettings, SpaceSettings
from degas.space.architecture import Architecture
from degas.space.graph import SearchSpace

GAN: dict[str, Any] = {"width": 4, "batch_images": 4, "num_steps": 2, "log_steps": 1, "ema_half_life_images": 16}


def tune(init: Any, out: Path, *, architecture: Any = None, images: ImageSet | None = None, **more: Any) -> Generator:
    gan, resume = {**GAN, **more.pop("gan", {})}, more.pop("resume", False)
    chosen = toy_images() if images is None else images
    return api.train(architecture, chosen, out, init=init, gan=gan, resume=resume, progress=False, device="cpu", **more)


def saved(folder: Path, generator: Generator | None = None) -> Path:
    (generator or toy_generator()).save(folder)
    return folder


def drawn(**changes: Any) -> Architecture:
    return replace(Architecture(1, 1, 4, 5, 6, 3, SearchSpace(1, 1).draw(0)), **changes)


def state_of(out: Path) -> dict[str, Any]:
    found = load_newest(out / "train" / "checkpoints", pytest.fail)
    assert found is not None
    return found[1]


def config_of(out: Path) -> dict[str, Any]:
    config: dict[str, Any] = json.loads((out / "train" / "config.json").read_bytes())
    return config


def slow_twin(folder: Path, architecture: Any, sizes: dict[str, Any], **changes: Any) -> Steps:
    """One step of a fresh generator into which the weights were loaded by hand, at an average that has no ramp."""
    gan = GanSettings(**{**GAN, "num_steps": 1, **changes, **sizes})
    generator = chosen_generator(architecture, toy_images(), gan, SpaceSettings(), seed=3)
    weights = load_file(folder / "model.safetensors")
    generator.load_state_dict(weights)
    steps = Steps(generator, toy_images(), resolve_gan(gan), seed=3, engine=Engine(device="cpu"))
    steps.both(0)
    if steps.average is not None:
        beta = 0.5 ** ((2 * gan.batch_images) / gan.ema_half_life_images)
        for name, value in steps.generator.state_dict().items():
            steps.average.module.state_dict()[name].copy_(beta * weights[name] + (1 - beta) * value)
    return steps


@pytest.mark.parametrize("supervised", [False, True])
@pytest.mark.parametrize("kind", ["resnet", "dcgan", "architecture"])
def test_one_step_equals_the_slow_twin(tmp_path: Path, kind: str, supervised: bool) -> None:
    num_classes = 2 if supervised else 0
    if kind == "architecture":
        architecture: Any = drawn()
        generator, sizes = Generator.from_architecture(architecture, num_classes), {}
    else:
        architecture, generator = kind, toy_generator(num_classes, kind=kind)
        sizes = {"generator_width": 4, "noise_size": 6}
    with torch.no_grad():  # statistics that were moved, as those of a trained generator
        generator.train()(torch.randn(8, 6), *([torch.arange(8) % 2] if supervised else []))
    folder = saved(tmp_path / "init", generator)
    tune(folder, tmp_path / "run", seed=3, gan={"num_steps": 1, "supervised": supervised})
    state, twin = state_of(tmp_path / "run"), slow_twin(folder, architecture, sizes, supervised=supervised)
    assert twin.average is not None
    for name, value in twin.generator.state_dict().items():
        assert torch.equal(state["generator"][name], value), name
    for name, value in twin.critic.state_dict().items():
        assert torch.equal(state["critic"][name], value), name
    for name, value in twin.average.module.state_dict().items():
        torch.testing.assert_close(state["average"][name], value)


def test_it_begins_where_the_other_ended_and_not_anew(tmp_path: Path) -> None:
    """At a rate of nearly nothing the weights stay those that were given."""
    folder = saved(tmp_path / "init")
    tuned = tune(folder, tmp_path / "run", gan={"generator_lr": 1e-12, "sampling_bn": "running"})
    for name, value in load_file(folder / "model.safetensors").items():
        if "running" not in name:
            torch.testing.assert_close(tuned.state_dict()[name], value)


def test_config_json_says_where_the_weights_came_from(tmp_path: Path) -> None:
    generator = toy_generator()
    folder = saved(tmp_path / "init", generator)
    tune(folder, tmp_path / "run")
    assert config_of(tmp_path / "run")["init"] == {"generator": str(folder), "weights": fingerprint_of(generator)}
    assert config_of(tmp_path / "run")["generator"]["sizes"]["width"] == 4
    api.train("dcgan", toy_images(), tmp_path / "fresh", gan=GAN, progress=False)
    assert "init" not in config_of(tmp_path / "fresh")
    call = json.loads((tmp_path / "run" / "train" / "environment.json").read_bytes())["command"][-1]
    assert call == f"import degas; degas.train(None, <ImageSet>, '{tmp_path}/run', init='{folder}')"


def test_a_generator_in_memory_is_copied(tmp_path: Path) -> None:
    generator = toy_generator().requires_grad_(False).eval()
    before = fingerprint_of(generator)
    tuned = tune(generator, tmp_path / "run")
    assert fingerprint_of(generator) == before != fingerprint_of(tuned)
    assert config_of(tmp_path / "run")["init"] == {"generator": "a generator in memory", "weights": before}


@pytest.mark.parametrize("name", [".", "model.safetensors", "config.json"])
def test_a_folder_a_file_of_it_and_a_run_folder(tmp_path: Path, name: str) -> None:
    folder = saved(tmp_path / "run" / "train" / "generator")
    for init in (folder / name, tmp_path / "run"):
        assert tune(init, tmp_path / f"from-{init.name}", gan={"num_steps": 1}).config["kind"] == "resnet"


# ---------------------------------------------------------------------------------------------------- resuming


@pytest.fixture
def killed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Steps before which a training dies, each once."""
    deaths: list[int] = []
    both = Steps.both

    def dying(steps: Steps, step: int) -> Any:
        if step in deaths:
            deaths.remove(step)
            raise KeyboardInterrupt("as good as a kill")
        return both(steps, step)

    monkeypatch.setattr(Steps, "both", dying)
    return deaths


def saved_files(out: Path) -> dict[str, bytes]:
    left_out = ("timing.jsonl", ".lock", "environment.json")
    files = [path for path in sorted(out.rglob("*")) if path.is_file() and path.name not in left_out]
    return {str(path.relative_to(out)): path.read_bytes() for path in files}


LONG = {"num_steps": 4, "checkpoint_steps": 2}


def cut_short(init: Path, out: Path, killed: list[int], at: int) -> None:
    killed.append(at)
    with pytest.raises(KeyboardInterrupt):
        tune(init, out, gan=LONG)


def test_a_resumed_run_needs_no_init_and_ends_with_the_same_bytes(tmp_path: Path, killed: list[int]) -> None:
    init = saved(tmp_path / "init")
    tune(init, tmp_path / "whole", gan=LONG)
    cut_short(init, tmp_path / "cut", killed, at=3)
    shutil.rmtree(init)
    tune(init, tmp_path / "cut", gan=LONG, resume=True)
    whole, cut = saved_files(tmp_path / "whole"), saved_files(tmp_path / "cut")
    assert whole.keys() == cut.keys()
    assert [name for name in whole if whole[name] != cut[name]] == []
    again = tune(init, tmp_path / "cut", gan=LONG, resume=True)  # a finished one is only read
    assert torch.equal(again.sample(2), Generator.load(tmp_path / "whole" / "train" / "generator").sample(2))


@pytest.mark.parametrize("damage", ["none saved", "damaged"])
def test_without_a_checkpoint_the_weights_are_needed(
    tmp_path: Path, killed: list[int], damage: str, capsys: Any
) -> None:
    """Else training would begin anew, with random weights, under the name of the given ones."""
    init = saved(tmp_path / "init")
    cut_short(init, tmp_path / "run", killed, at=1 if damage == "none saved" else 2)
    for manifest in (tmp_path / "run").rglob("manifest.json"):
        manifest.write_text("{")
    moved = init.rename(tmp_path / "moved")
    with pytest.raises(UserError, match=r"init/config\.json: cannot be read"):
        tune(init, tmp_path / "run", gan=LONG, resume=True)
    moved.rename(init)
    tune(init, tmp_path / "run", gan=LONG, resume=True)
    tune(init, tmp_path / "whole", gan=LONG)
    generators = [Generator.load(tmp_path / name / "train" / "generator") for name in ("run", "whole")]
    assert fingerprint_of(generators[0]) == fingerprint_of(generators[1])


def test_other_weights_are_refused_and_the_same_elsewhere_are_not(tmp_path: Path, killed: list[int]) -> None:
    init = saved(tmp_path / "init", Generator.from_architecture(drawn()))
    cut_short(init, tmp_path / "run", killed, at=3)
    other = Generator.from_architecture(drawn())
    with torch.no_grad():
        next(other.parameters()).add_(1)
    with pytest.raises(UserError, match=r"cannot resume: --init holds other weights than before \(\w{16} → \w{16}\)"):
        tune(saved(tmp_path / "other", other), tmp_path / "run", gan=LONG, resume=True)
    with pytest.raises(UserError, match=r"cannot resume: init was \{.*\} and is unset now"):
        tune(None, tmp_path / "run", architecture=drawn(), gan=LONG, resume=True)
    with pytest.raises(UserError, match=r"gone/config\.json: cannot be read"):  # begun with another name
        tune(tmp_path / "gone", tmp_path / "run", gan=LONG, resume=True)
    shutil.copytree(init, tmp_path / "copy")
    tune(tmp_path / "copy", tmp_path / "run", gan=LONG, resume=True)


def test_a_fresh_run_is_not_resumed_with_weights(tmp_path: Path, killed: list[int]) -> None:
    killed.append(3)
    with pytest.raises(KeyboardInterrupt):
        tune(None, tmp_path / "run", architecture=drawn(), gan=LONG)
    with pytest.raises(UserError, match="cannot resume: init was unset and is"):
        tune(saved(tmp_path / "init", Generator.from_architecture(drawn())), tmp_path / "run", gan=LONG, resume=True)


# ---------------------------------------------------------------------------------------------------- what fits


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"images": toy_images(size=16)}, "toy: the generator of --init makes 3×8×8 images, but the data are 3×16×16"),
        ({"images": toy_images(channels=1)}, "data are 1×8×8; give --data.image-size 8 --data.channels 3"),
        ({"architecture": "dcgan"}, "--architecture: .*init has another one; leave it out"),
        ({"architecture": drawn()}, "--architecture: .*init has another one; leave it out"),
        ({"architecture": "resnt"}, "'resnt'; did you mean 'resnet'"),
        ({"gan": {"generator_width": 8}}, "--gan.generator-width 8: the generator of --init has 4; leave it out"),
        ({"gan": {"noise_size": 8}}, "--gan.noise-size 8: the generator of --init has 6"),
        ({"space": {"base_size": 8}}, "--space.base-size 8: the generator of --init has 4"),
        ({"gan": {"image_gain": 0.5}}, "--gan.image-gain: sets initial weights, but --init gives trained ones"),
        (
            {"gan": {"generator_width": 8, "noise_size": 8}, "space": {"base_size": 8}},
            "--gan.generator-width 8 --gan.noise-size 8 --space.base-size 8: the generator of --init has 4, 6, 4",
        ),
        (
            {"gan": {"image_gain": 0.5, "frame_start": "resnet"}},
            "--gan.image-gain --gan.frame-start: set initial weights, .*; leave out these or --init",
        ),
        ({"gan": {"deconv_start": "nearest"}}, "--gan.deconv-start: sets initial weights"),
        ({"gan": {"frame_start": "resnet"}}, "--gan.frame-start: sets initial weights"),
        ({"gan": {"grow": "fade"}}, "--gan.grow: begins with new weights at a small size; leave out --init"),
        ({"gan": {"supervised": True}}, "it has no classes; leave out --gan.supervised, or give a generator of 2 cl"),
    ],
)
def test_what_does_not_fit_is_one_line(tmp_path: Path, more: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        tune(saved(tmp_path / "init"), tmp_path / "run", **more)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_weights_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    generator = toy_generator()
    with torch.no_grad():
        next(generator.parameters())[0] = float("nan")
    with pytest.raises(UserError, match="its weights are not all finite numbers"):
        tune(saved(tmp_path / "init", generator), tmp_path / "run")


def test_the_same_architecture_may_be_said_and_its_sizes_do_not_matter(tmp_path: Path) -> None:
    drawn(width=64, noise_size=99, provenance={"method": "mine"}).save(tmp_path / "a.json")
    init = saved(tmp_path / "init", Generator.from_architecture(drawn(width=3)))
    tuned = tune(init, tmp_path / "run", architecture=tmp_path / "a.json", gan={"num_steps": 1, "width": 8})
    assert (tuned.network.width, tuned.noise_size) == (3, 6)
    for k, changes in enumerate(({"separable_order": "darts"}, {"edges": SearchSpace(1, 1).draw(5)})):
        with pytest.raises(UserError, match=r"--architecture: .* has another one"):
            tune(init, tmp_path / f"no-{k}", architecture=drawn(**changes))
    assert tune(saved(tmp_path / "r"), tmp_path / "resnet", architecture="resnet").config["kind"] == "resnet"


def test_neither_an_architecture_nor_weights(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--architecture: name one, or give a trained generator as --init"):
        tune(None, tmp_path / "run")


# ---------------------------------------------------------------------------------------------------- classes


def labelled(names: tuple[str, ...]) -> ImageSet:
    images = toy_images()
    return replace(images, labels=np.arange(len(images.images)) % len(names), class_names=names)


def test_class_k_takes_over_class_k_under_the_images_name(tmp_path: Path) -> None:
    given = toy_generator(2)
    with torch.no_grad():
        given.network.blocks[0].norm1.class_weight.copy_(torch.arange(8.0).reshape(2, 4))
    gan = {"supervised": True, "generator_lr": 1e-12, "sampling_bn": "running", "num_steps": 1}
    tuned = tune(saved(tmp_path / "init", given), tmp_path / "run", images=labelled(("cat", "dog")), gan=gan)
    assert tuned.class_names == ("cat", "dog")
    weight = tuned.network.blocks[0].norm1.class_weight
    torch.testing.assert_close(weight, torch.arange(8.0).reshape(2, 4))


def test_as_many_classes_as_before_or_none_as_before(tmp_path: Path) -> None:
    init = saved(tmp_path / "init", toy_generator(2))
    with pytest.raises(UserError, match=r"conditional on 2 classes; add --gan.supervised, or give a generator without"):
        tune(init, tmp_path / "run")
    with pytest.raises(UserError, match="it has 2 classes, but toy has 3; give images of 2 classes, or another gener"):
        tune(init, tmp_path / "run", images=labelled(("a", "b", "c")), gan={"supervised": True})
    unlabelled = replace(toy_images(), labels=None, class_names=())
    with pytest.raises(UserError, match=r"--gan\.supervised needs labels"):
        tune(init, tmp_path / "run", images=unlabelled, gan={"supervised": True})
    assert not (tmp_path / "run").exists()


# ---------------------------------------------------------------------------------------------------- own, commands


class Upsampler(nn.Module):
    """Somebody's own, with a buffer that is drawn and not saved."""

    def __init__(self, width: int, noise_size: int, channels: int, image_size: int) -> None:
        super().__init__()
        self.shape = (channels, image_size, image_size)
        self.first = nn.Linear(noise_size, width)
        self.last = nn.Linear(width, channels * image_size**2)
        self.register_buffer("drawn", torch.randn(3), persistent=False)

    def forward(self, noise: Tensor) -> Tensor:
        return torch.tanh(self.last(torch.relu(self.first(noise)))).view(-1, *self.shape) * (1 - 0 * self.drawn.sum())


def test_a_registered_generator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(GENERATORS, "_things", dict(GENERATORS._things))
    register_generator("upsampler")(Upsampler)
    sizes = {"width": 5, "noise_size": 6, "base_size": 4, "num_stages": 1, "channels": 3}
    init = saved(tmp_path / "init", Generator.from_baseline("upsampler", **sizes))
    tuned = tune(init, tmp_path / "run", gan={"num_steps": 1})
    assert tuned.config["sizes"] == sizes
    del GENERATORS._things["upsampler"]
    with pytest.raises(UserError, match=r"is registered by the module .*, which is not imported; give --import"):
        tune(init, tmp_path / "other")


DIGITS = "--data digits --data.max-images 24 --data.image-size 8 --quiet --device cpu"
TINY = f"{DIGITS} --gan.num-steps 1 --gan.width 4 --gan.batch-images 8"


def command(words: str, *more: Any) -> int:
    return cli.main([*words.split(), *map(str, more)])


def test_the_command_trains_and_the_card_says_from_what(tmp_path: Path, capsys: Any) -> None:
    init = saved(tmp_path / "init", toy_generator(channels=1))
    assert command(f"train {TINY}", "--init", init, "--out", tmp_path / "run", "--dry-run") == 0
    facts = [line.split() for line in capsys.readouterr().out.splitlines() if line.startswith("fine-tuned from")]
    assert facts == [["fine-tuned", "from", str(init), "weights", fingerprint_of(Generator.load(init))]]
    assert not (tmp_path / "run").exists()
    assert command(f"train {TINY}", "--init", init, "--out", tmp_path / "run") == 0
    card = write_model_card(tmp_path / "run").read_text()
    assert "fine-tuned from " in card.split("## Use")[0]
    assert f"- fine-tuned from: `{init}`" in card
    assert command("report", tmp_path / "run") == 0
    assert f"fine-tuned from {init}" in (tmp_path / "run" / "report.html").read_text()


def test_the_command_needs_one_of_the_two(tmp_path: Path, capsys: Any) -> None:
    assert command(f"train {TINY}", "--out", tmp_path / "run") == 2
    said = "degas: missing --architecture NAME or --init; see degas train --help\n"
    assert capsys.readouterr().err == said
