"""The report page: what stands in it, and that it works in a real browser."""

import json
import re

import pytest
from browser import CHROMIUM, DRIVER, browser
from made_runs import small_frame

from gam_bench.report.page import page

COLUMN = """
    const rows = [...document.querySelectorAll(arguments[0])].filter((row) => !row.hidden);
    return rows.map((row) => row.cells[arguments[1]].innerText.trim());
"""
CHOOSE_SECOND_TASK = """
    const chosen = document.getElementById("task");
    chosen.selectedIndex = 2;
    chosen.dispatchEvent(new Event("change"));
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("page")


@pytest.fixture(scope="module")
def measured(folder):
    return small_frame(folder)


@pytest.fixture(scope="module")
def text(measured):
    return page(measured)


def test_it_needs_no_network(text):
    assert not re.findall(r'(?:src|href)="(?!#|runs/|data:,|[^":]*")[^"]*"', text)
    outside = {found for found in re.findall(r"https?://[^\s\"'<]+", text) if "www.w3.org" not in found}
    assert not outside  # w3.org: SVG's name spaces, never fetched
    assert "@import" not in text
    assert "url(" not in text.replace("url(#", "")


def test_everything_is_in_it(text, measured):
    assert all(uid in text for uid in measured["uid"])
    for section in ("comparison", "figures", "cells", "cost", "runs", "settings", "environment"):
        assert f'<section id="{section}">' in text
    assert text.count("<svg ") == 8  # two tasks: learning curves, cost, λmax, trace
    assert "Small &amp; odd, 100 % &lt;made up&gt;" in text
    assert "failed: RuntimeError: &lt;out&gt; of memory" in text
    assert "<made up>" not in text
    assert "<out>" not in text


def test_every_setting_has_its_source(text, measured):
    section = text[text.index('<section id="settings">') :]
    shown = set(re.findall(r"<tr><td>(\w+)</td><td>[^<]*</td><td[^>]*>(\w[\w-]*)</td>", section))
    known = [item for sources in measured["sources"] for item in json.loads(sources).items()]
    assert shown == {(key, source) for key, source in known if key != "seed"}


def test_links_lead_to_the_folders_that_exist(text, folder):
    linked = set(re.findall(r'href="(runs/[^"]+)"', text))
    assert linked == {f"runs/{path.name}/" for path in (folder / "results" / "runs").iterdir()}


@pytest.mark.skipif(not (DRIVER and CHROMIUM), reason="needs chromium and chromedriver (chromium-driver)")
def test_in_a_real_browser(text, tmp_path):
    path = tmp_path / "report.html"
    path.write_text(text, encoding="utf-8")
    with browser(tmp_path / "profile") as window:
        window.size(1280, 900)
        window.prefer(dark=False)
        window.open(path)

        def column(table: str, place: int) -> list[str]:
            return window.run(COLUMN, f"#{table} tbody tr", place)

        # Sort by test accuracy, up and then down; runs without one stay below.
        heads = window.run(
            "return [...document.querySelectorAll('#run-table th button')].map(h => h.textContent)"
        )
        place = next(number for number, head in enumerate(heads) if head.startswith("test accuracy"))
        window.click(f"#run-table th:nth-child({place + 1}) button")
        numbers = [float(value) for value in column("run-table", place) if value != "—"]
        assert numbers == sorted(numbers)
        assert len(numbers) == 15
        assert column("run-table", place)[-3:] == ["—"] * 3
        window.click(f"#run-table th:nth-child({place + 1}) button")
        assert [float(value) for value in column("run-table", place)[:15]] == sorted(numbers, reverse=True)
        assert (
            window.run("return document.querySelectorAll('#run-table th[aria-sort=descending]').length") == 1
        )

        # Filter by two words; clear.
        window.type("input[data-table=run-table]", "GAM 0.4")
        assert set(column("run-table", 3)) == {"GAM"}
        assert window.run("return document.getElementById('run-table-count').textContent") == "3 of 18 rows"
        window.type("input[data-table=run-table]", "\ue003" * 7)
        assert len(column("run-table", 0)) == 18

        # Choose a task.
        window.run(CHOOSE_SECOND_TASK)
        assert window.run("return [...document.querySelectorAll('.task')].map(t => t.hidden)") == [
            True,
            False,
        ]

        # Light and dark: by the system's wish, and by the button against it.
        paper = "return getComputedStyle(document.body).backgroundColor"
        light = window.run(paper)
        window.prefer(dark=True)
        dark = window.run(paper)
        assert brightness(light) > 200 > 60 > brightness(dark)
        window.click("#theme")
        assert window.run(paper) == light

        # The figures take the page's colours.
        assert (
            window.run("return getComputedStyle(document.querySelector('.panels svg text')).fill")
            != "rgb(0, 0, 0)"
        )

        # A phone: nothing sticks out sideways but what scrolls in its own box.
        window.size(390, 844, phone=True)
        assert window.run("return document.documentElement.scrollWidth") <= 390
        window.screenshot(tmp_path / "phone.png")
        assert (tmp_path / "phone.png").stat().st_size > 20_000

        # Print: all tasks are there and the tools are gone, in black on white.
        window.devtools("Emulation.setEmulatedMedia", media="print")
        assert window.run("return getComputedStyle(document.querySelector('nav')).display") == "none"
        assert (
            window.run("return getComputedStyle(document.querySelector('.task[hidden]')).display") == "block"
        )
        assert brightness(window.run(paper)) == 255

        assert window.messages() == []


def brightness(colour: str) -> float:
    return sum(map(int, re.findall(r"\d+", colour)[:3])) / 3
