"""Tables of the Evidence pages about searches, made from docs/results."""

from __future__ import annotations

import itertools
import json
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from degas.nas.results.agreement import jackknife_interval
from degas_lab.figures import markdown
from degas_lab.fits.growth_cost import PICKS, share

RESULTS = Path(__file__).parent / "results"
Record = Mapping[str, Any]


def read(path: str) -> Any:
    return json.loads((RESULTS / path).read_text(encoding="utf-8"))


def records(folder: str) -> dict[str, dict[str, Any]]:
    """Trial name → record, without the settings they share."""
    paths = sorted((RESULTS / folder).glob("*.json"))
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in paths if path.stem != "settings"}


def span(values: Iterable[float], text: Callable[[float], str]) -> str:
    """The least and the largest value, such as 0.2731 to 0.3002."""
    found = sorted(values)
    return text(found[0]) if text(found[0]) == text(found[-1]) else f"{text(found[0])} to {text(found[-1])}"


def thousands(parameters: float) -> str:
    return f"{parameters / 1000:.0f} k"


def four(value: float) -> str:
    return f"{value:.4f}"


def cost(folders: str) -> str:
    """How many trials lie in the folders, and their processor time where they recorded it."""
    found = [record for folder in folders.split(", ") for record in records(folder).values()]
    timed = [record["processor_seconds"] for record in found if "processor_seconds" in record]
    hours = f"{sum(timed) / 3600:.1f} hours of one core" if timed else "their time was not recorded"
    of = "" if len(timed) in (0, len(found)) else f" ({len(timed)} of them recorded it)"
    places = ", ".join(f"`docs/results/{folder}`" for folder in folders.split(", "))
    return f"{len(found)} trials, {hours}{of}: {places}."


# ------------------------------------------------------------------------------------- found against drawn


def drawn(folder: str) -> str:
    """Found, drawn, equal-sized and extreme architectures of one folder: losses and sizes."""
    trials = records(f"found-vs-random/{folder}")
    rows = []
    for words, start in DRAWN.items():
        mine = [record for name, record in trials.items() if name.startswith(start)]
        if not mine:
            continue
        losses = [record["loss"] for record in mine]
        middle = four(statistics.median(losses)) if len(mine) > 2 else ""
        found = trials["found"]["loss"]
        behind = "" if start == "found" else f"{sum(loss > found for loss in losses)} of {len(losses)}"
        sizes = span((record["num_parameters"] for record in mine), thousands)
        rows.append([words, str(len(mine)), span(losses, four), middle, behind, sizes])
    return markdown(("architectures", "how many", "loss", "median", "worse than the found one", "parameters"), rows)


DRAWN = {
    "found": "found",
    "uniformly drawn": "random",
    "drawn, of equal size (± 10 %)": "equal-size",
    "the largest of the space": "biggest",
    "the smallest of the space": "smallest",
}


def five_seeds() -> str:
    """The results of the default search with five seeds against the twenty drawn ones of degas-cifar10's size."""
    trials = [r for r in read("search-settings/trials.json") if r["what"] == DEFAULT]
    equal = [r["loss"] for name, r in records("found-vs-random/degas-cifar10").items() if name.startswith("equal-size")]
    known: list[Any] = []
    rows = []
    for trial in trials:
        if trial["nodes"] not in known:
            known.append(trial["nodes"])
        loss = trial["loss_by_fit_seed"]["0"]
        which = "ABCDE"[known.index(trial["nodes"])]
        better = f"{sum(one > loss for one in equal)} of {len(equal)}"
        rows.append([str(trial["seed"]), which, f"{trial['num_parameters']:,}", four(loss), better])
    return markdown(("search seed", "architecture", "parameters", "loss", "drawn ones it beats"), rows)


DEFAULT = "joint, each operation alone (the default)"


def evolution() -> str:
    """Random search and evolution within the found architecture's size, and their candidates' mean size."""
    trials = records("baselines/trials")
    found = next(r for r in trials.values() if r["kind"] == "found")
    first = [r for r in trials.values() if r["kind"] == "random"]
    rows = [["found by the search", "1", four(found["loss"]), thousands(found["num_parameters"]), ""]]
    bred = [r for r in trials.values() if r["kind"] == "evolution"]
    for words, mine in (("its first population, drawn", first), ("evolution, all fits", first + bred)):
        best = min(mine, key=lambda r: r["loss"])
        mean = thousands(statistics.fmean(r["num_parameters"] for r in mine))
        rows.append([words, str(len(mine)), four(best["loss"]), thousands(best["num_parameters"]), mean])
    return markdown(("", "fits", "best loss", "its parameters", "mean parameters of all"), rows)


# ------------------------------------------------------------------------------------- agreement of seeds


def interval(values: Sequence[float], digits: int) -> str:
    return " to ".join(f"{value:.{digits}f}" for value in values)


def agreement() -> str:
    """The agreement of the recorded searches, by pruning rule and schedule."""
    rows = []
    for words, name in AGREEMENTS.items():
        found = read(f"{name}.json")
        low_high = interval(found["mean_equal_decisions_interval"], 1)
        equal = f"{found['mean_equal_decisions']:.1f} ({low_high})"
        kept = f"{found['mean_consensus_without']:.1f}" if "mean_consensus_without" in found else "not recorded"
        tau = f"{found['kendall_tau']:.2f} ({interval(found['kendall_tau_interval'], 2)})"
        seeds = ", ".join(map(str, found["seeds"]))
        rows.append([words, seeds, equal, f"{found['chance']:.1f}", tau, kept, f"`{name}.json`"])
    head = ("search", "seeds", "equal decisions of 9", "chance", "Kendall's τ", "consensus kept without one seed")
    return markdown((*head, "file"), rows)


AGREEMENTS = {
    "each operation alone (the default)": "agreement-5-seeds-alone",
    "alone, 3 epochs": "agreement-5-seeds-alone-3-epochs",
    "without each operation (`perturbation`), the same supernets": "agreement-5-seeds",
    "the paper's schedule (`alternate`), without each": "agreement-3-seeds",
}


def pairs(seeds: Sequence[str], choices: Sequence[Mapping[str, str]]) -> dict[tuple[int, int], float]:
    """Equal decisions of every pair of seeds, by their positions."""
    return {
        (i, j): float(sum(one[seeds[i]] == one[seeds[j]] for one in choices))
        for i, j in itertools.combinations(range(len(seeds)), 2)
    }


def fresh_agreement() -> str:
    """Seeds that chose the rule, seeds that did not, and all of them."""
    old, new = read("agreement-5-seeds-alone.json"), read("agreement-3-fresh-seeds.json")
    new_choices = {one["name"]: one["choices"] for one in new["decisions"]}
    merged = [{**one["choices"], **new_choices[one["name"]]} for one in old["decisions"]]
    sets = {
        "fresh, which chose nothing": [str(seed) for seed in new["seeds"]],
        "those that the rule was chosen on": [str(seed) for seed in old["seeds"]],
        "all": [str(seed) for seed in old["seeds"] + new["seeds"]],
    }
    rows = []
    for words, seeds in sets.items():
        equal = pairs(seeds, merged)
        low, high = jackknife_interval(equal, 0, len(merged)) or (0.0, 0.0)
        told = interval((low, high), 1) if low < high else "every pair alike"
        worst_best = f"{min(equal.values()):.0f} to {max(equal.values()):.0f}"
        rows.append([words, ", ".join(seeds), f"{statistics.fmean(equal.values()):.1f}", told, worst_best])
    return markdown(("seeds", "which", "equal decisions of 9", "interval", "of pairs"), rows)


def decisions() -> str:
    """Each decision of the five seeds: the consensus' choice, who shares it, and the margins."""
    rows = []
    for one in read("agreement-5-seeds-alone.json")["decisions"]:
        margins = span(one["margins"].values(), four)
        shared = f"{round(one['share_of_seeds'] * 5)} of 5"
        rows.append([one["name"], f"`{one['consensus']}`", shared, margins])
    return markdown(("decision", "consensus", "seeds with it", "margins of the seeds"), rows)


# ------------------------------------------------------------------------------------- settings of a search


def search_settings() -> str:
    """Every recorded search whose result was fitted: rule, settings, size and loss."""
    rows = []
    for trial in read("search-settings/trials.json"):
        if "num_parameters" not in trial:
            continue
        losses = ", ".join(four(loss) for _, loss in sorted(trial["loss_by_fit_seed"].items()))
        what = trial["what"].replace("joint, each operation alone, ", "joint, ").replace(" (the default)", "")
        what = "joint" if what == "joint, each operation alone" else what
        size = thousands(trial["num_parameters"])
        rows.append([RULES[trial["prune"]], what, str(trial["seed"]), str(trial["epochs"]), size, losses])
    rows.sort(key=lambda row: list(RULES.values()).index(row[0]))
    return markdown(("pruned by", "search", "seed", "epochs", "parameters", "loss"), rows, numbers_from=2)


RULES = {"alone": "each alone (default)", "perturbation": "without each", "paper": "α"}


# ------------------------------------------------------------------------------------- size


def changes(nodes: Record, other: Record) -> str:
    """The edges of `nodes` that `other` does not have, such as U1→N2 `avg_pool_3x3`."""
    kept = [(edge["from"], node, edge["operation"]) for node, edges in nodes.items() for edge in edges]
    old = {(edge["from"], node, edge["operation"]) for node, edges in other.items() for edge in edges}
    return ", ".join(f"{one[0]}→{one[1]} `{one[2]}`" for one in kept if one not in old)


def caps() -> str:
    """The capped prunings of one supernet, each beside drawn and evolved architectures of its size."""
    folders = ("found-vs-random/degas-cifar10", "found-vs-random/consensus-3-seeds", "baselines/trials")
    others = {
        json.dumps(r["nodes"], sort_keys=True): r
        for folder in folders
        for r in records(folder).values()
        if r["kind"] not in ("found", "biggest", "smallest")
    }
    found = {r["num_parameters"]: r for r in records("capped").values() if r["kind"] == "found"}
    rows = []
    uncapped = records("found-vs-random/degas-cifar10")["found"]
    for cap in (None, 200_000, 150_000, 120_000):
        record = uncapped if cap is None else found[max(size for size in found if size <= cap)]
        near = [r["loss"] for r in others.values() if abs(r["num_parameters"] / record["num_parameters"] - 1) <= 0.1]
        beside = f"{span(near, four)} ({len(near)})"
        cap_text = "none" if cap is None else f"{cap:,}"
        rows.append([cap_text, thousands(record["num_parameters"]), four(record["loss"]), beside])
    return markdown(("`--max-params`", "parameters", "loss", "drawn and evolved ones of that size, ± 10 %"), rows)


def cost_weight() -> str:
    """Searches with a weight on the cost, each with the edges that the search without it does not have."""
    trials = read("search-settings/trials.json")
    default = next(r for r in trials if r["what"] == DEFAULT and r["seed"] == 0)
    rows = [["0", thousands(default["num_parameters"]), four(default["loss_by_fit_seed"]["0"]), ""]]
    for trial in trials:
        if "on the cost" in trial["what"]:
            weight = trial["what"].split("weight ")[1].split(" ")[0]
            loss, size = four(trial["loss_by_fit_seed"]["0"]), thousands(trial["num_parameters"])
            rows.append([weight, size, loss, changes(trial["nodes"], default["nodes"])])
    return markdown(("weight", "parameters", "loss", "edges that weight 0 does not have"), rows)


# ------------------------------------------------------------------------------------- growing


def cost_of_growing() -> str:
    """Shares of the search at once, counted and not measured: `python docs/growth_cost.py` writes the file."""
    rows = []
    for counted in read("growth-cost.json")["costs"]:
        size, stages, whole = counted["image_size"], counted["stages"], counted["at_once"]
        last = [stages[-1][pick]["multiply_adds"] / whole["multiply_adds"] for pick in PICKS]
        held = [share(counted, "held_bytes", pick) for pick in PICKS]
        epochs = [[share(counted, "multiply_adds", pick, later) for pick in PICKS] for later in (1.0, 0.5, 0.25)]
        cells = [span(values, percent) for values in (last, held, *epochs)]
        rows.append([f"{size} px", ", ".join(str(stage["image_size"]) for stage in stages), *cells])
    head = ("images", "stages", "a step of the last stage", "memory", "equal epochs", "half", "a quarter")
    return markdown(head, rows, numbers_from=2)


def percent(value: float) -> str:
    return f"{100 * value:.0f} %"


# ------------------------------------------------------------------------------------- the paper's rate


def paper_rate_places() -> str:
    """The literal run of the paper's rate: the last ReLU and batch norm, and the gradient at three places."""
    rows = []
    for entry in read("paper-rate/literal.json")["history"]:
        if entry["step"] not in SHOWN_STEPS:
            continue
        places = {name: entry["places"][name]["gradient_norm"] for name in ("last ReLU", "U3", "latents")}
        rows.append(
            [
                *(str(entry["step"]), f"{100 * entry['positive_share_of_last_relu']:.2f} %"),
                *(f"{entry['dead_channels_of_last_relu']} of 32", f"{entry['last_bn_scale']:.2f}"),
                f"{entry['last_bn_shift']:.2f}",
                *("0" if value == 0 else f"{value:.1e}" for value in places.values()),
            ]
        )
    head = ("step", "positive", "dead channels", "scale γ", "shift β", "∇ after the ReLU", "∇ at U3")
    return markdown((*head, "∇ at the latents"), rows, numbers_from=0)


def paper_rate_end() -> str:
    """The end of the literal run: its losses, the mean image's, and how far U3 still differs between images."""
    found = read("paper-rate/literal.json")
    first, end = (found["history"][k]["places"]["U3"]["spread_over_images"] for k in (0, -1))
    cells = [f"{found[name]:.3f}" for name in ("loss", "l2", "mean_image_loss")]
    head = ("loss", "squared error", "the mean image's loss", "U3 between images, first step", "last step")
    return markdown(head, [[*cells, f"{first:.2f}", f"{end:.2f}"]], numbers_from=0)


SHOWN_STEPS = (0, 10, 20, 30, 40, 100, 199)


def paper_rate_trials() -> str:
    """What changes it: every trial from the nearly flat start."""
    from degas_lab.fits.paper_rate import format_table

    return format_table(records("paper-rate/flat-start"))


def paper_rate_presets() -> str:
    """The optimiser of the two presets for the paper's data sets."""
    from degas.settings.presets import preset_values

    names = ("weight_momentum", "weight_lr", "latent_lr")
    rows = [
        [f"`{preset}`, {title}", *(f"{preset_values(preset, source)['search'][name]:g}" for name in names)]
        for preset in ("paper", "paper-literal")
        for title, source in (("CIFAR-10", "cifar"), ("STL-10 and CelebA", "stl10"))
    ]
    return markdown(("preset", "momentum on the weights", "rate of the weights", "rate of the latents"), rows)


def paper_rate_visits() -> str:
    """Fifty visits of every latent: every trial."""
    from degas_lab.fits.paper_rate import format_table

    return format_table(records("paper-rate/fifty-visits"))


SHOWN_VISITS = (2, 5, 10, 20, 30, 40, 50)


def paper_rate_by_visits() -> str:
    """The loss of some epochs over the mean image's, trial by trial."""
    rows = []
    for name, found in records("paper-rate/fifty-visits").items():
        shares = [found["epoch_losses"][visit - 1] / found["mean_image_loss"] for visit in SHOWN_VISITS]
        rows.append((shares[-1], [name, *(f"{share:.3f}" for share in shares)]))
    cells = [row for _, row in sorted(rows, reverse=True)]
    return markdown(("trial", *(f"visit {visit}" for visit in SHOWN_VISITS)), cells)


# ------------------------------------------------------------------------------------- speed


def search_step() -> str:
    """Our search step against the textbook's on two machines."""
    rows = []
    for name in ("benchmark-2-cores", "benchmark-intel-2-cores"):
        found = read(f"{name}.json")
        step, machine = found["search_step"], found["machine"]
        joint = f"{step['joint_ms']:.0f}" if "joint_ms" in step else "not measured"
        cells = [f"{machine['num_cpus']} cores, {machine['cpu'].replace('(R)', '').replace(' Processor', '')}"]
        cells += [f"{step['textbook_ms']:,.0f}", f"{step['ours_ms']:.0f}", f"{step['speedup']:.1f}", joint]
        cells += [f"{100 * step['roofline_share']:.0f} %", f"{step['textbook_peak_mib']:.0f}"]
        share = f"{step['ours_peak_mib']:.0f} ({100 * step['ours_peak_mib'] / step['textbook_peak_mib']:.0f} %)"
        rows.append([*cells, share])
    head = ("machine", "textbook, ms", "ours, ms", "times faster", "joint step, ms", "of the roofline")
    return markdown((*head, "textbook, MiB", "ours, MiB"), rows)


def other_steps() -> str:
    """Critic and generator step, sampling and features on two cores of an AMD EPYC."""
    found, rows = read("benchmark-2-cores.json"), []
    for words, key in OTHER_STEPS.items():
        part = found[key]
        plain = [f"{part['plain_ms']:.0f}", f"{part['speedup']:.2f}"] if "plain_ms" in part else ["", ""]
        rows.append([words, f"{part['ours_ms']:.0f}", *plain])
    return markdown(("", "ours, ms", "plain port, ms", "times faster"), rows)


OTHER_STEPS = {
    "critic step of `ct-gan`": "critic_step",
    "generator step": "generator_step",
    "sampling of 400 images": "sampling",
}


def growth() -> str:
    """Time of a search step over one size, the others at C = 32, batch 64, 32 px."""
    rows = []
    for name, entries in read("benchmark-intel-2-cores.json")["growth"].items():
        for before, entry in zip([None, *entries[:-1]], entries, strict=True):
            ratio = "" if before is None else f"{entry['ours_ms'] / before['ours_ms']:.2f}"
            memory = f"{entry['ours_peak_mib']:.0f}" if "ours_peak_mib" in entry else ""
            rows.append([name.replace("_", " "), f"{entry[name]:,}", f"{entry['ours_ms']:.0f}", ratio, memory])
    return markdown(("size", "value", "ms", "to the row above", "MiB"), rows)


def frechet_time() -> str:
    """Seconds of the Fréchet distance from given statistics, three ways."""
    found, rows = read("fid-2048.json"), []
    for words, key in (("full rank", "full_rank"), ("fewer samples than features", "rank_deficient")):
        seconds = [found[key][way]["seconds"] for way in ("ours", "torchmetrics", "scipy_sqrtm")]
        rows.append([words, *(f"{value:.2f}" for value in seconds), f"{found[key]['speedup']:.1f}"])
    head = ("2048-d, seconds", "ours", "eigenvalues of the product (torchmetrics)", "matrix root (scipy)")
    return markdown((*head, "times faster than scipy"), rows)


def how_long() -> str:
    """Time of one core for search and training, by image size and number of images, from processor time per step."""
    steps = read("steps-on-one-core.json")
    train = {name: statistics.fmean(values) for name, values in steps["train_step_seconds"].items()}
    search = {name: statistics.fmean(values) for name, values in steps["search_step_seconds"].items()}
    rows = []
    for size in (16, 32, 64):
        for count in (1_000, 10_000, 50_000):
            cells = [f"{size} px", f"{count:,}"]
            for preset in ("quick", "default"):
                cells.append(duration(search_steps(preset, count) * search[str(size)]))
                cells.append(duration(TRAIN_STEPS[preset] * train[f"{preset} {size}"]))
            rows.append(cells)
    head = ("images", "how many", "search, `quick`", "training, `quick`", "search, default", "training, default")
    return markdown(head, rows)


TRAIN_STEPS = {"quick": 2_500, "default": 5_000}
BATCH = 64


def search_steps(preset: str, num_images: int) -> int:
    """Steps of a search: 8 epochs (`quick`); 5 epochs, but at least 500 steps (default)."""
    epoch = num_images // BATCH
    return 8 * epoch if preset == "quick" else epoch * max(5, -(-500 // epoch))


def duration(seconds: float) -> str:
    """Minutes or hours, to two digits at most."""
    if seconds < 90 * 60:
        return f"{max(1, round(seconds / 60))} min"
    return f"{seconds / 3600:.1f} h" if seconds < 36000 else f"{seconds / 3600:.0f} h"


TABLES: dict[str, Callable[[], str]] = {
    "found against drawn, degas-cifar10": lambda: drawn("degas-cifar10"),
    "found against drawn, consensus of three": lambda: drawn("consensus-3-seeds"),
    "found against drawn, Adam 1e-3": lambda: drawn("adam-1e-3"),
    "found against drawn, Adam 3e-3": lambda: drawn("adam-3e-3"),
    "five seeds": five_seeds,
    "evolution": evolution,
    "agreement": agreement,
    "fresh seeds": fresh_agreement,
    "decisions": decisions,
    "search settings": search_settings,
    "caps": caps,
    "weight on the cost": cost_weight,
    "the literal rate": paper_rate_places,
    "the end of the literal run": paper_rate_end,
    "what changes it": paper_rate_trials,
    "the two presets": paper_rate_presets,
    "fifty visits": paper_rate_visits,
    "loss by visits": paper_rate_by_visits,
    "how long": how_long,
    "search step": search_step,
    "other steps": other_steps,
    "cost of growing": cost_of_growing,
    "growth": growth,
    "Fréchet distance": frechet_time,
}
