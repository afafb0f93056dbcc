"""Tables of the Evidence pages about the contest on digits and hand-made generators, made from docs/results."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from typing import Any

from evidence_search import read, records
from evidence_trainings import difference, last

from degas_lab.contest.plan import FIRST_NEW_SEED
from degas_lab.figures import markdown
from degas_lab.paired import paired_difference

PHOTOGRAPHS = "photographs-16px"
CONTEST = "contest-digits"
METRICS = {"fid": "Fréchet distance", "kid": "KID·1000"}
SMALL = {"fid": 1.0, "kid": 1000.0}


def candidates() -> str:
    """Every candidate with its scores of seed 0 after the first rung and, if promoted, at the end."""
    trials, rungs = records(f"{CONTEST}/trials"), read(f"{CONTEST}/rungs.json")
    known = {one["name"]: one for one in [*read(f"{CONTEST}/candidates.json"), *rungs[0]["added"]]}
    first, end = rungs[0]["steps"], rungs[1]["steps"]
    rows = []
    for name, one in known.items():
        scores = {mark["steps"]: mark["fid"] for mark in trials[f"{name}-s0"]["history"]}
        cells = [f"{scores[steps]:.1f}" if steps in scores else "" for steps in (first, end)]
        size = f"{one['num_parameters']:,}"
        rows.append((scores.get(first, 0.0), [name, one["family"], one["proposed_by"], size, *cells]))
    head = ("candidate", "family", "proposed by", "parameters", f"after {first:,} steps", f"after {end:,} steps")
    return markdown(head, [cells for _, cells in sorted(rows, key=lambda row: row[0])])


def finalists() -> str:
    """The standings of the last rung: scores by seed, and the reason of the choice."""
    standings = read(f"{CONTEST}/rungs.json")[2]["standings"]
    rows = [
        [one["name"], one["family"], *(f"{score:.1f}" for score in one["scores"].values()), one["why"]]
        for one in standings
    ]
    seeds = (f"seed {seed}" for seed in standings[0]["scores"])
    return markdown(("finalist", "family", *seeds, "chosen for"), rows)


def effects() -> str:
    """The best and the worst operation of each edge by the additive model."""
    found = read(f"{CONTEST}/effects.json")
    rows = []
    for slot, of_slot in {**found["effects"], "order": found["order"]}.items():
        ranked = sorted(of_slot, key=lambda name: of_slot[name]["effect"])
        best, worst = (f"`{name}` {_effect(of_slot[name])}" for name in (ranked[0], ranked[-1]))
        rows.append([f"`{slot}`" if "->" in slot else slot, best, worst])
    return markdown(("edge", "best in a GAN", "worst in a GAN"), rows)


def verdict() -> str:
    """The comparisons of the winner on seeds that chose nothing, at equal steps and at equal processor time."""
    found = read("verdicts/digits.json")
    rows = []
    for words, key in (("steps", "comparisons"), ("processor time", "equal_time")):
        for one in found[key]:
            factor = SMALL[one["metric"]]
            low, high = (f"{factor * one[end]:+.1f}".replace("-", "−") for end in ("low", "high"))
            mean = f"{factor * one['difference']:+.1f}".replace("-", "−")
            cells = [f"`{one['against']}`", words, METRICS[one["metric"]], mean, f"{low} to {high}"]
            rows.append([*cells, str(one["num_seeds"]), one["verdict"]])
    head = ("against", "at equal", "metric", "winner − other", "interval", "seeds", "verdict")
    return markdown(head, rows)


def fresh_scores() -> str:
    """The scores behind the verdict: each seed's Fréchet distance of the winner and of its opponents."""
    trials, table = records(f"{CONTEST}/trials"), by_generator()
    winner = read(f"{CONTEST}/rungs.json")[2]["standings"][0]["name"]
    seeds = sorted(set.intersection(*(set(of_name) for of_name in table.values())))
    rows = []
    for name, of_name in sorted(table.items(), key=lambda item: item[0] != winner):
        scores = [of_name[seed] for seed in seeds]
        size = f"{next(one for key, one in trials.items() if key.startswith(name + '-s'))['num_parameters']:,}"
        cells = [f"{score:.1f}" for score in scores]
        rows.append([name if name == winner else f"`{name}`", size, *cells, f"{statistics.fmean(scores):.1f}"])
    return markdown(("", "parameters", *(str(seed) for seed in seeds), "mean"), rows)


def by_generator() -> dict[str, dict[int, float]]:
    """Winner and opponents → new seed → Fréchet distance at the end."""
    trials = records(f"{CONTEST}/trials")
    return _by_name({name: one for name, one in trials.items() if one["seed"] >= FIRST_NEW_SEED})


def hand_made() -> str:
    """Generators made by hand on digits, each against `resnet` within seeds."""
    trials = records("digits-table/trials")
    table = _by_name(trials)
    rows = []
    for name in sorted(table, key=lambda name: name != "resnet"):
        against = None if name == "resnet" else paired_difference(table[name], table["resnet"])
        rows.append([f"`{name}`", *_trained(trials, table, name), *difference(against)])
    head = ("generator", "parameters", "core s", "seeds 0, 1, …", "− `resnet`'s (95 %)", "than `resnet`")
    return markdown(head, rows)


FOUND = {  # of the trials on photographs: the name of each row, which was its architecture file's
    "default-space": "found in the paper's space",
    "small-space": "found in the small space",
    "small-space-resnet-start": "the same, `--gan.frame-start resnet`",
    "resnet": "`resnet`",
    "resnet-equal": "`resnet`, about as large as the small space's",
}


def on_photographs() -> dict[str, dict[str, Any]]:
    """The trials on photographs; the wider `resnet` has a folder of its own, since a width holds for all rows."""
    wider = records(f"{PHOTOGRAPHS}/equal-size/trials")
    named = {key.replace("resnet", "resnet-equal"): {**one, "row": "resnet-equal"} for key, one in wider.items()}
    return records(f"{PHOTOGRAPHS}/trials") | named


def photographs() -> str:
    """What searches of two spaces find, trained on photographs: Fréchet distances by seed."""
    trials = on_photographs()
    table = _by_name(trials)
    rows = [[words, *_trained(trials, table, name)] for name, words in FOUND.items()]
    return markdown(("generator", "parameters", "core s", "Fréchet distance, seeds 0, 1, …"), rows)


def photographs_compared() -> str:
    """Paired differences between those generators, by both distances."""
    trials, small = on_photographs(), "small-space"
    pairs = ((small, "default-space"), (small, "resnet"), (small, "resnet-equal"), ("default-space", "resnet"))
    rows = []
    for one, other in (*pairs, (f"{small}-resnet-start", small)):
        for metric, factor, words in (("fid", 1.0, "Fréchet distance"), ("kid", 1000.0, "KID·1000")):
            table = _by_name(trials, metric)
            found = difference(paired_difference(table[one], table[other]), factor)
            rows.append([FOUND[one], FOUND[other], words, *found])
    return markdown(("generator", "against", "by", "difference (95 %)", "is"), rows)


def _trained(trials: Mapping[str, Any], table: Mapping[str, Mapping[int, float]], name: str) -> list[str]:
    """A generator's parameters, median processor time of a training, and Fréchet distances by seed."""
    mine = [one for one in trials.values() if one["row"] == name]
    seconds = statistics.median(one["processor_seconds"] for one in mine)
    scores = ", ".join(f"{table[name][seed]:.1f}" for seed in sorted(table[name]))
    return [f"{mine[0]['num_parameters']:,}", f"{seconds:.0f}", scores]


def demo() -> str:
    """The scores of `make demo`: trained, untrained, without labels, from the other start; and real images'."""
    found = read("demo/intel-xeon-labels.json")
    floor = {name: score for name, score in found["scores"].items() if "_floor" in name}
    size = f"{found['num_parameters']:,} parameters"
    unlabelled = read("demo/amd-epyc.json")
    few = f"{unlabelled['num_parameters']:,} parameters"
    named = (
        (f"the found generator, trained with labels ({size})", found["scores"]),
        ("the same, untrained", found["untrained"]),
        (f"trained without labels ({few}), AMD EPYC", unlabelled["scores"]),
        ("the same from the preset's start", read("demo/amd-epyc-preset-start.json")["scores"]),
    )
    best = next(score["value"] for name, score in floor.items() if name.startswith("fid"))
    rows = [[words, *_scores(scores, best)] for words, scores in (*named, ("real against real (halves of 898)", floor))]
    return markdown(("", "Fréchet distance", "times the last row", "KID", "precision", "recall"), rows)


def _scores(scores: Mapping[str, Mapping[str, float]], best: float) -> list[str]:
    fid, kid, precision, recall = (  # the generator's stand before those of real images
        next(score for name, score in scores.items() if name.startswith(metric))
        for metric in ("fid", "kid", "precision", "recall")
    )
    both = f"{kid['value']:.3f} ± {kid['std']:.3f}"
    return [
        f"{fid['value']:.1f}",
        f"{fid['value'] / best:.1f}",
        both,
        f"{precision['value']:.2f}",
        f"{recall['value']:.2f}",
    ]


def _by_name(trials: Mapping[str, Mapping[str, Any]], metric: str = "fid") -> dict[str, dict[int, float]]:
    """Generator → seed → score at the end."""
    found: dict[str, dict[int, float]] = {}
    for key, one in trials.items():
        found.setdefault(key.rpartition("-s")[0], {})[one["seed"]] = float(last(one)[metric])
    return found


def _effect(one: Mapping[str, float]) -> str:
    return f"{one['effect']:+.1f} ± {one['se']:.1f}".replace("-", "−")


TABLES: dict[str, Callable[[], str]] = {
    "demo": demo,
    "contest, candidates": candidates,
    "contest, finalists": finalists,
    "contest, effects": effects,
    "contest, verdict": verdict,
    "contest, new seeds": fresh_scores,
    "made by hand": hand_made,
    "photographs": photographs,
    "photographs, compared": photographs_compared,
}
