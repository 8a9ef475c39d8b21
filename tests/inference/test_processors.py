"""A container's quota of processors, from both versions of control groups."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from senet_cli.inference import processors as module
from senet_cli.inference.processors import cpu_quota, processors, quota_v2, usable
from senet_cli.settings import BUNDLED_MODEL
from tests.conftest import Senet


def test_the_smaller_of_processors_and_quota_rounded_up() -> None:
    for affinity, quota, expected in [
        *((8, None, 8), (8, 2.0, 2), (8, 1.5, 2), (8, 0.5, 1), (8, 0.01, 1), (8, 8.0, 8), (8, 64.0, 8)),
        *((2, 1.0001, 2), (1, 4.0, 1), (0, None, 1), (8, 3.0000001, 4)),
    ]:
        assert usable(affinity, quota) == expected, (affinity, quota)


def test_cpu_max() -> None:
    for text, expected in [
        *(("max 100000\n", None), ("150000 100000\n", 1.5), ("50000 100000", 0.5), ("200000\n", 2.0)),
        *(("", None), ("nonsense", None), ("100000 0", None), ("-1 100000", None), ("0 100000", None)),
    ]:
        assert quota_v2(text) == expected, text


V2 = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n"
V1 = (
    "33 31 0:30 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n"
    "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
)


def world(root: Path, cgroup: str, mountinfo: str, **files: str) -> Path:
    """Files as Linux shows them; names of the quota's with `__` for `/` and `_` for `.` after `cpu`."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(cgroup)
    (root / "proc/self/mountinfo").write_text(mountinfo)
    for name, text in files.items():
        path = root / "sys/fs/cgroup" / name.replace("__", "/").replace("cpu_", "cpu.")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def v1(quota: int, period: int, folder: str = "") -> dict[str, str]:
    start = f"cpu,cpuacct__{folder}"
    return {f"{start}cpu_cfs_quota_us": f"{quota}\n", f"{start}cpu_cfs_period_us": f"{period}\n"}


@pytest.mark.parametrize(
    ("cgroup", "mountinfo", "files", "expected"),
    [
        pytest.param("0::/\n", V2, {"cpu_max": "150000 100000\n"}, 1.5, id="a container of version 2"),
        pytest.param("0::/\n", V2, {"cpu_max": "max 100000\n"}, None, id="version 2 without a quota"),
        pytest.param(
            "0::/a/b\n",
            V2,
            {"a__b__cpu_max": "max 100000", "a__cpu_max": "300000 100000"},
            3.0,
            id="the group above has one",
        ),
        pytest.param(
            "0::/a/b\n",
            V2,
            {"a__b__cpu_max": "200000 100000", "a__cpu_max": "300000 100000"},
            2.0,
            id="the smaller one counts",
        ),
        pytest.param(
            "0::/system.slice/docker-1.scope\n", V2, {"cpu_max": "100000 50000"}, 2.0, id="not in our view"
        ),
        pytest.param("4:cpu,cpuacct:/\n", V1, v1(250000, 100000), 2.5, id="a container of version 1"),
        pytest.param("4:cpu,cpuacct:/\n", V1, v1(-1, 100000), None, id="version 1 without a quota"),
        pytest.param(
            "4:cpu,cpuacct:/docker/1\n5:cpuset:/x\n0::/\n",
            V1.replace("0:29 /", "0:29 /docker/1"),
            v1(50000, 100000),
            0.5,
            id="the group itself is mounted",
        ),
        pytest.param(
            "4:cpu,cpuacct:/a\n", V1, v1(-1, 100000) | v1(400000, 100000, "a__"), 4.0, id="version 1, a group"
        ),
        pytest.param(
            "1:name=systemd:/x\n4:cpu,cpuacct:/\n0::/\n",
            V1 + V2.replace("/sys/fs/cgroup", "/sys/fs/cgroup/unified"),
            v1(200000, 100000),
            2.0,
            id="both versions",
        ),
        pytest.param("", "", {}, None, id="nothing to read"),
        pytest.param("nonsense\n0:\n", "a b\n - \n1 2 3 4 5 - cgroup2\n", {}, None, id="nonsense"),
    ],
)
def test_quota(
    tmp_path: Path, cgroup: str, mountinfo: str, files: dict[str, str], expected: float | None
) -> None:
    assert cpu_quota(world(tmp_path, cgroup, mountinfo, **files)) == expected


def test_no_files_no_quota(tmp_path: Path) -> None:
    assert cpu_quota(tmp_path) is None
    assert processors(tmp_path) >= 1


def test_threads_of_both_kinds_keep_to_the_quota(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from senet_cli.cli.options import decoding_threads
    from senet_cli.inference import runtime

    root = world(tmp_path, "0::/\n", V2, cpu_max="300000 100000\n")
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)), raising=False)
    monkeypatch.setattr(module.processors, "__defaults__", (root,))
    assert decoding_threads("auto") == 3
    assert decoding_threads("7") == 7  # as asked for
    assert runtime.resolve_runtime("auto", "cpu", "fp32").processors == 3
    (tmp_path / "sys/fs/cgroup/cpu.max").write_text("max 100000\n")
    assert decoding_threads("auto") == 8
    assert runtime.resolve_runtime("auto", "cpu", "fp32").processors == 16
    asked = runtime.resolve_runtime("auto", "cpu", "fp32", threads=5)
    assert (asked.processors, asked.exact) == (5, True)


def test_threads_sleep_while_they_wait_unless_the_user_says_otherwise() -> None:
    from senet_cli.__main__ import wait_passively

    environment = {"OMP_WAIT_POLICY": "ACTIVE"}
    wait_passively(environment)
    assert environment == {"OMP_WAIT_POLICY": "ACTIVE", "KMP_BLOCKTIME": "0"}


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="PyTorch brings GNU's OpenMP on Linux")
def test_openmp_has_been_told_before_pytorch_is_imported(senet_process: Senet) -> None:
    photo = Path(__file__).parents[2] / "examples" / "ship.jpg"
    command = ("predict", photo, "-m", BUNDLED_MODEL, "--engine", "torch", "--threads", 1, "-v")
    done = senet_process(*command, env={"OMP_DISPLAY_ENV": "true"})
    assert done.returncode == 0, done.stderr
    assert "OMP_WAIT_POLICY = 'PASSIVE'" in done.stderr


def test_every_command_that_calculates_takes_threads(senet: Senet) -> None:
    """Nonsense is refused before anything is looked up."""
    for command in (
        ("predict", "x.jpg"),
        ("evaluate", "x", "-m", "y"),
        ("train", "x", "--arch", "y"),
        ("benchmark", "y"),
    ):
        done = senet(*command, "--threads", 0)
        assert (done.returncode, done.stdout) == (2, ""), command
        assert "takes `auto` or a whole number from 1 on, not `0`" in done.stderr


def test_training_calculates_with_the_threads_that_were_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    from senet_cli.inference.engines.torch import threads_to_use
    from senet_cli.tasks.train import service
    from senet_cli.tasks.train.begun import Begun, TrainRequest

    told: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", told.append)
    monkeypatch.setattr(torch, "set_num_interop_threads", told.append)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    service._calculate_with(threads_to_use(8, exact=False))
    service._calculate_with(threads_to_use(8, exact=True))
    assert told == [2, 1, 8, 1]
    monkeypatch.setattr("senet_cli.tasks.train.begun.processors", lambda: 6)
    request = TrainRequest(output=Path("run"), data=Path("x"), architecture="y")
    assert Begun.of(request, None, None, "cpu").jobs == 3, "the others are for the network"
