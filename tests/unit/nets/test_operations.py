"""Every operation keeps its promise of shape, starts at equal variance, and lives in one table."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from degas.errors import UserError
from degas.nets import operations
from degas.nets.normalisation import BatchNorm, make_norm
from degas.nets.operations import Chain, Nearest, build_operation, convolution, register_operation
from degas.space.graph import NORMAL_OPERATIONS, OPERATION_KINDS, UP_OPERATIONS, SearchSpace


@pytest.mark.parametrize("name", NORMAL_OPERATIONS)
@pytest.mark.parametrize("size", [1, 4, 7])
def test_a_normal_operation_keeps_the_size(name: str, size: int) -> None:
    x = torch.randn(3, 4, size, size)
    assert build_operation(name, 4)(x).shape == x.shape


FURTHER = ("nearest_conv_5x5", "bilinear_conv_3x3")


@pytest.mark.parametrize("name", [*UP_OPERATIONS, *FURTHER])
@pytest.mark.parametrize("factor", [2, 4, 8])
@pytest.mark.parametrize("size", [1, 3])
def test_an_up_operation_multiplies_the_size_exactly(name: str, factor: int, size: int) -> None:
    y = build_operation(name, 4, factor=factor)(torch.randn(3, 4, size, size))
    assert y.shape == (3, 4, factor * size, factor * size)


@pytest.mark.parametrize("name", UP_OPERATIONS)
def test_an_up_operation_has_the_same_parameters_at_every_factor(name: str) -> None:
    counts = {sum(p.numel() for p in build_operation(name, 4, factor=f).parameters()) for f in (2, 4, 8)}
    assert len(counts) == 1


def test_the_tables_of_names_and_of_builders_agree() -> None:
    assert set(operations._BUILDERS) == set(OPERATION_KINDS)


@pytest.mark.parametrize("name", [n for n in OPERATION_KINDS if "pool" not in n and n != "skip"])
def test_operations_start_with_unit_output_variance(name: str) -> None:
    torch.manual_seed(0)
    factor = 2 if OPERATION_KINDS[name] == "up" else 1
    x = torch.randn(32, 32, 16, 16)
    y = build_operation(name, 32, factor=factor)(x)[..., 6:-6, 6:-6]  # away from the zero padding
    assert y.var().item() == pytest.approx(1.0, rel=0.25)


def test_torchs_default_initialisation_would_fail_the_variance_test() -> None:
    torch.manual_seed(0)
    operation = build_operation("deconv_4x4", 32, factor=2)
    operation[-1].reset_parameters()  # type: ignore[operator]
    assert operation(torch.randn(32, 32, 16, 16)).var().item() < 0.3


def test_the_average_pool_excludes_padding() -> None:
    ones = torch.ones(1, 2, 3, 3)
    assert torch.equal(build_operation("avg_pool_3x3", 2)(ones), ones)


def test_no_operation_has_a_bias() -> None:
    for name in OPERATION_KINDS:
        modules = build_operation(name, 4).modules()
        assert all(m.bias is None for m in modules if isinstance(m, (torch.nn.Conv2d, torch.nn.ConvTranspose2d)))


def test_separable_order_moves_the_batch_norm() -> None:
    def kinds(order: str) -> list[str]:
        leaves = [
            m for m in build_operation("sep_conv_3x3", 4, separable_order=order).modules() if not list(m.children())
        ]
        return [type(m).__name__ for m in leaves]

    block = ["ReLU", "Conv2d", "Conv2d"]
    assert kinds("preact") == (["BatchNorm", *block]) * 2
    assert kinds("darts") == ([*block, "BatchNorm"]) * 2


def test_a_pool_has_a_batch_norm_only_when_asked() -> None:
    assert len(build_operation("max_pool_3x3", 4)) == 1
    assert isinstance(build_operation("max_pool_3x3", 4, pool_norm=True)[-1], BatchNorm)


def test_labels_reach_every_batch_norm() -> None:
    for name in OPERATION_KINDS:
        operation = build_operation(name, 4, norm=lambda width: make_norm(width, 3))
        if name in ("skip", "max_pool_3x3", "avg_pool_3x3"):
            continue
        x = torch.randn(6, 4, 4, 4)
        with torch.no_grad():
            for norm in (m for m in operation.modules() if hasattr(m, "class_bias")):
                norm.class_bias.copy_(torch.tensor([0.0, 1.0, 3.0])[:, None].expand(3, 4))
        labels = torch.zeros(6, dtype=torch.long)
        assert not torch.allclose(operation(x, labels), operation(x, labels + 2))


def test_further_operations_are_in_no_space_unless_asked_for() -> None:
    assert set(OPERATION_KINDS) - set(FURTHER) == {*NORMAL_OPERATIONS, *UP_OPERATIONS}
    assert SearchSpace(1, up_operations=FURTHER).count_continuous() == 9 * 2 * 3


def test_an_untrained_bilinear_convolution_is_smooth() -> None:
    """Its neighbouring pixels go together, those of a transposed convolution do not."""
    torch.manual_seed(0)
    x = torch.randn(64, 32, 8, 8)

    @torch.no_grad()
    def neighbours(name: str) -> float:
        y = build_operation(name, 32)(x)[:, :, 4:-4, 4:-4]
        left, right = y[..., :-1].flatten(), y[..., 1:].flatten()
        return float(torch.corrcoef(torch.stack([left, right]))[0, 1])

    assert neighbours("bilinear_conv_3x3") > 0.75
    assert abs(neighbours("deconv_4x4")) < 0.1


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(UserError, match="did you mean 'conv_3x3'"):
        build_operation("conv_3x4", 4)


def test_a_registered_operation_is_built_and_its_name_taken() -> None:
    def build(site: operations.Site) -> Chain:
        return Chain(site.norm(site.width), Nearest(2), convolution(site.width, site.width, 7))

    register_operation("nearest_conv_7x7", "up", build)
    try:
        assert build_operation("nearest_conv_7x7", 4, factor=4)(torch.randn(2, 4, 2, 2)).shape == (2, 4, 8, 8)
        with pytest.raises(UserError, match="already registered"):
            register_operation("nearest_conv_7x7", "up", build)
    finally:
        del operations._BUILDERS["nearest_conv_7x7"], OPERATION_KINDS["nearest_conv_7x7"]


def test_torchs_own_batch_norm_is_refused_with_what_to_take(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(operations._BUILDERS, "conv_bn", lambda site: Chain(nn.ReLU(), nn.BatchNorm2d(site.width)))
    with pytest.raises(UserError, match=r"operation 'conv_bn': torch's batch norm .* use site\.norm"):
        build_operation("conv_bn", 4)
