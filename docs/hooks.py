"""What the site is built from beside the Markdown files: settings page, API pages, figures, and every further page.

`settings.md` is written from `degas.settings.sections`, `api/…` has a page a module (mkdocstrings fills it from the
docstrings, in the navigation after the page Python API), and a Markdown file that mkdocs.yml does not name joins the
navigation under its own title. The tables of Evidence pages are written into the pages themselves: evidence_pages.py.
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
    "sweep",
    "api",
    "cli",
)
SECTIONS = {
    "data": ("DataSettings", "Images"),
    "space": ("SpaceSettings", "Search space"),
    "search": ("SearchSettings", "Search"),
    "gan": ("GanSettings", "Adversarial training"),
    "evaluate": ("EvaluateSettings", "Evaluation"),
    "invert": ("InvertSettings", "Inversion"),
}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages, and put everything that has no place yet into the navigation."""
    add_sources_to_path()
    named = set(re.findall(r"[\w/-]+\.md", str(config.nav)))
    others = sorted(file.src_uri for file in files.documentation_pages() if file.src_uri not in named)
    import figures

    generated = {"settings.md": settings_page(), **api_pages()}
    generated |= {
        "figures/space.svg": figures.space_figure(),
        "figures/architecture.svg": figures.architecture_figure(),
    }
    for name, text in generated.items():
        files.append(File.generated(config, name, content=text))
    nav: list[Any] = list(config.nav or [])
    for shelf in nav:
        shelf.get("Understand", []).append({"Modules": api_nav(generated)})
    config.nav = nav + ([{"More": others}] if others else [])
    return files


def on_page_content(html: str, **_: Any) -> str:
    """Give each table cell its column's heading, which a phone shows in front of it (style.css)."""
    return re.sub(r"<table>.*?</table>", lambda found: labelled(found[0]), html, flags=re.S)


def labelled(table: str) -> str:
    """The table with `data-label` on its cells; one without headings is returned as it is."""
    heads = [re.sub(r"<[^>]*>", "", head).strip() for head in re.findall(r"<th\b[^>]*>(.*?)</th>", table, re.S)]
    if not any(heads):
        return table

    def row(found: re.Match[str]) -> str:
        labels = iter(heads)
        return re.sub(r"<td\b", lambda _: f'<td data-label="{next(labels, "")}"', found[0])

    return re.sub(r"<tr>.*?</tr>", row, table, flags=re.S)


def add_sources_to_path() -> None:
    """The package need not be installed: the sources are beside the documentation."""
    for place in (ROOT / "src", ROOT / "docs"):
        if str(place) not in sys.path:
            sys.path.insert(0, str(place))


# ---------------------------------------------------------------------------------------------------- settings


def settings_page() -> str:
    """Every setting: command-line name, default, what each preset and objective makes of it, meaning, source."""
    module = importlib.import_module("degas.settings.sections")
    parts = [SETTINGS_HEAD]
    for section, (model_name, title) in SECTIONS.items():
        model = getattr(module, model_name)
        parts += [f"## {title}", (model.__doc__ or "").strip().splitlines()[0]]
        for head, names in settings_blocks(section, title, list(model.model_fields)):
            parts += [*head, settings_table(section, {name: model.model_fields[name] for name in names})]
    return "\n\n".join([*parts, *objectives_part()]) + "\n"


def settings_blocks(section: str, title: str, names: list[str]) -> list[tuple[list[str], list[str]]]:
    """A section in the order of `--help-all`: heading and sentence of each table, and the settings it holds."""
    from degas.settings.groups import GROUPS, SHOWN, VARIANTS, group_of, variant_of

    rest = [name for name in names if f"{section}.{name}" not in SHOWN]
    shown = [name for name in names if name not in rest]
    blocks: list[tuple[list[str], list[str]]] = [([], shown)]
    for group in GROUPS:
        mine = [name for name in rest if group_of(f"{section}.{name}") == group]
        if group == "search variants":
            for variant in VARIANTS:
                head = [f"### {capital(variant.title)}", escape(capital(variant.measured)) + "."]
                blocks.append((head, [name for name in mine if variant_of(f"{section}.{name}") is variant]))
        else:
            kind = group if group in ("machine", "objective's own") else "further settings"
            blocks.append(([f"### {title}: {kind}"] if shown else [], mine))
    return [(head, found) for head, found in blocks if found]


def settings_table(section: str, fields: dict[str, Any]) -> str:
    """Some settings of a section, one a row, with a column for each preset that differs in one of them."""
    from degas.settings.groups import meaning_and_unset
    from degas.settings.presets import PRESETS

    presets = {preset: sections.get(section, {}) for preset, sections in PRESETS.items()}
    own = presets.pop("default")
    presets["paper-space"] = {name: fields[name].default for name in own if name in fields}  # which changes nothing
    changed = [preset for preset, values in presets.items() if set(values) & set(fields)]
    lines = [table_head(["setting", "default", *changed, "meaning", "source"])]
    for name, info in fields.items():
        source = (info.json_schema_extra or {}).get("source", "")
        key, description = f"{section}.{name}", str(info.description or "").removesuffix(f" [{source}]")
        meaning, unset = meaning_and_unset(key, description)
        default = own.get(name, info.default)
        cells = [f"`--{key.replace('_', '-')}`", value_cell(default) or escape(unset)]
        cells += [value_cell(presets[preset].get(name)) for preset in changed]
        lines.append(row([*cells, escape(meaning), escape(source)]))
    return "\n".join(lines)


def objectives_part() -> list[str]:
    """The table of what each objective makes of a training's settings."""
    from degas.gan.objectives import OBJECTIVES

    objectives = {name: OBJECTIVES.find(name, "settings page") for name in OBJECTIVES}
    lines = [table_head(["setting", *objectives])]
    for name in dict.fromkeys(name for objective in objectives.values() for name in objective.model_fields):
        fields = [objective.model_fields.get(name) for objective in objectives.values()]
        cells = ["—" if field is None else own_cell(field) for field in fields]
        lines.append(row([f"`--gan.{name.replace('_', '-')}`", *cells]))
    return ["## What each objective sets", OBJECTIVES_HEAD, "\n".join(lines)]


SETTINGS_HEAD = """# Settings

In each section the settings that people use come first, then the others in the order of `--help-all`: every variant of
the search with what was measured of it, and last what concerns the machine. A value stands as one types it; a switch
that is `on` is turned off by `no-` before its name, as in `--evaluate.no-floor`. Underscores and hyphens in a name are
the same. A preset has a column where it changes something, and an empty cell where it leaves the default.
`degas train --dry-run …` prints what is in force with the source of each value.

This page is written from `degas/settings` and `degas/gan/objectives` when the site is built."""
OBJECTIVES_HEAD = """A setting above whose default is the objective's takes the value of this table, whose source stands
beside it. One marked — does not exist there, and giving it is refused. The class weights count with
`--gan.supervised` only."""


def capital(text: str) -> str:
    """Return the text with a capital at its start, unless that is a symbol such as α."""
    return text[:1].upper() + text[1:] if text[:1].isascii() else text


def table_head(names: list[str]) -> str:
    return row(names) + "\n" + row(["---"] * len(names))


def row(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def own_cell(field: Any) -> str:
    """An objective's default with its source, where that is not our choice."""
    source = field.json_schema_extra["source"]
    return value_cell(field.default) + ("" if source == "our choice" else f" {source}")


def value_cell(value: Any) -> str:
    """A value as one types it; None, a default that depends on something, is empty."""
    from degas.settings.groups import default_text

    return "" if value is None else f"`{default_text(value)}`"


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
