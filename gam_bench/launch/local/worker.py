"""A worker process: set up once, then one run after another, telling its parent how each goes."""

import ctypes
import os
import signal
import sys
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from gam_bench.errors import UserError
from gam_bench.launch.local.messages import Ended, Epoch, Order, Ready
from gam_bench.launch.local.together import train_together
from gam_bench.launch.place import Place
from gam_bench.store.folder import State


def work(connection: Connection, results: Path, place: Place) -> None:
    """Train what the parent orders until it sends None or is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    end_with_parent()
    keep_freed_memory()
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = str(place.threads)
    import torch

    import gam_bench.train.run  # noqa: F401, here, so that no run pays for it

    torch.set_num_threads(place.threads)
    try:
        connection.send(Ready())
        while (order := connection.recv()) is not None:
            state, text = _trained(order, connection, results, place)
            connection.send(Ended(order.spec.uid, state, text))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        sys.exit(0)  # the parent is gone: the checkpoint stays for whoever comes next


def _trained(order: Order, connection: Connection, results: Path, place: Place) -> tuple[State, str]:
    """How the run ended, and the first line of its error."""
    from gam_bench.train.run import train

    spec = order.spec

    def tell(metrics: dict[str, Any]) -> None:
        connection.send(Epoch(spec.uid, metrics))

    try:
        if spec.processes > 1:
            return train_together(order, results, place, tell)
        outcome = train(
            spec,
            results,
            device=place.device,
            retry=order.retry,
            forecast_seconds=order.forecast_seconds,
            switches=place.switches,
            on_epoch=tell,
        )
        return outcome.state, outcome.message
    except (UserError, OSError) as error:  # the folder cannot be used; the next run's may be
        if isinstance(error, ConnectionError):
            raise
        return State.FAILED, f"failed: {error}"


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
