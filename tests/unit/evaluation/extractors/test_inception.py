"""The Inception network, layer by layer against an independent implementation; its resize; its weights file."""

from __future__ import annotations

import logging
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from plain_inception import MIXED, STEM, random_state, resize_loop, run
from torch import Tensor

from degas.errors import UserError
from degas.evaluation.extractors import inception
from degas.evaluation.extractors.base import freeze
from degas.evaluation.extractors.inception import InceptionExtractor, InceptionV3, find_weights, resize_tensorflow1

PINNED_FEATURES = {0: 8.474253, 700: 1.357903, 1000: 7.616376, 1857: 1.818697, 1858: 5.603577}
PINNED_LOGITS = [-0.838897, 0.059833, 2.462317]
LAYERS = [layer[0] for layer in STEM if layer != "pool"] + [f"Mixed_{key}" for key in MIXED]


@pytest.fixture(scope="module")
def network() -> InceptionV3:
    network = InceptionV3()
    network.load_state_dict(random_state({name: tensor.shape for name, tensor in network.state_dict().items()}))
    return network.eval()


def _outputs(network: InceptionV3, x: Tensor) -> dict[str, Tensor]:
    outputs: dict[str, Tensor] = {}
    hooks = [
        getattr(network, name).register_forward_hook(lambda _m, _i, out, name=name: outputs.update({name: out}))
        for name in LAYERS
    ]
    with torch.inference_mode():
        outputs["features"], outputs["logits"] = network(x)
    for hook in hooks:
        hook.remove()
    return outputs


def _noise(size: int, n: int = 1) -> Tensor:
    return torch.from_numpy(np.random.default_rng(7).uniform(-1, 1, (n, 3, size, size)).astype(np.float32))


def test_every_layer_equals_the_plain_implementation(network: InceptionV3) -> None:
    """At 107 px, the size at which the last blocks are 2×2: half of every border counts."""
    x = _noise(107)
    got, want = _outputs(network, x), run(x, network.state_dict())
    assert list(want) == [*LAYERS, "features", "logits"]
    for name, expected in want.items():
        torch.testing.assert_close(got[name].double(), expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))


def test_every_layer_equals_the_plain_implementation_at_full_size(network: InceptionV3) -> None:
    x = _noise(299)
    got, want = _outputs(network, x), run(x, network.state_dict())
    for name, expected in want.items():
        torch.testing.assert_close(got[name].double(), expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))


def test_shapes_are_those_of_the_2015_graph(network: InceptionV3) -> None:
    shapes = {name: tuple(out.shape[1:]) for name, out in _outputs(network, _noise(299)).items()}
    assert shapes == {
        "Conv2d_1a_3x3": (32, 149, 149),
        "Conv2d_2a_3x3": (32, 147, 147),
        "Conv2d_2b_3x3": (64, 147, 147),
        "Conv2d_3b_1x1": (80, 73, 73),
        "Conv2d_4a_3x3": (192, 71, 71),
        "Mixed_5b": (256, 35, 35),
        **dict.fromkeys(("Mixed_5c", "Mixed_5d"), (288, 35, 35)),
        **dict.fromkeys(("Mixed_6a", "Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"), (768, 17, 17)),
        "Mixed_7a": (1280, 8, 8),
        **dict.fromkeys(("Mixed_7b", "Mixed_7c"), (2048, 8, 8)),
        "features": (2048,),
        "logits": (1008,),
    }


def test_outputs_on_fixed_weights_are_pinned(network: InceptionV3) -> None:
    """Computed once with the plain implementation in float64."""
    outputs = _outputs(network, _noise(107))
    features = {index: float(outputs["features"][0, index]) for index in PINNED_FEATURES}
    assert features == pytest.approx(PINNED_FEATURES, rel=1e-4)
    assert outputs["logits"][0, [0, 500, 1007]].tolist() == pytest.approx(PINNED_LOGITS, rel=1e-3)


def test_the_weights_are_the_566_tensors_of_the_published_file(network: InceptionV3) -> None:
    names = network.state_dict()
    assert len(names) == 566
    assert sum(tensor.numel() for tensor in network.parameters()) == 23_850_960
    assert {"Conv2d_1a_3x3.bn.num_batches_tracked", "Mixed_7c.branch3x3dbl_3b.conv.weight", "fc.bias"} <= set(names)


# --- past traps: each differs from the graph in one place, and must be noticed ---


def test_average_pools_leave_the_padding_out() -> None:
    assert inception._average(torch.ones(1, 1, 4, 4)).eq(1).all()


def test_the_last_block_pools_by_maximum_and_the_one_before_by_mean(network: InceptionV3) -> None:
    assert network.Mixed_7c.max_pool
    assert not network.Mixed_7b.max_pool


def test_logits_leave_the_bias_out(network: InceptionV3) -> None:
    before = network(_noise(107))[1]
    bias = network.fc.bias.detach().clone()
    with torch.no_grad():
        network.fc.bias += 5
        after = network(_noise(107))[1]
        network.fc.bias.copy_(bias)
    assert torch.equal(before, after)


# --- the resize ---


@pytest.mark.parametrize("shape", [(32, 32), (48, 48), (5, 9), (400, 320), (299, 299), (1, 1)])
def test_resize_equals_tensorflows_loop_bit_by_bit(shape: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 256, shape).astype(np.float32)
    got = resize_tensorflow1(torch.from_numpy(image)[None, None], 61)
    assert np.array_equal(got[0, 0].numpy(), resize_loop(image, 61))


def test_resize_has_no_half_pixel_shift_and_no_aligned_corners() -> None:
    """4 → 8: output pixel i is at i/2, so even ones are the input and the last two are equal."""
    row = torch.tensor([0.0, 10, 20, 30]).expand(1, 1, 4, 4)
    assert resize_tensorflow1(row, 8)[0, 0, 0].tolist() == [0, 5, 10, 15, 20, 25, 30, 30]


def test_the_extractor_takes_uint8_of_any_size(network: InceptionV3) -> None:
    extractor = freeze(InceptionExtractor(network))
    images = torch.tensor([0, 128, 255], dtype=torch.uint8)[:, None, None, None].expand(-1, 1, 8, 8)
    prepared = extractor.prepare(images)
    assert prepared.shape == (3, 3, 299, 299)
    assert [float(x.unique()) for x in prepared] == [-1, 0, 127 / 128]
    assert extractor.has_inception_score
    assert extractor.name == "inception"


# --- the weights file ---


@pytest.fixture
def empty_caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("TORCH_HOME", raising=False)
    return tmp_path


def _fake_pooch(monkeypatch: pytest.MonkeyPatch, retrieve: Any) -> None:
    monkeypatch.setitem(sys.modules, "pooch", types.SimpleNamespace(retrieve=retrieve, get_logger=logging.getLogger))


def test_without_network_the_instruction_is_clear(empty_caches: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def retrieve(*_: Any, **__: Any) -> str:
        raise ConnectionError("no route\nsecond line")

    _fake_pooch(monkeypatch, retrieve)
    with pytest.raises(UserError) as error:
        find_weights()
    for part in (str(empty_caches / "degas" / inception.WEIGHTS_NAME), "--evaluate.inception-weights", "imagenet"):
        assert part in str(error.value)
    assert inception.WEIGHTS_URL in str(error.value)
    assert "\n" not in str(error.value)


def test_without_pooch_the_instruction_is_clear(empty_caches: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(UserError, match=r"`data` extra.*--evaluate\.inception-weights"):
        find_weights()


def test_the_download_is_held_to_its_checksum(empty_caches: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def retrieve(url: str, known_hash: str, fname: str, path: Path, **_: Any) -> str:
        asked.extend((url, known_hash))
        path.mkdir(parents=True, exist_ok=True)
        (path / fname).touch(0o600)  # as pooch makes its temporary file, which it then renames
        return str(path / fname)

    _fake_pooch(monkeypatch, retrieve)
    found = find_weights()
    assert found == empty_caches / "degas" / inception.WEIGHTS_NAME
    assert found.stat().st_mode & 0o777 == found.parent.stat().st_mode & 0o666  # the umask's, not its owner's alone
    assert asked == [inception.WEIGHTS_URL, f"sha256:{inception.WEIGHTS_SHA256}"]


@pytest.mark.parametrize("folder", ["degas", "torch/hub/checkpoints"])
def test_the_usual_cache_folders_are_looked_in(
    empty_caches: Path, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = empty_caches / folder / inception.WEIGHTS_NAME
    path.parent.mkdir(parents=True)
    path.write_bytes(b"weights")
    with pytest.raises(UserError, match="SHA-256"):
        find_weights()  # found, and not the published ones: never silently replaced
    monkeypatch.setattr(inception, "WEIGHTS_SHA256", inception.file_sha256(path))
    assert find_weights() == path


def test_a_weights_file_loads_without_pickled_code(tmp_path: Path, network: InceptionV3) -> None:
    path = tmp_path / "weights.pth"
    torch.save(network.state_dict(), path)
    loaded = InceptionExtractor.from_file(path)
    assert torch.equal(loaded.network.fc.weight, network.fc.weight)
    torch.save({"fc.weight": torch.zeros(2)}, path)
    with pytest.raises(UserError, match="does not hold the weights"):
        InceptionExtractor.from_file(path)
    path.write_bytes(b"rubbish")
    with pytest.raises(UserError, match="does not hold the weights"):
        InceptionExtractor.from_file(path)
