"""Writes the report: one self-contained HTML file that loads nothing from the network."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from degas.errors import UserError
from degas.report import scoring, sections
from degas.report.agreement import agreement_section
from degas.report.alpha_cards import alpha_cards
from degas.report.collect import Run, collect_run
from degas.report.contest import contest_section
from degas.report.growth import growth_section, training_growth
from degas.report.pictures import Picture
from degas.report.polish import polish_tables
from degas.report.verdict import CLOSE, FAR, verdict
from degas.runtime.durable import replace_file
from degas.runtime.paths import expanded

TEMPLATES = Path(__file__).parent / "templates"
MINUS = "−"


def write_report(runs: Sequence[Path], out: Path) -> Path:
    """Write the report of one run, or of several side by side, to `out`; returns its path.

    Each run is a folder written by `--out`; missing stages are left out of the report. If `out` is a folder,
    `report.html` is written in it. The same files give the same bytes. Raises `UserError` if a folder holds no run.
    """
    if not runs:
        raise UserError("report: no run given; name at least one run folder")
    out = expanded(out)
    out = out / "report.html" if out.is_dir() else out
    collected = [collect_run(expanded(run)) for run in runs]
    _name_apart(collected)
    html = _render(collected)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        replace_file(out, html.encode("utf-8", errors="replace"))  # a name may hold a lone surrogate
    except OSError as error:
        raise UserError(f"{out}: cannot be written: {error.strerror}; give another --out") from None
    return out


def _name_apart(runs: Sequence[Run]) -> None:
    """Give longer names to runs whose folders have the same name."""
    names = [run.name for run in runs]
    for run in runs:
        if names.count(run.name) > 1:
            whole = run.path.resolve()
            run.name = f"{whole.parent.name}/{whole.name}"
    names = [run.name for run in runs]
    for k, run in enumerate(runs):
        if names.count(names[k]) > 1:
            run.name = f"{run.name} ({k + 1})"


def page_environment() -> Environment:
    """The templates of all pages; texts are escaped, and an undefined name is an error."""
    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def page_style() -> Markup:
    return Markup((TEMPLATES / "style.css").read_text(encoding="utf-8"))


def _render(runs: Sequence[Run]) -> str:
    environment = page_environment()
    environment.filters["signed"] = lambda value: f"{value:+.3f}".replace("-", MINUS)
    environment.filters["plain"] = lambda value: f"{value:.3f}".replace("-", MINUS)
    environment.filters["as_typed"] = _as_typed
    script = (TEMPLATES / "report.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    context = _context(runs)
    return environment.get_template("report.html").render(
        **context, script=Markup(script), script_hash=digest, style=page_style()
    )


def _as_typed(value: Any) -> str:
    """A setting's value as one types it: the entries of a list with spaces between them."""
    if value is None:
        return "—"
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def _context(runs: Sequence[Run]) -> dict[str, Any]:
    panels = [_panel(run, k) for k, run in enumerate(runs)]
    return {
        "title": runs[0].name if len(runs) == 1 else f"{len(runs)} runs side by side",
        "runs": panels,
        "search_curves": sections.curves(runs, "search"),
        "train_curves": sections.curves(runs, "train"),
        "score_rows": scoring.score_rows(runs),
        "close": CLOSE,
        "far": FAR,
        "papers_data": scoring.on_the_papers_data(runs),
        "paper_rows": scoring.paper_rows(runs),
        "comparability": scoring.comparability(runs),
        "settings": sections.tables(runs, "config"),
        "environments": sections.tables(runs, "environment"),
        "data": {panel["id"]: panel["numbers"] for panel in panels if panel["numbers"]},
    }


def _panel(run: Run, k: int) -> dict[str, Any]:
    alpha, pair = alpha_cards(run, f"r{k}-alpha"), _pair(run)
    return {
        "id": f"r{k}",
        "colour": k % 6,
        "run": run,
        "name": run.name,
        "data_text": sections.data_text(run),
        "verdict": verdict(run),
        "headline": sections.headline(run),
        "architecture": sections.architecture(run, f"r{k}-arch"),
        "critic": sections.critic(run, f"r{k}-critic"),
        "agreement": agreement_section(run.agreement),
        "growth": growth_section(run),
        "polish": polish_tables(run.polishes),
        "training_growth": training_growth(run),
        "contest": contest_section(run.contest, run.pruning, run.architecture.order if run.architecture else ""),
        "alpha": alpha,
        "numbers": {"epochs": alpha["epochs"], "alpha": [card["alpha"] for card in alpha["cards"]]} if alpha else None,
        "commands": sections.commands(run),
        "warnings": sections.warnings(run),
        "pair": pair,
        "reconstructions": None if run.reconstructions in [picture for picture, _ in pair] else run.reconstructions,
    }


def _pair(run: Run) -> list[tuple[Picture, str]]:
    """The pictures of the first card with their words: real images beside generated ones, or what there is so far."""
    pair = [(run.real_images, "your images"), (run.generated_images, _generated_words(run))]
    shown = [(picture, words) for picture, words in pair if picture is not None]
    if run.generated_images is None and run.reconstructions is not None:
        return [(run.reconstructions, "your images above their reconstructions by the search")]
    return shown


def _generated_words(run: Run) -> str:
    going = run.train is not None and not run.train.done
    if going and run.frames and run.generated_images is run.frames[-1].picture:  # else of the evaluation
        return f"generated, after {run.frames[-1].step:,} steps so far"
    return "generated"
