"""What the site is built from beside the Markdown files: settings page, API pages, figures, and every further page.

`settings.md` is written from `degas.settings.sections`, `api/…` has a page a module (mkdocstrings fills it from the
docstrings), and a Markdown file that mkdocs.yml does not name joins the navigation under its own title.
"""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parent.parent
ROOMS = (
    "space",
    "settings",
    "runtime",
    "nets",
    "generator",
    "data",
    "figures",
    "nas",
    "gan",
    "evaluation",
    "report",
    "cli",
)
SECTIONS = {
    "data": ("DataSettings", "Images"),
    "space": ("SpaceSettings", "Search space"),
    "search": ("SearchSettings", "Search"),
    "gan": ("GanSettings", "Adversarial training"),
    "evaluate": ("EvaluateSettings", "Evaluation"),
}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages, and put everything that has no place yet into the navigation."""
    add_sources_to_path()
    named = set(re.findall(r"[\w/-]+\.md", str(config.nav)))
    further = sorted(file.src_uri for file in files.documentation_pages() if file.src_uri not in named)
    results = [page for page in further if page.startswith("results/")]
    others = [page for page in further if page not in results]
    import figures

    generated = {"settings.md": settings_page(), **api_pages()}
    generated |= {
        "figures/space.svg": figures.space_figure(),
        "figures/architecture.svg": figures.architecture_figure(),
    }
    for name, text in generated.items():
        files.append(File.generated(config, name, content=text))
    nav: list[Any] = list(config.nav or [])
    for entry in nav:
        if results and entry.get("Results") == "results.md":
            entry["Results"] = ["results.md", *results]
    nav += [{"More": others}] if others else []
    config.nav = [*nav, {"API": api_nav(generated)}]
    return files


def add_sources_to_path() -> None:
    """The package need not be installed: the sources are beside the documentation."""
    for place in (ROOT / "src", ROOT / "docs"):
        if str(place) not in sys.path:
            sys.path.insert(0, str(place))


# ---------------------------------------------------------------------------------------------------- settings


def settings_page() -> str:
    """Every setting: command-line name, default, what each preset and objective makes of it, meaning, source."""
    from degas.gan.objectives import OBJECTIVES
    from degas.settings.presets import PRESETS

    parts = [SETTINGS_HEAD]
    module = importlib.import_module("degas.settings.sections")
    for section, (model_name, title) in SECTIONS.items():
        model = getattr(module, model_name)
        changed = [name for name, sections in PRESETS.items() if section in sections]
        summary = (model.__doc__ or "").strip().splitlines()[0]
        parts += [f"## {title}", summary, table_head(["setting", "default", *changed, "meaning", "source"])]
        for name, info in model.model_fields.items():
            presets = [PRESETS[preset].get(section, {}) for preset in changed]
            cells = [f"`--{section}.{name.replace('_', '-')}`", value_cell(info.default)]
            cells += [value_cell(preset[name]) if name in preset else "" for preset in presets]
            source = (info.json_schema_extra or {}).get("source", "")
            meaning = str(info.description or "").removesuffix(f" [{source}]")
            parts[-1] += "\n" + row([*cells, escape(meaning), escape(source)])
    objectives = {name: OBJECTIVES.find(name, "settings page") for name in OBJECTIVES}
    parts += ["## What each objective sets", OBJECTIVES_HEAD, table_head(["setting", *objectives])]
    for name in dict.fromkeys(name for objective in objectives.values() for name in objective.model_fields):
        fields = [objective.model_fields.get(name) for objective in objectives.values()]
        cells = ["—" if field is None else own_cell(field) for field in fields]
        parts[-1] += "\n" + row([f"`--gan.{name.replace('_', '-')}`", *cells])
    return "\n\n".join(parts) + "\n"


SETTINGS_HEAD = """# Settings

This page is written from `degas/settings/sections.py`, `degas/settings/presets.py` and `degas/gan/objectives` when the
site is built. An empty cell in a preset's column means that the preset leaves the default. Underscores and hyphens in a
name are the same. `degas train --dry-run …` prints what is in force with the source of each value."""
OBJECTIVES_HEAD = """A setting of the table above without a default takes the objective's value, whose source stands
beside it. One marked — does not exist there, and giving it is refused. The class weights count with
`--gan.supervised` only."""


def table_head(names: list[str]) -> str:
    return row(names) + "\n" + row(["---"] * len(names))


def row(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def own_cell(field: Any) -> str:
    """An objective's default with its source, where that is not our choice."""
    source = field.json_schema_extra["source"]
    return value_cell(field.default) + ("" if source == "our choice" else f" {source}")


def value_cell(value: Any) -> str:
    """A value as one would type it; None, a default that depends on something, is empty."""
    if value is None:
        return ""
    if value == "—":
        return "—"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, (tuple, list)):
        return " ".join(value_cell(part) for part in value)
    if isinstance(value, float):
        return f"`{value:g}`"
    return f"`{value:,}`" if isinstance(value, int) else f"`{value}`"


def escape(text: str) -> str:
    return re.sub(r"([|*<>\[\]])", r"\\\1", text)


# ---------------------------------------------------------------------------------------------------- API


def api_pages() -> dict[str, str]:
    """`api/…md` → its text, for every module of the package that has something to show."""
    pages = {}
    for package, rooms in (("degas", ROOMS), ("degas_lab", None)):
        for path in sorted((ROOT / "src" / package).rglob("*.py")):
            parts = path.relative_to(ROOT / "src" / package).with_suffix("").parts
            outside = path.parent.is_symlink() or (rooms and len(parts) > 1 and parts[0] not in rooms)
            if outside or any(part.startswith("_") for part in parts):
                continue
            place = parts if package == "degas" else (package, *parts)
            pages["/".join(("api", *place)) + ".md"] = f"::: {'.'.join((package, *parts))}\n"
    return pages


def api_nav(pages: dict[str, str]) -> list[Any]:
    """The API pages, the modules at the top first, then package by package."""
    names = [name for name in pages if name.startswith("api/")]
    top = [{Path(name).stem: name} for name in names if name.count("/") == 1]
    inside = {room: [n for n in names if n.startswith(f"api/{room}/")] for room in (*ROOMS, "degas_lab")}
    titles = {name: " / ".join(Path(name).with_suffix("").parts[2:]) for name in names}
    return top + [{room: [{titles[n]: n} for n in found]} for room, found in inside.items() if found]
