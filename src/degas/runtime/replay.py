"""A step that is recorded once and then replayed: on a GPU one CUDA graph launches its thousands of kernels at once.

A replay runs the same kernels on the same memory with the same numbers. So everything that differs from step to step,
a learning rate included, must be an input, and the step must not read values of its tensors on the host.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping
from typing import Protocol

import torch
from torch import Tensor

from degas.errors import UserError

Inputs = Mapping[str, Tensor | float | None]
Tensors = dict[str, Tensor]
WARM_UP_CALLS = 3  # before recording: libraries and optimisers initialise in the first calls (torch's advice)


def check_graphs(stage: str, device: torch.device, num_ranks: int) -> None:
    """Raise `UserError` if `--STAGE.cuda-graphs` has no GPU, or more than one process."""
    if device.type != "cuda":
        raise UserError(f"--{stage}.cuda-graphs: CUDA graphs need a GPU; leave it out")
    if num_ranks > 1:
        raise UserError(f"--{stage}.cuda-graphs: one process only, not {num_ranks}; leave it out")


class Recorder(Protocol):
    """A way to record a run; `CudaGraphs`, or a test's own."""

    def warm_up(self, run: Callable[[], Tensors]) -> Tensors:
        """Run it once without recording."""

    def record(self, run: Callable[[], Tensors]) -> tuple[Callable[[], object], Tensors]:
        """Run it once; return a function that runs it again, and the tensors that hold its values after each run."""


class CudaGraphs:
    """Records with `torch.cuda.graph`. Draws from torch's global generators are made anew at each replay."""

    def __init__(self) -> None:
        self._stream = torch.cuda.Stream()  # a graph cannot be recorded on the default stream

    def warm_up(self, run: Callable[[], Tensors]) -> Tensors:
        here = torch.cuda.current_stream()
        self._stream.wait_stream(here)
        with torch.cuda.stream(self._stream):
            values = run()
        here.wait_stream(self._stream)
        return values

    def record(self, run: Callable[[], Tensors]) -> tuple[Callable[[], object], Tensors]:
        gc.collect()  # else an earlier search's unused graph might free its memory while this one records
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=self._stream):
            values = run()
        graph.replay()  # recording alone computes nothing
        return graph.replay, values


class Replayed:
    """Calls `function(inputs)` → scalars by name; records it at the fourth call and replays it from then on.

    A graph reserves the memory of a whole step. The owner of the tensors that `function` updates must drop this object
    after the last step, since the two refer to each other.

    Args:
        function: updates tensors that live as long as this object; it receives a number among its inputs as a
            float32 tensor without dimensions.
        device: where it computes.
    """

    def __init__(self, function: Callable[[Inputs], Tensors], device: torch.device, recorder: Recorder) -> None:
        self.function, self.device, self.recorder = function, device, recorder
        self._inputs: dict[str, Tensor | None] = {}
        self._kinds: dict[str, str] = {}  # of the inputs, as the first call gave them
        self._replay: Callable[[], object] | None = None
        self._values: Tensors = {}
        self._num_calls = 0

    def __call__(self, inputs: Inputs) -> Tensors:
        """The values of this call; the next call does not change them.

        Raises:
            ValueError: names, shapes or types of the inputs differ from those of the first call.
        """
        self._take(inputs)
        self._num_calls += 1
        if self._num_calls <= WARM_UP_CALLS:
            return self.recorder.warm_up(self._run)
        if self._replay is None:
            self._replay, self._values = self.recorder.record(self._run)
        else:
            self._replay()
        return {name: value.clone() for name, value in self._values.items()}

    def _run(self) -> Tensors:
        return self.function(self._inputs)

    def _take(self, inputs: Inputs) -> None:
        """Fill the tensors that hold the inputs; the first call makes them."""
        if not self._num_calls:
            self._inputs = {name: _held(value, self.device) for name, value in inputs.items()}
            self._kinds = _kinds(inputs)
            return
        if (given := _kinds(inputs)) != self._kinds:
            raise ValueError(f"a replayed step got {given}; its first call got {self._kinds}")
        for name, value in inputs.items():
            held = self._inputs[name]
            if isinstance(value, Tensor) and held is not None:
                held.copy_(value)
            elif held is not None and value is not None:
                held.fill_(value)


def _held(value: Tensor | float | None, device: torch.device) -> Tensor | None:
    if isinstance(value, Tensor):
        return value.to(device, copy=True)
    return None if value is None else torch.full((), value, dtype=torch.float32, device=device)


def _kinds(inputs: Inputs) -> dict[str, str]:
    """Return the kind of each input: a tensor's type and shape (a number has no dimensions), or "none"."""

    def kind(value: Tensor | float | None) -> str:
        if isinstance(value, Tensor):
            return f"{value.dtype} {tuple(value.shape)}"
        return "none" if value is None else f"{torch.float32} ()"

    return {name: kind(value) for name, value in inputs.items()}
