"""A table as text of one format: terminal, markdown, latex, html, csv, json."""

import html
import re
import shutil
import sys
import textwrap
from collections.abc import Callable, Sequence
from typing import Any

from tabulate import tabulate

from gam_bench.report.as_data import as_csv, as_json
from gam_bench.report.claims import sentence
from gam_bench.report.layout import Entry, Table
from gam_bench.report.words import gap_sentence

SHOWN_FINDINGS = 24
"""A table on a terminal or in a paper names at most so many rows' comparisons; json and csv have them all."""


def render(table: Table, format: str) -> str:
    """The table in one of `FORMATS`, ending in a newline."""
    return FORMATS[format](table).rstrip("\n") + "\n"


def markdown(table: Table) -> str:
    """A table that GitHub renders, with findings and notes below."""
    sides = ["left"] * (len(table.head) - len(table.columns)) + ["right"] * len(table.columns)
    rows = [
        [*map(_markdown, table.labels(line)), *map(_markdown_entry, line.entries)] for line in table.lines
    ]
    heads = [_markdown(head) for head in table.head]
    body = tabulate(rows, heads, tablefmt="pipe", colalign=sides, disable_numparse=True) if rows else ""
    above = [f"**{_markdown(table.title)}**", _markdown(f"{table.about}.")]
    scoreboard, *below = (
        "\n".join(f"- {_markdown(text)}" for text in texts)
        for texts in (table.scoreboard, sentences(table), table.notes)
    )
    return "\n\n".join(filter(None, [*above, scoreboard, body, *below]))


def _markdown_entry(entry: Entry) -> str:
    return f"**{_markdown(entry.text)}**" if entry.best else _markdown(entry.text)


def _markdown(text: str) -> str:
    """Escaped text: no emphasis, code, HTML, entity, cell border or link of its own."""
    return re.sub(r"([\\`*_<|~&]|(?<=\])\()", r"\\\1", text).replace("\n", " ")


def latex(table: Table) -> str:
    """A booktabs table that compiles as it stands, after `\\usepackage{booktabs}`; plain characters only."""
    left = len(table.head) - len(table.columns)
    lines = [
        r"% needs \usepackage{booktabs}",
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{_latex(f'{table.title}. {table.about}.')}}}",
        *_latex_notes(table.scoreboard),
        r"\medskip",
        "",
        rf"\begin{{tabular}}{{{'l' * left}{'r' * len(table.columns)}}}",
        r"\toprule",
        _ampersand(map(_latex, table.head)),
        r"\midrule",
    ]
    for place, line in enumerate(table.lines):
        if place and line.kind == "measured" and table.named:
            lines.append(r"\addlinespace")
        figures = (rf"\textbf{{{_latex(e.text)}}}" if e.best else _latex(e.text) for e in line.entries)
        lines.append(_ampersand([*map(_latex, table.labels(line)), *figures]))
    lines += [r"\bottomrule", r"\end{tabular}"]
    notes = [*sentences(table), *table.notes]
    if notes:
        lines += ["", r"\medskip", *_latex_notes(notes)]
    return "\n".join([*lines, r"\end{table}"])


def _latex_notes(texts: Sequence[str]) -> list[str]:
    box = r"\begin{minipage}{\linewidth}\footnotesize\raggedright"
    return [box, *(rf"{_latex(text)}\par" for text in texts), r"\end{minipage}"]


def _ampersand(cells: Any) -> str:
    return " & ".join(cells) + r" \\"


_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", "`": r"\textasciigrave{}", '"': "''", "“": "``", "”": "''", "’": "'",
    "–": "--", "—": "---",
    "[": "{[}", "]": "{]}", "…": r"\dots{}", "±": r"$\pm$", "−": r"$-$", "×": r"$\times$", "·": r"$\cdot$",
    "≤": r"$\le$", "≥": r"$\ge$", "°": r"$^\circ$", "λ": r"$\lambda$", "ρ": r"$\rho$", "α": r"$\alpha$",
    "β": r"$\beta$", "γ": r"$\gamma$",
}  # fmt: skip


def _latex(text: str) -> str:
    """Escaped text; a character that plain LaTeX has no way to set becomes `?`."""
    return "".join(_LATEX.get(char, char if _plain(char) else "?") for char in text)


def _plain(char: str) -> bool:
    """Whether pdflatex sets it as it is: ASCII, and the letters of Latin-1 and Latin Extended-A."""
    return char.isprintable() and (char.isascii() or (char.isalpha() and ord(char) < 0x180))


def page(table: Table) -> str:
    """An HTML fragment by pandas' Styler: the table with its caption, then findings and notes."""
    import pandas as pd

    left = len(table.head) - len(table.columns)
    rows = [[*table.labels(line), *(entry.text for entry in line.entries)] for line in table.lines]
    frame = pd.DataFrame(rows, columns=pd.RangeIndex(len(table.head)))
    weights = pd.DataFrame("", index=frame.index, columns=frame.columns)
    for row, line in enumerate(table.lines):
        for column, entry in enumerate(line.entries):
            weights.iat[row, left + column] = "font-weight: bold" if entry.best else ""
    names = [html.escape(name) for name in table.head]
    styler = (
        frame.style.hide(axis="index")
        .format(escape="html")
        .format_index(lambda place: names[int(str(place))], axis="columns")
        .apply(lambda _: weights, axis=None)
        .set_caption(html.escape(table.title))
        .set_uuid("gam-bench")
        .set_table_attributes('class="gam-bench"')
        .set_table_styles([{"selector": "th, td", "props": "padding: 0.2em 0.8em; text-align: left"}])
        .set_properties(subset=list(range(left, len(names))), **{"text-align": "right"})
    )
    scoreboard, *below = (
        f"<ul>\n{''.join(f'<li>{html.escape(text)}</li>{chr(10)}' for text in texts)}</ul>\n" if texts else ""
        for texts in (table.scoreboard, sentences(table), table.notes)
    )
    return f"<p>{html.escape(table.about)}.</p>\n{scoreboard}{styler.to_html()}{''.join(below)}"


def terminal(table: Table, *, colour: bool = False, width: int = 0) -> str:
    """Text for a terminal, as wide as the table needs; `width` folds what stands around it (0: never).

    Without colour the best of a row has a star.
    """
    bold, dim = (_ansi("1"), _ansi("2")) if colour else (str, str)
    fold = _folder(width)
    rows = [
        [*table.labels(line), *(f"* {e.text}" if e.best and not colour else e.text for e in line.entries)]
        for line in table.lines
    ]
    left = len(table.head) - len(table.columns)
    widths = [max(map(len, column)) for column in zip(table.head, *rows, strict=True)]

    def aligned(texts: Sequence[str]) -> list[str]:
        sides = [str.ljust] * left + [str.rjust] * len(table.columns)
        return [side(text, size) for side, text, size in zip(sides, texts, widths, strict=True)]

    out = [bold(fold(table.title)), dim(fold(table.about)), "", *map(fold, table.scoreboard), ""]
    out.append(bold("  ".join(aligned(table.head))))
    above = ""
    for line, texts in zip(table.lines, map(aligned, rows), strict=True):
        if (line.kind == "measured" and above not in ("", "measured")) or (line.kind == "equal" != above):
            out.append("")
        above = line.kind
        labels, figures = texts[: len(line.labels)], texts[len(line.labels) :]
        figures = figures if line.kind == "measured" else list(map(dim, figures))
        for place, entry in enumerate(line.entries, start=len(figures) - len(line.entries)):
            figures[place] = bold(figures[place]) if entry.best else figures[place]
        out.append("  ".join([*labels, *figures]))
    for texts, style in ((sentences(table), str), (table.notes, dim)):
        out += ["", *(style(fold(text)) for text in texts)] if texts else []
    return "\n".join(line.rstrip() for line in out)


def for_standard_output(table: Table) -> str:
    """Coloured and folded where a person looks at a terminal, plain and unfolded in a pipe."""
    if not sys.stdout.isatty():
        return render(table, "terminal")
    return terminal(table, colour=True, width=shutil.get_terminal_size().columns) + "\n"


def _ansi(code: str) -> Callable[[str], str]:
    return lambda text: f"\x1b[{code}m{text}\x1b[0m"


def _folder(width: int) -> Callable[[str], str]:
    """Fold prose at `width`, further lines indented; 0 leaves it alone."""
    return (lambda text: textwrap.fill(text, width, subsequent_indent="  ")) if width else str


def sentences(table: Table) -> list[str]:
    """The findings and gaps, each with its row; of many, the first and how many more."""
    found = [(where, sentence(finding)) for where, finding in table.findings]
    found += [(where, gap_sentence(gap)) for where, gap in table.gaps]
    told = [f"{where}: {text}." if where else f"{text}." for where, text in found]
    if len(told) <= SHOWN_FINDINGS:
        return told
    return [
        *told[:SHOWN_FINDINGS],
        f"{len(told) - SHOWN_FINDINGS} more comparisons are in --format json and csv.",
    ]


FORMATS: dict[str, Callable[[Table], str]] = {
    "terminal": terminal,
    "markdown": markdown,
    "latex": latex,
    "html": page,
    "csv": as_csv,
    "json": as_json,
}
