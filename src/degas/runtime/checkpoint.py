"""Checkpoints: complete or absent, checked by SHA-256, the last few kept. Private to a run; they hold no code.

A checkpoint is a folder:

    step-00000200/
      tree.json           the nested state, with a reference in place of each tensor
      tensors-00000.pt    lists of (reference, piece), for torch.load(weights_only=True); at most 16 MiB a file
      manifest.json       step, and SHA-256 and size of every other file

Large tensors (the latents, one row per image) are split along their rows, so that no file exceeds 16 MiB and saving
needs no more than that in addition to the state itself.
"""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import pickle
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from degas.errors import UserError, unreadable
from degas.runtime.durable import full_disk_named, sync_file, sync_folder, write_new_file

FILE_BYTES = 16 * 2**20
_FORMAT = 1
_ENTRY_BYTES = 1024  # torch.save's own bytes for each tensor, rounded up
_PAYLOAD_BYTES = FILE_BYTES - 64 * 1024  # leaves room for torch.save's own bytes for each file
_PART, _OLD, _DROPPED = ".part-", ".old-", ".dropped-"  # only an _OLD folder may still be needed
_NAME = re.compile(rf"(?:{re.escape(_OLD)})?step-(\d{{8,18}})")
_FILE = re.compile(r"tree\.json|tensors-\d{5,9}\.pt")
_UNREADABLE = (OSError, ValueError, KeyError, TypeError, RuntimeError, EOFError, pickle.UnpicklingError)


def save_checkpoint(folder: Path, step: int, state: dict, keep: int = 2) -> Path:
    """Saves `state` as `folder/step-XXXXXXXX` and removes all but the last `keep` checkpoints.

    If the process is killed at any moment, the earlier checkpoints remain and the new one is complete or absent. The
    logs beside the checkpoints (`*.jsonl` in `folder`'s parent) are flushed to the disk first, so that after a power
    cut no checkpoint is ahead of the logs. Checkpoints of later steps are damaged or belong to an abandoned attempt;
    they are removed as well.

    Args:
        step: finished steps, at least 0.
        state: dicts (keys: strings or integers), lists and tuples of tensors, integers, floats, strings, booleans
            and None, nested at will, such as an optimiser's `state_dict()`. Tensors are restored on the CPU, bit for
            bit.

    Raises:
        UserError: the disk is full; earlier checkpoints stay usable.
        TypeError: the state holds something else; the message says where.
    """
    if step < 0 or keep < 1:
        raise ValueError(f"step {step} must be at least 0 and keep {keep} at least 1")
    final = folder / f"step-{step:08d}"
    part = folder / f"{_PART}{final.name}"
    with full_disk_named(folder, f"while saving step {step}"):
        if not folder.is_dir():
            folder.mkdir(parents=True)
            sync_folder(folder.parent)
        _remove_leftovers(folder)
        for log in sorted(folder.parent.glob("*.jsonl")):
            sync_file(log)
        try:
            _write_files(part, step, state)
            _put_in_place(part, final)
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise
        _drop_others(folder, step, keep)
    return final


def load_newest(folder: Path, warn: Callable[[str], None], *, only_step: int | None = None) -> tuple[int, dict] | None:
    """The newest checkpoint of `folder` whose files all match their checksums: (step, state), or None.

    `warn` gets one line for each damaged checkpoint that is skipped. Tensors are on the CPU. The folder is not
    changed. With `only_step`, checkpoints of other steps are ignored.

    Raises:
        UserError: the checkpoint has a newer format, or the operating system refuses to read it.
    """
    candidates = [(step, path) for step, path in _candidates(folder) if only_step in (None, step)]
    for position, (step, path) in enumerate(candidates):
        try:
            return step, _read(path, step)
        except _UNREADABLE as error:
            if isinstance(error, OSError) and error.errno not in (None, errno.ENOENT, errno.ENOTDIR):
                # it may be intact, so no older checkpoint takes its place
                raise unreadable(error.filename or path, error) from error
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            rest = candidates[position + 1 :]
            onward = f"falling back to {rest[0][1].name}" if rest else "there is no earlier one"
            warn(f"{path}: damaged checkpoint ({reason}); {onward}")
    return None


def checkpoint_digest(folder: Path, step: int) -> str:
    """SHA-256 of the manifest of the checkpoint of `step`, which covers all its files; empty if there is none."""
    for at, path in _candidates(folder):
        if at == step and (path / "manifest.json").is_file():
            return hashlib.sha256((path / "manifest.json").read_bytes()).hexdigest()
    return ""


def _candidates(folder: Path) -> list[tuple[int, Path]]:
    """Checkpoints, newest first; for one step, the current one comes before the old one that it replaces."""
    if not folder.is_dir():
        return []
    found = [(int(match[1]), path) for path in folder.iterdir() if (match := _NAME.fullmatch(path.name))]
    return sorted(found, key=lambda entry: (-entry[0], entry[1].name.startswith(_OLD)))


# ---------------------------------------------------------------------------------------------------- writing


def _write_files(part: Path, step: int, state: dict) -> None:
    part.mkdir()
    tensors: list[Tensor] = []
    tree = _encode(state, "state", tensors)
    files: dict[str, dict[str, Any]] = {}

    def write(name: str, data: bytes | memoryview) -> None:
        files[name] = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
        write_new_file(part / name, data)

    for number, pieces in enumerate(_packed(tensors)):
        buffer = io.BytesIO()  # on a full disk, torch.save to a file raises an error that does not say why
        torch.save(pieces, buffer)
        write(f"tensors-{number:05d}.pt", buffer.getbuffer())
    write("tree.json", json.dumps(tree).encode())
    manifest = {"format": _FORMAT, "step": step, "files": files}
    write_new_file(part / "manifest.json", json.dumps(manifest, indent=1).encode())
    sync_folder(part)


def _put_in_place(part: Path, final: Path) -> None:
    old = final.with_name(f"{_OLD}{final.name}")
    if final.exists():
        os.rename(final, old)  # if killed right here, it remains a candidate under its old name
    os.rename(part, final)
    sync_folder(final.parent)
    if old.exists():
        _drop(old)


def _remove_leftovers(folder: Path) -> None:
    """Remove what a killed process left half-written or half-removed."""
    for path in folder.iterdir():
        superseded = path.name.startswith(_OLD) and (folder / path.name.removeprefix(_OLD)).exists()
        if path.name.startswith((_PART, _DROPPED)) or superseded:
            shutil.rmtree(path, ignore_errors=True)


def _drop_others(folder: Path, step: int, keep: int) -> None:
    earlier = [path for at, path in _candidates(folder) if at <= step]
    later = [path for at, path in _candidates(folder) if at > step]
    for path in earlier[keep:] + later:
        _drop(path)


def _drop(path: Path) -> None:
    """Renames first: a removal that is killed half-way must not leave what looks like a checkpoint."""
    dropped = path.with_name(f"{_DROPPED}{path.name}")
    os.rename(path, dropped)
    shutil.rmtree(dropped, ignore_errors=True)


def _encode(value: Any, where: str, tensors: list[Tensor]) -> Any:
    """`value` as JSON, tensors moved to `tensors`; containers become [kind, items], so that tuples stay tuples."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int | float):
        return int(value) if isinstance(value, int) else float(value)
    if isinstance(value, Tensor):
        return _encode_tensor(value, where, tensors)
    if isinstance(value, list | tuple):
        items = [_encode(item, f"{where}[{index}]", tensors) for index, item in enumerate(value)]
        return ["list" if isinstance(value, list) else "tuple", items]
    if isinstance(value, dict):
        pairs = []
        for key, item in value.items():
            if type(key) not in (str, int):
                raise TypeError(f"{where}: a checkpoint's keys are strings or integers, not {type(key).__name__}")
            pairs.append([key, _encode(item, f"{where}[{key!r}]", tensors)])
        return ["dict", pairs]
    raise TypeError(f"{where}: a checkpoint cannot hold a {type(value).__name__}")


def _encode_tensor(value: Tensor, where: str, tensors: list[Tensor]) -> dict[str, Any]:
    if value.layout != torch.strided:
        raise TypeError(f"{where}: a checkpoint cannot hold a tensor of layout {value.layout}")
    tensors.append(value.detach())
    channels_last = value.dim() == 4 and value.is_contiguous(memory_format=torch.channels_last)
    return {
        "tensor": len(tensors) - 1,
        "shape": list(value.shape),
        "channels_last": channels_last and not value.is_contiguous(),
    }


def _packed(tensors: list[Tensor]) -> Iterator[list[tuple[int, Tensor]]]:
    """Lists of (reference, piece), each list small enough for one file."""
    batch: list[tuple[int, Tensor]] = []
    batch_bytes = 0
    for reference, tensor in enumerate(tensors):
        for piece in _pieces(tensor):
            cost = piece.nbytes + _ENTRY_BYTES
            if batch and batch_bytes + cost > _PAYLOAD_BYTES:
                yield batch
                batch, batch_bytes = [], 0
            batch.append((reference, piece))
            batch_bytes += cost
    if batch:
        yield batch


def _pieces(tensor: Tensor) -> Iterator[Tensor]:
    """`tensor` whole, or split along its rows; along its flat elements if a single row is too large."""
    limit = _PAYLOAD_BYTES - _ENTRY_BYTES
    if tensor.nbytes <= limit:
        yield _own_memory(tensor)
        return
    row_bytes = tensor.nbytes // tensor.shape[0]
    rows = tensor if row_bytes <= limit else tensor.reshape(-1)
    per_piece = limit // (rows.nbytes // rows.shape[0])
    for start in range(0, rows.shape[0], per_piece):
        yield _own_memory(rows[start : start + per_piece])


def _own_memory(tensor: Tensor) -> Tensor:
    """`tensor` on the CPU with a storage of its own: torch.save writes all of a shared one. Strides are kept."""
    tensor = tensor.cpu()
    return tensor if tensor.untyped_storage().nbytes() == tensor.nbytes else tensor.clone()


# ---------------------------------------------------------------------------------------------------- reading


def _read(path: Path, step: int) -> dict:
    manifest = json.loads((path / "manifest.json").read_bytes())
    if isinstance(manifest["format"], int) and manifest["format"] > _FORMAT:
        raise UserError(f"{path}: written by a newer degas (checkpoint format {manifest['format']}); update degas")
    if manifest["format"] != _FORMAT or manifest["step"] != step:
        raise ValueError("manifest.json belongs to another checkpoint")
    tree = None
    pieces: dict[int, list[Tensor]] = {}
    for name in sorted(manifest["files"]):
        data = _checked_bytes(path, name, manifest["files"][name])
        if name == "tree.json":
            tree = json.loads(data)
            continue
        for reference, piece in torch.load(io.BytesIO(data), map_location="cpu", weights_only=True):
            pieces.setdefault(reference, []).append(piece)
    state = _decode(tree, pieces)
    if not isinstance(state, dict):
        raise ValueError("tree.json holds no state")
    return state


def _checked_bytes(path: Path, name: str, expected: dict[str, Any]) -> bytes:
    if not _FILE.fullmatch(name):
        raise ValueError(f"manifest.json names an unexpected file {name!r}")
    if not (path / name).is_file():
        raise ValueError(f"{name} is missing")
    data = (path / name).read_bytes()
    if len(data) != expected["bytes"]:
        raise ValueError(f"{name} has {len(data)} bytes instead of {expected['bytes']}")
    if hashlib.sha256(data).hexdigest() != expected["sha256"]:
        raise ValueError(f"{name} does not match its checksum")
    return data


def _decode(node: Any, pieces: dict[int, list[Tensor]]) -> Any:
    if isinstance(node, dict):
        return _decode_tensor(node, pieces[node["tensor"]])
    if not isinstance(node, list):
        return node
    kind, items = node
    if kind == "dict":
        return {key: _decode(item, pieces) for key, item in items}
    values = [_decode(item, pieces) for item in items]
    return tuple(values) if kind == "tuple" else values


def _decode_tensor(node: dict[str, Any], pieces: list[Tensor]) -> Tensor:
    if len(pieces) == 1:
        return pieces[0]
    whole = torch.cat([piece.contiguous() for piece in pieces]).reshape(node["shape"])
    return whole.contiguous(memory_format=torch.channels_last) if node["channels_last"] else whole
