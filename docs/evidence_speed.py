"""Tables of the Evidence pages about training steps, threads, features and torch.compile, from docs/results."""

from __future__ import annotations

from collections.abc import Callable

from evidence_search import read

from degas_lab.figures import markdown

MEASURED = "benchmark-training-2-cores.json"
EARLIER = "benchmark-training-2-cores-earlier.json"
CALLS = {  # keys of the part `compile`
    "search": "search step, C = 64",
    "mmd": "training step of `mmd`",
    "sampling": "sampling of 400 images",
    "features": "features of a batch, 128 px",
}


def training_steps() -> str:
    """Every objective's whole step: ours, the plain form's, and our share of the roofline, also in an earlier run."""
    rows, earlier = [], read(EARLIER)["training_step"]
    for objective, step in read(MEASURED)["training_step"].items():
        times = [f"{step['ours_ms']:,.0f}", f"{step['plain_ms']:,.0f}", f"{step['speedup']:.2f}"]
        shares = [percent(one["roofline_share"]) for one in (step, earlier[objective])]
        rows.append([f"`{objective}`", *times, *shares, f"{step['peak_mib']:.0f}"])
    head = ("a step of", "ours, ms", "plain, ms", "times faster", "of the roofline", "in an earlier run", "peak, MiB")
    return markdown(head, rows)


def threads() -> str:
    """The gain of the second core."""
    rows = []
    for name, step in read(MEASURED)["step_by_threads"].items():
        words = "search step" if name == "search" else f"training step of `{name}`"
        times = [f"{step['one_thread_ms']:,.0f}", f"{step['ours_ms']:,.0f}"]
        rows.append([words, *times, f"{step['speedup']:.2f}"])
    return markdown(("", "one thread, ms", "two threads, ms", "times faster"), rows)


def pool() -> str:
    """One training a core: their throughput in that of one."""
    found = read(MEASURED)["pool"]
    times = [f"{found['alone_ms']:,.0f}", f"{found['ours_ms']:,.0f}", f"{found['speedup']:.2f}"]
    head = ("processes", "a step alone, ms", "a step beside the other, ms", "times the throughput")
    return markdown(head, [[f"{found['num_processes']}", *times]])


def features() -> str:
    """The offline extractor with batch norms folded, against the same network as it is."""
    rows = []
    for words, key in (("128 px, the default", "features"), ("224 px", "features_224")):
        part = read(MEASURED)[key]
        times = [f"{part['images_per_second']:.0f}", f"{part['speedup']:.2f}", percent(part["roofline_share"])]
        rows.append([words, *times])
    return markdown(("input", "images a second", "times faster than batch norms apart", "of the roofline"), rows)


def compiled() -> str:
    """torch.compile of our steps."""
    rows = []
    for name, part in read(MEASURED)["compiled"].items():
        times = [f"{part['plain_ms']:,.0f}", f"{part['ours_ms']:,.0f}", f"{part['speedup']:.2f}"]
        rows.append([CALLS[name], *times, f"{part['compile_seconds']:.0f}"])
    return markdown(("", "as it is, ms", "compiled, ms", "times faster", "to compile, s"), rows)


def percent(share: float) -> str:
    return f"{100 * share:.0f} %"


TABLES: dict[str, Callable[[], str]] = {
    "training steps": training_steps,
    "threads": threads,
    "pool": pool,
    "features": features,
    "torch.compile": compiled,
}
