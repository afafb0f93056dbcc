"""Each degenerate end is named, and what is near it but sound is not."""

from __future__ import annotations

from typing import Any

import pytest

from degas.nas.glo.findings import collapsed, dead_latents
from degas.nas.results.degenerate import parameter_free, scale_takeover, still_alpha, without_residuals
from degas.nas.signal import Finding
from degas.space.graph import ZERO, Edge, SearchSpace
from degas.space.pruning import prune, random_alpha

SPACE = SearchSpace(2)


def edges_with(normal: tuple[str, str], residual: tuple[Edge, ...] = ()) -> tuple[Edge, ...]:
    ups = (Edge("N1", "U1", "deconv_4x4"), Edge("N2", "U2", "deconv_4x4"))
    return (Edge("U0", "N1", normal[0]), Edge("U1", "N2", normal[1]), *ups, *residual)


def kind(finding: Finding | None) -> str | None:
    return finding.kind if finding else None


@pytest.mark.parametrize(
    ("normal", "expected"),
    [
        (("skip", "skip"), "all-skip"),
        (("skip", "max_pool_3x3"), "parameter-free"),
        (("avg_pool_3x3", "max_pool_3x3"), "parameter-free"),
        (("skip", "conv_1x1"), None),
        (("sep_conv_3x3", "max_pool_3x3"), None),
    ],
)
def test_normal_operations_without_parameters(normal: tuple[str, str], expected: str | None) -> None:
    found = parameter_free(edges_with(normal), SPACE)
    assert kind(found) == expected
    if found:
        assert "N1, N2" in found.line
        assert "\n" not in found.line


def test_a_space_without_normal_maps_has_none_that_skip() -> None:
    space = SearchSpace(2, 0)
    assert parameter_free(prune(random_alpha(space, 0), space), space) is None


def residual_alpha(leader: str) -> dict[str, dict[str, float]]:
    alpha = random_alpha(SPACE, 0, 0.0)
    for slot in SPACE.slots:
        alpha[slot.name][leader if not slot.direct else next(iter(alpha[slot.name]))] = 1.0 if slot.direct else 0.5
    return alpha


def test_zero_on_every_residual_edge() -> None:
    alpha = residual_alpha(ZERO)
    found = without_residuals(alpha, prune(alpha, SPACE), SPACE)
    assert kind(found) == "all-zero-residuals"
    assert found is not None
    assert "U0->U1, U0->U2, U1->U2" in found.line


def test_where_losses_decided_no_warning_speaks_of_the_largest_alpha() -> None:
    values = residual_alpha(ZERO)
    still = random_alpha(SPACE, 0, 1e-3)
    for found in (
        without_residuals(values, prune(values, SPACE), SPACE, by_losses=True),
        still_alpha(still, still, rate=3e-3, num_steps=200, by_losses=True),
    ):
        assert found is not None
        assert "largest α" not in found.line
        assert "choice" not in found.line
        assert "loss" in found.line


def test_a_chain_is_told_apart_from_zero() -> None:
    alpha = residual_alpha("deconv_4x4")  # weaker than every direct edge, and not zero
    assert kind(without_residuals(alpha, prune(alpha, SPACE), SPACE)) == "no-residuals"


def test_one_residual_edge_that_is_kept_is_enough() -> None:
    alpha = residual_alpha(ZERO)
    alpha["U0->U2"]["deconv_6x6"] = 3.0
    assert without_residuals(alpha, prune(alpha, SPACE), SPACE) is None


@pytest.mark.parametrize("leader", [ZERO, "deconv_4x4"])
def test_a_single_residual_edge_is_a_choice_and_no_pattern(leader: str) -> None:
    space = SearchSpace(1)
    alpha = random_alpha(space, 0, 0.0)
    alpha["N1->U1"]["deconv_4x4"], alpha["U0->U1"][leader] = 1.0, 0.5
    assert without_residuals(alpha, prune(alpha, space), space) is None


def test_alpha_that_never_moved() -> None:
    start = random_alpha(SPACE, 0, 1e-3)
    moved = {edge: {name: value + 0.05 for name, value in on.items()} for edge, on in start.items()}
    assert kind(still_alpha(start, start, rate=3e-3, num_steps=200)) == "still-alpha"
    assert still_alpha(start, moved, rate=3e-3, num_steps=200) is None
    one = {**start, "U0->N1": {**start["U0->N1"], "skip": 0.3}}
    assert still_alpha(start, one, rate=3e-3, num_steps=200) is None  # a single one that moved is movement


def test_a_long_search_is_not_asked_to_go_all_the_way() -> None:
    start = random_alpha(SPACE, 0, 1e-3)
    moved = {edge: {name: value + 0.05 for name, value in on.items()} for edge, on in start.items()}
    assert still_alpha(start, moved, rate=3e-4, num_steps=100_000) is None  # 0.05 of 30
    assert kind(still_alpha(start, start, rate=3e-4, num_steps=100_000)) == "still-alpha"


@pytest.mark.parametrize(
    ("real", "fake", "num_steps", "expected"),
    [
        (0.2, 0.001, 500, "collapse"),
        (0.2, 0.0, 500, "collapse"),
        (0.2, 0.05, 500, None),
        (0.2, 0.001, 50, None),  # has only begun
        (0.0, 0.0, 500, None),  # the images are all the same
    ],
)
def test_collapse(real: float, fake: float, num_steps: int, expected: str | None) -> None:
    assert kind(collapsed(real, fake, num_steps=num_steps, mend="")) == expected


@pytest.mark.parametrize(
    ("num_dead", "num_latents", "gradients", "expected"),
    [
        (0, 100, [0.1, 0.05, 0.01], None),
        (100, 100, [0.1, 0.1], "dead-latents"),
        (6, 100, [0.1, 0.1], "dead-latents"),
        (5, 100, [0.1, 0.1], None),
        (0, 100, [0.1, 1e-6], "dead-latents"),
        (0, 100, [0.0, 0.0], "dead-latents"),
        (0, 100, [0.0], "dead-latents"),
        (0, 0, [], None),
    ],
)
def test_dead_latents(num_dead: int, num_latents: int, gradients: list[float], expected: str | None) -> None:
    assert kind(dead_latents(num_dead, num_latents, gradients, mend="")) == expected


def mixing(**parts: tuple[float, float | None]) -> dict[str, Any]:
    """On the edge U0->N1: operation → (weight, kernel norm)."""
    on = {n: {"weight": w, "scaled": None if norm is None else w * norm} for n, (w, norm) in parts.items()}
    return {"U0->N1": on}


KEPT = (Edge("U0", "N1", "conv_1x1"),)


def test_a_kernel_that_grew_takes_the_mix_over() -> None:
    first = mixing(conv_1x1=(0.3, 4.0), conv_3x3=(0.3, 4.0), skip=(0.4, None))
    last = mixing(conv_1x1=(0.5, 4.0), conv_3x3=(0.3, 12.0), skip=(0.2, None))
    found = scale_takeover(KEPT, first, last)
    assert kind(found) == "scale-takeover"
    assert found is not None
    assert "U0->N1 kept conv_1x1, conv_3x3 has 1.8 times its part" in found.line


@pytest.mark.parametrize(
    ("first", "last"),
    [
        # norms that differ from the start, or grow alike, say nothing
        (
            mixing(conv_1x1=(0.3, 2.0), conv_3x3=(0.3, 8.0)),
            mixing(conv_1x1=(0.5, 2.0), conv_3x3=(0.3, 8.0)),
        ),
        (
            mixing(conv_1x1=(0.3, 4.0), conv_3x3=(0.3, 4.0)),
            mixing(conv_1x1=(0.5, 40.0), conv_3x3=(0.3, 40.0)),
        ),
        # about the same part
        (
            mixing(conv_1x1=(0.3, 4.0), conv_3x3=(0.3, 4.0)),
            mixing(conv_1x1=(0.5, 4.0), conv_3x3=(0.3, 7.0)),
        ),
        # the kept one has no kernel, or the edge is not in the log
        (
            mixing(conv_1x1=(0.3, None), conv_3x3=(0.3, 4.0)),
            mixing(conv_1x1=(0.5, None), conv_3x3=(0.3, 40.0)),
        ),
        ({}, {}),
        # a kernel that was zero has no growth
        (
            mixing(conv_1x1=(0.3, 4.0), conv_3x3=(0.3, 0.0)),
            mixing(conv_1x1=(0.5, 4.0), conv_3x3=(0.3, 40.0)),
        ),
    ],
)
def test_no_takeover(first: dict[str, Any], last: dict[str, Any]) -> None:
    assert scale_takeover(KEPT, first, last) is None


def test_a_finding_as_json_is_one_line_with_all_three_parts() -> None:
    finding = Finding("all-skip", "normal maps", "what", "mend")
    assert finding.as_json() == {"kind": "all-skip", "where": "normal maps", "warning": "normal maps: what; mend"}
