"""How hard the machine is pressed, from counters of the kernel. A sample takes a few file reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
CGROUP = Path("/sys/fs/cgroup")
RESOURCES = ("cpu", "io", "memory")
SMOOTHING = 0.5
"""The share of the newest count of runnable tasks in the mean."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pressure:
    """One sample. `cpu`, `io`, `memory`: share of the time (0 to 1) in which some task waited.

    `swap` is pages in and out a second, `runnable` the tasks that want each CPU (a short mean),
    `load` the load average of a minute for each CPU. Without `has_stalls` the shares are not known
    and 0.
    """

    has_stalls: bool = True
    cpu: float = 0.0
    io: float = 0.0
    memory: float = 0.0
    swap: float = 0.0
    runnable: float = 0.0
    load: float = 0.0


@dataclass(frozen=True, slots=True)
class _Counters:
    """Counters since the start of the machine: microseconds of waiting by file, pages swapped."""

    at: float
    stalls: tuple[int, ...]
    swapped: int


class Meter:
    """Reads the counters and tells what happened between two readings."""

    def __init__(
        self, cpus: float, now: float, *, proc: Path = PROC, cgroup: Path = CGROUP
    ) -> None:
        self._cpus = max(1.0, cpus)
        self._proc = proc
        self._stalls = {
            resource: tuple(
                _readable((proc / "pressure" / resource, cgroup / f"{resource}.pressure"))
            )
            for resource in RESOURCES
        }
        self._files = [path for paths in self._stalls.values() for path in paths]
        self._runnable = 0.0
        self._last = self._count(now)

    @property
    def has_stalls(self) -> bool:
        """Tell whether this kernel tells how long tasks wait (PSI)."""
        return bool(self._stalls["cpu"])

    def sample(self, now: float) -> Pressure:
        """Return the pressure since the last sample; `now` is in monotonic seconds."""
        last, self._last = self._last, self._count(now)
        seconds = max(0.001, self._last.at - last.at)
        grown = [new - old for new, old in zip(self._last.stalls, last.stalls, strict=True)]
        shares = dict(zip(self._files, (each / 1e6 / seconds for each in grown), strict=True))
        load, runnable = self._load()
        self._runnable += SMOOTHING * (runnable - self._runnable)
        return Pressure(
            has_stalls=self.has_stalls,
            cpu=_worst(shares[path] for path in self._stalls["cpu"]),
            io=_worst(shares[path] for path in self._stalls["io"]),
            memory=_worst(shares[path] for path in self._stalls["memory"]),
            swap=max(0.0, (self._last.swapped - last.swapped) / seconds),
            runnable=round(self._runnable / self._cpus, 2),
            load=round(load / self._cpus, 2),
        )

    def _count(self, now: float) -> _Counters:
        stalls = tuple(stalled_microseconds(_text(path)) for path in self._files)
        return _Counters(now, stalls, swapped_pages(_text(self._proc / "vmstat")))

    def _load(self) -> tuple[float, int]:
        """Return the load average of a minute, and how many tasks run or wait but this one."""
        words = _text(self._proc / "loadavg").split()
        if len(words) < 4:
            return 0.0, 0
        return float(words[0]), max(0, int(words[3].partition("/")[0]) - 1)


def stalled_microseconds(text: str) -> int:
    """Return the total of the line `some` of a pressure file, 0 without one."""
    for line in text.splitlines():
        if line.startswith("some "):
            return int(line.rpartition("total=")[2])
    return 0


def swapped_pages(text: str) -> int:
    """Return how many pages went in and out of swap, from /proc/vmstat."""
    words = (line.split() for line in text.splitlines() if line.startswith("pswp"))
    return sum(int(word[1]) for word in words)


def _worst(shares: Iterable[float]) -> float:
    return round(min(1.0, max([0.0, *shares])), 3)


def _readable(paths: Sequence[Path]) -> Iterator[Path]:
    """Yield the files that say something: a kernel may have them and refuse to be asked."""
    for path in paths:
        if "total=" in _text(path):
            yield path


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
