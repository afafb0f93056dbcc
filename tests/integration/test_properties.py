"""What must hold for every input, on drawn ones: pruning, counting, latents, pyramid, Fréchet distance."""

from __future__ import annotations

import json

import numpy as np
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from degas.evaluation.metrics import frechet_distance
from degas.nas.glo.latents import BETAS, EPS, LatentTable, project
from degas.nas.glo.reconstruction import from_pyramid, laplacian_pyramid, reconstruction_terms
from degas.space.architecture import Architecture
from degas.space.graph import NORMAL_OPERATIONS, ORDERS, UP_OPERATIONS, ZERO, SearchSpace
from degas.space.pruning import COMPARES, prune, random_alpha

few = settings(max_examples=50, deadline=None, derandomize=True, database=None)
seeds = st.integers(0, 2**32 - 1)


@st.composite
def spaces(draw: st.DrawFn) -> SearchSpace:
    normal = draw(st.lists(st.sampled_from(NORMAL_OPERATIONS), min_size=1, unique=True))
    up = draw(st.lists(st.sampled_from(UP_OPERATIONS), min_size=1, unique=True))
    order = draw(st.sampled_from(ORDERS))
    return SearchSpace(draw(st.integers(1, 3)), draw(st.integers(0, 2)), tuple(normal), tuple(up), order)


@few
@given(spaces(), seeds, st.sampled_from(COMPARES), st.sampled_from(["drops_edge", "ignored"]))
def test_what_is_pruned_is_an_architecture_and_takes_the_strongest(
    space: SearchSpace, seed: int, compare: str, zero_rule: str
) -> None:
    alpha = random_alpha(space, seed)
    edges = prune(alpha, space, compare=compare, zero_rule=zero_rule)  # type: ignore[arg-type]
    architecture = Architecture(space.num_stages, space.num_normal, 4, 4, 8, 3, edges, order=space.order)
    assert Architecture.from_dict(json.loads(architecture.to_json())) == architecture
    for node in space.nodes[1:]:
        direct, *_ = space.incoming(node)
        kept = architecture.incoming(node)
        assert kept[0].source == direct.source
        assert len(kept) <= 2
        assert all(edge.operation in space.operations(architecture.slot(edge)) for edge in kept)
        best = max((name for name in space.operations(direct)), key=lambda name: alpha[direct.name][name])
        assert kept[0].operation == best  # of one edge every rule compares alike


@few
@given(spaces(), seeds)
def test_shifting_an_edge_moves_only_the_raw_comparison(space: SearchSpace, seed: int) -> None:
    alpha = random_alpha(space, seed)
    shifted = {slot: {name: value + 3.0 for name, value in on.items()} for slot, on in alpha.items()}
    for compare in COMPARES:  # all edges alike: even raw α compare the same
        assert prune(alpha, space, compare=compare) == prune(shifted, space, compare=compare)


@few
@given(spaces())
def test_counts_follow_from_the_nodes(space: SearchSpace) -> None:
    discrete, continuous = 1, 1
    for node in space.nodes[1:]:
        choices = [len([name for name in space.operations(slot) if name != ZERO]) for slot in space.incoming(node)]
        discrete *= choices[0] + choices[0] * sum(choices[1:])
        for slot in space.incoming(node):
            continuous *= len(space.operations(slot))
    assert space.count_discrete() == discrete
    assert space.count_continuous() == continuous


@few
@given(seeds, st.integers(1, 20), st.integers(1, 16), st.floats(1e-6, 1e6))
def test_projection_lands_in_the_ball_and_is_idempotent(seed: int, n: int, size: int, scale: float) -> None:
    rows = torch.from_numpy(np.random.default_rng(seed).normal(size=(n, size)) * scale)
    inside = project(rows)
    assert bool((inside.norm(dim=1) <= 1 + 1e-12).all())
    assert torch.allclose(project(inside), inside, rtol=1e-12)
    short = rows.norm(dim=1) <= 1
    assert torch.equal(inside[short], rows[short])
    cosines = torch.nn.functional.cosine_similarity(inside, rows, dim=1)
    assert torch.allclose(cosines, torch.ones_like(cosines))


@few
@given(seeds, st.integers(2, 8), st.integers(1, 6), st.integers(1, 12))
def test_row_wise_adam_is_an_adam_a_row_whatever_the_visits(seed: int, n: int, size: int, num_steps: int) -> None:
    """Spelled out in plain numbers: moments, bias correction by the row's own count, projection."""
    rng = np.random.default_rng(seed)
    start = rng.normal(size=(n, size)) * 0.1
    table = LatentTable(torch.from_numpy(start), "adam")
    rows, first, second, counts = start.copy(), np.zeros((n, size)), np.zeros((n, size)), np.zeros(n, int)
    for _ in range(num_steps):
        index = rng.permutation(n)[: rng.integers(1, n + 1)]
        gradient = rng.normal(size=(len(index), size))
        table.step(torch.from_numpy(index), torch.from_numpy(gradient), 0.05)
        for i, g in zip(index, gradient, strict=True):
            counts[i] += 1
            first[i] = BETAS[0] * first[i] + (1 - BETAS[0]) * g
            second[i] = BETAS[1] * second[i] + (1 - BETAS[1]) * g**2
            mean, variance = first[i] / (1 - BETAS[0] ** counts[i]), second[i] / (1 - BETAS[1] ** counts[i])
            moved = rows[i] - 0.05 * mean / (np.sqrt(variance) + EPS)
            rows[i] = moved / max(1.0, float(np.linalg.norm(moved)))
    np.testing.assert_allclose(table.rows.numpy(), rows, rtol=1e-9, atol=1e-12)


@few
@given(seeds, st.integers(1, 40), st.integers(1, 40), st.integers(1, 3))
def test_the_pyramid_gives_back_its_image(seed: int, height: int, width: int, channels: int) -> None:
    images = torch.from_numpy(np.random.default_rng(seed).uniform(-1, 1, (2, channels, height, width)))
    torch.testing.assert_close(from_pyramid(laplacian_pyramid(images)), images, rtol=0, atol=1e-12)


@few
@given(seeds, st.integers(8, 40))
def test_the_loss_is_symmetric_and_zero_on_itself_alone(seed: int, size: int) -> None:
    rng = np.random.default_rng(seed)
    one, other = (torch.from_numpy(rng.uniform(-1, 1, (2, 3, size, size))) for _ in range(2))
    there, back = reconstruction_terms(one, other), reconstruction_terms(other, one)
    for name, value in there.items():
        assert float(value) > 0
        torch.testing.assert_close(value, back[name])
        assert float(reconstruction_terms(one, one)[name]) == 0


@few
@given(seeds, st.integers(1, 8), st.integers(2, 30), st.integers(2, 30))
def test_the_frechet_distance_is_symmetric_and_ignores_rotations_and_shifts(
    seed: int, size: int, num_a: int, num_b: int
) -> None:
    rng = np.random.default_rng(seed)
    a, b = (torch.from_numpy(rng.normal(size=(n, size)) * rng.uniform(0.1, 3, size)) for n in (num_a, num_b))
    rotation = torch.linalg.qr(torch.from_numpy(rng.normal(size=(size, size)))).Q
    assume(bool(torch.isfinite(rotation).all()))

    def distance(one: torch.Tensor, other: torch.Tensor) -> float:
        moments = [(x.mean(0), torch.cov(x.T).reshape(size, size)) for x in (one, other)]
        return frechet_distance(*moments[0], *moments[1])

    there = distance(a, b)
    tolerance = 1e-6 * (1 + abs(there))
    assert there >= -tolerance
    assert abs(distance(b, a) - there) < tolerance
    assert abs(distance(a @ rotation + 5, b @ rotation + 5) - there) < tolerance
    assert abs(distance(a, a)) < tolerance
