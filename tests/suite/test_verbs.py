"""Every suite through the real command line: shown, planned, and run dry, without a data set in sight."""

import json
import subprocess
import sys

import pytest

from gam_bench.suite.file import suite_names
from gam_bench.suite.suite import load


def gam_bench(*arguments, cwd, columns=100):
    done = subprocess.run(
        [sys.executable, "-m", "gam_bench", *arguments],
        cwd=cwd,
        env={"PATH": "", "HOME": str(cwd), "COLUMNS": str(columns), "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", suite_names())
def test_a_dry_plan(name, tmp_path):
    uids = [run.uid for run in load(name).runs]
    planned = json.loads(gam_bench("plan", name, "--json", cwd=tmp_path))
    assert [entry["uid"] for entry in planned] == uids
    assert {entry["state"] for entry in planned} == {"missing"}
    assert sorted(gam_bench("run", name, "--dry-run", cwd=tmp_path).split()) == sorted(uids)
    assert not list(tmp_path.rglob("runs/*"))  # nothing was begun


def test_list_names_title_runs_and_tables_of_every_suite(tmp_path):
    lines = gam_bench("list", "suites", cwd=tmp_path, columns=200).splitlines()
    assert len(lines) == len(suite_names())
    for name, line in zip(suite_names(), lines, strict=True):
        suite = load(name)
        assert line.startswith(f"{name} ")
        assert suite.title in line
        assert f" {len(suite.runs)} runs" in line
        assert all(f"{answer.source} {answer.table}" in line for answer in suite.answers)


def test_show_reads_like_an_appendix_table(tmp_path):
    lines = gam_bench("show", "waterloo", cwd=tmp_path, columns=120).splitlines()
    assert len(lines) < 80  # of 340 runs
    table = [line.split() for line in lines]
    assert ["256", "Waterloo", "gam"] in table
    assert ["rho", "0.04", "Waterloo", "cifar10", "·", "exact-gam"] in table
    assert ["alpha", "0.3", "Waterloo", "exact-gam"] in table
    assert ["0.6", "GAM-code", "cifar100", "·", "gam"] in table
    assert any(line.startswith("Answers Waterloo, logs") for line in lines)


def test_show_marks_what_is_assumed(tmp_path):
    table = [
        line.split() for line in gam_bench("show", "label-noise", cwd=tmp_path, columns=120).splitlines()
    ]
    assert ["lr", "0.1", "assumed"] in table
    assert ["0.05", "SAM", "label_noise", "0.8", "·", "sam"] in table
