"""Data sets of the Hugging Face hub and local parquet files, through the optional library `datasets`.

Pictures are taken as encoded bytes and decoded by `decode.py`, so that size limits and conversions are the same as for
every other source.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from degas.data.bad_pictures import BadPictureError
from degas.data.origin import Origin, Picture, Records, origin_of_file
from degas.errors import UserError, nearest, unreadable
from degas.runtime.names import same_name
from degas.settings.sections import DataSettings

_ID = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?")


def hub_origin(identifier: str, settings: DataSettings) -> Origin:
    """`hub:ID` or `hub:ID:CONFIGURATION`; `split` defaults to train. Only the library touches the network."""
    name, _, configuration = identifier.partition(":")
    source = f"hub:{identifier}"
    if not name:
        raise UserError(f"{source}: the data set's id is missing; write hub:OWNER/NAME")
    if not _ID.fullmatch(name):  # the library would accept a path and run its code
        raise UserError(f"{source}: not a data set's id; write hub:OWNER/NAME, or name a folder without hub:")

    @cache
    def table() -> Any:
        library = _library()
        try:
            return library.load_dataset(name, configuration or None, split=settings.split or "train")
        except MemoryError:
            raise
        except Exception as error:  # the library raises its own, fsspec's, pyarrow's and requests' errors
            if isinstance(error, OSError) and error.errno is not None and error.filename is not None:
                raise unreadable(f"{source}: {error.filename}", error) from error
            raise UserError(f"{source}: {_first_line(error)}; check the id, --data.split and the network") from error

    def listing() -> list[Any]:
        return [source, settings.split, str(table()._fingerprint)]  # the library's name for its download

    return Origin(
        "Hugging Face data set", lambda: table_records(source, table(), settings), listing, lambda: repr(listing())
    )


def parquet_origin(path: Path, settings: DataSettings) -> Origin:
    """One parquet file with a column of pictures: encoded bytes, or the hub's {bytes, path}."""
    if settings.split is not None:
        raise UserError(f"--data.split: {path} is a single part; leave it out")
    return origin_of_file("parquet file", path, lambda: table_records(str(path), _parquet_table(path), settings))


def _parquet_table(path: Path) -> Any:
    library = _library()
    try:
        table = import_module("pyarrow.parquet").read_table(path)
        return library.Dataset(library.table.InMemoryTable(table))
    except MemoryError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise unreadable(path, error) from error
        raise UserError(f"{path}: damaged, or not a parquet file ({_first_line(error)}); download it again") from error


def _library() -> Any:
    try:
        return import_module("datasets")
    except ImportError as error:
        raise UserError(
            "hub data sets and parquet need the library datasets; in degas' folder: pip install -e '.[data]'"
        ) from error


def table_records(source: str, table: Any, settings: DataSettings) -> Records:
    """The pictures of one of the library's tables, with the labels of its class column."""
    column = _image_column(source, table.features, settings.image_column)
    labels, names = _labels(source, table, settings.label_column)
    pictures = table.select_columns([column])
    try:
        pictures = pictures.cast_column(column, _library().Image(decode=False))
    except Exception as error:
        raise UserError(f"{source}: column '{column}' holds no encoded images ({_first_line(error)})") from error

    def read(rows: np.ndarray) -> Iterator[Picture]:
        for row, record in zip(rows, pictures.select(rows), strict=True):
            yield _picture(f"{source}: image {row}", record[column])

    return Records(len(table), read, labels, names)


def _picture(name: str, cell: Any) -> Picture:
    if cell is None:
        return name, BadPictureError(name, "empty", "drop the row")
    if cell["bytes"] is not None:
        return name, cell["bytes"]
    path = Path(cell["path"] or "")
    if not path.is_file():
        return name, BadPictureError(
            name, f"stored as the path '{path}' only, and no such file is here", "embed the images"
        )
    return name, path


def _image_column(source: str, features: Any, wanted: str | None) -> str:
    if wanted is not None:
        return _existing(source, "image-column", wanted, features)
    tests: list[Callable[[Any], bool]] = [
        lambda feature: type(feature).__name__ == "Image",
        lambda feature: isinstance(feature, dict) and {"bytes", "path"} <= set(feature),
        lambda feature: getattr(feature, "dtype", None) in ("binary", "large_binary"),
    ]
    for is_image in tests:
        for name, feature in features.items():
            if is_image(feature):
                return str(name)
    raise UserError(f"{source}: no column of images; columns are {', '.join(features)}; set --data.image-column")


def _labels(source: str, table: Any, wanted: str | None) -> tuple[np.ndarray | None, tuple[str, ...]]:
    features = table.features
    if wanted is None:
        found = [name for name, feature in features.items() if type(feature).__name__ == "ClassLabel"]
        if not found:
            return None, ()
    column = found[0] if wanted is None else _existing(source, "label-column", wanted, features)
    values = list(table.with_format(None)[column])
    names = getattr(features[column], "names", None)
    if names is None:
        return _numbered(source, column, values)
    if wanted is None and all(value is None or value == -1 for value in values):
        return None, ()  # the hub's mark for a part without public labels
    for row, value in enumerate(values):
        if value is None or not 0 <= value < len(names):
            raise UserError(f"{source}: image {row} has label {value}, expected 0 to {len(names) - 1}")
    return np.array(values, np.int64), tuple(names)


def _numbered(source: str, column: str, values: list[Any]) -> tuple[np.ndarray, tuple[str, ...]]:
    """The labels of a plain column of integers or texts: its distinct values, sorted, are the classes."""
    if not all(isinstance(value, int | str) for value in values) or len({type(value) for value in values}) > 1:
        raise UserError(f"{source}: column '{column}' must hold only integers or only texts to give labels")
    distinct = sorted(set(values))
    number = {value: k for k, value in enumerate(distinct)}
    return np.array([number[value] for value in values], np.int64), tuple(str(value) for value in distinct)


def _existing(source: str, option: str, column: str, features: Any) -> str:
    found = same_name(column, features)
    if found is None:
        raise UserError(f"--data.{option}: {source} has no column '{column}'{nearest(column, features)}")
    return found


def _first_line(error: Exception) -> str:
    return " ".join(str(error).split())[:160] or type(error).__name__
