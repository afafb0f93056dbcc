"""Inception-v3 of every published FID and IS: the TensorFlow graph of 2015-12-05, in PyTorch.

It differs from the Inception-v3 of the paper and of other libraries, and each difference changes the scores: bilinear
resize of TensorFlow 1.x (corner-aligned by neither convention), average pools that exclude the padding from the mean, a
*max* pool in the last block, 1008 classes, and an Inception Score from logits without the bias. Parameter names are
torch-fidelity's, so that its weights file loads unchanged (566 tensors).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from degas.errors import UserError, unreadable, unwritable
from degas.evaluation.extractors.base import Extracted, Extractor, file_sha256, to_colour
from degas.runtime.durable import share_as_umask_says
from degas.runtime.paths import cache_home, expanded

WEIGHTS_NAME = "weights-inception-2015-12-05-6726825d.pth"
WEIGHTS_SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
WEIGHTS_URL = f"https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/{WEIGHTS_NAME}"
INPUT_PIXELS, NUM_FEATURES, NUM_CLASSES = 299, 2048, 1008
_Size = int | tuple[int, int]


class _Conv(nn.Module):
    """Convolution without bias, batch norm (eps 1e-3), ReLU; odd kernels keep the size unless `padding` is 0."""

    def __init__(self, inputs: int, outputs: int, kernel: _Size, stride: int = 1, padding: _Size | None = None) -> None:
        super().__init__()
        height, width = (kernel, kernel) if isinstance(kernel, int) else kernel
        same = (height // 2, width // 2) if padding is None else padding
        self.conv = nn.Conv2d(inputs, outputs, (height, width), stride, same, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=1e-3)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)))


def _average(x: Tensor) -> Tensor:
    """3×3 mean with stride 1; a border pixel is divided by the pixels that exist."""
    return F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)


class _MixedA(nn.Module):
    """35×35: 1×1; 1×1–5×5; 1×1–3×3–3×3; average–1×1 → 224 + `pooled` channels."""

    def __init__(self, inputs: int, pooled: int) -> None:
        super().__init__()
        self.branch1x1 = _Conv(inputs, 64, 1)
        self.branch5x5_1, self.branch5x5_2 = _Conv(inputs, 48, 1), _Conv(48, 64, 5)
        self.branch3x3dbl_1, self.branch3x3dbl_2 = _Conv(inputs, 64, 1), _Conv(64, 96, 3)
        self.branch3x3dbl_3 = _Conv(96, 96, 3)
        self.branch_pool = _Conv(inputs, pooled, 1)

    def forward(self, x: Tensor) -> Tensor:
        five = self.branch5x5_2(self.branch5x5_1(x))
        three = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([self.branch1x1(x), five, three, self.branch_pool(_average(x))], dim=1)


class _MixedB(nn.Module):
    """35×35 → 17×17, unpadded strides of 2: 384 + 96 + the input's channels."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.branch3x3 = _Conv(inputs, 384, 3, stride=2, padding=0)
        self.branch3x3dbl_1, self.branch3x3dbl_2 = _Conv(inputs, 64, 1), _Conv(64, 96, 3)
        self.branch3x3dbl_3 = _Conv(96, 96, 3, stride=2, padding=0)

    def forward(self, x: Tensor) -> Tensor:
        double = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([self.branch3x3(x), double, F.max_pool2d(x, 3, stride=2)], dim=1)


class _MixedC(nn.Module):
    """17×17 with factorised 7×7 convolutions: 4 · 192 channels."""

    def __init__(self, inputs: int, inner: int) -> None:
        super().__init__()
        self.branch1x1 = _Conv(inputs, 192, 1)
        self.branch7x7_1, self.branch7x7_2 = _Conv(inputs, inner, 1), _Conv(inner, inner, (1, 7))
        self.branch7x7_3 = _Conv(inner, 192, (7, 1))
        self.branch7x7dbl_1, self.branch7x7dbl_2 = _Conv(inputs, inner, 1), _Conv(inner, inner, (7, 1))
        self.branch7x7dbl_3, self.branch7x7dbl_4 = _Conv(inner, inner, (1, 7)), _Conv(inner, inner, (7, 1))
        self.branch7x7dbl_5 = _Conv(inner, 192, (1, 7))
        self.branch_pool = _Conv(inputs, 192, 1)

    def forward(self, x: Tensor) -> Tensor:
        once = self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x)))
        twice = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(x)))
        twice = self.branch7x7dbl_5(self.branch7x7dbl_4(twice))
        return torch.cat([self.branch1x1(x), once, twice, self.branch_pool(_average(x))], dim=1)


class _MixedD(nn.Module):
    """17×17 → 8×8: 320 + 192 + the input's channels."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.branch3x3_1, self.branch3x3_2 = _Conv(inputs, 192, 1), _Conv(192, 320, 3, stride=2, padding=0)
        self.branch7x7x3_1, self.branch7x7x3_2 = _Conv(inputs, 192, 1), _Conv(192, 192, (1, 7))
        self.branch7x7x3_3 = _Conv(192, 192, (7, 1))
        self.branch7x7x3_4 = _Conv(192, 192, 3, stride=2, padding=0)

    def forward(self, x: Tensor) -> Tensor:
        seven = self.branch7x7x3_4(self.branch7x7x3_3(self.branch7x7x3_2(self.branch7x7x3_1(x))))
        return torch.cat([self.branch3x3_2(self.branch3x3_1(x)), seven, F.max_pool2d(x, 3, stride=2)], dim=1)


class _MixedE(nn.Module):
    """8×8 with forked ends: 2048 channels. The first of these blocks pools by mean, the last by max."""

    def __init__(self, inputs: int, max_pool: bool) -> None:
        super().__init__()
        self.max_pool = max_pool
        self.branch1x1 = _Conv(inputs, 320, 1)
        self.branch3x3_1 = _Conv(inputs, 384, 1)
        self.branch3x3_2a, self.branch3x3_2b = _Conv(384, 384, (1, 3)), _Conv(384, 384, (3, 1))
        self.branch3x3dbl_1, self.branch3x3dbl_2 = _Conv(inputs, 448, 1), _Conv(448, 384, 3)
        self.branch3x3dbl_3a, self.branch3x3dbl_3b = _Conv(384, 384, (1, 3)), _Conv(384, 384, (3, 1))
        self.branch_pool = _Conv(inputs, 192, 1)

    def forward(self, x: Tensor) -> Tensor:
        once, twice = self.branch3x3_1(x), self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        pooled = F.max_pool2d(x, 3, stride=1, padding=1) if self.max_pool else _average(x)
        parts = [self.branch1x1(x), self.branch3x3_2a(once), self.branch3x3_2b(once)]
        parts += [self.branch3x3dbl_3a(twice), self.branch3x3dbl_3b(twice), self.branch_pool(pooled)]
        return torch.cat(parts, dim=1)


class InceptionV3(nn.Module):
    """(N, 3, 299, 299) in [−1, 1) → pooled features (N, 2048) and logits without bias (N, 1008)."""

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = _Conv(3, 32, 3, stride=2, padding=0)  # 149
        self.Conv2d_2a_3x3 = _Conv(32, 32, 3, padding=0)  # 147
        self.Conv2d_2b_3x3 = _Conv(32, 64, 3)  # 147, pooled to 73
        self.Conv2d_3b_1x1 = _Conv(64, 80, 1)
        self.Conv2d_4a_3x3 = _Conv(80, 192, 3, padding=0)  # 71, pooled to 35
        self.Mixed_5b, self.Mixed_5c, self.Mixed_5d = _MixedA(192, 32), _MixedA(256, 64), _MixedA(288, 64)
        self.Mixed_6a = _MixedB(288)  # 17
        self.Mixed_6b, self.Mixed_6c = _MixedC(768, 128), _MixedC(768, 160)
        self.Mixed_6d, self.Mixed_6e = _MixedC(768, 160), _MixedC(768, 192)
        self.Mixed_7a = _MixedD(768)  # 8
        self.Mixed_7b, self.Mixed_7c = _MixedE(1280, max_pool=False), _MixedE(2048, max_pool=True)
        self.fc = nn.Linear(NUM_FEATURES, NUM_CLASSES)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(F.max_pool2d(x, 3, stride=2)))
        x = self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(F.max_pool2d(x, 3, stride=2))))
        x = self.Mixed_6e(self.Mixed_6d(self.Mixed_6c(self.Mixed_6b(self.Mixed_6a(x)))))
        features = self.Mixed_7c(self.Mixed_7b(self.Mixed_7a(x))).mean(dim=(2, 3))  # (N, 2048)
        return features, features @ self.fc.weight.T


class InceptionExtractor(Extractor):
    """The network of FID and IS: `inception`, which protocol names leave out.

    Resize rule: `resize_tensorflow1` to 299 px, then (x − 128)/128.
    """

    name = "inception"
    num_features = NUM_FEATURES
    has_inception_score = True

    def __init__(self, network: InceptionV3) -> None:
        super().__init__()
        self.network = network

    @classmethod
    def from_file(cls, path: Path) -> InceptionExtractor:
        """Read the weights file, whose checksum `find_weights` has checked; `UserError` if it does not fit."""
        network = InceptionV3()
        try:
            network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
        except OSError as error:
            raise unreadable(path, error) from error
        except Exception as error:  # torch.load raises half a dozen types on a file that is no checkpoint
            reason = str(error).splitlines()[0]
            raise UserError(f"{path}: does not hold the weights {WEIGHTS_NAME} ({reason}); {_REMEDY}") from error
        return cls(network)

    def facts(self) -> dict[str, Any]:
        return {"network": "Inception-v3 2015-12-05", "layer": "pooled, 2048", "resize": "TensorFlow 1 bilinear 299 px"}

    def prepare(self, images: Tensor) -> Tensor:
        x = (resize_tensorflow1(images.float(), INPUT_PIXELS) - 128) / 128
        return to_colour(x).contiguous(memory_format=torch.channels_last)

    def extract(self, prepared: Tensor) -> Extracted:
        return Extracted(*self.network(prepared))


def resize_tensorflow1(images: Tensor, size: int) -> Tensor:
    """TensorFlow 1.x `resize_bilinear(align_corners=False)`: float32 (N, C, H, W) → (N, C, size, size).

    Output pixel i is at i·H/size of the input (no half-pixel shift, no antialiasing), computed in float32.
    """
    top, bottom, down = _taps(images.shape[2], size, images.device)
    left, right, along = _taps(images.shape[3], size, images.device)
    # Along the width first, as TensorFlow's kernel does: the same rounding.
    rows = images[..., left] + (images[..., right] - images[..., left]) * along
    return rows[:, :, top] + (rows[:, :, bottom] - rows[:, :, top]) * down[:, None]


def _taps(length: int, size: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Lower and upper source pixel of each output pixel, and the share of the upper."""
    place = torch.arange(size, dtype=torch.float32, device=device) * torch.tensor(length / size, dtype=torch.float32)
    lower = place.long().clamp_max(length - 1)
    return lower, (lower + 1).clamp_max(length - 1), place - lower


_REMEDY = f"get {WEIGHTS_URL} and give it as --evaluate.inception-weights FILE, or use --evaluate.extractor imagenet"


def cache_folders() -> tuple[Path, ...]:
    """Return the folders searched for the weights: our cache, then that of torch-fidelity and torchmetrics."""
    ours = cache_home() / "degas"
    torch_home = os.environ.get("TORCH_HOME")
    hub = expanded(torch_home) if torch_home else cache_home() / "torch"
    return ours, hub / "hub" / "checkpoints"


def find_weights(path: Path | None = None) -> Path:
    """The checked weights file: `path` if given, else from a cache folder, else downloaded into ours.

    Raises `UserError` with a remedy if the file is missing or has another checksum: similar weights are never used
    instead.
    """
    if path is not None:
        if not path.is_file():
            raise UserError(f"--evaluate.inception-weights: {path} is not a file; {_REMEDY}")
        return _checked(path)
    for folder in cache_folders():
        if (folder / WEIGHTS_NAME).is_file():
            return _checked(folder / WEIGHTS_NAME)
    return _download(cache_folders()[0])


def _checked(path: Path) -> Path:
    found = file_sha256(path)
    if found != WEIGHTS_SHA256:
        raise UserError(f"{path}: SHA-256 is {found[:16]}…, not {WEIGHTS_SHA256[:16]}…; {_REMEDY}")
    return path


def _download(folder: Path) -> Path:
    missing = f"the Inception weights are not in {folder / WEIGHTS_NAME}"
    try:
        import pooch

        pooch.get_logger().setLevel("WARNING")  # degas prints its own line
    except ImportError:
        raise UserError(f"{missing} and the `data` extra, which downloads them, is not installed; {_REMEDY}") from None
    try:
        path = Path(pooch.retrieve(WEIGHTS_URL, f"sha256:{WEIGHTS_SHA256}", WEIGHTS_NAME, folder, progressbar=False))
    except Exception as error:  # no network, access refused, wrong checksum: all mean "not available" to the user
        unavailable = UserError(f"{missing} and cannot be downloaded ({type(error).__name__}); {_REMEDY}")
        raise unwritable(folder / WEIGHTS_NAME, error) or unavailable from error
    share_as_umask_says(path)
    return path
