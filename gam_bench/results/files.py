"""Results read from where they are, and as one file that can be committed: a row a run, with everything that
tables and pages are made of.

`runs.jsonl` keeps types as they are; `runs.csv` holds the same columns for spreadsheets and R, learning
curves as numbers with spaces between. Both give back the frame they were made from, so every table and page
comes out the same, byte for byte. The column `schema` is the version of this layout.
"""

import json
import math
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from gam_bench.errors import UserError
from gam_bench.files import RESULTS, write_atomically
from gam_bench.results import single_runs
from gam_bench.results.figures import FIGURES, NUMBERS
from gam_bench.results.frame import TAIL, TEXTS, Record, frame, of_folder, of_suite
from gam_bench.store.scan import standings
from gam_bench.suite.file import suite_names
from gam_bench.suite.select import chosen, meeting, parse_only, parse_seeds, part
from gam_bench.suite.spec import default

SCHEMA = 1
FORMATS = ("jsonl", "csv")
_DERIVED = frozenset(figure.name for figure in FIGURES if figure.derived)
_AGAIN = frozenset(figure.name for figure in FIGURES if figure.again)
_MAY_DIFFER = _AGAIN | _DERIVED | {"state", "suite", "suite_title", *TAIL, "curve_train_seconds"}
"""What two copies of one run may disagree in."""


def load(path: str | Path, *, curves: bool = False, environment: bool = True) -> pd.DataFrame:
    """The results in a results folder (`RESULTS/runs/UID/…`) or in an exported `runs.jsonl` or `runs.csv`.

    A folder alone knows only the runs that were begun; `of_suite` adds the planned ones. `environment=False`
    leaves the `env_*` columns of run folders out, which halves the reading. Raises UserError for what is no
    results.
    """
    path = Path(path)
    if not path.is_dir():
        return read(path, curves=curves)
    for name in ("runs.jsonl", "runs.csv"):
        if not (path / "runs").is_dir() and (path / name).is_file():
            return read(path / name, curves=curves)
    return of_folder(path, curves=curves, environment=environment)


def gather(
    sources: Sequence[str],
    results: Path,
    seeds: str = "",
    only: Sequence[str] = (),
    *,
    curves: bool = False,
    environment: bool = True,
) -> pd.DataFrame:
    """The runs that a command line names, of these `seeds` and `only` these.

    A suite's name is the suite with its planned runs in `results`, also where a folder has that name; files
    and other folders are read. The frame's `attrs["part"]` says what `seeds` and `only` left, for a claim
    over chosen runs is none of the suite's. Raises UserError for what is neither, and where nothing is left.
    """
    tables = []
    for source in sources:
        path = Path(source)
        if source not in suite_names() and (path.suffix in (".jsonl", ".csv") or path.is_dir()):
            found = load(path, curves=curves, environment=environment)
            tables.append((source, _only(found, source, parse_seeds(seeds), parse_only(only))))
            continue
        if path.is_dir():
            print(f"note: {source} is the suite; the folder of that name is ./{source}", file=sys.stderr)
        if results != RESULTS and not results.is_dir():
            raise UserError(f"there is no folder {results}")
        if "/" in source and path.suffix not in (".yaml", ".yml"):
            raise UserError(
                f"{source} is no folder, and neither .jsonl or .csv of results nor .yaml of a suite"
            )
        suite, runs = chosen(source, seeds, only)
        found = of_suite(suite, standings(runs, results), curves=curves, environment=environment)
        tables.append((source, found))
    together = tables[0][1] if len(tables) == 1 else merge(tables)
    together.attrs["part"] = part(seeds, only)
    return together


def _only(
    table: pd.DataFrame, source: str, seeds: Sequence[int], where: dict[str, list[Any]]
) -> pd.DataFrame:
    """The rows of these seeds, if any are named, that meet the conditions."""
    if seeds:
        table = table[table["seed"].isin(seeds)]
        if table.empty:
            raise UserError(f"--seeds: {source} has no run of seed {', '.join(map(str, seeds))}")
    if not where:
        return table.reset_index(drop=True)
    asked = table[[name for name in where if name in table]].to_dict("records")
    known = [{str(name): value for name, value in row.items() if value == value} for row in asked]
    return table.iloc[meeting(known, where)].reset_index(drop=True)


def write(table: pd.DataFrame, path: Path) -> None:
    """Write the runs (with `curves=True` and `environment=True`) to `path`, .jsonl or .csv, whole or not at
    all.

    Raises UserError for another ending and for a folder that cannot be written.
    """
    records = [{"schema": SCHEMA} | _record(row) for row in table.to_dict("records")]
    text = _as_csv(records) if _format(path) == "csv" else "".join(f"{_line(record)}\n" for record in records)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, text)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}") from None


def read(path: Path, *, curves: bool = False) -> pd.DataFrame:
    """The frame in an exported file. Raises UserError for another schema or a damaged line."""
    records = _from_csv(path) if _format(path) == "csv" else _from_jsonl(path)
    try:
        return frame(_checked(records, path, curves))
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UserError(f"{path} is no UTF-8 text") from None


def _checked(records: Iterable[Record], path: Path, curves: bool) -> Iterator[Record]:
    """The records of this schema, curves as tuples or left out."""
    for number, record in enumerate(records, start=1):
        if record.pop("schema", None) != SCHEMA:
            raise UserError(f"{path}, run {number}: no export of schema {SCHEMA}, which this version reads")
        for name in [name for name in record if name.startswith("curve_")]:
            values = record.pop(name)
            if curves:
                record[name] = tuple(math.nan if value is None else float(value) for value in values)
        yield record


def merge(tables: Sequence[tuple[str, pd.DataFrame]]) -> pd.DataFrame:
    """One frame of several, each with a name for messages; a run that two hold is taken once.

    A finished run wins over an unfinished one. Raises UserError when two hold different settings or different
    figures for one run: that is a clash somebody must look at.
    """
    kept: dict[str, tuple[str, Record]] = {}
    for name, table in tables:
        for row in table.to_dict("records"):
            record = _record(row)
            uid = record["uid"]
            if uid not in kept:
                kept[uid] = (name, record)
                continue
            first, held = kept[uid]
            _refuse_clash(uid, first, held, name, record)
            if held["state"] != "done" and record["state"] == "done":
                kept[uid] = (name, record)
    return frame(record for _, record in kept.values())


def _refuse_clash(uid: str, first: str, held: Record, second: str, record: Record) -> None:
    """Settings must agree, and figures where both are done, times and machines apart.

    What one of them does not know came with a later version: a setting at its default, or one more figure.
    """
    both_done = held["state"] == record["state"] == "done"
    for name in sorted((held.keys() | record.keys()) - _MAY_DIFFER):
        figure = name in NUMBERS or name.startswith("curve_")
        known = name in held and name in record
        if name.startswith("env_") or (figure and not (both_done and known)):
            continue
        mine, its = held.get(name, default(name)), record.get(name, default(name))
        if mine != its:
            raise UserError(
                f"{uid} is in both {first} and {second} with different {name} "
                f"({mine!r} and {its!r}); leave one of the two out"
            )


def _record(row: Mapping[Any, Any]) -> Record:
    """A row without its missing values and derived columns, in plain Python types."""
    record: Record = {}
    for name, value in row.items():
        if name in _DERIVED or (name in TEXTS and value == "" and name != "suite"):
            continue
        if isinstance(value, tuple):
            if value:
                record[str(name)] = [None if math.isnan(entry) else entry for entry in value]
        elif value is not None and value == value:
            plain = value.item() if hasattr(value, "item") else value
            record[str(name)] = int(plain) if name in NUMBERS and float(plain).is_integer() else plain
    return record


def _line(record: Record) -> str:
    return json.dumps(record, ensure_ascii=False, allow_nan=False)


def _format(path: Path) -> str:
    ending = path.suffix.removeprefix(".")
    if ending not in FORMATS:
        raise UserError(f"{path}: results are read and written as .jsonl or .csv")
    return ending


def _from_jsonl(path: Path) -> Iterator[Record]:
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            try:
                record = json.loads(line)
                record["uid"]
            except (ValueError, KeyError, TypeError):
                raise UserError(f"{path}, line {number} is damaged: no JSON of a run") from None
            yield record


def _as_csv(records: Sequence[Record]) -> str:
    flat = [
        {
            name: " ".join("" if entry is None else repr(entry) for entry in value)
            if isinstance(value, list)
            else value
            for name, value in record.items()
        }
        for record in records
    ]
    return pd.DataFrame(flat, dtype=object).to_csv(index=False, lineterminator="\n")


def _from_csv(path: Path) -> Iterator[Record]:
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8")
    except pd.errors.ParserError as error:
        raise UserError(f"{path} is damaged: {error}") from None
    except pd.errors.EmptyDataError:
        raise UserError(f"{path} is empty") from None
    if list(table.columns) == single_runs.COLUMNS:
        yield from ({"schema": SCHEMA} | record for record in single_runs.records(path))
        return
    if "schema" not in table or "uid" not in table:
        raise UserError(f"{path} is no export of gam-bench: it has no columns schema and uid")
    names = list(map(str, table.columns))
    for texts in table.itertuples(index=False, name=None):
        values = zip(names, map(_value, names, texts), strict=True)
        yield {name: value for name, value in values if value is not None}


def _value(name: str, text: str) -> Any:
    """The value that a CSV field was written from."""
    if name.startswith("curve_"):
        return [None if entry == "" else float(entry) for entry in text.split(" ")] if text else None
    if name in TEXTS or name.startswith("env_"):
        return text or (None if name != "suite" else "")
    if text in ("", "True", "False"):
        return {"": None, "True": True, "False": False}[text]
    return single_runs.number(text)
