"""Checkpoints: the same bits back, never a half, the damaged ones seen."""

from __future__ import annotations

import errno
import json
import math
import os
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from degas.errors import UserError
from degas.runtime import checkpoint
from degas.runtime.checkpoint import load_newest, save_checkpoint

DISK_OPERATIONS = ("fsync", "rename", "mkdir", "open")


def no_warning(line: str) -> None:
    raise AssertionError(line)


def same(left: Any, right: Any) -> bool:
    """Equal in structure, type and every bit, NaN included."""
    if isinstance(left, torch.Tensor):
        return (
            isinstance(right, torch.Tensor)
            and (left.dtype, left.shape) == (right.dtype, right.shape)
            and left.contiguous().view(-1).view(torch.uint8).equal(right.contiguous().view(-1).view(torch.uint8))
        )
    if isinstance(left, dict):
        return isinstance(right, dict) and list(left) == list(right) and all(same(left[k], right[k]) for k in left)
    if isinstance(left, list | tuple):
        return type(left) is type(right) and len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, float) and math.isnan(left):
        return isinstance(right, float) and math.isnan(right)
    return type(left) is type(right) and left == right


def awkward_state() -> dict:
    return {
        "none": None,
        "flags": [True, False],
        "numbers": (1, -(2**127), 0.1, float("inf"), float("nan"), -0.0),
        "text": 'é\n"quoted"\ud7ff',
        "empty": [{}, [], (), torch.empty(0, 3)],
        "nested": {"deep": [({"x": torch.arange(5)}, "tuple inside")], 7: "integer key", "7": "text key"},
        "looks like a reference": {"tensor": 0, "shape": [1]},
        "looks encoded": ["dict", [["a", 1]]],
        "types": [torch.rand(3, dtype=torch.float64), torch.rand(3).bfloat16(), torch.tensor([True]), torch.tensor(3)],
        "special": torch.tensor([float("nan"), -0.0, float("-inf")]),
        "rng": np.random.Generator(np.random.PCG64(3)).bit_generator.state,
        "torch rng": torch.get_rng_state(),
    }


def damage(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_awkward_state_comes_back_bit_for_bit(tmp_path: Path) -> None:
    state = awkward_state()
    path = save_checkpoint(tmp_path / "checkpoints", 200, state)
    assert path == tmp_path / "checkpoints" / "step-00000200"
    found = load_newest(tmp_path / "checkpoints", no_warning)
    assert found is not None
    assert found[0] == 200
    assert same(found[1], state)


def test_every_tensor_file_loads_with_weights_only(tmp_path: Path) -> None:
    path = save_checkpoint(tmp_path, 1, awkward_state())
    files = list(path.glob("*.pt"))
    assert files
    for file in files:
        torch.load(file, weights_only=True)
    assert all(file.suffix in (".pt", ".json") for file in path.iterdir())


def test_training_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    def fresh() -> tuple[nn.Module, list[torch.optim.Optimizer]]:
        torch.manual_seed(0)
        net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(64, 2))
        net = net.to(memory_format=torch.channels_last)
        adam = torch.optim.Adam(net[0].parameters(), betas=(0.0, 0.9), weight_decay=1e-3)
        return net, [adam, torch.optim.SGD(net[3].parameters(), lr=0.1, momentum=0.9)]

    def train(net: nn.Module, optimizers: list[torch.optim.Optimizer], steps: range) -> None:
        for step in steps:
            images = torch.rand(5, 3, 6, 6, generator=torch.Generator().manual_seed(step))
            net(images).square().mean().backward()
            for optimizer in optimizers:
                optimizer.step()
                optimizer.zero_grad()

    def state(net: nn.Module, optimizers: list[torch.optim.Optimizer]) -> dict:
        return {"net": net.state_dict(), "optimizers": [optimizer.state_dict() for optimizer in optimizers]}

    straight = fresh()
    train(*straight, range(10))
    first = fresh()
    train(*first, range(5))
    save_checkpoint(tmp_path, 5, state(*first))
    found = load_newest(tmp_path, no_warning)
    assert found is not None
    second = fresh()
    second[0].load_state_dict(found[1]["net"])
    for optimizer, saved in zip(second[1], found[1]["optimizers"], strict=True):
        optimizer.load_state_dict(saved)
    train(*second, range(5, 10))
    plain = json.loads(json.dumps(state(*straight)["optimizers"][0]["param_groups"]))
    assert plain[0]["betas"] == [0.0, 0.9]
    assert same(dict(state(*second)["net"]), dict(state(*straight)["net"]))
    assert same(state(*second)["optimizers"], state(*straight)["optimizers"])


def test_large_tensors_are_cut_into_files_of_at_most_16_mib(tmp_path: Path) -> None:
    rows = torch.arange(5 * 2**20, dtype=torch.int64).reshape(-1, 128)  # 40 MiB
    path = save_checkpoint(tmp_path, 1, {"sharded": {"latents": rows}, "small": torch.ones(3)})
    sizes = [file.stat().st_size for file in path.iterdir()]
    assert max(sizes) <= 16 * 2**20
    assert sum(size > 2**20 for size in sizes) == 3
    found = load_newest(tmp_path, no_warning)
    assert found is not None
    assert torch.equal(found[1]["sharded"]["latents"], rows)


@pytest.mark.parametrize("shape", [(300, 7), (3, 40, 5, 9), (1, 5000), (3000,), (2, 3, 700)])
def test_cutting_keeps_shape_values_and_layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shape: tuple) -> None:
    monkeypatch.setattr(checkpoint, "_PAYLOAD_BYTES", 4096)
    tensor = torch.randn(shape)
    if tensor.dim() == 4:
        tensor = tensor.contiguous(memory_format=torch.channels_last)
    many = [torch.full((11,), float(index)) for index in range(30)]
    path = save_checkpoint(tmp_path, 1, {"tensor": tensor, "strided": tensor.transpose(0, -1), "many": many})
    assert all(file.stat().st_size < 16384 for file in path.glob("*.pt"))
    found = load_newest(tmp_path, no_warning)
    assert found is not None
    assert same(found[1], {"tensor": tensor, "strided": tensor.transpose(0, -1), "many": many})
    assert found[1]["tensor"].stride() == tensor.stride()


def test_a_view_does_not_drag_its_storage_along(tmp_path: Path) -> None:
    path = save_checkpoint(tmp_path, 1, {"row": torch.zeros(1000, 1000)[3], "wide": torch.zeros(1).expand(50)})
    assert sum(file.stat().st_size for file in path.iterdir()) < 20_000


def test_ordered_dicts_and_named_tuples_become_plain(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, 1, {"o": OrderedDict(a=1), "size": torch.Size([2, 3]), "f": np.float64(0.5)})
    found = load_newest(tmp_path, no_warning)
    assert found is not None
    assert same(found[1], {"o": {"a": 1}, "size": (2, 3), "f": 0.5})


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.zeros(2), r"state\['a'\]\[1\]: a checkpoint cannot hold a ndarray"),
        (object(), "cannot hold a object"),
        (torch.eye(2).to_sparse(), "layout"),
        ({1.5: 0}, "keys are strings or integers, not float"),
        ({True: 0}, "not bool"),
    ],
)
def test_what_cannot_be_held_is_named(tmp_path: Path, value: Any, message: str) -> None:
    save_checkpoint(tmp_path, 1, {"x": 1})
    with pytest.raises(TypeError, match=message):
        save_checkpoint(tmp_path, 2, {"a": [0, value]})
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000001"]


def test_the_last_k_are_kept(tmp_path: Path) -> None:
    for step in (1, 2, 3, 4):
        save_checkpoint(tmp_path, step, {"step": step}, keep=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000003", "step-00000004"]
    save_checkpoint(tmp_path, 5, {}, keep=1)
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000005"]


def test_steps_beyond_eight_digits_sort_as_numbers(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, 99_999_999, {"a": 1})
    save_checkpoint(tmp_path, 100_000_000, {"a": 2})
    assert load_newest(tmp_path, no_warning) == (100_000_000, {"a": 2})


def test_none_without_checkpoints(tmp_path: Path) -> None:
    assert load_newest(tmp_path / "missing", no_warning) is None
    (tmp_path / ".part-step-00000001").mkdir()
    (tmp_path / "step-1").mkdir()
    assert load_newest(tmp_path, no_warning) is None


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize("name", ["tensors-00000.pt", "tree.json", "manifest.json"])
@pytest.mark.parametrize("harm", [damage, _cut, Path.unlink, lambda path: path.write_bytes(b"")])
def test_a_damaged_newest_falls_back_in_one_line(tmp_path: Path, name: str, harm: Callable[[Path], Any]) -> None:
    for step in (1, 2):
        save_checkpoint(tmp_path, step, {"tensor": torch.full((9,), float(step))})
    harm(tmp_path / "step-00000002" / name)
    lines: list[str] = []
    found = load_newest(tmp_path, lines.append)
    assert found is not None
    assert found[0] == 1
    assert torch.equal(found[1]["tensor"], torch.ones(9))
    assert len(lines) == 1
    assert "\n" not in lines[0]
    assert "step-00000002: damaged checkpoint" in lines[0]
    assert "falling back to step-00000001" in lines[0]


def test_every_flipped_bit_is_seen(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, 1, {"a": 1})
    path = save_checkpoint(tmp_path, 2, {"a": [2.5, "text"], "t": torch.ones(2)})
    for file in sorted(path.iterdir()):
        original = file.read_bytes()
        for position in range(0, len(original), max(1, len(original) // 40)):
            file.write_bytes(original[:position] + bytes([original[position] ^ 4]) + original[position + 1 :])
            found = load_newest(tmp_path, lambda line: None)
            assert found is not None
            # a flip in the manifest's white space or key order may leave it valid; then the state is the true one
            assert found[0] == 1 or (file.name == "manifest.json" and found[1]["a"] == [2.5, "text"])
        file.write_bytes(original)


def test_all_damaged_gives_none_and_says_so(tmp_path: Path) -> None:
    path = save_checkpoint(tmp_path, 1, {"a": 1})
    damage(path / "tree.json")
    lines: list[str] = []
    assert load_newest(tmp_path, lines.append) is None
    assert "there is no earlier one" in lines[0]


def test_a_newer_format_is_refused_and_not_called_damaged(tmp_path: Path) -> None:
    path = save_checkpoint(tmp_path, 1, {"a": 1}) / "manifest.json"
    path.write_text(path.read_text().replace('"format": 1', '"format": 2'))
    with pytest.raises(UserError, match="newer degas"):
        load_newest(tmp_path, no_warning)


@pytest.mark.parametrize(
    "manifest",
    ["[]", "{}", "null", "1", '{"format": 1}', '{"format": 1, "step": 1, "files": 3}', '{"format": "x", "step": 1}',
     '{"format": 1, "step": 1, "files": {"../../../etc/passwd": {"bytes": 1, "sha256": ""}}}',
     '{"format": 1, "step": 1, "files": {"tree.json": null}}', '{"format": 1, "step": 1, "files": {}}', "[" * 5000],
)  # fmt: skip
def test_a_strange_manifest_is_damage(tmp_path: Path, manifest: str) -> None:
    (save_checkpoint(tmp_path, 1, {"a": 1}) / "manifest.json").write_text(manifest)
    lines: list[str] = []
    assert load_newest(tmp_path, lines.append) is None
    assert len(lines) == 1


def test_saving_a_step_again_replaces_it_and_drops_later_ones(tmp_path: Path) -> None:
    for step in (100, 200):
        save_checkpoint(tmp_path, step, {"try": 1})
    damage(tmp_path / "step-00000200" / "tree.json")
    save_checkpoint(tmp_path, 150, {"try": 2})  # resumed from 100, then asked to stop
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000100", "step-00000150"]
    save_checkpoint(tmp_path, 150, {"try": 3})
    assert load_newest(tmp_path, no_warning) == (150, {"try": 3})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000100", "step-00000150"]


def test_the_one_in_place_comes_before_the_one_it_replaced(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, 2, {"try": 1})
    os.rename(tmp_path / "step-00000002", tmp_path / ".old-step-00000002")  # killed between the two renames
    assert load_newest(tmp_path, no_warning) == (2, {"try": 1})
    save_checkpoint(tmp_path / "other", 2, {"try": 2})
    os.rename(tmp_path / "other" / "step-00000002", tmp_path / "step-00000002")  # killed after the second
    assert load_newest(tmp_path, no_warning) == (2, {"try": 2})
    save_checkpoint(tmp_path, 3, {"try": 3}, keep=2)
    assert sorted(path.name for path in tmp_path.glob("*step*")) == ["step-00000002", "step-00000003"]


def test_bad_arguments(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="keep"):
        save_checkpoint(tmp_path, 1, {}, keep=0)
    with pytest.raises(ValueError, match="step"):
        save_checkpoint(tmp_path, -1, {})


# ------------------------------------------------------------- a kill or a full disk at every single disk operation


class Tripwire:
    """Calls `trip` instead of the disk operation number `at` (counted from 1), and counts."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, at: int, trip: Callable[[], None]) -> None:
        self.count, self.at, self.trip = 0, at, trip
        for name in DISK_OPERATIONS:
            monkeypatch.setattr(os, name, self.wrap(getattr(os, name)))

    def wrap(self, operation: Callable) -> Callable:
        def wrapped(*arguments: Any, **options: Any) -> Any:
            self.count += 1
            if self.count == self.at:
                self.trip()
            return operation(*arguments, **options)

        return wrapped


@pytest.fixture(params=[2, 3], ids=["same step again", "next step"])
def interrupted_step(request: pytest.FixtureRequest) -> int:
    step: int = request.param
    return step


def num_operations(tmp_path: Path, step: int) -> int:
    with pytest.MonkeyPatch.context() as patch:
        wire = Tripwire(patch, 0, lambda: None)
        save_checkpoint(tmp_path, step, {"new": torch.arange(6)}, keep=1)
    assert wire.count > 8
    return wire.count


def test_killed_at_any_disk_operation(tmp_path: Path, interrupted_step: int) -> None:
    save_checkpoint(tmp_path / "probe", 2, {"old": torch.zeros(3)}, keep=1)
    total = num_operations(tmp_path / "probe", interrupted_step)
    outcomes = set()
    for at in range(1, total + 1):
        folder = tmp_path / str(at)
        save_checkpoint(folder, 2, {"old": torch.zeros(3)}, keep=1)
        child = os.fork()
        if child == 0:  # dies on the spot like after kill -9: no handler, no clean-up
            with pytest.MonkeyPatch.context() as patch:
                Tripwire(patch, at, lambda: os._exit(9))
                save_checkpoint(folder, interrupted_step, {"new": torch.arange(6)}, keep=1)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
        found = load_newest(folder, no_warning)
        assert found is not None
        outcomes.add((found[0], *found[1]))
        save_checkpoint(folder, 4, {"after": 1}, keep=1)
        assert [path.name for path in folder.iterdir()] == ["step-00000004"]
    assert outcomes == {(2, "old"), (interrupted_step, "new")}


def test_full_disk_at_any_operation(tmp_path: Path, interrupted_step: int) -> None:
    def full() -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    save_checkpoint(tmp_path / "probe", 2, {"old": torch.zeros(3)}, keep=1)
    total, refused = num_operations(tmp_path / "probe", interrupted_step), 0
    for at in range(1, total + 1):
        folder = tmp_path / str(at)
        save_checkpoint(folder, 2, {"old": torch.zeros(3)}, keep=1)
        refused += refuses(folder, interrupted_step, at, full)
        found = load_newest(folder, no_warning)
        assert found is not None
        assert not list(folder.glob(".part-*"))
        save_checkpoint(folder, 4, {"after": 1}, keep=1)
        assert load_newest(folder, no_warning) == (4, {"after": 1})
    assert refused >= 8


def refuses(folder: Path, step: int, at: int, full: Callable[[], None]) -> bool:
    """A full disk is a `UserError` naming the folder; only the removal of older ones at the end may pass over it."""
    with pytest.MonkeyPatch.context() as patch:
        Tripwire(patch, at, full)
        try:
            save_checkpoint(folder, step, {"new": torch.arange(6)}, keep=1)
        except UserError as error:
            return str(error).startswith(f"{folder}: the disk is full") or pytest.fail(str(error))
    found = load_newest(folder, no_warning)
    assert found is not None
    assert (found[0], *found[1]) == (step, "new")
    return False


def test_other_disk_errors_are_not_called_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise OSError(errno.EIO, "Input/output error")

    Tripwire(monkeypatch, 3, broken)
    with pytest.raises(OSError, match="Input/output error"):
        save_checkpoint(tmp_path / "c", 1, {"a": 1})


def test_everything_is_on_the_disk_before_the_rename(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The order of a crash-safe save: the logs, the new files, their folder; the rename; the outer folder."""
    (tmp_path / "metrics.jsonl").write_text('{"step": 1}\n')
    (tmp_path / "checkpoints").mkdir()
    events: list[str] = []
    fsync, rename = os.fsync, os.rename

    def traced_fsync(descriptor: int) -> None:
        events.append(Path(os.readlink(f"/proc/self/fd/{descriptor}")).name)
        fsync(descriptor)

    def traced_rename(source: Path, target: Path) -> None:
        events.append(f"rename to {target.name}")
        rename(source, target)

    monkeypatch.setattr(os, "fsync", traced_fsync)
    monkeypatch.setattr(os, "rename", traced_rename)
    save_checkpoint(tmp_path / "checkpoints", 1, {"a": torch.ones(1)})
    files = ["tensors-00000.pt", "tree.json", "manifest.json"]
    renamed = "rename to step-00000001"
    assert events == ["metrics.jsonl", *files, ".part-step-00000001", renamed, "checkpoints"]
