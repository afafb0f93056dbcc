"""Tables of the Evidence pages about training steps, threads, features and torch.compile, from docs/results."""

from __future__ import annotations

from collections.abc import Callable

from evidence_search import read

from degas_lab.figures import markdown

MEASURED = "benchmark-training-2-cores.json"
EARLIER = "benchmark-training-2-cores-earlier.json"
MORE = "benchmark-more-2-cores.json"
SIZES = ((16, 32), (32, 32), (32, 128))  # image size, width
CALLS_BY_KIND = {
    "search": "search step",
    "mmd": "training step of `mmd`",
    "r3gan": "training step of `r3gan`",
    "features": "features",
}
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


def sizes() -> str:
    """Training steps of two objectives at other sizes: times, share of the roofline, gain of the second core."""
    rows = []
    for pixels, width in SIZES:
        found = read(f"benchmark-{pixels}px-{width}-2-cores.json")
        for objective, step in found["training_step"].items():
            gain = found["step_by_threads"][objective]["speedup"]
            times = [f"{step['ours_ms']:,.0f}", f"{step['speedup']:.2f}", percent(step["roofline_share"])]
            rows.append([f"{pixels} px, width {width}", f"`{objective}`", *times, f"{gain:.2f}"])
    head = (
        "sizes",
        "a step of",
        "ours, ms",
        "than plain, times faster",
        "of the roofline",
        "by the second core, times faster",
    )
    return markdown(head, rows)


def breakdown() -> str:
    """Shares of the time by kind of operation, with two threads."""
    found = read(MORE)["breakdown"]
    kinds = sorted(
        {kind for shares in found.values() for kind in shares if kind != "calls"},
        key=lambda kind: -found["mmd"].get(kind, 0.0),
    )
    rows = [[kind, *(percent(shares.get(kind, 0.0)) for shares in found.values())] for kind in kinds]
    rows.append(["calls into torch", *(f"{shares['calls']:,.0f}" for shares in found.values())])
    return markdown(("", *(CALLS_BY_KIND[name] for name in found)), rows)


def classifier() -> str:
    """A training step of the classifier extractor."""
    step = read(MORE)["classifier_step"]
    times = [f"{step['ours_ms']:,.0f}", f"{step['speedup']:.2f}", percent(step["roofline_share"])]
    head = ("", "ours, ms", "than in NCHW memory, times faster", "of the roofline", "peak, MiB")
    return markdown(head, [["a step of `degas features train`", *times, f"{step['peak_mib']:.0f}"]])


def growth() -> str:
    """Search and training over one size, the others at C = 32, batch 64, 32 px."""
    rows = []
    for name, entries in read(MORE)["growth"].items():
        for entry in entries:
            times = [f"{entry['ours_ms']:,.0f}", f"{entry['ours_peak_mib']:,.0f}"]
            times += [f"{entry['training_ms']:,.0f}", f"{entry['training_peak_mib']:,.0f}"]
            rows.append([name.replace("_", " "), f"{entry[name]:,}", *times])
    return markdown(("size", "value", "search step, ms", "MiB", "step of `mmd`, ms", "MiB"), rows)


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
    "other sizes": sizes,
    "where the time goes": breakdown,
    "classifier": classifier,
    "growth of training": growth,
}
