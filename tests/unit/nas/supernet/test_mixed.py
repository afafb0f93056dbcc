from __future__ import annotations

import itertools

import pytest
import torch
import torch.nn.functional as F
from textbook_mixed import TextbookMixedOp
from torch import Tensor

from degas.nas.supernet.branch import Branch
from degas.nas.supernet.kernels import centred
from degas.nas.supernet.mixed import MixedOp, SharedActivation
from degas.nets import operations as table
from degas.nets.normalisation import BatchNorm
from degas.nets.operations import Chain, convolution, register_operation
from degas.nets.resampling import fold_nearest, spread, up_convolve
from degas.space.graph import NORMAL_OPERATIONS, OPERATION_KINDS, UP_OPERATIONS, ZERO, SearchSpace, Slot

WIDTH = 4
EXACT = {"rtol": 0.0, "atol": 1e-12}


def slot(kind: str, factor: int = 1, direct: bool = True) -> Slot:
    return Slot("U0", "U2", kind, direct, factor, 0)  # type: ignore[arg-type]


def pair(
    kind: str, names: tuple[str, ...], factor: int = 1, order: str = "preact", fold: bool = True
) -> tuple[SharedActivation, MixedOp, TextbookMixedOp]:
    """Ours and the textbook's, in float64, with the same weights and an uneven α."""
    torch.manual_seed(0)
    mixed = MixedOp(slot(kind, factor), names, WIDTH, separable_order=order, alpha_std=1.0, fold_factor=fold).double()
    textbook = TextbookMixedOp(names, WIDTH, factor=factor, order=order).double()
    textbook.copy_from(mixed)
    return SharedActivation(WIDTH).double(), mixed, textbook


def image(size: int | tuple[int, int], n: int = 3) -> Tensor:
    height, width = (size, size) if isinstance(size, int) else size
    x = torch.randn(n, WIDTH, height, width, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    return (2 * x + 0.5).requires_grad_()


def assert_equal_values_and_gradients(
    shared: SharedActivation, mixed: MixedOp, textbook: TextbookMixedOp, x: Tensor
) -> None:
    y = x.detach().clone().requires_grad_()
    ours, theirs = mixed(shared(x)), textbook(y)
    torch.testing.assert_close(ours, theirs, **EXACT)
    direction = torch.randn(theirs.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    (ours * direction).sum().backward()
    (theirs * direction).sum().backward()
    torch.testing.assert_close(x.grad, y.grad, **EXACT)
    torch.testing.assert_close(mixed.alpha.grad, textbook.alpha.grad, rtol=1e-12, atol=1e-12)
    for name in textbook.operations:
        for a, b in zip(mixed.branches[name].parameters(), textbook.kernels(name), strict=True):
            torch.testing.assert_close(a.grad, b.grad, rtol=1e-12, atol=1e-12)


FURTHER = ("nearest_conv_5x5", "bilinear_conv_3x3")
UP_SETS = [c for k in (1, 2, 4) for c in itertools.combinations(UP_OPERATIONS, k)]


@pytest.mark.parametrize("size", [1, 2, 5, (1, 4)])
@pytest.mark.parametrize(("factor", "fold"), [(2, True), (4, True), (4, False), (8, True), (8, False)])
def test_up_edge_equals_the_textbook(size: int | tuple[int, int], factor: int, fold: bool) -> None:
    assert_equal_values_and_gradients(*pair("up", (*UP_OPERATIONS, ZERO), factor, fold=fold), image(size))


@pytest.mark.parametrize("size", [1, 2, (1, 4)])
@pytest.mark.parametrize(("factor", "fold"), [(2, True), (4, True), (4, False)])
@pytest.mark.parametrize("names", [FURTHER, FURTHER[1:], (*UP_OPERATIONS, *FURTHER, ZERO)])
def test_further_up_operations_equal_the_textbooks(
    names: tuple[str, ...], size: int | tuple[int, int], factor: int, fold: bool
) -> None:
    shared, mixed, textbook = pair("up", names, factor, fold=fold)
    assert all(branch.dense == "up" for branch in mixed.branches.values())
    assert_equal_values_and_gradients(shared, mixed, textbook, image(size))


@pytest.mark.parametrize("names", UP_SETS)
def test_any_set_of_up_operations_equals_the_textbook(names: tuple[str, ...]) -> None:
    assert_equal_values_and_gradients(*pair("up", names, 4), image(3))


@pytest.mark.parametrize("size", [1, 4, (2, 7)])
@pytest.mark.parametrize("order", ["preact", "darts"])
def test_normal_edge_equals_the_textbook(size: int | tuple[int, int], order: str) -> None:
    assert_equal_values_and_gradients(*pair("normal", NORMAL_OPERATIONS, order=order), image(size))


@pytest.mark.parametrize("order", ["preact", "darts"])
@pytest.mark.parametrize("name", NORMAL_OPERATIONS)
def test_each_normal_operation_alone_and_with_zero(name: str, order: str) -> None:
    assert_equal_values_and_gradients(*pair("normal", (name, ZERO), order=order), image(4))


def test_frozen_weights_leave_the_gradient_of_alpha_as_it_is() -> None:
    """The α step switches the weights' gradients off, the weight step α's; neither changes the other's."""
    shared, mixed, _ = pair("normal", NORMAL_OPERATIONS)
    x = image(4).detach()
    mixed(shared(x)).square().sum().backward()
    both = {name: p.grad.clone() for name, p in mixed.named_parameters()}
    for only in ("alpha", "branches"):
        for name, p in mixed.named_parameters():
            p.grad = None
            p.requires_grad_(name.startswith(only))
        mixed(shared(x)).square().sum().backward()
        for name, p in mixed.named_parameters():
            if name.startswith(only):
                torch.testing.assert_close(p.grad, both[name], rtol=1e-12, atol=1e-12)
            else:
                assert p.grad is None


@pytest.mark.parametrize("kind", ["normal", "up"])
def test_one_hot_mix_is_the_operation(kind: str) -> None:
    names = NORMAL_OPERATIONS if kind == "normal" else UP_OPERATIONS
    shared, mixed, textbook = pair(kind, names, 1 if kind == "normal" else 2)
    x = image(4)
    for k, name in enumerate(names):
        with torch.no_grad():
            mixed.alpha.fill_(-1e6)
            mixed.alpha[k] = 0.0
        torch.testing.assert_close(mixed(shared(x)), textbook.operations[name](x), **EXACT)


def test_zero_takes_its_share_and_gives_nothing() -> None:
    shared, mixed, _ = pair("up", (*UP_OPERATIONS, ZERO), 2)
    x = image(3)
    with torch.no_grad():
        mixed.alpha.fill_(-1e6)
        mixed.alpha[-1] = 0.0
    assert mixed(shared(x)).abs().max() == 0


@pytest.mark.parametrize(
    ("kind", "names"),
    [("normal", NORMAL_OPERATIONS), ("normal", (*NORMAL_OPERATIONS, ZERO)), ("up", (*UP_OPERATIONS, ZERO))],
)
def test_permuting_operations_with_their_alpha_changes_nothing(kind: str, names: tuple[str, ...]) -> None:
    shared, mixed, _ = pair(kind, names)
    order = torch.randperm(len(names), generator=torch.Generator().manual_seed(3)).tolist()
    assert order[-1] != len(names) - 1  # `zero` leaves its usual last place
    other = MixedOp(slot(kind), [names[k] for k in order], WIDTH).double()
    with torch.no_grad():
        other.alpha.copy_(mixed.alpha[order])
        for name in mixed.branches:
            other.branches[name].load_state_dict(mixed.branches[name].state_dict())
    x = image(4)
    ours, theirs = mixed(shared(x)), other(shared(x))
    torch.testing.assert_close(ours, theirs, **EXACT)
    ours.square().sum().backward()
    theirs.square().sum().backward()
    torch.testing.assert_close(other.alpha.grad, mixed.alpha.grad[order], rtol=1e-12, atol=1e-12)


def test_the_up_operations_are_all_one_kernel_and_dense_convolutions_too() -> None:
    _, up, _ = pair("up", UP_OPERATIONS, 2)
    assert [branch.dense for branch in up.branches.values()] == ["up"] * 4
    weights = torch.softmax(up.alpha, 0)
    kernels = [branch.spread_kernel(branch.own_kernel()) for branch in up.branches.values()]
    expected = sum(w * centred(kernel, 6) for w, kernel in zip(weights, kernels, strict=True))
    torch.testing.assert_close(up.mixed_kernel("up", weights), expected, **EXACT)
    assert fold_nearest(expected, 2).shape == (WIDTH, WIDTH, 8, 8)
    _, folded, _ = pair("up", UP_OPERATIONS, 4)
    assert folded.mixed_kernel("up", weights).shape == (WIDTH, WIDTH, 8, 8)
    _, normal, _ = pair("normal", NORMAL_OPERATIONS)
    assert [name for name, branch in normal.branches.items() if branch.dense] == ["conv_1x1", "conv_3x3"]


@pytest.mark.parametrize("size", [1, 2, 7])
def test_nearest_and_convolution_is_the_flipped_kernel_at_four_offsets(size: int) -> None:
    """A bug kept alive: the unflipped kernel is simply wrong."""
    torch.manual_seed(0)
    x, weight = image(size), torch.randn(WIDTH, WIDTH, 3, 3, dtype=torch.float64)
    plain = F.conv2d(F.interpolate(x, scale_factor=2, mode="nearest"), weight, padding=1)
    flipped = spread(weight.transpose(0, 1).flip(2, 3), copies=2, shift=1)
    torch.testing.assert_close(up_convolve(x, flipped), plain, **EXACT)
    wrong = up_convolve(x, spread(weight.transpose(0, 1), copies=2, shift=1))
    assert not torch.allclose(wrong, plain, atol=1e-3)


def test_operations_start_with_equal_output_variance() -> None:
    """Otherwise scale would stand in for α. The input is white, of variance 1."""
    torch.manual_seed(0)
    width, n = 64, 8
    shared = SharedActivation(width)
    value = shared(torch.randn(n, width, 16, 16))
    for kind, names, factor in (("normal", NORMAL_OPERATIONS, 1), ("up", UP_OPERATIONS, 2), ("up", UP_OPERATIONS, 4)):
        for order in ("preact", "darts"):
            mixed = MixedOp(slot(kind, factor), names, width, separable_order=order)
            for name, branch in mixed.branches.items():
                with torch.no_grad():
                    if branch.dense == "up":
                        kernel = fold_nearest(branch.spread_kernel(branch.own_kernel()), factor // 2)
                        out = up_convolve(value.activated, kernel, factor)
                    else:
                        out = branch(value, torch.ones(()), 1)
                inside = out[:, :, 4:-4, 4:-4]  # zero padding takes some of the variance at borders
                assert 0.75 < float(inside.square().mean()) < 1.3, (name, order, factor)


@pytest.fixture
def odd_operations() -> object:
    """A 7×7 convolution, which merges; a strange one, which does not; an up operation that cannot be a kernel."""
    made = {
        "conv_7x7": ("normal", lambda s: Chain(s.norm(s.width), torch.nn.ReLU(), convolution(s.width, s.width, 7))),
        "tanh": ("normal", lambda s: Chain(torch.nn.Tanh())),
        "bilinear": ("up", lambda s: Chain(torch.nn.Upsample(scale_factor=2, mode="bilinear"))),
    }
    for name, (kind, build) in made.items():
        register_operation(name, kind, build)  # type: ignore[arg-type]
    yield made
    for name in made:
        del OPERATION_KINDS[name]
        del table._BUILDERS[name]


def test_registered_operations_take_part(odd_operations: object) -> None:
    torch.manual_seed(0)
    mixed = MixedOp(slot("normal"), ("conv_3x3", "conv_7x7", "tanh"), WIDTH).double()
    shared, x = SharedActivation(WIDTH).double(), image(5)
    h = torch.relu(F.batch_norm(x, None, None, training=True))
    weights = torch.softmax(mixed.alpha, 0)
    small, large = (mixed.branches[name].tail[-1].weight for name in ("conv_3x3", "conv_7x7"))
    expected = weights[0] * F.conv2d(h, small, padding=1) + weights[1] * F.conv2d(h, large, padding=3)
    torch.testing.assert_close(mixed(shared(x)), expected + weights[2] * torch.tanh(x), **EXACT)
    assert mixed.branches["conv_7x7"].dense == "conv"
    up = MixedOp(slot("up", 4), ("deconv_4x4", "bilinear"), WIDTH).double()
    doubled = F.interpolate(F.interpolate(x, scale_factor=2, mode="nearest"), scale_factor=2, mode="bilinear")
    weights = torch.softmax(up.alpha, 0)
    deconv = up_convolve(h, fold_nearest(up.branches["deconv_4x4"].own_kernel(), 2), 4)
    torch.testing.assert_close(up(shared(x)), weights[0] * deconv + weights[1] * doubled, **EXACT)


def test_a_registered_operation_with_a_batch_norm_of_its_own_does_not_share(odd_operations: object) -> None:
    own = Chain(BatchNorm(WIDTH, affine=True), torch.nn.ReLU(), convolution(WIDTH, WIDTH, 3))
    branch = Branch(own)
    assert (branch.head, branch.dense, len(branch.tail)) == ("plain", "", 3)
    assert Branch(Chain(BatchNorm(WIDTH, affine=False, eps=1e-3), *own[1:])).head == "plain"
    assert Branch(Chain(BatchNorm(WIDTH, affine=False), *own[1:])).dense == "conv"


def test_every_slot_of_the_paper_doubles_or_keeps_the_size() -> None:
    space = SearchSpace()
    for s in space.slots:
        mixed = MixedOp(s, space.operations(s), WIDTH)
        assert mixed(SharedActivation(WIDTH)(torch.randn(2, WIDTH, 3, 3))).shape == (
            2,
            WIDTH,
            3 * s.factor,
            3 * s.factor,
        )
