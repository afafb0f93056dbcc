"""The objectives' trials as numbers, a table and a picture of score against time."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from degas.runtime.json_files import write_json
from degas_lab.figures import COLOURS, GREY, markdown, saved_figure, write_text
from degas_lab.plan_fields import Clock
from degas_lab.trainings.objectives import final_score

Results = Mapping[str, dict[str, Any]]
HEAD = ("objective", "rate", "critic steps", "seeds", "steps", "processor s / wall s", "Fréchet distance", "KID·1000")


def summarise(results: Results) -> dict[str, Any]:
    """Objective → choice, seeds, steps and the scores at each mark as `mean` and `std` over the finished seeds."""
    found = {}
    for objective, result in results.items():
        runs = [record for record in result["runs"] if "failed" not in record]
        marks = [_mark([record["history"][k] for record in runs]) for k in range(_num_marks(runs))]
        found[objective] = {
            "choice": result["choice"],
            "num_tuned": len(result["tuning"]),
            "seeds": [record["seed"] for record in runs],
            "diverged_seeds": [record["seed"] for record in result["runs"] if "failed" in record],
            "num_parameters": runs[0]["num_parameters"] if runs else None,
            "marks": marks,
        }
    return found


def write_summary(results: Results, folder: Path, clock: Clock = "wall") -> dict[str, Any]:
    """Write `summary.json`, `table.md`, `score-against-time.png` and `tuning.png` in `folder`; return the summary.

    `clock`: the clock of the trainings' time, for the picture's axis.
    """
    summary = summarise(results)
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "summary.json", summary)
    write_text(folder / "table.md", format_table(summary))
    draw_scores(results, summary, folder / "score-against-time.png", clock)
    draw_tuning(results, folder / "tuning.png")
    return summary


def format_table(summary: Mapping[str, Any]) -> str:
    """One line per objective, the best Fréchet distance first; those without a run come last."""
    order = sorted(summary, key=lambda name: _last(summary[name], "fid"))
    rows = []
    for name in order:
        entry = summary[name]
        choice, marks = entry["choice"], entry["marks"]
        cells = [name, f"{choice['rate']:g}", str(choice["critic_steps"])] if choice else [name, "", ""]
        diverged = len(entry["diverged_seeds"])
        cells.append(str(len(entry["seeds"])) + (f", {diverged} diverged" if diverged else ""))
        if marks:
            last = marks[-1]
            busy = last["processor_seconds"]["mean"] / last["seconds"]["mean"]
            cells += [f"{last['steps']['mean']:,.0f}", f"{busy:.2f}", _plus_minus(last["fid"])]
            cells.append(_plus_minus(last["kid"], 1000))
        rows.append(cells + [""] * (len(HEAD) - len(cells)))
    return markdown(HEAD, rows)


def draw_scores(results: Results, summary: Mapping[str, Any], path: Path, clock: Clock = "wall") -> None:
    """Draw Fréchet distance and KID against seconds of training: each seed faint, the mean bold."""
    time = "seconds" if clock == "wall" else "processor_seconds"
    with saved_figure(path, (9.0, 3.6), columns=2) as axes:
        panels = (("fid", "Fréchet distance", 1.0), ("kid", "KID · 1000", 1000.0))
        for one, (metric, label, factor) in zip(axes[0], panels, strict=True):
            for number, name in enumerate(results):
                colour = COLOURS[number % len(COLOURS)]
                for record in results[name]["runs"]:
                    history = record["history"]
                    times = [mark[time] for mark in history]
                    one.plot(
                        times, [factor * mark[metric] for mark in history], color=colour, alpha=0.35, linewidth=0.9
                    )
                marks = summary[name]["marks"]
                if marks:
                    seconds = [mark[time]["mean"] for mark in marks]
                    means = [factor * mark[metric]["mean"] for mark in marks]
                    one.plot(seconds, means, "o-", color=colour, linewidth=2, markersize=4, label=name)
            one.set(xlabel=f"seconds of training ({clock} clock)", ylabel=label, xlim=(0, None))
        axes[0, 1].legend(frameon=False, fontsize=8) if axes[0, 1].get_lines() else None


def draw_tuning(results: Results, path: Path) -> None:
    """Draw KID of every tuning trial over rates: one panel per objective, one line per number of critic steps."""
    with saved_figure(path, (2.4 * max(1, len(results)), 2.8), columns=max(1, len(results))) as axes:
        for one, (name, result) in zip(axes[0], results.items(), strict=True):
            by_steps: dict[int, list[tuple[float, float]]] = {}
            for record in result["tuning"].values():
                score = final_score(record, "kid")
                if score is not None:
                    point = (record["gan"]["generator_lr"], 1000 * score)
                    by_steps.setdefault(record["gan"]["critic_steps"], []).append(point)
            for number, (steps, points) in enumerate(sorted(by_steps.items())):
                rates, scores = zip(*sorted(points), strict=True)
                colour = COLOURS[number % len(COLOURS)]
                one.plot(rates, scores, "o-", color=colour, markersize=4, label=f"{steps} critic steps")
            one.set(title=name, xlabel="generator's rate", xscale="log")
            if result["choice"]:
                one.axvline(result["choice"]["rate"], color=GREY, linewidth=0.8, linestyle=":")
            if by_steps:
                one.legend(frameon=False, fontsize=7)
        axes[0, 0].set_ylabel("KID · 1000")


def _num_marks(runs: list[dict[str, Any]]) -> int:
    return len(runs[0]["history"]) if runs else 0


def _mark(entries: list[dict[str, float]]) -> dict[str, Any]:
    """Mean and sample standard deviation (0 for one seed) over seeds of everything measured at one mark."""
    found: dict[str, Any] = {"mark": entries[0]["mark"]}
    for name in ("steps", "seconds", "processor_seconds", "fid", "kid", "precision", "recall"):
        values = [float(entry[name]) for entry in entries]
        spread = statistics.stdev(values) if len(values) > 1 else 0.0
        found[name] = {"mean": statistics.fmean(values), "std": spread}
    return found


def _last(entry: Mapping[str, Any], metric: str) -> float:
    return float(entry["marks"][-1][metric]["mean"]) if entry["marks"] else float("inf")


def _plus_minus(value: Mapping[str, float], factor: float = 1.0) -> str:
    return f"{factor * value['mean']:.1f} ± {factor * value['std']:.1f}"
