"""How many processors this process may use: its affinity, and the quota of its container."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

_ROOT = Path("/")
_MAX_AUTO_JOBS = 8
"""Decoding threads beyond this wait for the network."""


def processors(root: Path = _ROOT) -> int:
    """Count the processors of this process, 1 or more.

    A quota of 1.5 processors is two: threads that wait for each other's turn lose less than half a processor.

    Args:
        root: of the files that tell a container's quota.
    """
    return usable(affinity(), cpu_quota(root))


def processor_name(root: Path = _ROOT) -> str:
    """Find what the processor is called, as far as the system tells."""
    import platform

    try:
        with (root / "proc/cpuinfo").open(encoding="utf-8", errors="replace") as file:
            names = (line.partition(":")[2].strip() for line in file if line.startswith("model name"))
            return next(names, platform.machine())
    except OSError:
        return platform.processor() or platform.machine()


def automatic_jobs() -> int:
    """Choose the decoding threads where the user does not: as many as may run at once, at most 8."""
    return min(_MAX_AUTO_JOBS, processors())


def usable(affinity: int, quota: float | None) -> int:
    """Combine the processors that may be run on and the share of time: the smaller, rounded up, not 0."""
    if quota is None:
        return max(1, affinity)
    return max(1, min(affinity, -int(-quota // 1)))


def affinity() -> int:
    """Count the processors that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cpu_quota(root: Path = _ROOT) -> float | None:
    """Read the processors' worth of time that control groups allow; None: as much as there is.

    A group is bounded by all above it too. Where nothing can be read, nothing is bounded. (Linux:
    Documentation/admin-guide/cgroup-v2.rst, `cpu.max`; scheduler/sched-bwc.rst, `cpu.cfs_quota_us`.)

    Args:
        root: where `proc` and the mounted control groups lie.
    """
    groups = _groups(_read(root / "proc/self/cgroup"))
    quotas = []
    for version, mounted_from, point in _mounts(_read(root / "proc/self/mountinfo")):
        group = groups.get(version)
        if group is None:
            continue
        for folder in _folders(root / point.lstrip("/"), mounted_from, group):
            quota = quota_v2(_read(folder / "cpu.max")) if version == "" else _quota_v1(folder)
            if quota is not None:
                quotas.append(quota)
    return min(quotas, default=None)


def quota_v2(text: str) -> float | None:
    """Read `cpu.max`: microseconds of each period, or `max`, and the period."""
    words = text.split()
    return _share(words[0], words[1] if len(words) > 1 else "100000") if words else None


def _quota_v1(folder: Path) -> float | None:
    return _share(_read(folder / "cpu.cfs_quota_us").strip(), _read(folder / "cpu.cfs_period_us").strip())


def _share(quota: str, period: str) -> float | None:
    """Divide two whole numbers; None for `max`, -1 and nonsense."""
    if not (quota.isdecimal() and period.isdecimal() and int(quota) > 0 and int(period) > 0):
        return None
    return int(quota) / int(period)


def _groups(text: str) -> dict[str, str]:
    """Read this process's group by version: `` for 2, `cpu` for that of version 1 (cgroups(7))."""
    groups = {}
    for line in text.splitlines():
        number, _, rest = line.partition(":")
        controllers, _, group = rest.partition(":")
        if number == "0" and not controllers:
            groups[""] = group
        elif "cpu" in controllers.split(","):
            groups["cpu"] = group
    return groups


def _mounts(text: str) -> Iterator[tuple[str, str, str]]:
    """Version, mounted folder of the hierarchy, and mount point of what `mountinfo` lists (proc(5))."""
    for line in text.splitlines():
        before, _, after = line.partition(" - ")
        fields, kind = before.split(" "), after.split(" ")
        if len(fields) < 5 or len(kind) < 3:
            continue
        if kind[0] == "cgroup2":
            yield "", _unescaped(fields[3]), _unescaped(fields[4])
        elif kind[0] == "cgroup" and "cpu" in kind[2].split(","):
            yield "cpu", _unescaped(fields[3]), _unescaped(fields[4])


def _unescaped(path: str) -> str:
    for code, character in ((r"\040", " "), (r"\011", "\t"), (r"\012", "\n"), (r"\134", "\\")):
        path = path.replace(code, character)
    return path


def _folders(point: Path, mounted_from: str, group: str) -> Iterator[Path]:
    """List the group's folder and those above it up to the mount point, which may be the group itself."""
    try:
        inside = PurePosixPath(group).relative_to(mounted_from)
    except ValueError:  # of another namespace: what is mounted is all that is seen
        inside = PurePosixPath()
    parts = [part for part in inside.parts if part not in ("/", "..")]
    for depth in range(len(parts), -1, -1):
        yield point.joinpath(*parts[:depth])


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return ""
