"""Profiles: what is in them, what is refused, and what they ask of sbatch."""

from pathlib import Path

import pytest

from gam_bench.errors import UserError
from gam_bench.files import shipped
from gam_bench.launch.slurm.profile import Profile, load, stored

SHIPPED = sorted(path.stem for path in shipped("slurm").glob("*.yaml"))


def write(folder: Path, text: str) -> str:
    path = folder / "mine.yaml"
    path.write_text(text)
    return str(path)


def test_the_shipped_ones_are_these():
    assert SHIPPED == ["academic", "cpu", "generic", "node-ddp", "one-gpu"]


@pytest.mark.parametrize("name", SHIPPED)
def test_each_shipped_one_is_valid_under_all_its_names(name: str, monkeypatch, tmp_path: Path):
    monkeypatch.chdir(tmp_path)
    assert load(name) == load(f"{name}.yaml") == load(f"slurm/{name}.yaml")


def test_the_readme_explains_every_key_and_no_other():
    table = shipped("slurm", "README.md").read_text().partition("| key |")[2]
    keys = {
        key
        for line in table.splitlines()
        if line.startswith("| `")
        for key in line.split("|")[1].replace("`", "").replace(",", " ").split()
    }
    assert keys == set(Profile.model_fields)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("partitoin: gpu", "line 1: 'partitoin' is no key of a profile; did you mean 'partition'?"),
        ("cpus: 2\ngpus: two", "line 2: gpus must be a number, got the text 'two'"),
        ("hours: -1", "line 1: hours must be > 0, got -1"),
        ("runs_at_once: 3", "line 1: runs_at_once must be ≤ runs_per_job (1), got 3"),
        ("sbatch: {time: 60}", "line 1: sbatch may not hold 'time': it is set by hours, got {'time': 60}"),
        ("cpus: 1\ncpus: 2", "line 2: 'cpus' is there twice (first on line 1)"),
    ],
)
def test_a_mistake_is_told_with_its_line(text: str, complaint: str, tmp_path: Path):
    with pytest.raises(UserError) as caught:
        load(write(tmp_path, text))
    assert str(caught.value).endswith(complaint)


def test_an_old_name_of_a_key_is_read_and_noted(tmp_path: Path, capsys):
    path = write(tmp_path, "runs_per_job: 4\nruns_per_gpu: 2")
    assert load(path) == Profile(runs_per_job=4, runs_at_once=2)
    assert capsys.readouterr().err == f"note: {path}, line 2: runs_per_gpu is called runs_at_once now\n"
    write(tmp_path, "cpus: 1\nruns_per_gpu: 3")
    with pytest.raises(UserError, match=r"line 2: runs_at_once must be ≤ runs_per_job \(1\), got 3"):
        load(path)
    write(tmp_path, "runs_at_once: 1\nruns_per_gpu: 1")
    with pytest.raises(UserError, match="line 2: 'runs_per_gpu' is the old name of 'runs_at_once', which is"):
        load(path)


def test_the_profile_of_an_old_submit_is_read_in_silence(tmp_path: Path, capsys):
    old = Profile(gpus=1, runs_per_job=4, runs_at_once=2)
    (tmp_path / "profile.json").write_text(old.model_dump_json().replace("runs_at_once", "runs_per_gpu"))
    assert stored(tmp_path / "profile.json") == old
    assert capsys.readouterr().err == ""


def test_all_mistakes_are_told_at_once(tmp_path: Path):
    with pytest.raises(UserError) as caught:
        load(write(tmp_path, "gpu: 1\ncpus: 0\n"))
    assert len(str(caught.value).splitlines()) == 2


def test_an_unknown_profile_names_those_there_are():
    with pytest.raises(UserError, match=r"no profile slurm/genric.yaml; did you mean 'slurm/generic.yaml'"):
        load("slurm/genric.yaml")


def test_resources_are_those_of_one_process():
    profile = Profile(gpus=1, gpu_type="a100", cpus=6, memory_gb=30.5, processes_per_node=4)
    one, eight = profile.parameters(1, 60), profile.parameters(8, 60)
    assert (one["nodes"], one["ntasks_per_node"], one["gres"], one["mem"]) == (1, 1, "gpu:a100:1", "31232M")
    assert (eight["nodes"], eight["ntasks_per_node"]) == (2, 4)
    assert (eight["gres"], eight["mem"]) == ("gpu:a100:4", "124928M")
    assert one["cpus_per_task"] == eight["cpus_per_task"] == 6


def test_processes_that_do_not_fit_evenly_are_refused():
    with pytest.raises(UserError, match=r"7 processes cannot be spread evenly over nodes of .* 5"):
        Profile(processes_per_node=5).parameters(7, 60)


def test_what_is_not_given_is_not_asked_for():
    assert Profile().parameters(1, 60).keys() == {
        *("nodes", "ntasks_per_node", "cpus_per_task", "time", "signal_delay_s", "additional_parameters")
    }


def test_the_signal_comes_no_earlier_than_half_of_the_limit():
    assert Profile(signal_seconds=90).parameters(1, 1)["signal_delay_s"] == 30
