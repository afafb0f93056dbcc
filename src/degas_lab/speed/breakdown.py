"""Where the time of a step goes, by kind of operation: shares of the profiler's own time of every operation.

An operation's own time is that without the operations it calls. The profiler makes each call slower, so steps of many
small operations look worse here than they are; `calls` says how many there are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping

from torch.profiler import ProfilerActivity, profile

from degas_lab.speed.timing import silent_errors

# Kind → parts of the names of its operations; the first kind that fits counts.
KINDS: dict[str, tuple[str, ...]] = {
    "optimisers": ("_fused_adam", "_fused_sgd", "_foreach", "Optimizer"),
    "convolutions": ("convolution", "conv2d", "conv_transpose", "thnn_conv"),
    "batch norms": ("batch_norm",),
    "products": ("::mm", "::bmm", "::addmm", "::mv", "::linear", "::dot", "::matmul", "::addmv"),
    "activations": ("relu", "threshold", "tanh", "sigmoid", "softplus", "softmax"),
    "copies": ("::copy_", "::clone", "::cat", "::fill_", "::zero_", "::zeros", "::empty", "::contiguous", "::_to_copy"),
    "noise and indices": ("::randn", "::normal_", "::rand", "::index", "::randint", "::uniform_", "::randperm"),
}
OTHER = "sums and the rest"


def breakdown(call: Callable[[], object], *, warm_up: int = 2, repeats: int = 3) -> dict[str, float]:
    """Kind → share of the time, descending, and `calls` per call of `call`."""
    for _ in range(warm_up):
        call()
    with silent_errors(), profile(activities=[ProfilerActivity.CPU]) as profiler:
        for _ in range(repeats):
            call()
    times: dict[str, float] = defaultdict(float)
    count = 0
    for event in profiler.key_averages():
        if event.self_cpu_time_total > 0:
            times[kind_of(event.key)] += event.self_cpu_time_total
            count += event.count
    total = sum(times.values())
    shares = {kind: time / total for kind, time in sorted(times.items(), key=lambda pair: -pair[1])}
    return {**shares, "calls": round(count / repeats)}


def in_words(shares: Mapping[str, float]) -> str:
    """`convolutions 61 %, batch norms 12 %, …; 1,234 calls`."""
    kinds = ", ".join(f"{kind} {100 * share:.0f} %" for kind, share in shares.items() if kind != "calls")
    return f"{kinds}; {shares['calls']:,.0f} calls"


def kind_of(operation: str) -> str:
    """The kind of an operation by its name, such as `aten::mkldnn_convolution`."""
    return next((kind for kind, parts in KINDS.items() if any(part in operation for part in parts)), OTHER)
