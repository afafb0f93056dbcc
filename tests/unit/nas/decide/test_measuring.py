"""Pruning by losses: against a supernet masked by hand, decisions by the paper's rule, and the control."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from textbook_mixed import copy_supernet, textbook_supernet

from degas.data.image_set import ImageSet
from degas.data.pixels import to_symmetric
from degas.errors import UserError
from degas.nas.decide.measuring import Measured, Measurement, Measuring, kept_at
from degas.nas.decide.race import fewest_batches
from degas.nas.decide.rule import make_rule
from degas.nas.glo.reconstruction import reconstruction_terms
from degas.nas.results.outputs import searched
from degas.nas.stage import run_search
from degas.nas.state import Search
from degas.nas.supernet.branch import Branch
from degas.nas.supernet.mixing import Mixing
from degas.nets.backbone import Backbone, module_name
from degas.runtime.distributed import Engine
from degas.runtime.run_folder import StageFolder
from degas.settings.sections import SearchSettings, SpaceSettings
from degas.space.architecture import Architecture
from degas.space.graph import ZERO, Edge, SearchSpace, Slot
from degas.space.pruning import choices, prune, random_alpha

Make = Callable[..., Any]
COMPARISON = {"compare": "above_zero", "zero_rule": "drops_edge"}
SPACE = SpaceSettings(normal_operations=("conv_1x1", "skip"), up_operations=("deconv_4x4", "nearest_conv_1x1"))


def make_search(images: ImageSet, settings: Any, space: SpaceSettings = SPACE, steps: int = 3) -> Search:
    search = Search(images, settings, space, seed=0, engine=Engine(device="cpu"))
    for step in range(steps):
        search.step(step)
    return search


def perturbation(search: Search, cost_shares: Sequence[torch.Tensor] = ()) -> Measurement:
    left = dataclasses.replace(searched(search, 3), cost_shares=cost_shares)
    rule = search.rule if isinstance(search.rule, Measuring) else rule_of("perturbation", search.space, search.settings)
    return Measurement(rule, left)


def measure(search: Search, cost_shares: Sequence[torch.Tensor] = ()) -> Measured:
    return perturbation(search, cost_shares).measure()


def rule_of(name: str, space: SearchSpace, settings: SearchSettings | None = None, **changes: Any) -> Measuring:
    settings = (settings or SearchSettings()).model_copy(update={"prune": name, **changes})
    rule = make_rule(settings, space)
    assert isinstance(rule, Measuring)
    return rule


def values_of(losses: Mapping[str, Mapping[str, float]], name: str) -> dict[str, dict[str, float]]:
    return rule_of(name, SearchSpace(1)).worth(losses)


def twin_of(search: Search, rules: dict[str, Mixing]) -> Backbone:
    """The textbook's supernet with these mixing rules, in training mode."""
    backbone = search.supernet.backbone
    for slot in search.space.slots:
        search.supernet.edge(slot).mixing_rule = rules.get(slot.name, Mixing())
    twin = textbook_supernet(
        search.space, base_size=4, width=backbone.width, noise_size=6, channels=search.images.channels
    )
    copy_supernet(twin, search.supernet)
    for slot in search.space.slots:
        search.supernet.edge(slot).mixing_rule = Mixing()
    return twin


def gains_by_hand(search: Search, rules: dict[str, Mixing], slot: Slot) -> dict[str, float]:
    """Operation → rms of the edge's mix over that of the operation alone, on the first batch."""
    names = search.space.operations(slot)

    def rms(rule: Mixing) -> float:
        outputs = []
        twin = twin_of(search, {**rules, slot.name: rule})
        twin.edges[module_name(slot.name)].register_forward_hook(lambda *call: outputs.append(call[-1]))
        with torch.no_grad():
            twin(search.signal.table.rows[search.make_batches("search perturbation", None)(0).index])
        return float(outputs[0].square().mean().sqrt())

    alone = {name: rms(Mixing(keep=tuple(other == name for other in names))) for name in names}
    return {name: rms(Mixing()) / size if size else 1.0 for name, size in alone.items()}


def loss_by_hand(search: Search, rules: dict[str, Mixing], num_batches: int) -> float:
    """The loss of the textbook's supernet with these rules, on the same images and latents."""
    twin = twin_of(search, rules)
    batches, total = search.make_batches("search perturbation", None), 0.0
    with torch.no_grad():
        for number in range(num_batches):
            batch = batches(number)
            fakes = twin(search.signal.table.rows[batch.index])
            total += float(sum(reconstruction_terms(fakes, to_symmetric(batch.images), "l2-lap1").values()))
    return total / num_batches


@pytest.mark.parametrize("order", ["normal-up", "up-normal"])
@pytest.mark.parametrize("rule", ["alone", "alone_scaled", "perturbation"])
def test_each_loss_is_that_of_the_supernet_with_the_operation_alone_or_without_it(
    rule: str, order: str, make_images: Make, make_settings: Make
) -> None:
    """Also that a node is fixed to what it keeps before the next one is measured."""
    settings = make_settings(prune=rule, perturbation_batches=2, alpha_init_std=0.5)
    search = make_search(make_images(), settings, SPACE.model_copy(update={"order": order}))
    found = measure(search)
    fixed: dict[str, Mixing] = {}
    for node in search.space.nodes[1:]:
        assert found.before[node] == pytest.approx(loss_by_hand(search, fixed, 2), rel=1e-4)
        gains = {
            slot: gains_by_hand(search, fixed, slot) if rule == "alone_scaled" else {}
            for slot in search.space.incoming(node)
        }
        for slot in search.space.incoming(node):
            names = search.space.operations(slot)
            for name in names:
                kept = tuple(its != name if rule == "perturbation" else its == name for its in names)
                rules = {**fixed, slot.name: Mixing(keep=kept, gain=gains[slot].get(name, 1.0))}
                assert found.losses[slot.name][name] == pytest.approx(loss_by_hand(search, rules, 2), rel=1e-4)
        edges = {
            edge.source: edge.operation
            for edge in kept_at(node, values_of(found.losses, rule), search.space, COMPARISON)
        }
        for slot in search.space.incoming(node):
            keeps = edges.get(slot.source, ZERO)
            keep = tuple(its == keeps for its in search.space.operations(slot))
            fixed[slot.name] = Mixing(keep=keep, gain=gains[slot].get(keeps, 1.0))


@pytest.mark.parametrize("rule", ["alone", "alone_scaled", "perturbation"])
def test_the_weighted_cost_of_the_mix_is_part_of_every_loss(
    rule: str, make_images: Make, make_settings: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a node whose predecessors are not decided yet: the first one. Without a weight, the loss alone."""
    monkeypatch.setattr("degas.nas.decide.measuring.FACTOR", 1e9)
    settings = make_settings(prune=rule, perturbation_batches=1, cost_weight=0.5, alpha_init_std=0.5)
    search = make_search(make_images(), settings)
    shares = search.alpha_step.penalties.shares
    with_cost = measure(search, shares)
    without = measure(search)
    weights = {slot.name: torch.softmax(search.supernet.edge(slot).alpha.detach(), 0) for slot in search.space.slots}
    all_edges = sum(float((weights[slot.name] * s).sum()) for slot, s in zip(search.space.slots, shares, strict=True))
    assert with_cost.before["N1"] - without.before["N1"] == pytest.approx(0.5 * all_edges, rel=1e-4)
    own = float((weights["U0->N1"] * shares[0]).sum())
    for place, name in enumerate(search.space.operations(search.space.slots[0])):
        other = 1 - place  # of two: without the one the other has all the weight
        mine = float(shares[0][other if rule == "perturbation" else place])
        found = with_cost.losses["U0->N1"][name] - without.losses["U0->N1"][name]
        assert found == pytest.approx(0.5 * (all_edges - own + mine), rel=1e-4)


@pytest.mark.parametrize("rule", ["alone", "alone_scaled", "perturbation"])
def test_a_heavy_cost_leaves_the_smallest_architecture(
    rule: str, make_images: Make, make_settings: Make, tmp_path: Path
) -> None:
    settings = make_settings(prune=rule, perturbation_batches=1, cost_weight=1e4, num_epochs=1)
    found = run(tmp_path / "run", make_images(), settings)
    graph = found.graph
    assert {edge.operation for edge in found.edges} == {"skip", "nearest_conv_1x1"}
    assert len(found.edges) == len(graph.nodes) - 1  # no residual edge


@pytest.mark.parametrize(
    ("changes", "factor", "shortened"), [({}, 0.0, True), ({}, 1e9, False), ({"max_params": 10**9}, 0.0, False)]
)
def test_who_is_clearly_behind_is_measured_on_fewer_batches_unless_a_cap_may_want_it(
    changes: dict[str, Any],
    factor: float,
    shortened: bool,
    make_images: Make,
    make_settings: Make,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("degas.nas.decide.measuring.FACTOR", factor)
    settings = make_settings(prune="alone", perturbation_batches=5, **changes)
    search = make_search(make_images(), settings, SpaceSettings())  # N1, and U1 with one residual edge
    measurement, asked = perturbation(search), []
    losses = measurement._losses
    measurement._losses = lambda node, number, masks: asked.append(len(masks)) or losses(node, number, masks)  # type: ignore[assignment, func-returns-value]
    measurement.measure()
    sizes = [len(search.space.operations(slot)) for slot in search.space.slots]
    assert sum(asked) == sum(size * (fewest_batches(size) if shortened else 5) for size in sizes)


def test_what_a_mask_leaves_out_is_computed_with_gradients_only(
    make_images: Make, make_settings: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step has to move all weights alike; a measurement has no use for a part of weight 0."""
    space = SpaceSettings(normal_operations=("max_pool_3x3", "avg_pool_3x3"), up_operations=("deconv_4x4",))
    search = make_search(make_images(), make_settings(), space)
    calls, forward = [0], Branch.forward

    def counting(*args: Any) -> torch.Tensor:
        calls[0] += 1
        return forward(*args)

    monkeypatch.setattr(Branch, "forward", counting)
    normal = [slot for slot in search.space.slots if slot.factor == 1]
    search.supernet.edge(normal[0]).mixing_rule = Mixing(keep=(True, False))
    latents = search.signal.table.rows[:2]
    for gradients, expected in ((False, 2 * len(normal) - 1), (True, 2 * len(normal))):
        calls[0] = 0
        with torch.set_grad_enabled(gradients):
            search.supernet(latents)
        assert calls[0] == expected


def test_nothing_is_changed_without_tuning(make_images: Make, make_settings: Make) -> None:
    search = make_search(make_images(), make_settings(perturbation_batches=1))
    before = {name: value.clone() for name, value in search.supernet.state_dict().items()}
    rows = search.signal.table.rows.clone()
    first, again = (measure(search) for _ in range(2))
    assert first == again
    assert all(torch.equal(value, before[name]) for name, value in search.supernet.state_dict().items())
    assert torch.equal(rows, search.signal.table.rows)
    assert all(search.supernet.edge(slot).mixing_rule == Mixing() for slot in search.space.slots)


def test_tuning_between_decisions_changes_the_later_ones_losses(make_images: Make, make_settings: Make) -> None:
    images, found = make_images(), []
    for steps in (0, 2):
        search = make_search(images, make_settings(perturbation_batches=1, perturbation_tune_steps=steps))
        alpha = search.supernet.alpha_by_name()
        found.append(measure(search))
        assert search.supernet.alpha_by_name() == alpha
    assert found[0].losses["U0->N1"] == found[1].losses["U0->N1"]  # the first decision
    assert found[0].losses["N1->U1"] != found[1].losses["N1->U1"]


def test_tuning_goes_on_with_the_batches_that_come_next(make_images: Make, make_settings: Make) -> None:
    search = make_search(make_images(), make_settings(perturbation_batches=1, perturbation_tune_steps=2))
    measurement, asked = perturbation(search), []
    batches = measurement.tune_batches
    measurement.tune_batches = lambda step: asked.append(step) or batches(step)  # type: ignore[assignment, func-returns-value]
    measurement.measure()
    assert asked == [3, 4, 5, 6]  # two for each of two nodes, after the search's three


def test_batches_and_their_number_count(make_images: Make, make_settings: Make) -> None:
    images = make_images()
    one, two = (measure(make_search(images, make_settings(perturbation_batches=number))) for number in (1, 2))
    assert one.before != two.before


def test_an_operation_that_does_all_the_work_is_kept(make_images: Make, make_settings: Make) -> None:
    """Whatever α says: the other operations' kernels are zero, and without this one the edge is dead."""
    search = make_search(make_images(), make_settings(perturbation_batches=1, weight_lr=1e-2), steps=12)
    for node in ("N1", "U1"):
        slot = search.space.incoming(node)[0]
        edge = search.supernet.edge(slot)
        with torch.no_grad():
            for name in edge.names[1:]:
                for parameter in edge.branches[name].parameters():
                    parameter.zero_()
            edge.alpha.copy_(torch.tensor([-1.0, 1.0]))
    found = measure(search)
    edges = prune(found.losses, search.space)
    assert next(edge.operation for edge in edges if (edge.source, edge.target) == ("N1", "U1")) == "deconv_4x4"
    by_alpha = prune(search.supernet.alpha_by_name(), search.space)
    assert next(edge.operation for edge in by_alpha if (edge.source, edge.target) == ("N1", "U1")) == "nearest_conv_1x1"


def test_the_only_operation_of_an_edge_can_be_measured_too(make_images: Make, make_settings: Make) -> None:
    space = SpaceSettings(normal_operations=("skip",), up_operations=("deconv_4x4",))
    search = make_search(make_images(), make_settings(perturbation_batches=1, zero_rule="ignored"), space)
    found = measure(search)
    assert len(prune(found.losses, search.space, zero_rule="ignored")) in (2, 3)
    assert found.losses["N1->U1"]["deconv_4x4"] != found.before["U1"]


def test_alone_keeps_the_operation_with_the_least_loss_and_the_edge_that_beats_doing_without_it() -> None:
    space = SearchSpace(1)
    losses = {slot.name: dict.fromkeys(space.operations(slot), 0.5) for slot in space.slots}
    losses["N1->U1"]["deconv_4x4"] = 0.4
    losses["U0->U1"] = {
        "nearest_conv_1x1": 0.6,
        "nearest_conv_3x3": 0.38,
        "deconv_4x4": 0.3,
        "deconv_6x6": 0.7,
        ZERO: 0.39,
    }
    kept = kept_at("U1", values_of(losses, "alone"), space, COMPARISON)
    assert kept == (Edge("N1", "U1", "deconv_4x4"), Edge("U0", "U1", "deconv_4x4"))
    losses["U0->U1"][ZERO] = 0.2
    assert kept_at("U1", values_of(losses, "alone"), space, COMPARISON) == kept[:1]
    assert values_of(losses, "perturbation") == losses


@pytest.mark.parametrize("zero_rule", ["drops_edge", "ignored"])
def test_a_node_keeps_what_hurts_most_and_the_residual_that_beats_its_own_zero(zero_rule: Any) -> None:
    space, _ = SpaceSettings().resolve(32)
    rule = rule_of("perturbation", space, zero_rule=zero_rule)
    comparison = rule.comparison
    assert comparison == {"compare": "above_zero", "zero_rule": zero_rule}
    for seed in range(20):
        losses = random_alpha(space, seed)
        edges = [edge for node in space.nodes[1:] for edge in kept_at(node, losses, space, comparison)]
        assert tuple(edges) == by_hand(losses, space)
        assert tuple(edges) == prune(losses, space, **comparison) == rule.keep(losses)


def by_hand(losses: dict[str, dict[str, float]], space: SearchSpace) -> tuple[Edge, ...]:
    edges = []
    for node in space.nodes[1:]:
        direct, *residual = space.incoming(node)
        edges.append(Edge(direct.source, node, max(losses[direct.name], key=lambda name: losses[direct.name][name])))
        gains = {
            (slot.source, name): loss - losses[slot.name][ZERO]
            for slot in residual
            for name, loss in losses[slot.name].items()
            if name != ZERO
        }
        if gains and max(gains.values()) > 0:
            source, name = max(gains, key=lambda pair: gains[pair])
            edges.append(Edge(source, node, name))
    return tuple(edges)


def test_a_residual_edge_is_kept_however_much_hangs_on_the_direct_one() -> None:
    """U3 after 15 epochs: dropped by the paper's comparison of edges, for removing the direct one cost 0.05."""
    space = SearchSpace(1)
    losses = {slot.name: dict.fromkeys(space.operations(slot), 0.39) for slot in space.slots}
    losses["N1->U1"]["deconv_6x6"] = 0.44
    losses["U0->U1"]["deconv_6x6"] = 0.402
    kept = kept_at("U1", losses, space, COMPARISON)
    assert kept == (Edge("N1", "U1", "deconv_6x6"), Edge("U0", "U1", "deconv_6x6"))
    losses["U0->U1"][ZERO] = 0.41
    assert kept_at("U1", losses, space, COMPARISON) == kept[:1]


def test_a_loss_that_is_not_finite_is_one_clear_line(make_images: Make, make_settings: Make) -> None:
    search = make_search(make_images(), make_settings(perturbation_batches=1))
    with torch.no_grad():
        search.supernet.backbone.linear.weight.fill_(torch.nan)
    with pytest.raises(UserError, match="the loss before N1 is decided is nan") as caught:
        measure(search)
    assert "\n" not in str(caught.value)


# ------------------------------------------------------------------------------------------ in the search


def run(path: Path, images: ImageSet, settings: Any) -> Architecture:
    with StageFolder(path, settings={}, resume=True, kind="search") as folder:
        engine = Engine(device="cpu")
        return run_search(images, settings, SPACE, seed=0, folder=folder, engine=engine, progress=False)


@pytest.mark.parametrize("rule", ["alone", "perturbation"])
@pytest.mark.parametrize("train_alpha", [True, False])
def test_a_search_prunes_by_it_and_writes_the_losses(
    train_alpha: bool, rule: str, tmp_path: Path, make_images: Make, make_settings: Make
) -> None:
    """With α never trained: the control, which has nothing but the weights to go by."""
    settings = make_settings(prune=rule, perturbation_batches=1, train_alpha=train_alpha)
    found = run(tmp_path, make_images(), settings)
    report = json.loads((tmp_path / "pruning.json").read_text())
    space, _ = SPACE.resolve(8)
    assert report["rule"] == rule
    values = values_of(report["perturbation"]["losses"], rule)
    assert found.edges == prune(values, space, compare="above_zero")
    assert report["values"] == values
    assert report["measured"].startswith("with" if rule == "alone" else "without")
    assert set(report["perturbation"]["before"]) == {"N1", "U1"}
    alpha = [json.loads(line) for line in (tmp_path / "alpha.jsonl").read_text().splitlines()]
    last = {slot.name: alpha[-1][slot.name] for slot in space.slots}
    by_alpha, chosen = choices(prune(last, space), space), choices(found.edges, space)
    assert report["perturbation"]["by_alpha"] == {n: by_alpha[n] for n in chosen if by_alpha[n] != chosen[n]}
    margins = {d["name"]: d["margin"] for d in report["decisions"]}
    direct = sorted(values["U0->N1"].values())
    assert margins["N1 direct"] == pytest.approx(direct[1] - direct[0])
    assert (alpha[0]["U0->N1"] == alpha[1]["U0->N1"]) is not train_alpha
    assert all("alpha_loss" in line for line in (tmp_path / "metrics.jsonl").read_text().splitlines()) is train_alpha


def test_killed_between_the_last_step_and_the_end_it_prunes_the_same(
    tmp_path: Path, make_images: Make, make_settings: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tuning changes the weights: on resume they are those of the checkpoint, and are tuned again."""
    settings = make_settings(
        prune="perturbation",
        perturbation_batches=1,
        perturbation_tune_steps=2,
        alpha_init_std=1.0,
        temperature=0.2,  # which a checkpoint does not hold: it follows from the step
    )
    run(tmp_path / "whole", make_images(), settings)
    with monkeypatch.context() as patch:

        def killed(*_: object) -> None:
            raise RuntimeError("killed")

        patch.setattr(Architecture, "save", killed)
        with pytest.raises(RuntimeError, match="killed"):
            run(tmp_path / "halves", make_images(), settings)
    run(tmp_path / "halves", make_images(), settings)
    for name in ("pruning.json", "architecture.json", "reconstructions.png", "glo_samples.png"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "halves" / name).read_bytes(), name
