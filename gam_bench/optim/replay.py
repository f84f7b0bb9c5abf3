"""Running statistics and randomness: the later passes of a step see the same function as its first."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from gam_bench.errors import UserError
from gam_bench.optim.homes import modules


class RunningStatistics:
    """The buffers of a model, kept as the first pass of a step left them.

    Values are copied, not switched off: this holds for BatchNorm with `momentum=None`, its batch counter,
    InstanceNorm, spectral norm, moving averages, in train and eval mode, and leaves modules as they were.
    """

    def __init__(self, model: nn.Module | None):
        self._model = model
        self._slots: list[tuple[dict[str, Tensor | None], str]] = []
        self._kept: list[tuple[list[Tensor], list[Tensor]]] = []  # buffers and their copies, a pair a dtype
        self._current: list[Tensor | None] = []

    def keep(self) -> None:
        held = [m._buffers for m in modules(self._model) if m._buffers]
        self._slots = [(buffers, name) for buffers in held for name in buffers]
        current = [buffers[name] for buffers, name in self._slots]
        if not _same(current, self._current):  # the first step, or a buffer or a module is new
            self._current = current
            kinds: dict[tuple[torch.dtype, torch.device], list[Tensor]] = {}
            for buffer in current:
                if buffer is not None:
                    kinds.setdefault((buffer.dtype, buffer.device), []).append(buffer)
            self._kept = [(group, [torch.empty_like(b) for b in group]) for group in kinds.values()]
        for group, copies in self._kept:
            torch._foreach_copy_(copies, group)

    def restore(self) -> None:
        for (buffers, name), buffer in zip(self._slots, self._current, strict=True):
            buffers[name] = buffer  # a module may assign a new tensor instead of writing into the old one
        for group, copies in self._kept:
            torch._foreach_copy_(group, copies)


def _same(one: list[Tensor | None], other: list[Tensor | None]) -> bool:
    return len(one) == len(other) and all(a is b for a, b in zip(one, other, strict=True))


class Randomness:
    """The default random generators, of the CPU and of devices, wound back before each later pass."""

    def __init__(self, devices: Iterable[torch.device]):
        self._devices = sorted({d for d in devices if d.type != "cpu"}, key=str)
        self._states: list[Tensor] = []

    def keep(self) -> None:
        if any(d.type == "cuda" for d in self._devices) and torch.cuda.is_current_stream_capturing():
            raise UserError(
                "random numbers cannot be wound back while a CUDA graph is captured; "
                "pass replay_randomness=False, and use no dropout"
            )
        self._states = [torch.get_rng_state()]
        self._states += [torch.get_device_module(d).get_rng_state(d) for d in self._devices]

    def replay(self) -> None:
        torch.set_rng_state(self._states[0])
        for device, state in zip(self._devices, self._states[1:], strict=True):
            torch.get_device_module(device).set_rng_state(state, device)
