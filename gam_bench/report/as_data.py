"""A table's cells as data: a JSON list, or the same flat in CSV."""

import csv
import io
import json
from dataclasses import asdict
from typing import Any

from gam_bench.compare.answer import Answer, Scope
from gam_bench.compare.cell import TASK, Cell, Sample
from gam_bench.compare.gap import Gap
from gam_bench.compare.paired import Comparison
from gam_bench.compare.pairs import Finding
from gam_bench.compare.verdict import Judgement
from gam_bench.report.layout import Table
from gam_bench.report.words import conclusion, differences, shown


def as_json(table: Table) -> str:
    """`claims`, one an entry, and `cells`, a figure an entry.

    Accuracies are fractions; figures have twelve digits, which every machine computes alike.
    """
    found = _to_twelve_digits({"claims": claims(table), "cells": records(table)})
    return json.dumps(found, indent=2, ensure_ascii=False, allow_nan=False)


def as_csv(table: Table) -> str:
    """The same flat, a row each; the column `record` says whether it is a claim or a cell."""
    found: list[dict[str, Any]] = _to_twelve_digits([{"record": "claim"} | claim for claim in claims(table)])
    found += _to_twelve_digits([{"record": "cell"} | record for record in records(table)])
    rows = [_flat(record) for record in found]
    names = list(dict.fromkeys(name for row in rows for name in row))
    out = io.StringIO()
    writer = csv.DictWriter(out, names, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def claims(table: Table) -> list[dict[str, Any]]:
    """Each claim of order in each figure that is judged, and how it stands in each scope."""
    return [_claim(answer) for answer in table.answers]


def _claim(answer: Answer) -> dict[str, Any]:
    (diverged, ended), (its_diverged, its_ended) = answer.diverged
    return {
        "better": answer.claim.better,
        "worse": answer.worse,
        "metric": answer.metric.name,
        "at": answer.claim.at,
        "primary": answer.claim.primary,
        "verdict": str(answer.standing),
        "interim": answer.interim,
        "seeds": answer.seeds,
        "planned": answer.planned,
        "dropped_seeds": answer.dropped,
        "rows": len(answer.rows),
        "rows_left_out": len(answer.left_out),
        "better_diverged": f"{diverged} of {ended}",
        "worse_diverged": f"{its_diverged} of {its_ended}",
        "on_these_tasks": _scope(answer.tasks),
        "on_data_sets_like_these": _scope(answer.data_sets),
        "seeds_to_decide": answer.tasks.more if answer.tasks else None,
        "unlike": [f"{d.setting} {shown(d.one)} against {shown(d.other)}" for d in answer.unlike],
    }


def _scope(scope: Scope | None) -> dict[str, Any] | None:
    if scope is None:
        return None
    return {
        "verdict": str(scope.standing),
        "within_margin": scope.within,
        "units": scope.units,
        **_estimate(scope.comparison),
        "p": scope.p,
        "p_holm": scope.p_holm,
        "signs": asdict(scope.signs) if scope.signs else None,
    }


def _estimate(found: Comparison | None) -> dict[str, Any]:
    """n, difference, 95 % interval, standard error and degrees of freedom."""
    return {
        "n": found.n if found else 0,
        "paired": found.paired if found else None,
        "n_other": found.n_other if found else None,
        "difference": found.difference if found else None,
        "low": found.low if found else None,
        "high": found.high if found else None,
        "error": found.error if found else None,
        "df": found.df if found else None,
        "flips": found.flips if found else None,
    }


def records(table: Table) -> list[dict[str, Any]]:
    """Each cell as JSON: settings, mean, sd, n, planned, what it was compared with, what is published."""
    if table.data is not None:
        return table.data
    compared: dict[tuple[str, tuple[Any, ...]], list[Finding]] = {}
    for finding in [*(found for _, found in table.findings), *table.further]:
        compared.setdefault((finding.metric.name, finding.one.place), []).append(finding)
    beside: dict[tuple[Any, ...], list[Gap]] = {}
    for _, gap in table.gaps:
        beside.setdefault(gap.finding.one.place, []).append(gap)
    return [
        _measured(cell, cell.sample(metric.name))
        | {"comparisons": [_comparison(f) for f in compared.get((metric.name, cell.place), [])]}
        | (_judged(cell, beside.get(cell.place, [])) if metric == table.metrics[0] else {})
        for cell in table.cells
        for metric in table.metrics
    ]


def _measured(cell: Cell, sample: Sample) -> dict[str, Any]:
    task = {name: cell.settings.get(name) for name in ("dataset", "label_noise", "augmentation", "model")}
    more = {name: value for name, value in cell.key.items() if name not in (*TASK, "optimizer")}
    return {
        **task,
        **more,
        "optimizer": cell.optimizer,
        "metric": sample.metric.name,
        "selection": sample.metric.selection,
        "mean": sample.mean,
        "sd": sample.sd,
        "n": sample.n,
        "planned": cell.planned,
        "failed": cell.states["failed"],
        "diverged": cell.states["diverged"],
        "seeds": sorted(sample.values),
        "assumed_settings": cell.assumed,
    }


def _judged(cell: Cell, gaps: list[Gap]) -> dict[str, Any]:
    """What is published of the cell's main figure; `verdict`: that on the best supported same recipe."""
    return {
        "published": [
            {
                "source": match.figure.source,
                "table": match.figure.table,
                "value": match.figure.value,
                "spread": match.figure.spread,
                "spread_kind": match.figure.spread_kind or None,
                "n": match.figure.n,
                "same_recipe": match.same,
                "differences": differences(match),
                "verdict": _verdict(match.judgement) if match.judgement else None,
            }
            for match in cell.published
        ],
        "verdict": _verdict(cell.judgement),
        "gaps": [_gap(gap) for gap in gaps],
    }


def _gap(gap: Gap) -> dict[str, Any]:
    figure = gap.published.one.figure
    return {
        "with": gap.finding.other.optimizer,
        "source": figure.source,
        "table": figure.table,
        "measured": gap.measured,
        "published": gap.published.difference,
        "margin": gap.margin,
        "verdict": _verdict(gap.judgement),
    }


def _verdict(judgement: Judgement) -> dict[str, Any]:
    return asdict(judgement) | {"verdict": str(judgement.verdict)}


def _comparison(finding: Finding) -> dict[str, Any]:
    return {
        "with": finding.other.optimizer,
        "with_epochs": finding.other.settings.get("epochs"),
        "equal_compute": finding.equal_compute,
        **_estimate(finding.comparison),
        "p": finding.p,
        "p_holm": finding.p_holm,
        "signs": asdict(finding.signs) if finding.signs else None,
        "conclusion": conclusion(finding),
    }


def _to_twelve_digits(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _to_twelve_digits(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_to_twelve_digits(entry) for entry in value]
    return float(f"{value:.12g}") if isinstance(value, float) else value


def _flat(record: dict[str, Any]) -> dict[str, Any]:
    """A record in one level; the second of several comparisons or published figures has `_2` in its name."""
    flat: dict[str, Any] = {}
    for key, value in record.items():
        if key in _NUMBERED:
            for place, entry in enumerate(value, start=1):
                flat |= _level(entry, _NUMBERED[key] if place == 1 else f"{_NUMBERED[key]}_{place}")
        elif key == "verdict" and isinstance(value, dict):
            flat |= {"verdict": value["verdict"], "seeds_to_decide": value["seeds"]}
        elif key == "settings":
            flat[key] = " ".join(f"{name}={setting}" for name, setting in value.items())
        else:
            flat |= _level({key: value})
    return {key: "" if value is None else value for key, value in flat.items()}


_NUMBERED = {"comparisons": "compared", "published": "published", "gaps": "gap"}


def _level(entry: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested entries by joined names; of a published figure's verdict the word and the interval."""
    flat: dict[str, Any] = {}
    for key, value in entry.items():
        name = f"{prefix}_{key}" if prefix else key
        if key == "verdict" and isinstance(value, dict):
            flat |= {name: value["verdict"]} | {f"{name}_{end}": value[end] for end in ("low", "high")}
        elif isinstance(value, dict):
            flat |= _level(value, name)
        elif isinstance(value, list):
            flat[name] = ("; " if value and isinstance(value[0], str) else " ").join(map(str, value))
        else:
            flat[name] = value
    return flat
