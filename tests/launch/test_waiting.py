"""Idle OpenMP threads sleep: set before torch is imported, wherever a launcher starts something."""

import os
import subprocess
import sys

import pytest

VARIABLES = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")


def after(code: str, **given: str) -> str:
    environment = {k: v for k, v in os.environ.items() if k not in VARIABLES} | given
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


SHOW = "import os; print(os.environ.get('OMP_WAIT_POLICY'), os.environ.get('GOMP_SPINCOUNT'))"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, "PASSIVE None"),
        ({"OMP_WAIT_POLICY": "ACTIVE"}, "ACTIVE None"),
        ({"GOMP_SPINCOUNT": "100"}, "None 100"),
    ],
)
def test_threads_wait_passively_unless_the_user_chose(given, expected):
    assert (
        after(f"from gam_bench.hardware import wait_passively; wait_passively(); {SHOW}", **given) == expected
    )


def test_what_the_command_line_starts_inherits_it():
    code = (
        "import sys, subprocess\n"
        "from gam_bench import cli\n"
        f"cli.app = lambda words: subprocess.run([sys.executable, '-c', {SHOW!r}], check=True)\n"
        "cli.main()\n"
    )
    assert after(code) == "PASSIVE None"


def test_a_worker_sets_it_before_it_imports_torch():
    code = (
        "import sys, multiprocessing\n"
        "from gam_bench.launch.local import worker\n"
        "from gam_bench.launch.place import Place\n"
        "real = worker.wait_passively\n"
        "def wait():\n"
        "    assert 'torch' not in sys.modules\n"
        "    real()\n"
        "worker.wait_passively, worker.end_with_parent = wait, lambda: None\n"
        "here, there = multiprocessing.Pipe()\n"
        "here.send(None)\n"
        "worker.work(there, '.', Place('cpu', 2))\n"
        f"assert 'torch' in sys.modules\n{SHOW}\n"
    )
    assert after(code) == "PASSIVE None"
