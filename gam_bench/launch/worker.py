"""A worker process: set up once, then one run after another, telling its parent how each goes.

Messages to the worker: (spec as JSON, retry, forecast in seconds or None) for a run, None to end.
From it: ("ready",), then for each run ("epoch", uid, metrics) and at last ("end", uid, state, first line
of the error).
"""

import ctypes
import os
import signal
import sys
from dataclasses import asdict
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from gam_bench.errors import UserError
from gam_bench.hardware import wait_passively
from gam_bench.launch.together import train_together
from gam_bench.store.folder import State
from gam_bench.suite.spec import RunSpec


def work(
    connection: Connection, results: str, device: str, threads: int, compile: bool, cuda_graph: bool
) -> None:
    """Train what the parent sends until it sends None or is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    end_with_parent()
    keep_freed_memory()
    wait_passively()
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = str(threads)
    import torch

    from gam_bench.train.run import train
    from gam_bench.train.switches import Switches

    switches = Switches(compile, cuda_graph)
    torch.set_num_threads(threads)
    try:
        connection.send(("ready",))
        while (message := connection.recv()) is not None:
            spec = RunSpec.model_validate_json(message[0])

            def tell(metrics: dict[str, Any], uid: str = spec.uid) -> None:
                connection.send(("epoch", uid, metrics))

            try:
                if spec.processes > 1:
                    options = {"retry": message[1], "forecast_seconds": message[2]}
                    options |= {"switches": asdict(switches)}
                    state, text = train_together(spec, Path(results), device, threads, tell, options)
                else:
                    outcome = train(
                        spec,
                        Path(results),
                        device=device,
                        retry=message[1],
                        forecast_seconds=message[2],
                        switches=switches,
                        on_epoch=tell,
                    )
                    state, text = outcome.state, outcome.message
            except (UserError, OSError) as error:  # the folder cannot be used; the next run's may be
                if isinstance(error, ConnectionError):
                    raise
                state, text = State.FAILED, f"failed: {error}"
            connection.send(("end", spec.uid, state, text))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        sys.exit(0)  # the parent is gone: the checkpoint stays for whoever comes next


def end_with_parent() -> None:
    """Ask Linux for SIGTERM when the parent dies, `kill -9` included, so that its runs can go on at once."""
    pr_set_pdeathsig = 1
    try:
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGTERM)
    except (OSError, AttributeError):
        return  # then the worker ends at its next word to the parent


def keep_freed_memory() -> None:
    """Let glibc keep freed activations instead of returning each to the kernel.

    A fifth of a small CNN's step time on CPU; elsewhere than glibc it does nothing.
    """
    m_trim_threshold, m_top_pad, m_mmap_threshold = -1, -2, -3
    try:
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(m_mmap_threshold, 32 << 20)
        libc.mallopt(m_trim_threshold, 1 << 30)
        libc.mallopt(m_top_pad, 64 << 20)
    except (OSError, AttributeError):
        return
