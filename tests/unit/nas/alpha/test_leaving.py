"""Operations that leave: who leaves, what remains of the mix, what it costs, and what the rules make of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from degas.nas.alpha.leaving import Leaving
from degas.nas.alpha.relaxation import Relaxation
from degas.nas.settings import resolve_search
from degas.nas.stage import run_search
from degas.nas.state import Search
from degas.nas.supernet.supernet import Supernet
from degas.runtime.distributed import Engine
from degas.runtime.json_files import read_jsonl
from degas.runtime.run_folder import StageFolder
from degas.settings.sections import SearchSettings, SpaceSettings
from degas.space.graph import ZERO, Edge, SearchSpace

Make = Callable[..., Any]
NORMAL, UP = ("conv_3x3", "sep_conv_3x3"), ("deconv_4x4", "nearest_conv_3x3")


def make_supernet(space: SearchSpace) -> Supernet:
    torch.manual_seed(0)
    return Supernet(space, base_size=4, width=4, noise_size=3, channels=1, alpha_std=1.0).double()


def remaining_of(supernet: Supernet) -> dict[str, list[str]]:
    edges = {slot.name: supernet.edge(slot) for slot in supernet.space.slots}
    return {name: [one for one in edge.names if edge.has(one)] for name, edge in edges.items()}


def noise() -> Tensor:
    return torch.randn(3, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


# ------------------------------------------------------------------------------------------ what remains of the mix


@pytest.mark.parametrize("draws", [True, False])
def test_the_remaining_mix_is_that_of_a_supernet_of_those_operations(draws: bool, make_settings: Make) -> None:
    """Equal images, gradients and multiply-adds; some processors add the shorter sums in another order."""
    space, small_space = SearchSpace(2), SearchSpace(2, 1, NORMAL, UP)
    whole, small = make_supernet(space), make_supernet(small_space)
    weights = small.state_dict()
    for name, value in whole.state_dict().items():
        if name in weights and not name.endswith("alpha"):
            weights[name].copy_(value)
    for slot in space.slots:
        edge, target = whole.edge(slot), small.edge(slot)
        edge.remaining = tuple(name in target.names for name in edge.names)
        with torch.no_grad():
            target.alpha.copy_(edge.alpha[list(edge.remaining)])
    results = []
    for supernet in (whole, small):
        relaxation = Relaxation(supernet, resolve_search(make_settings(temperature=0.7), 24), total_steps=4, seed=0)
        relaxation.draw(2, "weights") if draws else relaxation.rest(2)
        with FlopCounterMode(display=False) as counter:
            images = supernet(noise())
            images.square().sum().backward()
        results.append((images, counter.get_total_flops()))
    torch.testing.assert_close(results[0][0], results[1][0], rtol=0, atol=1e-12)
    assert results[0][1] == results[1][1]
    gradients = {name: parameter.grad for name, parameter in small.named_parameters()}
    for name, parameter in whole.named_parameters():
        if name.endswith("alpha"):
            slot = next(slot for slot in space.slots if whole.edge(slot).alpha is parameter)
            kept = list(whole.edge(slot).remaining or ())
            torch.testing.assert_close(parameter.grad[kept], gradients[name])
            assert (parameter.grad[[not one for one in kept]] == 0).all()
        elif name in gradients:
            torch.testing.assert_close(parameter.grad, gradients[name])
        else:
            assert parameter.grad is None, name


# ------------------------------------------------------------------------------------------ who leaves


def leave(space: SearchSpace, settings: SearchSettings, *alphas: dict[str, dict[str, float]]) -> dict[str, list[str]]:
    supernet = make_supernet(space)
    Leaving(supernet, resolve_search(settings, 24)).recall(alphas)
    return remaining_of(supernet)


def ranked(space: SearchSpace, step: float = 1.0, zero: float = 0.0) -> dict[str, dict[str, float]]:
    """α falls by `step` from operation to operation of every edge, and that of `zero` is `zero`."""
    return {
        slot.name: {name: zero if name == ZERO else -step * k for k, name in enumerate(space.operations(slot))}
        for slot in space.slots
    }


def test_thirds_leave_the_largest(make_settings: Make) -> None:
    """P-DARTS' 8, 5, 3 of nine and of four operations; `zero` stays."""
    space, settings = SearchSpace(1), make_settings(leave="shrink", num_epochs=6)
    counts = []
    for epochs in range(7):
        found = leave(space, settings, *[ranked(space)] * epochs)
        assert found["U0->N1"] == list(space.normal_operations[: len(found["U0->N1"])])
        assert found["U0->U1"][-1] == ZERO
        counts.append((len(found["U0->N1"]), len(found["N1->U1"]), len(found["U0->U1"]) - 1))
    assert counts == [(9, 4, 4), (9, 4, 4), (6, 3, 3), (6, 3, 3), (4, 2, 2), (4, 2, 2), (4, 2, 2)]


def test_layers_are_decided_from_noise_to_image(make_settings: Make) -> None:
    space, settings = SearchSpace(3), make_settings(leave="layers", num_epochs=3)
    first, second = (leave(space, settings, *[ranked(space)] * count) for count in (1, 2))
    for found, decided in ((first, ("N1", "U1")), (second, ("N1", "U1", "N2", "U2"))):
        for slot in space.slots:
            kept = [name for name in found[slot.name] if name != ZERO]
            assert kept == list(space.operations(slot)[: 1 if slot.target in decided else len(kept)])
            assert len(kept) > 1 or slot.target in decided
            assert (ZERO in found[slot.name]) == (not slot.direct)
    assert leave(space, settings, *[ranked(space)] * 3) == second  # the pruning rule decides the rest


def test_annealing_drops_what_weighs_less_than_its_share(make_settings: Make) -> None:
    """By the weights of the mix at that epoch's temperature, and of equal parts among those that remain."""
    space, settings = SearchSpace(1), make_settings(leave="anneal", num_epochs=4, leave_share=0.5, temperature=2.0)
    complete = resolve_search(settings, 24)
    supernet = make_supernet(space)
    relaxation = Relaxation(supernet, complete, total_steps=4, seed=0)
    leaving, sizes = Leaving(supernet, complete), []
    for epoch in (1, 2, 3):
        relaxation.rest(epoch)
        before, alpha = remaining_of(supernet), supernet.alpha_by_name()
        weights = supernet.mixing_by_name()
        leaving(alpha, epoch)
        for name, kept in remaining_of(supernet).items():
            best = max((one for one in before[name] if one != ZERO), key=alpha[name].__getitem__)
            least = 0.5 / len(before[name])
            assert kept == [one for one in before[name] if weights[name][one]["weight"] >= least or one in (best, ZERO)]
        sizes.append(sum(map(len, remaining_of(supernet).values())))
    assert sizes[0] > sizes[1] > sizes[2]


def test_the_best_operation_and_zero_never_leave(make_settings: Make) -> None:
    space = SearchSpace(1)
    settings = make_settings(leave="anneal", num_epochs=9, leave_share=0.99, temperature_end=0.1)
    found = leave(space, settings, *[ranked(space, zero=50.0)] * 8)
    assert found == {"U0->N1": ["conv_1x1"], "N1->U1": ["deconv_4x4"], "U0->U1": ["deconv_4x4", ZERO]}
    found = leave(space, settings, *[ranked(space, zero=-50.0)] * 8)
    assert found["U0->U1"] == ["deconv_4x4", ZERO]


def test_a_zero_that_leads_takes_weight_from_all_others(make_settings: Make) -> None:
    space, settings = SearchSpace(1), make_settings(leave="anneal", leave_share=0.4, temperature_end=1.0)
    found = [leave(space, settings, ranked(space, step=0.2, zero=zero))["U0->U1"] for zero in (0.0, 3.0)]
    assert [len(kept) for kept in found] == [5, 2]


def test_the_share_decides_who_leaves(make_settings: Make) -> None:
    space, alpha = SearchSpace(1), ranked(SearchSpace(1), step=0.3)
    kept = [leave(space, make_settings(leave="anneal", leave_share=share), alpha) for share in (0.1, 0.4, 0.9)]
    assert len(kept[0]["U0->N1"]) > len(kept[1]["U0->N1"]) > len(kept[2]["U0->N1"])


def test_stages_with_one_alpha_keep_the_same(make_settings: Make) -> None:
    space = SearchSpace(3, share="stages")
    supernet = make_supernet(space)
    Leaving(supernet, resolve_search(make_settings(leave="shrink", num_epochs=3), 24))(supernet.alpha_by_name(), 1)
    found = remaining_of(supernet)
    for slots in space.roles.values():
        assert len({tuple(found[slot.name]) for slot in slots}) == 1


def test_given_edges_stay_as_they_are(make_settings: Make) -> None:
    given = (Edge("U0", "N1", "skip"), Edge("N1", "U1", "deconv_4x4"))
    supernet = make_supernet(SearchSpace(2, prefix=given))
    leaving = Leaving(supernet, resolve_search(make_settings(leave="layers", num_epochs=2), 24))
    leaving(supernet.alpha_by_name(), 1)
    found = remaining_of(supernet)
    assert (found["U0->N1"], found["N1->U1"]) == (["skip"], ["deconv_4x4"])
    assert [len(found[name]) for name in ("U1->N2", "N2->U2", "U1->U2")] == [1, 4, 5]  # one of two searched nodes


# ------------------------------------------------------------------------------------------ in a search


@pytest.mark.parametrize("prune", ["paper", "alone", "perturbation"])
def test_only_what_remains_is_measured_and_kept(
    prune: str, tmp_path: Path, make_images: Make, make_settings: Make
) -> None:
    settings = make_settings(leave="shrink", num_epochs=4, prune=prune, perturbation_batches=1, alpha_lr=0.1)
    with StageFolder(tmp_path, settings={}, resume=False, kind="search") as folder:
        engine = Engine(device="cpu")
        found = run_search(
            make_images(), settings, SpaceSettings(), seed=0, folder=folder, engine=engine, progress=False
        )
    space, _ = SpaceSettings().resolve(8)
    records = [
        {slot.name: record[slot.name] for slot in space.slots} for record in read_jsonl(tmp_path / "alpha.jsonl")
    ]
    kept = leave(space, settings, *records)
    assert len(kept["U0->N1"]) == 4
    pruning = json.loads((tmp_path / "pruning.json").read_text())
    values, left = pruning["values"], pruning["left"]
    assert left == {slot.name: [one for one in values[slot.name] if one not in kept[slot.name]] for slot in space.slots}
    for slot, losses in pruning.get("perturbation", {}).get("losses", {}).items():
        assert set(losses) == set(kept[slot])  # nobody measured the others
    for decision in pruning["decisions"]:
        of_edge, _, one = decision["runner_up"].rpartition(" ")  # "conv_3x3", or "U0->U1 deconv_4x4"
        assert all(one not in names for slot, names in left.items() if of_edge == slot)
    for edge in found.edges:
        assert edge.operation in kept[f"{edge.source}->{edge.target}"]
    for name, operations in values.items():
        least = min(operations[one] for one in kept[name])
        assert all(operations[one] == pytest.approx(least - 1) for one in operations if one not in kept[name])


@pytest.mark.parametrize("rule", ["shrink", "layers"])
def test_later_steps_compute_less_and_move_nothing_that_has_left(
    rule: str, make_images: Make, make_settings: Make
) -> None:
    """Counted multiply-adds of whole steps; times would depend on the machine."""
    settings = make_settings(leave=rule, num_epochs=3, schedule="joint")
    search = Search(make_images(size=16), settings, SpaceSettings(), seed=0, engine=Engine(device="cpu"))
    counts = []
    for epoch in (1, 2, 3):
        left = {
            f"{slot.name.replace('->', '-')}.branches.{name}."
            for slot in search.space.slots
            for name in search.space.operations(slot)
            if not search.supernet.edge(slot).has(name)
        }
        before = {key: value.clone() for key, value in search.supernet.state_dict().items()}
        with FlopCounterMode(display=False) as counter:
            search.step(epoch)
        counts.append(counter.get_total_flops())
        for key, value in search.supernet.state_dict().items():
            if any(name in key for name in left):
                assert torch.equal(value, before[key])
        search.end_epoch(3 * epoch, search.supernet.alpha_by_name())
    assert left
    assert counts[0] > counts[1] > counts[2]
