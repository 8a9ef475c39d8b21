"""`senet predict` with each real network, with weights of one's own, and with what is unknown or not here."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.cli.predictions import ARCHITECTURE, CLASSES, NAME, Done, assert_clean, records, rows, scores
from tests.conftest import Senet

# --- the golden run -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cifar_images(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The 1,017 original test images, as `test/<class>/<index>.png`."""
    root = tmp_path_factory.mktemp("cifar-images")
    with np.load(data / "cifar10" / "cifar10-original-subset.npz") as arrays:
        images, labels = arrays["test_x"], arrays["test_y"]
    for index, (image, label) in enumerate(zip(images, labels, strict=True)):
        folder = root / "test" / CLASSES[int(label)]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / f"{index:05d}.png")
    return root


@pytest.mark.parametrize(
    ("model", "file", "right"),
    [
        ("seresnet32-cifar10", "seresnet32_cifar10_cutmix.pt", 964),
        pytest.param(
            *("seresnet32-cifar10.teacher", "seresnet32_cifar10_teacher.pt", 953), marks=pytest.mark.slow
        ),
    ],
)
def test_1017_images_come_out_as_an_independent_program_says(
    predict: Senet, data: Path, cifar_images: Path, model: str, file: str, right: int
) -> None:
    golden = json.loads((data / "checkpoints" / "golden_predictions.json").read_text())["models"][file][
        "pred"
    ]
    done = predict("test", "-m", model, "-k", 1, "--format", "jsonl", "-v", cwd=cifar_images)
    assert done.returncode == 0, done.stderr
    found = records(done)
    assert [record["path"] for record in found] == sorted(golden)
    best = {record["path"]: record["predictions"][0] for record in found}
    assert {path: answer["label"] for path, answer in best.items()} == {
        path: answer["pred"] for path, answer in golden.items()
    }
    assert {path: answer["score"] for path, answer in best.items()} == pytest.approx(
        {path: answer["prob"] for path, answer in golden.items()}, abs=1e-4, rel=0
    )
    assert sum(answer["label"] == path.split("/")[1] for path, answer in best.items()) == right
    assert all(CLASSES[answer["index"]] == answer["label"] for answer in best.values())
    # what -v tells
    assert {record["model"] for record in found} == {model if "." in model else NAME}
    assert f"note: {found[0]['model']} ({ARCHITECTURE}) from " in done.stderr
    assert re.search(r"^note: (openvino on cpu|torch on (cpu|cuda:0|mps)), fp32$", done.stderr, re.MULTILINE)
    assert "note: batches of " in done.stderr
    assert re.search(r"^note: 1,017 images in [\d.]+ s, [\d.]+ images/s$", done.stderr, re.MULTILINE)


# --- models -------------------------------------------------------------------------------------


def test_weights_of_ones_own(predict: Senet, few: Path, data: Path, tmp_path: Path) -> None:
    weights = data / "checkpoints" / "seresnet32_cifar10_cutmix.pt"
    options = ["-k", 10, "--format", "jsonl", "--device", "cpu"]
    expected = records(predict(few, *options))
    none = {"SENET_CACHE": str(tmp_path / "none")}
    done = predict(few, *options, "--weights", weights, "--arch", ARCHITECTURE, "--offline", env=none)
    assert (done.returncode, done.stderr) == (0, "")
    assert {record["model"] for record in records(done)} == {weights.name}
    for own, installed in zip(records(done), expected, strict=True):
        assert own["path"] == installed["path"]
        assert scores(own) == pytest.approx(scores(installed), abs=1e-6, rel=0)
        assert [best["label"] for best in own["predictions"]] == [
            best["label"] for best in installed["predictions"]
        ]


def test_weights_that_do_not_fit(predict: Senet, few: Path, data: Path) -> None:
    checkpoints = data / "checkpoints"
    plain = checkpoints / "plain_resnet20_cifar10-12fca82f.th"
    for weights, architecture in (
        (plain, ARCHITECTURE),
        (checkpoints / "golden_predictions.json", ARCHITECTURE),
        (checkpoints / "seresnet32_cifar10_cutmix.pt", "seresnet50"),
        (checkpoints / "seresnet32_cifar10_cutmix.pt", "seresnet-nonsense"),
    ):
        done = predict(few, "--weights", weights, "--arch", architecture)
        assert (done.returncode, done.stdout) == (4, ""), (weights, architecture)
        assert done.stderr.startswith("error: ")
        assert_clean(done)


def test_an_unknown_model(predict: Senet, few: Path) -> None:
    done = predict(few, "-m", "seresnet32-cifar")
    assert (done.returncode, done.stdout) == (4, "")
    assert re.search(r"did you mean.*seresnet32-cifar10", done.stderr, re.IGNORECASE | re.DOTALL), done.stderr


NO_NETWORK = """
import os, sys

def watch(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"):
        os.write(2, f"the network was tried: {event} {arguments}".encode())
        os._exit(99)

sys.addaudithook(watch)
from senet_cli.__main__ import main
main()
"""


def test_the_network_is_tried_only_for_a_download(
    environment: dict[str, str], few: Path, tmp_path: Path
) -> None:
    def watched(*options: str, **env: str) -> Done:
        return subprocess.run(
            [sys.executable, "-c", NO_NETWORK, "predict", str(few), "-k", "1", *options],
            env=environment | env,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    installed = watched()
    assert (installed.returncode, installed.stderr) == (0, "")
    assert len(rows(installed)) == 8
    empty = {"SENET_CACHE": str(tmp_path / "empty-cache")}
    for refused in (watched("--offline", **empty), watched(SENET_OFFLINE="1", **empty)):
        assert (refused.returncode, refused.stdout) == (5, ""), refused.stderr
        assert NAME in refused.stderr
    # the watch itself works: without --offline a download is tried, through a proxy that does not exist
    proxy = {"HTTPS_PROXY": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
    assert watched(**empty, **proxy).returncode == 99
