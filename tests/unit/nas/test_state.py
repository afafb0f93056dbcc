from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import degas
from degas.data.image_set import ImageSet
from degas.errors import UserError
from degas.nas import state as searcher
from degas.nas.plateau import NothingLearnedError
from degas.nas.stage import run_search
from degas.nas.state import Search, split_rows
from degas.nets.cost import architecture_cost
from degas.runtime.distributed import Engine
from degas.runtime.interrupts import Terminated
from degas.runtime.json_files import read_jsonl
from degas.runtime.run_folder import StageFolder
from degas.settings.sections import SearchSettings, SpaceSettings
from degas.space.architecture import Architecture
from degas.space.pruning import choices, prune

SPACE = SpaceSettings()

Make = Callable[..., Any]


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(device="cpu")


def run(path: Path, images: ImageSet, settings: SearchSettings, *, seed: int = 0, resume: bool = False) -> Architecture:
    engine = Engine(settings.precision, device="cpu")
    with StageFolder(path, settings={"seed": seed}, resume=resume, kind="search") as folder:
        return run_search(images, settings, SPACE, seed=seed, folder=folder, engine=engine, progress=False)


def make_search(images: ImageSet, settings: SearchSettings, engine: Engine, seed: int = 0) -> Search:
    return Search(images, settings, SPACE, seed=seed, engine=engine)


def flat(state: Any, name: str = "") -> dict[str, Any]:
    """Nested state → dotted name → a copy of the value."""
    if isinstance(state, dict):
        return {k: v for key, value in state.items() for k, v in flat(value, f"{name}.{key}").items()}
    if isinstance(state, (list, tuple)):
        return {k: v for i, value in enumerate(state) for k, v in flat(value, f"{name}.{i}").items()}
    return {name: state.clone() if isinstance(state, Tensor) else state}


def changed(before: dict[str, Any], after: dict[str, Any]) -> set[str]:
    assert set(before) == set(after)
    same = {n: torch.equal(v, before[n]) if isinstance(v, Tensor) else v == before[n] for n, v in after.items()}
    return {name for name, equal in same.items() if not equal}


# ------------------------------------------------------------------------------------------ one step


def warm(search: Search, steps: int = 3) -> Search:
    for step in range(steps):
        search.step(step)
    return search


@pytest.mark.parametrize("alpha_batch", ["other", "same"])
def test_the_alpha_step_moves_alpha_alone(
    alpha_batch: str, make_images: Make, make_settings: Make, engine: Engine
) -> None:
    """Weights, latents, their moments and every batch norm buffer are bit-identical, and it moves every α."""
    search = warm(make_search(make_images(), make_settings(alpha_batch=alpha_batch), engine))
    before = flat(search.state_dict())
    search.alpha_step(search.alpha_step.batch(search.weight_batches(3), 3), 3)
    after = flat(search.state_dict())
    moved = changed(before, after)
    alphas = {name for name in after if name.startswith(".signal.network") and name.endswith(".alpha")}
    assert moved == alphas | {n for n in after if n.startswith(".alpha_optimizer.state")}
    assert all((after[name] != before[name]).all() for name in alphas)


def test_the_weight_step_leaves_alpha_and_moves_buffers(make_images: Make, make_settings: Make, engine: Engine) -> None:
    search = warm(make_search(make_images(), make_settings(), engine))
    search.alpha_step.require_gradients(weights=True, alphas=False)
    before = flat(search.state_dict())
    batch = search.weight_batches(3)
    search.signal.step(batch, search.signal.rate_share(3))
    after = flat(search.state_dict())
    moved = changed(before, after)
    assert not [name for name in moved if name.endswith(".alpha") or name.startswith(".alpha_optimizer")]
    assert {name for name in after if "running_" in name} <= moved
    rows = (after[".signal.latents.rows"] != before[".signal.latents.rows"]).any(1).nonzero()[:, 0].tolist()
    assert rows == sorted(batch.index.tolist())


def test_held_out_images_have_their_latents_stepped_first_and_no_weights(
    make_images: Make, make_settings: Make, engine: Engine
) -> None:
    images = make_images(40)
    settings = make_settings(alpha_batch="held_out", held_out_fraction=0.25, held_out_latent_steps=4)
    search = warm(make_search(images, settings, engine))
    weight_rows, alpha_rows = split_rows(images, settings, 0)
    assert weight_rows is not None
    assert alpha_rows is not None
    assert sorted([*weight_rows, *alpha_rows]) == list(range(40))
    assert (len(weight_rows), len(alpha_rows)) == (30, 10)
    before = flat(search.state_dict())
    search.alpha_step(search.alpha_step.batch(search.weight_batches(3), 3), 3)
    after = flat(search.state_dict())
    steps = after[".signal.latents.num_steps"] - before[".signal.latents.num_steps"]
    assert set(steps.nonzero()[:, 0].tolist()) <= set(alpha_rows.tolist())
    assert steps.unique().tolist() == [0, 4]
    moved = changed(before, after)
    assert not [n for n in moved if n.startswith(".signal.network") and not n.endswith(".alpha")]
    for step in range(6):  # the weight steps never see a held-out image
        assert set(search.weight_batches(step).index.tolist()) <= set(weight_rows.tolist())


def test_held_out_share_must_leave_images(make_images: Make, make_settings: Make) -> None:
    with pytest.raises(UserError, match="leaves none to hold out"):
        split_rows(make_images(4), make_settings(alpha_batch="held_out", held_out_fraction=0.01), 0)


@pytest.mark.parametrize(
    ("num_images", "given", "epochs"), [(40, None, 100), (40, 3, 3), (8, None, 500), (8 * 150, None, 5), (813, None, 5)]
)
def test_epochs_unless_given_make_500_steps_and_are_five_at_least(
    num_images: int, given: int | None, epochs: int, make_images: Make, make_settings: Make, engine: Engine
) -> None:
    settings = make_settings(num_epochs=given, batch_images=8)
    search = make_search(make_images(num_images), settings, engine)
    assert search.settings.num_epochs == epochs
    assert search.total_steps == epochs * search.steps_per_epoch
    assert given or search.total_steps >= 500


def test_joint_steps_everything_from_one_backward_pass(make_images: Make, make_settings: Make, engine: Engine) -> None:
    search = make_search(make_images(), make_settings(schedule="joint"), engine)
    before = flat(dict(search.supernet.state_dict()))
    terms = search.step(0)
    moved = changed(before, flat(dict(search.supernet.state_dict())))
    assert "alpha_loss" not in terms
    assert {f".{name}" for name, _ in search.supernet.named_parameters()} <= moved


def test_alpha_gradient_of_joint_is_that_of_alternate_on_the_same_batch(
    make_images: Make, make_settings: Make, engine: Engine
) -> None:
    """The first α update: `joint` takes the gradient before the weights move, so it equals an α step on that batch."""
    images = make_images()
    joint = make_search(images, make_settings(schedule="joint"), engine)
    alone = make_search(images, make_settings(alpha_batch="same"), engine)
    joint.step(0)
    alone.alpha_step(alone.alpha_step.batch(alone.weight_batches(0), 0), 0)
    for a, b in zip(joint.supernet.alphas(), alone.supernet.alphas(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    "change",
    [
        {"schedule": "joint"},
        {"alpha_batch": "same"},
        {"alpha_batch": "held_out"},
        {"alpha_lr": 1e-2},
        {"alpha_betas": (0.9, 0.99)},
        {"alpha_weight_decay": 0.5},
        {"alpha_init_std": 0.1},
        {"batch_images": 6},
        {"train_alpha": False},
        {"relaxation": "gumbel"},
        {"temperature": 0.5},
        {"temperature_end": 0.1},
        {"beta_weight": 1.0},
        {"cost_weight": 1.0},
        {"paths": "gumbel"},
        {"paths": "two-path"},
        {"paths": "reinforce"},
    ],
)
def test_every_switch_changes_alpha(
    change: dict[str, Any], make_images: Make, make_settings: Make, engine: Engine
) -> None:
    images = make_images()
    alphas = [
        warm(make_search(images, make_settings(**changes), engine), 4).supernet.alpha_by_name()
        for changes in ({}, change)
    ]
    assert alphas[0] != alphas[1]


@pytest.mark.parametrize("schedule", ["alternate", "joint"])
def test_alpha_that_is_not_trained_stays(schedule: str, make_images: Make, make_settings: Make, engine: Engine) -> None:
    search = make_search(make_images(), make_settings(train_alpha=False, schedule=schedule), engine)
    before = search.supernet.alpha_by_name()
    assert set(warm(search).step(3)) == {"l2", "lap1", "gradient_norm", "latent_gradient_norm", "loss"}
    assert search.supernet.alpha_by_name() == before


def test_noise_is_in_the_steps_and_not_in_what_is_written(
    make_images: Make, make_settings: Make, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = make_settings(relaxation="gumbel", temperature=2.0, temperature_end=0.5)
    search, drawn = make_search(make_images(), settings, engine), []
    draw = search.relaxation.draw
    monkeypatch.setattr(
        search.relaxation, "draw", lambda step, purpose: drawn.append((step, purpose)) or draw(step, purpose)
    )
    warm(search)
    assert drawn == [(step, purpose) for step in range(3) for purpose in ("weights", "alpha")]
    temperature = search.relaxation.temperature(3)
    assert temperature == pytest.approx(1.0)  # half-way along six steps from 2 to ½
    for slot in search.space.slots:
        alpha = search.supernet.edge(slot).alpha.detach()
        weights = torch.softmax(alpha / temperature, 0).tolist()
        found = search.supernet.mixing_by_name()[slot.name].values()
        assert [its["weight"] for its in found] == pytest.approx(weights)


@pytest.mark.parametrize("measure", ["num_parameters", "multiply_adds"])
def test_a_search_within_a_cap(measure: str, tmp_path: Path, make_images: Make, make_settings: Make) -> None:
    """What the cap made of the decisions stands in pruning.json, and in the line of every epoch."""
    images = make_images()
    freely = run(tmp_path / "free", images, make_settings())
    name = {"num_parameters": "max_params", "multiply_adds": "max_macs"}[measure]
    cap = getattr(architecture_cost(freely), measure) - 1
    found = run(tmp_path / "capped", images, make_settings(**{name: cap}))
    assert getattr(architecture_cost(found), measure) <= cap
    report = json.loads((tmp_path / "capped/pruning.json").read_text())
    assert report["cap"][name] == cap
    assert report["cap"][measure] == getattr(architecture_cost(found), measure)
    assert report["cap"]["without_cap"][measure] == cap + 1
    space, _ = SPACE.resolve(8)
    ours, theirs = choices(found.edges, space), choices(freely.edges, space)
    assert report["cap"]["changed"] == {key: ours[key] for key in ours if ours[key] != theirs[key]} != {}
    for folder in ("free", "capped"):  # α itself does not know of the cap
        assert (tmp_path / folder / "alpha.jsonl").read_bytes() == (tmp_path / "free/alpha.jsonl").read_bytes()
    assert "cap" not in json.loads((tmp_path / "free/pruning.json").read_text())


# ------------------------------------------------------------------------------------------ the whole search


def test_a_search_writes_everything(tmp_path: Path, make_images: Make, make_settings: Make) -> None:
    images, settings = make_images(), make_settings()
    architecture = run(tmp_path / "search", images, settings)
    folder = tmp_path / "search"
    assert Architecture.load(folder / "architecture.json") == architecture
    assert (architecture.num_stages, architecture.base_size, architecture.image_size) == (1, 4, 8)
    names = {path.name for path in folder.iterdir()}
    assert names >= {"alpha.jsonl", "mixing.jsonl", "metrics.jsonl", "timing.jsonl", "pruning.json", "checkpoints"}
    assert names >= {"reconstructions.png", "glo_samples.png"}

    space, _ = SPACE.resolve(8)
    records = read_jsonl(folder / "alpha.jsonl")
    assert [(record["epoch"], record["step"]) for record in records] == [(1, 3), (2, 6)]
    for record in records:  # contract.md: edge name → {operation name: α}
        alpha = {name: value for name, value in record.items() if name not in ("epoch", "step")}
        assert list(alpha) == [slot.name for slot in space.slots]
        assert all(list(alpha[slot.name]) == list(space.operations(slot)) for slot in space.slots)
    assert architecture.edges == prune(alpha, space)

    metrics = read_jsonl(folder / "metrics.jsonl")
    assert [record["step"] for record in metrics] == [1, 2, 3, 4, 6]
    assert all(record["loss"] == pytest.approx(record["l2"] + record["lap1"]) for record in metrics)
    assert ["epoch_loss" in record for record in metrics] == [False, False, True, False, True]
    decided = json.loads((folder / "pruning.json").read_text())["decisions"]
    assert [decision["name"] for decision in decided] == ["N1 direct", "U1 direct", "U1 residual"]


def test_provenance_has_no_time_and_no_path(tmp_path: Path, make_images: Make, make_settings: Make) -> None:
    run(tmp_path / "a", make_images(), make_settings())
    run(tmp_path / "b", make_images(), make_settings())
    a, b = ((tmp_path / name / "architecture.json").read_bytes() for name in "ab")
    assert a == b
    assert str(tmp_path).encode() not in a
    provenance = json.loads(a)["provenance"]
    assert provenance["data"] == {"fingerprint": make_images().fingerprint, "num_images": 24, "image_size": 8}


def test_a_finished_search_writes_the_same_again(tmp_path: Path, make_images: Make, make_settings: Make) -> None:
    """Killed after the last step, before anyone marked it done: the results come out the same."""
    first = run(tmp_path, make_images(), make_settings())
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.suffix in (".png", ".json", ".jsonl")}
    for path in (*tmp_path.glob("*.png"), tmp_path / "architecture.json"):
        path.unlink()
    assert run(tmp_path, make_images(), make_settings(), resume=True) == first
    assert {name: (tmp_path / name).read_bytes() for name in before} == before


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_search_that_is_done_is_read_back_untouched(tmp_path: Path, make_images: Make, make_settings: Make) -> None:
    first = degas.search(make_images(), tmp_path, search=make_settings(), device="cpu", progress=False)
    folder = tmp_path / "search"
    times = {path.name: path.stat().st_mtime_ns for path in folder.iterdir() if path.is_file()}
    again = degas.search(make_images(), tmp_path, search=make_settings(), device="cpu", progress=False, resume=True)
    assert again == first
    after = {path.name: path.stat().st_mtime_ns for path in folder.iterdir() if path.is_file()}
    assert {name for name in after if after[name] != times[name]} <= {".lock"}


def test_seeds_differ(make_images: Make, make_settings: Make, engine: Engine) -> None:
    images, settings = make_images(), make_settings()
    alphas = [warm(make_search(images, settings, engine, seed)).supernet.alpha_by_name() for seed in (0, 0, 1)]
    assert alphas[0] == alphas[1] != alphas[2]


@pytest.mark.parametrize(
    ("size", "channels", "num_images"), [(8, 1, 24), (12, 3, 24), (16, 3, 24), (8, 3, 3), (8, 3, 1)]
)
def test_other_sizes_and_tiny_sets(
    size: int, channels: int, num_images: int, tmp_path: Path, make_images: Make, make_settings: Make
) -> None:
    architecture = run(tmp_path, make_images(num_images, size, channels), make_settings(num_epochs=1))
    assert (architecture.image_size, architecture.channels) == (size, channels)


def test_darts_rule_that_disconnects_is_one_clear_line(
    tmp_path: Path, make_images: Make, make_settings: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    space, _ = SPACE.resolve(16)
    alpha = {slot.name: dict.fromkeys(space.operations(slot), 0.0) for slot in space.slots}
    for source in ("U0", "U1"):
        alpha[f"{source}->U2"]["deconv_6x6"] = 1.0
    monkeypatch.setattr(searcher.Supernet, "alpha_by_name", lambda self: alpha)
    with pytest.raises(UserError, match="cuts off N2") as caught:
        run(tmp_path, make_images(8, 16), make_settings(num_epochs=1, prune="darts"))
    assert "\n" not in str(caught.value)
    assert json.loads((tmp_path / "pruning.json").read_text())["darts"]["disconnected"] == ["N2"]


# ------------------------------------------------------------------------------------------ what stops a search


def test_a_loss_that_is_not_finite_names_step_and_term(
    tmp_path: Path, make_images: Make, make_settings: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    step_of = Search.step

    def poisoned(self: Search, step: int) -> dict[str, Tensor]:
        terms = step_of(self, step)
        return {**terms, "lap1": terms["lap1"] * float("nan")} if step == 2 else terms

    monkeypatch.setattr(Search, "step", poisoned)
    with pytest.raises(UserError, match="lap1 is nan at step 3"):
        run(tmp_path, make_images(), make_settings(checkpoint_steps=3, log_steps=100))
    assert not list((tmp_path / "checkpoints").glob("step-*"))  # nothing poisoned was saved


def test_a_search_that_learns_nothing_says_so_and_stops(
    tmp_path: Path, make_images: Make, make_settings: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("degas.nas.plateau.MIN_STEPS", 1)
    stuck = {"weight_lr": 1e-9, "latent_lr": 1e-9, "num_epochs": 3}
    with pytest.raises(NothingLearnedError, match="nothing was learned: the loss of epoch 2 is") as caught:
        run(tmp_path / "a", make_images(), make_settings(**stuck, plateau_share=0.95))
    assert "\n" not in str(caught.value)
    run(tmp_path / "b", make_images(), make_settings(**stuck, plateau_share=0.0))


def test_a_search_that_learns_passes_the_plateau_check(
    tmp_path: Path, make_images: Make, make_settings: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("degas.nas.plateau.MIN_STEPS", 30)  # epoch 10 of three steps each
    asked = []
    check = Search.check_plateau
    monkeypatch.setattr(
        Search, "check_plateau", lambda self, epoch, loss: asked.append((epoch, loss)) or check(self, epoch, loss)
    )
    settings = make_settings(width=16, weight_lr=1e-2, latent_lr=5e-2, num_epochs=11, plateau_share=0.95)
    run(tmp_path, make_images(), settings)
    assert [epoch for epoch, _ in asked] == list(range(1, 12))
    assert asked[-1][1] < 0.7 * asked[0][1]


@pytest.mark.parametrize("num_images", [1, 20])
def test_images_that_are_all_equal_are_learned_and_not_complained_of(
    num_images: int, tmp_path: Path, make_images: Make, make_settings: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their mean image has no loss at all, which no loss is below."""
    monkeypatch.setattr("degas.nas.plateau.MIN_STEPS", 1)
    one = make_images().images[:1]
    images = ImageSet(np.repeat(one, num_images, axis=0), None, (), "equal", "equal")
    run(tmp_path, images, make_settings(num_epochs=3, batch_images=1, plateau_share=0.95))


# ------------------------------------------------------------------------------------------ resume


def final_state(path: Path) -> dict[str, Any]:
    from degas.runtime.checkpoint import load_newest

    found = load_newest(path / "checkpoints", pytest.fail)
    assert found is not None
    return {"step": found[0], **flat(found[1])}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"schedule": "joint", "weight_optimizer": "sgd", "latent_optimizer": "sgd", "weight_lr": 0.01},
        {"alpha_batch": "held_out", "held_out_latent_steps": 1, "held_out_fraction": 0.34},
        {"relaxation": "gumbel", "temperature": 3.0, "temperature_end": 0.3, "beta_weight": 2.0, "cost_weight": 0.5},
        {"schedule": "joint", "relaxation": "gumbel", "beta_weight": 2.0},
        {"order": "second", "weight_optimizer": "sgd", "weight_lr": 0.05, "max_params": 3300},
        {"prune": "perturbation", "perturbation_batches": 2, "perturbation_tune_steps": 1},
        {"paths": "gumbel", "schedule": "joint", "temperature_end": 0.3, "cost_weight": 0.5},
        {"paths": "two-path", "prune": "alone", "perturbation_batches": 2, "perturbation_tune_steps": 1},
        {"paths": "reinforce", "weight_optimizer": "sgd", "weight_lr": 0.05, "beta_weight": 2.0},
        {"leave": "anneal", "schedule": "joint", "alpha_init_std": 0.5, "leave_share": 0.8, "cost_weight": 0.5},
        {"leave": "shrink", "weight_optimizer": "sgd", "weight_lr": 0.05, "beta_weight": 2.0, "relaxation": "gumbel"},
        {"leave": "layers", "prune": "alone", "perturbation_batches": 2, "perturbation_tune_steps": 1},
    ],
)
def test_ten_steps_equal_five_and_stop_and_five(
    changes: dict[str, Any], tmp_path: Path, make_images: Make, make_settings: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    held_out = 8 if "alpha_batch" in changes else 4 if changes.get("paths") == "reinforce" else 0
    images = make_images(16 + held_out)  # two steps an epoch: stop in the middle of one
    settings = make_settings(num_epochs=5, checkpoint_steps=100, **changes)
    run(tmp_path / "whole", images, settings)

    step_of = Search.step

    def stopped(self: Search, step: int) -> dict[str, Tensor]:
        if step == 4:  # the signal comes during the fifth step
            os.kill(os.getpid(), signal.SIGTERM)
        return step_of(self, step)

    with monkeypatch.context() as patch:
        patch.setattr(Search, "step", stopped)
        with pytest.raises(Terminated):
            run(tmp_path / "halves", images, settings)
    assert [path.name for path in (tmp_path / "halves/checkpoints").glob("step-*")] == ["step-00000005"]
    run(tmp_path / "halves", images, settings, resume=True)

    whole, halves = final_state(tmp_path / "whole"), final_state(tmp_path / "halves")
    assert whole["step"] == halves["step"] == 10
    assert changed(whole, halves) == set()
    for name in ("metrics.jsonl", "alpha.jsonl", "architecture.json", "pruning.json", "reconstructions.png"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "halves" / name).read_bytes(), name
    assert (tmp_path / "whole/glo_samples.png").read_bytes() == (tmp_path / "halves/glo_samples.png").read_bytes()


def test_a_kill_between_checkpoints_is_made_good(
    tmp_path: Path, make_images: Make, make_settings: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Logs run ahead of the checkpoint; they are cut back, and the end is the same."""
    images, settings = make_images(16), make_settings(num_epochs=5, checkpoint_steps=4, log_steps=1)
    run(tmp_path / "whole", images, settings)
    step_of = Search.step

    def killed(self: Search, step: int) -> dict[str, Tensor]:
        if step == 7:
            raise RuntimeError("killed")
        return step_of(self, step)

    with monkeypatch.context() as patch:
        patch.setattr(Search, "step", killed)
        with pytest.raises(RuntimeError, match="killed"):
            run(tmp_path / "halves", images, settings)
    assert read_jsonl(tmp_path / "halves/metrics.jsonl")[-1]["step"] == 7
    run(tmp_path / "halves", images, settings, resume=True)
    assert changed(final_state(tmp_path / "whole"), final_state(tmp_path / "halves")) == set()
    for name in ("metrics.jsonl", "alpha.jsonl"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "halves" / name).read_bytes()


def test_a_run_begun_by_the_last_release_goes_on(
    tmp_path: Path, make_images: Make, make_settings: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its config.json has no signal, and its checkpoints call the signal's state `glo`."""
    from degas.runtime.checkpoint import load_newest, save_checkpoint

    given: dict[str, Any] = {"search": make_settings(checkpoint_steps=2), "device": "cpu", "progress": False}
    degas.search(make_images(), tmp_path / "whole", **given)
    step_of = Search.step
    with monkeypatch.context() as patch:
        patch.setattr(Search, "step", lambda self, step: step_of(self, step) if step < 5 else 1 / 0)
        with pytest.raises(ZeroDivisionError):
            degas.search(make_images(), tmp_path / "old", **given)
    folder = tmp_path / "old" / "search"
    found = load_newest(folder / "checkpoints", pytest.fail)
    assert found is not None
    step, state = found
    shutil.rmtree(folder / "checkpoints")
    save_checkpoint(folder / "checkpoints", step, {"glo" if name == "signal" else name: v for name, v in state.items()})
    config = json.loads((folder / "config.json").read_text())
    assert config["search"].pop("signal") == "glo"
    (folder / "config.json").write_text(json.dumps(config))
    degas.search(make_images(), tmp_path / "old", resume=True, **given)
    assert changed(final_state(tmp_path / "whole/search"), final_state(folder)) == set()
    for name in ("metrics.jsonl", "alpha.jsonl", "architecture.json", "pruning.json"):
        assert (folder / name).read_bytes() == (tmp_path / "whole/search" / name).read_bytes(), name


def test_moments_come_back_in_the_memory_format_of_their_weights(
    make_images: Make, make_settings: Make, engine: Engine
) -> None:
    """Fused kernels walk weight and moment side by side in memory."""
    search = warm(make_search(make_images(), make_settings(), engine))
    state = search.signal.state_dict()
    for its_state in state["optimizer"]["state"].values():
        for name, value in its_state.items():
            its_state[name] = value.contiguous()
    search.signal.load_state_dict(state)
    for weight in search.signal.weights:
        assert search.signal.optimizer.state[weight]["exp_avg"].stride() == weight.stride()


def test_bfloat16_learns_too(make_images: Make, make_settings: Make) -> None:
    engine = Engine("bfloat16", device="cpu")
    search = make_search(make_images(), make_settings(weight_lr=1e-2, latent_lr=5e-2, width=16), engine)
    losses = [float(search.step(step)["loss"]) for step in range(30)]
    assert np.mean(losses[-5:]) < 0.8 * np.mean(losses[:2])
    assert all(alpha.dtype == torch.float32 for alpha in search.supernet.alphas())


# ------------------------------------------------------------------------------------------ stopping when settled

# Three steps an epoch, and a margin of 0: settled as soon as two epochs in a row would keep the same.
SETTLING = {"num_epochs": 60, "settle_epochs": 2, "settle_margin": 0.0, "checkpoint_steps": 4}


def kept_by_epoch(path: Path) -> list[Any]:
    space, _ = SPACE.resolve(8)
    names = {slot.name for slot in space.slots}
    return [
        prune({k: v for k, v in record.items() if k in names}, space) for record in read_jsonl(path / "alpha.jsonl")
    ]


def test_a_settled_search_stops_early_and_its_logs_end_there(
    tmp_path: Path, make_images: Make, make_settings: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    images, settings = make_images(), make_settings(**SETTLING)
    with StageFolder(tmp_path, settings={}, resume=False, kind="search") as folder:
        architecture = run_search(
            images, settings, SPACE, seed=0, folder=folder, engine=Engine(device="cpu"), progress=True
        )
    kept = kept_by_epoch(tmp_path)
    num_epochs = len(kept)
    assert 3 <= num_epochs < 60
    assert kept[-3] == kept[-2] == kept[-1] == architecture.edges
    assert all(len(set(kept[k : k + 3])) > 1 for k in range(num_epochs - 3))  # and not an epoch later than it could
    assert {read_jsonl(tmp_path / name)[-1]["step"] for name in ("metrics.jsonl", "alpha.jsonl", "mixing.jsonl")} == {
        3 * num_epochs
    }
    assert final_state(tmp_path)["step"] == 3 * num_epochs
    shown = capsys.readouterr().err
    assert f"settled by α after epoch {num_epochs} of 60" in shown
    assert f"search: {3 * num_epochs} steps in" in shown


def test_settling_is_off_by_default_and_a_great_margin_keeps_going(
    tmp_path: Path, make_images: Make, make_settings: Make
) -> None:
    off = {"settle_epochs": 0, "settle_margin": None}
    for name, changes in {"off": off, "close": {"settle_margin": 100.0}}.items():
        run(tmp_path / name, make_images(), make_settings(**{**SETTLING, "num_epochs": 12, **changes}))
        assert len(kept_by_epoch(tmp_path / name)) == 12


@pytest.mark.parametrize("last", [0, 1, 2, 3, 4])
def test_killed_about_the_step_that_settles_it_ends_with_the_same_bits(
    last: int, tmp_path: Path, make_images: Make, make_settings: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed before any of the last steps, after the last one's checkpoint, and before the results are written."""
    images, settings = make_images(), make_settings(**SETTLING)
    run(tmp_path / "straight", images, settings)
    total = final_state(tmp_path / "straight")["step"]
    step_of = Search.step

    class Killed(BaseException):
        pass

    def deadly(self: Search, step: int) -> dict[str, Tensor]:
        if step == total - last:
            raise Killed
        return step_of(self, step)

    def no_results(*_: Any, **__: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Search, "step", deadly)
        patch.setattr("degas.nas.results.outputs.write_results", no_results)
        with pytest.raises(Killed):
            run(tmp_path / "killed", images, settings)
    run(tmp_path / "killed", images, settings, resume=True)
    for name in (
        "architecture.json",
        "alpha.jsonl",
        "mixing.jsonl",
        "metrics.jsonl",
        "pruning.json",
        "glo_samples.png",
    ):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "straight" / name).read_bytes(), name
    assert not changed(final_state(tmp_path / "straight"), final_state(tmp_path / "killed"))


def test_a_cap_holds_under_the_default_rule(tmp_path: Path, make_images: Make, make_settings: Make) -> None:
    """By the losses without each operation; pruning.json says what the cap changed."""
    free = run(tmp_path / "free", make_images(), make_settings(prune="perturbation"))
    limit = architecture_cost(free).num_parameters - 1
    capped = run(tmp_path / "capped", make_images(), make_settings(prune="perturbation", max_params=limit))
    assert architecture_cost(capped).num_parameters <= limit
    report = json.loads((tmp_path / "capped" / "pruning.json").read_text())
    assert report["rule"] == "perturbation"
    assert report["cap"]["without_cap"]["num_parameters"] == limit + 1
    assert report["cap"]["changed"]
