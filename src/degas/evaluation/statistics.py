"""Streams of images → features in batches of one fixed size → statistics in constant memory.

Also the cache of reference statistics: one file per data set, extractor and protocol, written atomically.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from degas.evaluation.extractors.base import Extracted, Extractor
from degas.runtime.arithmetic import exact_float32
from degas.runtime.durable import write_new_file

# Convolution kernels differ in the last bits between batch shapes, so every pass has this many images (the last one is
# padded): features, and so scores, depend on neither the stream's chunks nor N. 16 is also the fastest on CPUs.
FORWARD_IMAGES = 16
KEPT_IMAGES = 10_000  # features kept for KID, precision and recall; beyond that, memory is constant
BLOCK_ROWS = 1024  # features added to the moments at a time; each time costs a pass over D × D numbers
FORMAT = 1  # raise whenever the meaning of cached numbers changes


class Moments:
    """Count, mean (D,) and scatter Σ(x−μ)(x−μ)ᵀ (D, D) of a stream, in float64 (Chan et al. 1983)."""

    def __init__(self, num_features: int) -> None:
        self.count = 0
        self.mean = torch.zeros(num_features, dtype=torch.float64)
        self.scatter = torch.zeros(num_features, num_features, dtype=torch.float64)

    def update(self, features: Tensor) -> None:
        """Take features (N, D) of any float dtype."""
        rows = features.double().cpu()
        if not torch.isfinite(rows).all():
            raise ValueError("features hold a value that is not finite")
        part = Moments.__new__(Moments)
        part.count, part.mean = len(rows), rows.mean(dim=0)
        centred = rows - part.mean
        part.scatter = centred.T @ centred
        self.merge(part)

    def merge(self, other: Moments) -> None:
        """Add another stream's moments, as if its rows followed this stream's."""
        total = self.count + other.count
        if not other.count:
            return
        shift = other.mean - self.mean
        self.scatter += other.scatter + torch.outer(shift, shift) * (self.count * other.count / total)
        self.mean += shift * (other.count / total)
        self.count = total

    @property
    def covariance(self) -> Tensor:
        """Unbiased covariance (D, D), as in numpy.cov and every FID code; needs two rows."""
        if self.count < 2:
            raise ValueError("a covariance needs at least two images")
        return self.scatter / (self.count - 1)


@dataclass
class Collected:
    """The statistics of a set of images: moments of all, and the features of the first `KEPT_IMAGES` (n, D) float32."""

    moments: Moments
    kept: Tensor = field(default_factory=lambda: torch.empty(0))

    @property
    def count(self) -> int:
        return self.moments.count


def fixed_batches(chunks: Iterable[Tensor], size: int = FORWARD_IMAGES) -> Iterator[tuple[Tensor, int]]:
    """Split chunks of uint8 images (n, C, H, W) into batches of exactly `size`; yields (batch, number of valid images).

    The last batch is padded with copies of its first image.
    """
    waiting: Tensor | None = None
    for chunk in chunks:
        waiting = chunk if waiting is None else torch.cat([waiting, chunk])
        full = len(waiting) // size * size
        for start in range(0, full, size):
            yield waiting[start : start + size], size
        waiting = waiting[full:]
    if waiting is not None and len(waiting):
        padding = waiting[:1].expand(size - len(waiting), -1, -1, -1)
        yield torch.cat([waiting, padding]), len(waiting)


@torch.inference_mode()
def extract(
    extractor: Extractor,
    chunks: Iterable[Tensor],
    device: torch.device | str,
    tick: Callable[[int], None] | None = None,
) -> Iterator[Extracted]:
    """Features and logits of a stream of uint8 chunks, on the CPU, in the stream's order.

    `tick` gets the number of images that each step finished.
    """
    for batch, count in fixed_batches(chunks):
        with exact_float32(one_algorithm=True):
            features, logits = extractor(batch.to(device))
        yield Extracted(features[:count].float().cpu(), None if logits is None else logits[:count].float().cpu())
        if tick is not None:
            tick(count)


def collect(
    stream: Iterable[Extracted], num_features: int, on_logits: Callable[[Tensor], None] | None = None
) -> Collected:
    """Moments and kept features of a stream; each batch's logits go to `on_logits`."""
    collected, kept, num_kept = Collected(Moments(num_features)), [], 0
    for rows in _blocks(stream, num_features, on_logits):
        collected.moments.update(rows)
        if num_kept < KEPT_IMAGES:
            kept.append(rows[: KEPT_IMAGES - num_kept].clone())
            num_kept += len(kept[-1])
    collected.kept = torch.cat(kept) if kept else torch.empty(0, num_features)
    return collected


def _blocks(
    stream: Iterable[Extracted], num_features: int, on_logits: Callable[[Tensor], None] | None
) -> Iterator[Tensor]:
    """Features in blocks of about `BLOCK_ROWS`; the next block reuses the buffer of the last."""
    buffer, filled = torch.empty(BLOCK_ROWS, num_features), 0
    for features, logits in stream:
        if on_logits is not None and logits is not None:
            on_logits(logits)
        for rows in features.split(BLOCK_ROWS):
            if filled + len(rows) > BLOCK_ROWS:
                yield buffer[:filled]
                filled = 0
            buffer[filled : filled + len(rows)] = rows
            filled += len(rows)
    if filled:
        yield buffer[:filled]


def merged(first: Collected, second: Collected) -> Collected:
    """Both sets as one; `first`'s features are kept before `second`'s."""
    moments = Moments(len(first.moments.mean))
    moments.merge(first.moments)
    moments.merge(second.moments)
    return Collected(moments, torch.cat([first.kept, second.kept])[:KEPT_IMAGES])


# --- the cache -------------------------------------------------------------------------------------------------------


def cache_key(**facts: Any) -> str:
    """File stem for statistics with exactly these facts (JSON values): data fingerprint, extractor card, protocol."""
    facts |= {"format": FORMAT, "forward_images": FORWARD_IMAGES, "kept_images": KEPT_IMAGES}
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]


def load_cached(path: Path) -> dict[str, Collected] | None:
    """Named statistics from `path`; None if there is no readable file, which is then made again."""
    if not path.is_file():
        return None
    try:
        tensors = load_file(path)
        names = sorted({key.rpartition(".")[0] for key in tensors})
        return {name: _from_tensors(name, tensors) for name in names}
    except (SafetensorError, KeyError, OSError, ValueError):
        return None


def save_cached(path: Path, statistics: dict[str, Collected]) -> None:
    """Write named statistics so that a reader sees the old file, the new one or none, never half of one.

    Unlike `runtime.durable.replace_file`, several processes may write the same file at a time.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {f"{name}.{key}": t for name, c in statistics.items() for key, t in _to_tensors(c).items()}
    temporary = path.with_name(f".{path.stem}-{os.getpid()}.tmp")  # the umask's mode: others may share the cache
    try:
        write_new_file(temporary, save(tensors))
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _to_tensors(collected: Collected) -> dict[str, Tensor]:
    moments = collected.moments
    count = torch.tensor(moments.count, dtype=torch.int64)
    return {"count": count, "mean": moments.mean, "scatter": moments.scatter, "kept": collected.kept.contiguous()}


def _from_tensors(name: str, tensors: dict[str, Tensor]) -> Collected:
    moments = Moments(0)
    moments.count = int(tensors[f"{name}.count"])
    moments.mean, moments.scatter = tensors[f"{name}.mean"], tensors[f"{name}.scatter"]
    return Collected(moments, tensors[f"{name}.kept"])
