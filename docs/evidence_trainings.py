"""Tables of the Evidence pages about trainings, evaluations and labels, made from docs/results."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Mapping
from typing import Any

from evidence_search import RESULTS, records

from degas_lab.figures import markdown
from degas_lab.paired import LEVEL, Difference, paired_difference, t_quantile


def last(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """The scores at the end of a training."""
    found: Mapping[str, Any] = record["history"][-1]
    return found


def plus_minus(values: list[float], factor: float = 1.0) -> str:
    """Mean ± standard deviation over seeds."""
    mean = factor * statistics.fmean(values)
    return f"{mean:.0f} ± {factor * statistics.stdev(values):.0f}" if len(values) > 1 else f"{mean:.0f}"


def each(values: list[float], factor: float = 1.0) -> str:
    return ", ".join(f"{factor * value:,.0f}" for value in values)


def difference(paired: Difference | None, factor: float = 1.0) -> list[str]:
    """The paired difference with its 95 % interval, and the verdict."""
    if paired is None:
        return ["", ""]
    low_high = "one seed"
    if paired.low is not None and paired.high is not None:
        t = paired.difference / ((paired.high - paired.difference) / t_quantile(LEVEL, paired.num_seeds - 1))
        low_high = f"{signed(factor * paired.low)} to {signed(factor * paired.high)}; t {abs(t):.1f}"
    return [f"{signed(factor * paired.difference)} ({low_high})", paired.verdict]


def signed(value: float) -> str:
    return f"{value:+,.0f}".replace("-", "−")


def shipped() -> str:
    """The shipped generators: the scores of their cards."""
    rows = []
    for path in sorted(TRAINED.glob("*/shipped.json")):
        card = json.loads(path.read_text(encoding="utf-8"))
        protocols = {name.partition("[")[0]: score["value"] for name, score in card["scores"].items()}
        scores = {name.partition("_")[0]: value for name, value in protocols.items() if not name.endswith("_floor")}
        floor = next(value for name, value in protocols.items() if name.startswith("fid") and name.endswith("_floor"))
        steps = int(" ".join(card["commands"]).partition("num-steps ")[2].split(" ")[0])
        cells = [f"`{path.parent.name}`", card["data"]["source"], f"{steps:,}", f"{scores['fid']:.1f}", f"{floor:.1f}"]
        rows.append([*cells, f"{scores['kid']:.3f}", f"{scores['precision']:.2f}", f"{scores['recall']:.2f}"])
    head = ("generator", "images", "steps", "Fréchet distance", "real against real", "KID", "precision", "recall")
    return markdown(head, rows)


TRAINED = RESULTS.parents[1] / "src/degas/generator/trained"

# ------------------------------------------------------------------------------------- objectives


def runs(folder: str) -> dict[str, list[dict[str, Any]]]:
    """Objective → its finished runs by seed."""
    found: dict[str, list[dict[str, Any]]] = {}
    for record in records(folder).values():
        found.setdefault(record["objective"], []).append(record)
    return {name: sorted(mine, key=lambda record: record["seed"]) for name, mine in found.items()}


def by_seed(mine: list[dict[str, Any]], metric: str) -> dict[int, float]:
    return {record["seed"]: float(last(record)[metric]) for record in mine}


def objectives() -> str:
    """Five objectives at equal time, each against `mmd` within seeds."""
    found = runs("objectives/runs")
    rows = []
    for name in sorted(found, key=lambda name: statistics.fmean(by_seed(found[name], "fid").values())):
        mine = found[name]
        rate, steps = mine[0]["choice"].split("-lr")[1].split("-c")
        cells = [f"`{name}`", f"{float(rate):g}, {steps}", f"{statistics.fmean(r['steps'] for r in mine):,.0f}"]
        cells += [plus_minus([last(r)["fid"] for r in mine]), plus_minus([last(r)["kid"] for r in mine], 1000)]
        for metric, factor in (("fid", 1), ("kid", 1000)):
            paired = paired_difference(by_seed(mine, metric), by_seed(found["mmd"], metric))
            cells += difference(None if name == "mmd" else paired, factor)
        rows.append(cells)
    head = ("objective", "rate, critic steps", "generator steps", "Fréchet distance", "KID·1000")
    return markdown((*head, "Fréchet − `mmd`'s", "than `mmd`", "KID − `mmd`'s", "than `mmd`"), rows)


def objectives_over_time() -> str:
    """The mean Fréchet distance of each objective at each mark."""
    found = runs("objectives/runs")
    marks = [entry["mark"] for entry in next(iter(found.values()))[0]["history"]]
    rows = [
        [f"`{name}`", *(plus_minus([r["history"][k]["fid"] for r in mine]) for k in range(len(marks)))]
        for name, mine in found.items()
    ]
    return markdown(("Fréchet distance after", *(f"{mark / 60:g} minutes" for mark in marks)), rows)


def objectives_found() -> str:
    """Three objectives on a found generator."""
    rows = []
    for name, mine in runs("objectives-found/runs").items():
        fid, kid = ([last(r)[metric] for r in mine] for metric in ("fid", "kid"))
        seeds = ", ".join(str(r["seed"]) for r in mine)
        rows.append([f"`{name}`", seeds, each([r["steps"] for r in mine]), each(fid), each(kid, 1000)])
    return markdown(("objective", "seeds", "generator steps", "Fréchet distance", "KID·1000"), rows)


# ------------------------------------------------------------------------------------- up-sampling


def lines(*paths: str) -> dict[str, dict[int, dict[str, Any]]]:
    """Row → seed → trial of the trainings at 16 px."""
    found: dict[str, dict[int, dict[str, Any]]] = {}
    for path in paths:
        for line in (RESULTS / path).read_text(encoding="utf-8").splitlines():
            trial = json.loads(line)
            name, _, seed, rate = trial["name"].split(",")
            found.setdefault(f"{name},{rate}", {})[int(seed)] = trial
    return found


def final(trials: Mapping[int, Mapping[str, Any]]) -> dict[int, float]:
    """KID at the last mark by seed; an entry of `hist` is steps, KID, Fréchet distance, seconds."""
    return {seed: float(trial["hist"][-1][1]) for seed, trial in trials.items()}


UP_ROWS = {
    "conv-nearest,5e-4": "`conv_3x3`, `nearest_conv_3x3`, residual `nearest_conv_1x1` everywhere (`conv-nearest`)",
    "conv-deconv,5e-4": "the same with `deconv_4x4` for `nearest_conv_3x3`: **the clean pair**",
    "conv-nearest-direct,5e-4": "`conv-nearest` without residual edges",
    "pool-nearest,5e-4": "`conv-nearest` with `avg_pool_3x3` for `conv_3x3`",
    "degas-cifar10-nearest,5e-4": "**`degas-cifar10-nearest`**, found without transposed convolutions",
    "found,5e-4": "`degas-cifar10`: `deconv_6x6` and `deconv_4x4`, pools, dilated convolutions",
    "found,1e-3": "`degas-cifar10`, generator's rate 1e-3 instead of 5e-4",
    "degas-cifar10-conv,5e-4": "`degas-cifar10` with `conv_3x3` for pools and dilated convolutions",
    "resnet-32,5e-4": "`resnet`: blocks of nearest up-sampling and two convolutions",
}


def up_operations() -> str:
    """Generators at 16 px that up-sample differently, each against `conv-nearest` within seeds."""
    found = lines("up-operations/16px.jsonl", "longer-16px.jsonl")
    rows = []
    for name, words in UP_ROWS.items():
        trials, kid = found[name], final(found[name])
        parameters = f"{next(iter(trials.values()))['params']:,}"
        against = None if name == "conv-nearest,5e-4" else paired_difference(kid, final(found["conv-nearest,5e-4"]))
        mean = f"{1000 * statistics.fmean(kid.values()):.0f}"
        rows.append([words, parameters, each(list(kid.values()), 1000), mean, *difference(against, 1000)])
    head = ("generator", "parameters", "KID·1000, seed 0, 1", "mean", "− `conv-nearest`'s (95 %)")
    return markdown((*head, "than `conv-nearest`"), rows)


def longer() -> str:
    """KID along 2,100 steps of the found generator and of `resnet`."""
    found = lines("longer-16px.jsonl")
    marks = [entry[0] for entry in found["found,5e-4"][0]["hist"]]
    rows = [
        [words, *(each([trial["hist"][k][1] for trial in found[name].values()], 1000) for k in range(len(marks)))]
        for name, words in (
            ("found,5e-4", "`degas-cifar10`, 201,827 parameters"),
            ("found,1e-3", "the same, generator's rate 1e-3"),
            ("resnet-32,5e-4", "`resnet`, 76,483 parameters"),
        )
    ]
    return markdown(("KID·1000 of seeds 0, 1 after", *(f"{mark:,} steps" for mark in marks)), rows)


def ten_minutes() -> str:
    """Three generators at 32 px after ten minutes of one thread, against `resnet` within seeds."""
    folders = {
        "`degas-cifar10`": "objectives-found/unit-variance/runs",
        "**`degas-cifar10-nearest`**": "up-operations/found-nearest/runs",
        "`resnet`": "up-operations/resnet/runs",
    }
    resnet = by_seed(runs(folders["`resnet`"])["mmd"], "kid")
    rows = []
    for name, folder in folders.items():
        mine = runs(folder)["mmd"]
        parameters, steps = f"{mine[0]['num_parameters']:,}", each([r["steps"] for r in mine])
        fid, kid = ([last(r)[metric] for r in mine] for metric in ("fid", "kid"))
        against = None if name == "`resnet`" else paired_difference(by_seed(mine, "kid"), resnet)
        rows.append([name, parameters, steps, each(fid), each(kid, 1000), *difference(against, 1000)])
    head = ("generator", "parameters", "generator steps", "Fréchet distance", "KID·1000", "KID − `resnet`'s (95 %)")
    return markdown((*head, "than `resnet`"), rows)


# ------------------------------------------------------------------------------------- few images, labels


def augmentation(metric: str) -> str:
    """With and without DiffAugment on subsets: the paired difference over three seeds."""
    from degas_lab.trainings.augmentation import format_table, summarise

    head: list[str] = []
    body: list[str] = []
    for data, folder in (("digits", "digits"), ("photographs", "photos-16")):
        paths = (RESULTS / "augment" / folder / "trials").glob("*-seed-*.json")
        trials = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(paths)]
        first, rule, *made = format_table(summarise(trials, metric)).splitlines()
        head = [f"| data {first}", f"|---{rule}"]
        body += [f"| {data} {line}" for line in made]
    return "\n".join([*head, *body])


def labels() -> str:
    """The share of samples in which a classifier finds the requested class."""
    rows = []
    for words, weight, folder in (
        ("`r3gan`, 1,500 steps (rates 4e-4, γ 0.5)", "0.1 (CT-GAN's)", "weight-0.1"),
        ("`r3gan`, 1,500 steps", "1.0 (its default)", "weight-1.0"),
    ):
        trials = records(f"label-agreement/{folder}")
        shares = [
            f"{100 * last(trials[name])['agreement']:.1f} %" if name in trials else "not run"
            for name in ("true", "shuffled")
        ]
        rows.append([words, weight, *shares])
    head = ("objective", "class weight in the generator's loss", "true labels", "shuffled labels (chance 10 %)")
    return markdown(head, rows, numbers_from=2)


def supervised_digits() -> str:
    """Supervised trainings of `mmd` by the weights of the class loss: classes found, surely found, distances."""
    heads = {"mean": "mean features, as before", "scores": "what the scores see"}
    rows = []
    for record in sorted(records("supervised-digits").values(), key=lambda one: -one["class_weight_generator"]):
        scores = {name: entry["value"] for name, entry in record["scores"].items()}
        distance = scores["fid_1797_train[imagenet]"]
        weights = [f"{record[f'class_weight_{owner}']:g}" for owner in ("generator", "critic")]
        shares = [f"{100 * scores[f'class_{name}_1797[classifier]']:.1f} %" for name in ("agreement", "confidence")]
        times = f"{distance / scores['fid_1797_train_floor[imagenet]']:.1f}"
        rows.append([heads[record["class_head"]], *weights, *shares, f"{distance:.1f}", times])
    head = ("class head sees", "weight, generator", "weight, critic", "requested class", "a class at 0.9")
    return markdown((*head, "Fréchet distance", "times real against real"), rows, numbers_from=1)


CLASS_HEADS = {"projection": "projection", "scores": "classifier", "normalised": "classifier, normalised features"}
CLASS_SCORES = ("class_agreement_1797[classifier]", "class_confidence_1797[classifier]")
IMAGE_SCORES = ("fid_1797_train[imagenet]", "recall_1797_train[imagenet]")


def class_heads() -> str:
    """A supervised training by how the critic learns labels: every seed, and the differences within those that judge.

    Shorter trainings with seed 0 chose.
    """
    found = {(one["class_head"], one["seed"]): one["scores"] for one in records("supervised-digits-seeds").values()}
    rows = []
    for head, seed in sorted(found, key=lambda key: (list(CLASS_HEADS).index(key[0]), key[1])):
        shares = [f"{100 * found[head, seed][name]['value']:.1f} %" for name in CLASS_SCORES]
        distance, recall = (found[head, seed][name]["value"] for name in IMAGE_SCORES)
        rows.append([CLASS_HEADS[head], str(seed), *shares, f"{distance:.1f}", f"{recall:.2f}"])

    def against(name: str, factor: float, digits: int) -> str:
        """Projection against the normalised classifier; times `factor`, lower is better."""
        values = [
            {seed: factor * scores[name]["value"] for (head, seed), scores in found.items() if head == wanted and seed}
            for wanted in ("projection", "normalised")
        ]
        difference = paired_difference(*values)
        assert difference is not None
        return difference.in_words(digits)

    last = [against(name, -100, 1) for name in CLASS_SCORES]
    last += [against(name, factor, digits) for name, factor, digits in zip(IMAGE_SCORES, (1, -1), (1, 2), strict=True)]
    head = ("critic learns labels by", "seed", "requested class", "a class at 0.9", "Fréchet distance", "recall")
    return markdown(head, [*rows, ["projection against normalised", "from 1", *last]])


# ------------------------------------------------------------------------------------- does GLO predict


PREDICTORS = {
    "glo-l2": "GLO, ℓ2 alone",
    "glo-l2-lap1": "GLO, ℓ2 + Lap1 (the paper's)",
    "held-out": "GLO, held-out images",
    "glo-features": "GLO, ℓ2 + Lap1 + features of the ImageNet network",
    "proxy": "a training of 88 steps, another seed",
    "parameters": "parameters",
    "multiply-adds": "multiply-adds",
}


def predictors(mark: int) -> str:
    """Kendall's τ of each predictor with the KID at a mark, and of the KID with itself between two seeds."""
    from degas_lab.trainings.rank_summary import summarise

    summary = summarise(records("rank-correlation/trials"), "kid", mark)
    scopes = ("equal", "any", "all")
    rows = [
        [words, *(tau(summary["scopes"][scope]["predictors"][name]["correlation"]) for scope in scopes)]
        for name, words in PREDICTORS.items()
    ]
    own = [f"**{tau(summary['scopes'][scope]['reliability'])}**" for scope in scopes]
    steps = f"KID after {summary['steps']} steps"
    head = (f"Kendall's τ with the {steps}", "twelve of equal size", "twelve of all sizes", "all 24")
    return markdown(head, [*rows, ["**the same KID with the other seed**", *own]])


def tau(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return "too few"
    return f"{found['tau']:.2f} ({found['low']:.2f} to {found['high']:.2f})".replace("-", "−")


# ------------------------------------------------------------------------------------- metrics


def damage() -> str:
    """Real images against real images, and against damaged ones, for five extractors."""
    from degas_lab.extractor_sanity import format_table

    names = ("imagenet", "random-imagenet", "imagenet-224", "random-imagenet-224", "classifier")
    return format_table({name: records(f"sanity/{name}") for name in names})


TABLES: dict[str, Callable[[], str]] = {
    "shipped generators": shipped,
    "objectives": objectives,
    "objectives over time": objectives_over_time,
    "objectives on a found generator": objectives_found,
    "up operations": up_operations,
    "longer": longer,
    "ten minutes": ten_minutes,
    "augmentation, KID": lambda: augmentation("kid"),
    "augmentation, recall": lambda: augmentation("recall"),
    "labels": labels,
    "supervised digits": supervised_digits,
    "class heads": class_heads,
    "predictors, 350 steps": lambda: predictors(0),
    "predictors, 700 steps": lambda: predictors(1),
    "damaged images": damage,
}
