"""Where runs are computed: how workers share cores and GPUs, and what each place has."""

import pickle
import subprocess
import sys

import pytest

from gam_bench.errors import UserError
from gam_bench.launch import place
from gam_bench.launch.local.messages import Ended, Epoch, Order, Ready
from gam_bench.launch.place import Place, places
from gam_bench.launch.slurm.profile import Profile
from gam_bench.store.folder import State
from gam_bench.suite.spec import RunSpec
from gam_bench.train.switches import Switches


@pytest.fixture
def machine(monkeypatch):
    """This machine, with other cores and GPUs."""

    def pretend(cores: int, *gpus: str) -> None:
        monkeypatch.setattr(place, "cores", lambda: cores)
        monkeypatch.setattr(place, "gpu_names", lambda: gpus)

    return pretend


@pytest.mark.parametrize(
    ("workers", "processes", "wanted"),
    [
        (None, 1, [("cpu", 1)] * 8),
        (2, 1, [("cpu", 4)] * 2),
        (None, 2, [("cpu", 1)] * 4),
        (2, 2, [("cpu", 2)] * 2),
        (20, 1, [("cpu", 1)] * 20),
        (None, 16, [("cpu", 1)]),
    ],
)
def test_workers_divide_the_cores(machine, workers, processes, wanted):
    machine(8)
    assert [(p.device, p.threads) for p in places("auto", workers, processes=processes)] == wanted


@pytest.mark.parametrize(
    ("workers", "processes", "wanted"),
    [
        (None, 1, [("cuda:0", 4), ("cuda:1", 4), ("cuda:2", 4), ("cuda:3", 4)]),
        (6, 1, [(f"cuda:{gpu}", 2) for gpu in (0, 1, 2, 3, 0, 1)]),
        (None, 2, [("cuda:0", 4), ("cuda:2", 4)]),
        (3, 2, [("cuda:0", 2), ("cuda:2", 2), ("cuda:0", 2)]),
        (None, 3, [("cuda:0", 5)]),
    ],
)
def test_workers_share_the_gpus(machine, workers, processes, wanted):
    machine(16, *"abcd")
    assert [(p.device, p.threads) for p in places("cuda", workers, processes=processes)] == wanted


def test_cpu_is_taken_when_asked_for_and_what_is_not_there_is_refused(machine):
    machine(4, "a")
    assert {p.device for p in places("cpu")} == {"cpu"}
    with pytest.raises(UserError, match="a run wants 2 GPUs"):
        places(processes=2)
    machine(4)
    with pytest.raises(UserError, match="no CUDA GPU is visible here"):
        places("cuda")


def test_a_place_knows_its_hardware(machine, monkeypatch):
    machine(4, "first", "second")
    monkeypatch.setattr(place, "cpu_name", lambda: "processor")
    assert [Place(device, 1).hardware for device in ("cuda", "cuda:1", "cpu")] == [
        *("first", "second"),
        "processor",
    ]


def test_switches_are_one_thing_from_the_profile_to_the_place(machine):
    machine(2)
    switches = Switches(compile=True, cuda_graph=True)
    assert {p.switches for p in places(switches=switches)} == {switches}
    assert Profile(compile=True, cuda_graph=True).switches == switches
    assert Profile().switches == Place("cpu", 1).switches == Switches()
    assert switches.recorded() == {"compiled": True, "cuda_graph": True}


def test_messages_and_places_travel_without_torch(tiny):
    spec = RunSpec.resolve(tiny)
    sent = [
        Order(spec, True, 1.5),
        Ready(),
        Epoch(spec.uid, {"epoch": 1}),
        Ended(spec.uid, State.FAILED, "failed: x"),
        Place("cuda:1", 3, Switches(cuda_graph=True)),
    ]
    code = (
        "import pickle, sys\n"
        "got = pickle.load(sys.stdin.buffer)\n"
        "assert 'torch' not in sys.modules\n"
        "sys.stdout.buffer.write(pickle.dumps(got))"
    )
    done = subprocess.run([sys.executable, "-c", code], input=pickle.dumps(sent), capture_output=True)
    assert done.returncode == 0, done.stderr
    assert pickle.loads(done.stdout) == sent  # noqa: S301
