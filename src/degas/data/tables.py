"""Labels in a file next to the pictures: StyleGAN's dataset.json, the hub's metadata.csv or .jsonl."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from degas.data.notes import Note
from degas.data.tree import File, Tree
from degas.errors import UserError, nearest
from degas.runtime.names import composed, same_name

DATASET = "dataset.json"
METADATA = ("metadata.csv", "metadata.jsonl")
_MAX_BYTES = 512 * 2**20


@dataclass(frozen=True)
class Labelled:
    """Labels of the pictures, or None if the table says that there are none; and the tables."""

    labels: np.ndarray | None
    class_names: tuple[str, ...]
    tables: list[File]
    notes: tuple[Note, ...]


def table_labels(tree: Tree, pictures: Sequence[File], column: str | None) -> Labelled | None:
    """Return the labels in a table next to `pictures`; None without a table that names classes."""
    return _dataset_labels(tree, pictures) or _metadata_labels(tree, pictures, column)


def unread_metadata(tree: Tree, pictures: Sequence[File]) -> tuple[Note, ...]:
    """Return a note on metadata.csv if its columns name no classes."""
    for table in _metadata_files(tree, pictures):
        columns = _columns(_rows(tree, table))
        if "file_name" in columns:
            text = f"{table.name} gives no labels; it has the columns {', '.join(columns)}; see --data.label-column"
            return (Note("metadata", text),)
    return ()


def number_values(values: Iterable[Any]) -> tuple[np.ndarray, tuple[str, ...]]:
    """Labels (N,) and class names; the classes are the distinct values, sorted (whole numbers as numbers)."""
    values = list(values)
    distinct = sorted(set(values))
    if all(isinstance(value, str) and value.isdecimal() for value in distinct):
        distinct.sort(key=lambda value: (int(value), value))
    number = {value: k for k, value in enumerate(distinct)}
    return np.array([number[value] for value in values], np.int64), tuple(composed(str(value)) for value in distinct)


# ---------------------------------------------------------------------------------------------- dataset.json


def _dataset_labels(tree: Tree, pictures: Sequence[File]) -> Labelled | None:
    above = [file for file in tree.others if file.name.split("/")[-1] == DATASET and _holds(file, pictures)]
    if not above:
        return None
    table = max(above, key=lambda file: len(file.folders))
    rows = _dataset_rows(tree, table)
    if rows is None:
        return None
    if not rows:
        text = f"{table.name} gives no labels; the folders count as parts of one set, not as classes"
        return Labelled(None, (), [table], (Note("labels", text),) if any(p.folders for p in pictures) else ())
    values = _look_up(tree.place(table), pictures, _named(table, rows))
    if any(isinstance(value, list) for value in values):
        return _from_vectors(tree, table, values)
    labels, names = number_values(values)
    return Labelled(labels, names, [table], (Note("labels", f"classes are those of {table.name}, not the folders"),))


def _dataset_rows(tree: Tree, table: File) -> list[tuple[str, Any]] | None:
    """(name, label) of each row, [] for `"labels": null`; None if the file is not StyleGAN's."""
    where = tree.place(table)
    try:
        content = json.loads(_contents(tree, table))
    except (ValueError, RecursionError):
        raise UserError(f"{where}: not valid JSON; repair it, or remove it to use folders as classes") from None
    if not isinstance(content, dict) or "labels" not in content:
        return None
    rows = content["labels"]
    if rows is None:
        return []
    if not isinstance(rows, list) or not all(isinstance(row, list) and len(row) == 2 for row in rows):
        return None
    if not all(isinstance(name, str) and (type(label) is int or isinstance(label, list)) for name, label in rows):
        raise UserError(f'{where}: "labels" must be pairs of a file\'s name and a whole number')
    return [(name, label) for name, label in rows]


def _from_vectors(tree: Tree, table: File, values: list[Any]) -> Labelled:
    """Turn one-hot labels into classes; other vectors name no class."""
    vectors = [value for value in values if isinstance(value, list)]
    one_hot = all(sorted(set(map(float, vector))) in ([0.0, 1.0], [1.0]) and sum(vector) == 1 for vector in vectors)
    if len(vectors) < len(values) or not one_hot or len({len(vector) for vector in vectors}) > 1:
        note = Note("labels", f"the labels of {table.name} are not classes and are left out")
        return Labelled(None, (), [table], (note,))
    labels, names = number_values([vector.index(1) for vector in vectors])
    return Labelled(labels, names, [table], (Note("labels", f"classes are those of {table.name}, not the folders"),))


# ---------------------------------------------------------------------------------------------- metadata.csv


def _metadata_labels(tree: Tree, pictures: Sequence[File], column: str | None) -> Labelled | None:
    named: dict[str, str] = {}
    tables = []
    for table in _metadata_files(tree, pictures):
        rows = _rows(tree, table)
        columns = _columns(rows)
        found = same_name(column or "label", columns)
        if "file_name" not in columns or (found is None and column is None):
            continue
        if found is None:
            where = tree.place(table)
            raise UserError(f"--data.label-column: {where} has no column '{column}'{nearest(str(column), columns)}")
        named |= _named(table, [(row.get("file_name") or "", str(row.get(found, ""))) for row in rows])
        tables.append(table)
    if not tables:
        return None
    labels, names = number_values(_look_up(tree.place(tables[0]), pictures, named))
    text = f"classes are those of {', '.join(table.name for table in tables[:3])}, column {column or 'label'}"
    return Labelled(labels, names, tables, (Note("labels", text),))


def _metadata_files(tree: Tree, pictures: Sequence[File]) -> list[File]:
    tables = [file for file in tree.others if file.parts[-1] in METADATA]
    if not tables:
        return []
    above = {folders[:depth] for folders in {file.folders for file in pictures} for depth in range(len(folders) + 1)}
    return [file for file in tables if file.folders in above]


def _rows(tree: Tree, table: File) -> list[dict[str, Any]]:
    try:
        text = _contents(tree, table).decode("utf-8-sig")
        if table.name.endswith(".csv"):
            return [dict(row) for row in csv.DictReader(io.StringIO(text, newline=""))]
        rows = [json.loads(line) for line in text.splitlines() if line.strip()]
    except (ValueError, csv.Error, RecursionError) as error:
        where = tree.place(table)
        raise UserError(
            f"{where}: cannot be read ({' '.join(str(error).split())[:120]}); repair or remove it"
        ) from error
    return [row for row in rows if isinstance(row, dict)]


def _columns(rows: list[dict[str, Any]]) -> list[str]:
    return [str(name) for name in rows[0] if name is not None] if rows else []


# ---------------------------------------------------------------------------------------------- both


def _contents(tree: Tree, table: File) -> bytes:
    if table.stamp and table.stamp[0] > _MAX_BYTES:
        raise UserError(f"{tree.place(table)}: {table.stamp[0] >> 20} MiB, over the limit of 512; remove it")
    return tree.read(table)


def _holds(table: File, pictures: Sequence[File]) -> bool:
    depth = len(table.folders)
    return all(picture.folders[:depth] == table.folders for picture in pictures)


def _named(table: File, rows: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Path of a picture below the source → its label; paths in a table start at the table's folder."""
    prefix = "".join(f"{folder}/" for folder in table.folders)
    return {prefix + composed(name.replace("\\", "/").removeprefix("./")): label for name, label in rows}


def _look_up(where: str, pictures: Sequence[File], named: dict[str, Any]) -> list[Any]:
    missing = [picture.name for picture in pictures if picture.name not in named]
    if missing:
        count = f"{len(missing):,} pictures ({missing[0]}, …)" if len(missing) > 1 else f"picture {missing[0]}"
        raise UserError(f"{where}: gives no label for {count}; add or remove what is missing")
    return [named[picture.name] for picture in pictures]
