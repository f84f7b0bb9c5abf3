"""A table's cells as data: a JSON list, or the same flat in CSV."""

import csv
import io
import json
from dataclasses import asdict
from typing import Any

from gam_bench.compare.cell import TASK, Cell, Sample
from gam_bench.compare.claim import Finding
from gam_bench.compare.gap import Gap
from gam_bench.compare.verdict import Judgement
from gam_bench.report.table import Table
from gam_bench.report.words import conclusion, differences


def as_json(table: Table) -> str:
    """A list of cells, a metric each.

    Accuracies are fractions; figures have twelve digits, which every machine computes alike.
    """
    return json.dumps(_to_twelve_digits(records(table)), indent=2, ensure_ascii=False, allow_nan=False)


def as_csv(table: Table) -> str:
    """The same cells flat, a row each."""
    rows = [_flat(record) for record in _to_twelve_digits(records(table))]
    names = list(dict.fromkeys(name for row in rows for name in row))
    out = io.StringIO()
    writer = csv.DictWriter(out, names, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def records(table: Table) -> list[dict[str, Any]]:
    """Each cell as JSON: settings, mean, sd, n, planned, what it was compared with, what is published."""
    if table.data is not None:
        return table.data
    compared: dict[tuple[Any, ...], list[Finding]] = {}
    for _, finding in table.findings:
        compared.setdefault(finding.one.place, []).append(finding)
    beside: dict[tuple[Any, ...], list[Gap]] = {}
    for _, gap in table.gaps:
        beside.setdefault(gap.finding.one.place, []).append(gap)
    return [
        _measured(cell, cell.sample(metric.name))
        | (
            _judged(cell, compared.get(cell.place, []), beside.get(cell.place, []))
            if metric == table.metrics[0]
            else {}
        )
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


def _judged(cell: Cell, found: list[Finding], gaps: list[Gap]) -> dict[str, Any]:
    """What the cell's main figure was compared with; `verdict`: that on the best supported same recipe."""
    return {
        "comparisons": [_comparison(finding) for finding in found],
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
    found = finding.comparison
    return {
        "with": finding.other.optimizer,
        "equal_compute": finding.equal_compute,
        "n": found.n if found else 0,
        "difference": found.difference if found else None,
        "above": found.above if found else None,
        "below": found.below if found else None,
        "low": found.low if found else None,
        "high": found.high if found else None,
        "t_low": found.t_low if found else None,
        "t_high": found.t_high if found else None,
        "p": found.p if found else None,
        "p_holm": finding.p_holm,
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
    flat = {
        key: value
        for key, value in record.items()
        if key not in ("comparisons", "published", "gaps", "verdict", "seeds", "settings")
    }
    flat |= {"seeds": " ".join(map(str, record["seeds"]))} if "seeds" in record else {}
    if "settings" in record:
        flat["settings"] = " ".join(f"{key}={value}" for key, value in record["settings"].items())
    for name, prefix in (("comparisons", "compared"), ("published", "published"), ("gaps", "gap")):
        for place, entry in enumerate(record.get(name, []), start=1):
            flat |= _numbered(entry, prefix if place == 1 else f"{prefix}_{place}")
    if "verdict" in record:
        flat |= {"verdict": record["verdict"]["verdict"], "seeds_to_decide": record["verdict"]["seeds"]}
    return {key: "" if value is None else value for key, value in flat.items()}


def _numbered(entry: dict[str, Any], prefix: str) -> dict[str, Any]:
    """One comparison or figure in columns; of its verdict the word and the interval."""
    flat = {key: "; ".join(value) if isinstance(value, list) else value for key, value in entry.items()}
    verdict = flat.get("verdict")
    if isinstance(verdict, dict):
        flat |= {f"verdict_{end}": verdict[end] for end in ("low", "high")} | {"verdict": verdict["verdict"]}
    return {f"{prefix}_{key}": value for key, value in flat.items()}
