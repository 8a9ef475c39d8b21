"""The authors' .caffemodel files as a user meets them: installed, verified, described, used, refused."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from senet_cli.catalogue.lookup import load_manifest
from senet_cli.images.preprocess import to_pixels
from tests.conftest import Senet
from tests.oracles.caffe import layers_of, opencv_logits, random_weights, write_caffemodel

NAME = "SE-BN-Inception"


@pytest.fixture(scope="module")
def published(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a random network as its authors would publish it, and a manifest that knows it."""
    folder = tmp_path_factory.mktemp("caffe")
    weights = random_weights(list(layers_of(data / "caffe" / f"{NAME}.prototxt")))
    file = write_caffemodel(folder / f"{NAME}.caffemodel", NAME, weights)
    bundled = json.loads((Path(__file__).parents[2] / "weights_manifest.json").read_text())
    entry: dict[str, Any] = bundled["checkpoints"]["sebninception.caffe"]
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    entry["files"][0] |= {"sha256": digest, "bytes": file.stat().st_size}
    manifest = {"schema": 1, "checkpoints": {"sebninception.caffe": entry}}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


@pytest.fixture
def photo(data: Path) -> Path:
    return min((data / "photos").glob("*goldfinch*"))


def expected(photo: Path, published: Path, data: Path) -> dict[str, float]:
    """Scores by WordNet identifier, from OpenCV and the authors' own order of the classes."""
    preprocess = load_manifest().checkpoint("sebninception.caffe").preprocess
    with Image.open(photo) as image:
        pixels = to_pixels(image.convert("RGB"), preprocess).transpose(2, 0, 1)
    prototxt = data / "caffe" / f"{NAME}.prototxt"
    (logits,) = opencv_logits(prototxt, published / f"{NAME}.caffemodel", pixels[None]).astype(np.float64)
    scores = np.exp(logits - logits.max())
    ids = json.loads((data / "metadata" / "official_caffe_senet_label_order.json").read_text())
    return dict(zip(ids, (scores / scores.sum()).tolist(), strict=True))


def test_from_the_file_to_predictions(senet: Senet, published: Path, photo: Path, data: Path) -> None:
    env = {"SENET_MANIFEST": str(published / "manifest.json")}
    done = senet("download", "caffe/SE-BN-Inception", "--from", published, env=env)
    assert done.returncode == 0, done.stderr
    assert done.stdout.rstrip().endswith(".caffemodel")
    assert senet("verify", "sebninception", "--deep", env=env).returncode == 0
    facts = json.loads(senet("info", "sebninception", "--format", "json", env=env).stdout)
    facts = facts[0] if isinstance(facts, list) else facts
    assert facts["preprocessing"].endswith("RGB 0..255 minus 123 117 104")
    theirs = expected(photo, published, data)
    best = sorted(theirs, key=theirs.__getitem__, reverse=True)[:5]
    for engine in ("torch", "openvino"):
        done = senet(
            "predict", photo, "-m", "sebninception", "--engine", engine, "--format", "jsonl", env=env
        )
        assert done.returncode == 0, done.stderr
        predictions = json.loads(done.stdout)["predictions"]
        assert [row["id"] for row in predictions] == best
        for row in predictions:
            assert row["score"] == pytest.approx(theirs[row["id"]], rel=1e-4)


def test_a_file_of_ones_own(senet: Senet, published: Path, photo: Path, data: Path) -> None:
    """The normalisation is Caffe's, though that of the architecture's usual weights may be another."""
    theirs = expected(photo, published, data)
    file = published / f"{NAME}.caffemodel"
    arguments = ("predict", photo, "--weights", file, "--engine", "torch", "--format", "jsonl", "--arch")
    done = senet(*arguments, "sebninception-caffe")
    assert done.returncode == 0, done.stderr
    best = json.loads(done.stdout)["predictions"][0]
    assert best["score"] == pytest.approx(max(theirs.values()), rel=1e-4)
    other = senet(*arguments, "seresnet50-caffe")
    assert other.returncode == 4
    assert "--arch" in other.stderr


def test_bad_files_end_in_one_line(senet: Senet, photo: Path, tmp_path: Path) -> None:
    for number, bad in enumerate((b"\n\x03abc\x12\x02xx", b"\n\x03abc\xa2\x06\xff\xff\xff\x7f", b"\n\x03ab")):
        file = tmp_path / f"{number}.caffemodel"
        file.write_bytes(bad)
        done = senet(
            "predict", photo, "--weights", file, "--arch", "sebninception-caffe", "--engine", "torch"
        )
        assert done.returncode == 4
        assert not done.stdout
        assert done.stderr.startswith("error: ")
        assert "Traceback" not in done.stderr
