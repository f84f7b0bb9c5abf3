"""The command line as a user meets it: real subprocesses, exit codes, one clear line for each mistake."""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from gam_bench.cli import run
from gam_bench.commit import commit

NOTHING = {"CUDA_VISIBLE_DEVICES": "", "GAM_BENCH_DATA": "/nowhere"}
"""A machine without a GPU and without prepared data."""

SUITE = """
title: Three quick runs
seeds: [0]
runs: [{dataset: digits, model: cnn20k, optimizer: [sgd, sam, gam]}]
settings:
  - {set: {epochs: 1, batch_size: 250, lr: 0.05}, source: assumed}
"""


def gam_bench(*arguments: object, cwd: Path, **options) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "gam_bench", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=120, **options)


@pytest.fixture
def here(tmp_path):
    (tmp_path / "mine.yaml").write_text(SUITE)
    return tmp_path


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A folder in which the suite has been run."""
    path = tmp_path_factory.mktemp("finished")
    (path / "mine.yaml").write_text(SUITE)
    done = gam_bench("run", "mine.yaml", cwd=path)
    assert done.returncode == 0, done.stderr
    return path, done


def result_files(path: Path) -> dict[str, bytes]:
    return {str(file): file.read_bytes() for file in sorted(path.glob("results/runs/*/*")) if file.is_file()}


def test_run_ends_with_table_and_place_of_results(finished):
    path, done = finished
    for word in ("SGD", "SAM", "GAM", "test accuracy", "λmax", "passes"):
        assert word in done.stdout
    assert f"Results: {Path('results/runs')}" in done.stderr
    result = json.loads(next(path.glob("results/runs/gam-*/result.json")).read_text())
    assert result["forward_backward_passes"] == 4 * result["steps"] == 16
    assert 0 < result["test_accuracy"] < 1
    assert result["lambda_max"] > 0
    assert result["parameters"] == 19810
    assert result["train_seconds"] > 0
    environment = json.loads(next(path.glob("results/runs/gam-*/environment.json")).read_text())
    assert environment["torch"]
    assert environment["threads"] >= 1
    assert {key: environment[key] for key in ("git_commit", "git_dirty")} == commit()


def test_a_second_run_computes_nothing_and_says_so(finished):
    path, _ = finished
    before = result_files(path)
    again = gam_bench("run", "mine.yaml", cwd=path)
    assert again.returncode == 0
    assert "3 runs: 3 done" in again.stderr
    assert "to run" not in again.stderr
    assert result_files(path) == before


def test_plan_show_and_table_speak_json(finished):
    path, _ = finished
    plan = json.loads(gam_bench("plan", "mine.yaml", "--json", cwd=path).stdout)
    assert [entry["state"] for entry in plan] == ["done"] * 3
    show = json.loads(gam_bench("show", "mine.yaml", "--json", cwd=path).stdout)
    assert show["runs"][0]["settings"]["lr"] == {"value": 0.05, "source": "assumed"}
    cells = json.loads(gam_bench("table", "mine.yaml", "--format", "json", cwd=path).stdout)["cells"]
    wanted = {
        "dataset",
        "label_noise",
        "augmentation",
        "model",
        "optimizer",
        "metric",
        "mean",
        "sd",
        "n",
        "planned",
    }
    assert cells
    assert all(wanted <= cell.keys() for cell in cells)


def test_a_dry_run_writes_nothing(here):
    done = gam_bench("run", "mine.yaml", "--dry-run", cwd=here)
    assert done.returncode == 0
    assert len(done.stdout.split()) == 3
    assert not (here / "results").exists()


def test_force_computes_again_and_keeps_the_old(finished, tmp_path):
    path, _ = finished
    before = len(list(path.glob("results/runs/sgd-*")))
    done = gam_bench("run", "mine.yaml", "--only", "optimizer=sgd", "--force", cwd=path)
    assert done.returncode == 0, done.stderr
    assert len(list(path.glob("results/runs/sgd-*"))) == before
    assert len(list(path.glob("results/replaced/sgd-*/result.json"))) == 1


def test_a_failed_run_is_named_with_its_error_and_retried_on_demand(here):
    uid = gam_bench("run", "mine.yaml", "--dry-run", "--only", "optimizer=sam", cwd=here).stdout.strip()
    folder = here / "results" / "runs" / uid
    (folder / "environment.json").mkdir(parents=True)
    done = gam_bench("run", "mine.yaml", cwd=here)
    assert done.returncode == 1
    assert "IsADirectoryError" in done.stderr
    assert str(folder.relative_to(here)) in done.stderr
    assert "Traceback" not in done.stderr
    assert "— (0/1, 1 failed)" in done.stdout  # the hole is visible in the table
    (folder / "environment.json").rmdir()
    assert gam_bench("run", "mine.yaml", cwd=here).returncode == 1  # not tried again unasked
    assert gam_bench("run", "mine.yaml", "--retry-failed", cwd=here).returncode == 0
    assert (folder / "error-1.txt").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "quickstat"], "unknown suite 'quickstat'; did you mean 'quickstart'?"),
        (["run", "none.yaml"], "there is no suite file none.yaml"),
        (
            ["plan", "quickstart", "--only", "optimizr=gam"],
            "unknown setting 'optimizr'; did you mean 'optimizer'?",
        ),
        (["plan", "quickstart", "--only", "optimizer=gan"], "there is no such run; did you mean 'gam'?"),
        (["run", "quickstart", "--seeds", "a"], "'a' is no seed"),
        (["run", "mine.yaml", "--device", "cuda"], "no CUDA GPU is visible here"),
        (["run", "fashion-mnist"], "run `gam-bench data prepare fashion_mnist`"),
        (["table", "quickstart", "--metric", "test_acuracy"], "test_acuracy"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_mistakes_are_one_line_and_exit_code_2(here, arguments, message):
    done = gam_bench(*arguments, cwd=here, env=os.environ | NOTHING)
    assert done.returncode == 2, done.stderr
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert message in errors[0]
    assert "Traceback" not in done.stderr
    assert not (here / "results").exists()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[sgd, sam, gam]", "[sgd, samm]", "optimizer 'samm' is unknown; did you mean 'sam'"),
        ("model: cnn20k", "model: cnn2k", "model 'cnn2k' is unknown; did you mean 'cnn20k'"),
        ("epochs: 1", "epochs: 0", "epochs must be > 0, got 0"),
        ("lr: 0.05", "lr: 1e-3", "YAML wants a point in it: 1.0e-3"),
        ("lr: 0.05", "lr: 0.05, lr: 0.1", "'lr' is there twice"),
        ("batch_size: 250", "batch_size: lots", "batch_size must be a number, got the text 'lots'"),
        ("epochs: 1", "epoch: 1", "unknown setting 'epoch'; did you mean 'epochs'"),
    ],
)
def test_mistakes_in_a_suite_name_file_and_line(here, old, new, message):
    (here / "mine.yaml").write_text(SUITE.replace(old, new))
    done = gam_bench("run", "mine.yaml", cwd=here)
    assert done.returncode == 2
    assert all(line.startswith("error: mine.yaml, ") for line in done.stderr.splitlines())
    assert message in done.stderr
    assert not (here / "results").exists()


def test_a_folder_that_holds_another_run_is_refused_untouched(finished, tmp_path):
    path, _ = finished
    spec = next(path.glob("results/runs/sam-*/spec.json"))
    whole = spec.read_text()
    spec.write_text(whole.replace('"lr": 0.05', '"lr": 0.1'))
    before = result_files(path)
    done = gam_bench("run", "mine.yaml", cwd=path)
    spec.write_text(whole)
    assert done.returncode == 2
    assert "lr is 0.1, asked for 0.05" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert before == result_files(path) | {str(spec): before[str(spec)]}


def test_a_damaged_result_is_refused_untouched(finished):
    path, _ = finished
    result = next(path.glob("results/runs/sam-*/result.json"))
    whole = result.read_bytes()
    result.write_bytes(whole[:40])
    for verb in ("run", "table", "plan"):
        done = gam_bench(verb, "mine.yaml", cwd=path)
        assert done.returncode == 2, done.stdout
        assert "result.json is damaged" in done.stderr
        assert "Traceback" not in done.stderr
    assert result.read_bytes() == whole[:40]
    result.write_bytes(whole)


def test_results_that_cannot_be_written(here):
    (here / "results").write_text("a file, not a folder")
    done = gam_bench("run", "mine.yaml", cwd=here)
    assert done.returncode == 2
    assert "results is no folder" in done.stderr


def test_a_read_only_results_folder_is_one_clear_line(here):
    (here / "results").mkdir(mode=0o555)
    command = [sys.executable, "-m", "gam_bench", "run", "mine.yaml"]
    if os.geteuid() == 0:  # root without its power to write anywhere
        command = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", *command]
    done = subprocess.run(command, capture_output=True, text=True, cwd=here, timeout=60)
    assert done.returncode == 2, done.stderr
    assert "error: cannot write to results/runs" in done.stderr


def test_the_command_to_go_on_is_what_was_typed_but_begins_nothing_anew(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["gam-bench", "run", "my suite.yaml", "--force", "--workers", "2"])
    assert run._again() == "gam-bench run 'my suite.yaml' --workers 2"


@pytest.mark.parametrize("old", ["--gpus-per-run 2", "--gpus-per-run=2"])
def test_an_old_name_of_an_option_is_read_and_noted(here, old):
    done = gam_bench("run", "mine.yaml", "--dry-run", *old.split(), cwd=here)
    now = gam_bench("run", "mine.yaml", "--dry-run", "--processes", "2", cwd=here)
    assert done.stdout == now.stdout
    assert done.stderr == "note: --gpus-per-run is called --processes now\n" + now.stderr


def test_a_disk_that_fills_up_loses_nothing_and_is_told(here):
    """Files end at 60 kB here, so checkpoints cannot be written; once there is room, the run goes on."""
    limit = (60_000, resource.RLIM_INFINITY)
    command = [sys.executable, "-m", "gam_bench", "run", "mine.yaml", "--only", "optimizer=sgd"]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        cwd=here,
        timeout=120,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limit),
    )
    assert done.returncode == 1
    assert "failed: " in done.stderr
    assert "Traceback" not in done.stderr
    (folder,) = here.glob("results/runs/*")
    assert not [path for path in folder.iterdir() if path.name.startswith(".checkpoint")]
    assert not (folder / "result.json").exists()
    assert (
        gam_bench("run", "mine.yaml", "--only", "optimizer=sgd", "--retry-failed", cwd=here).returncode == 0
    )


def test_output_into_a_closed_pipe_is_no_traceback(here):
    command = f"{sys.executable} -m gam_bench list models | head -1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, cwd=here, timeout=60)
    assert done.stdout
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["table", "quickstart"],
        ["table", "waterloo", "--format", "latex"],
        ["show", "cifar100"],
        ["list", "suites"],
        ["plan", "quickstart"],
        ["table", "quickstrat"],
        ["--help"],
        ["table", "--help"],
    ],
    ids=" ".join,
)
def test_a_terminal_that_knows_ascii_alone_gets_ascii_and_no_traceback(here, arguments):
    narrow = os.environ | {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "LC_ALL": "C"}
    done = gam_bench(*arguments, cwd=here, env=narrow)
    wide = gam_bench(*arguments, cwd=here, env=os.environ | {"PYTHONIOENCODING": "utf-8"})
    assert "Traceback" not in done.stderr
    assert done.returncode == wide.returncode
    assert (done.stdout + done.stderr).isascii()
