"""Other sizes than the usual one: torchvision is the judge of what the network then sees."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import transforms

from senet_cli import Classifier, create_model
from senet_cli.catalogue.entries import Checkpoint, Metric, Preprocess
from senet_cli.catalogue.fields import Fields
from senet_cli.catalogue.input_size import USUAL_SIZE, InputSize
from senet_cli.catalogue.lookup import load_manifest, parse_manifest
from senet_cli.catalogue.write import manifest_of
from senet_cli.errors import ManifestError, UsageError
from senet_cli.settings import BUNDLED_MODEL
from senet_cli.specs import ArchSpec
from tests.conftest import Senet
from tests.sweeps import every

MANIFEST = load_manifest()
TESTED = MANIFEST.checkpoint("seresnet50.ra2")


# --- which size ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "size", "resize", "crop"),
    [
        ("seresnet50.ra2", USUAL_SIZE, 256, 224),
        ("seresnet50.ra2", InputSize(recipe="test"), 303, 288),
        ("seresnet50.ra2", InputSize(288), 329, 288),
        ("seresnet50.a1", InputSize(recipe="test"), 288, 288),
        ("seresnet50.a1", InputSize(224), 235, 224),
        ("seresnet50.a3", InputSize(recipe="test"), 235, 224),
        ("seresnet50.cadene", InputSize(32), 37, 32),
        ("seresnet32-cifar10", InputSize(4), 4, 4),
    ],
)
def test_resize_and_crop(name: str, size: InputSize, resize: int, crop: int) -> None:
    checkpoint = MANIFEST.checkpoint(name)
    assert size.of_checkpoint(checkpoint) == replace(checkpoint.preprocess, resize=resize, crop=crop)


@pytest.mark.parametrize(
    ("size", "reason"),
    [
        (InputSize(288, "test"), "two sizes"),
        (InputSize(0), "image size 0 is out of range"),
        (InputSize(-3), "image size -3 is out of range"),
        (InputSize(5000), "image size 5000 is out of range"),
        (InputSize(recipe="huge"), "no recipe `huge`"),  # type: ignore[arg-type]
    ],
)
def test_what_contradicts_itself_is_refused(size: InputSize, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        size.check()


def test_too_small_for_the_network() -> None:
    with pytest.raises(UsageError, match="too small") as caught:
        InputSize(31).of_checkpoint(TESTED)
    assert "at least 32 pixels" in caught.value.hint


def test_the_test_recipe_only_where_one_is_published() -> None:
    with pytest.raises(UsageError, match="has no test recipe: 224 is its only"):
        InputSize(recipe="test").of_checkpoint(MANIFEST.checkpoint("seresnet50.cadene"))
    with pytest.raises(UsageError, match="of your own"):
        InputSize(recipe="test").of_architecture(TESTED.architecture)
    assert InputSize(96).of_architecture(TESTED.architecture).crop == 96


@every(
    "key", sorted(key for key, entry in MANIFEST.architectures.items() if isinstance(entry.spec, ArchSpec))
)
def test_the_stride_is_that_of_the_last_map(key: str) -> None:
    """Counting pixels through the network: a side of `stride` still leaves one pixel, twice that two."""
    spec = MANIFEST.architecture(key).spec
    assert isinstance(spec, ArchSpec)
    for pixels in (1, 2):
        side = pixels * spec.stride
        for conv in spec.stem.convs(3):
            side = conv.out_size(side)
        side = spec.pool.out_size(side) if spec.pool else side
        for block in spec.shallow().blocks():
            for conv in block.convs:
                side = conv.out_size(side)
        assert side == pixels


def test_published_accuracies_belong_to_their_own_preprocessing() -> None:
    for size, top1 in ((USUAL_SIZE, 80.26), (InputSize(224), 80.26), (InputSize(recipe="test"), 81.288)):
        metric = TESTED.metric_with(size.of_checkpoint(TESTED))
        assert metric is not None
        assert metric.top1 == top1
    assert TESTED.metric_with(InputSize(288).of_checkpoint(TESTED)) is None  # resized to 329, not to 303
    assert TESTED.metric_with(InputSize(256).of_checkpoint(TESTED)) is None


@every("checkpoint", MANIFEST.checkpoints.values(), lambda c: c.name)
def test_a_test_recipe_is_larger_and_has_its_accuracy(checkpoint: Checkpoint) -> None:
    test = checkpoint.test_preprocess
    if test is not None:
        assert test.crop > checkpoint.preprocess.crop
        assert checkpoint.metric_with(test) is not None or not checkpoint.metrics


def test_two_recipes_of_one_crop_are_refused() -> None:
    entry = json.loads(json.dumps(manifest_of(TESTED, None)))
    entry["checkpoints"][TESTED.name]["test"] = {"resize": 240, "crop": 224}
    with pytest.raises(ManifestError, match="`crop` is that of `preprocess`"):
        parse_manifest(Fields(entry, "here"))


# --- what the network sees ----------------------------------------------------------------------


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The bundled network as a run, with a test recipe and an accuracy for it."""
    bundled = MANIFEST.checkpoint(BUNDLED_MODEL)
    source = bundled.files[0].path
    assert source is not None
    folder = tmp_path / "run"
    folder.mkdir()
    shutil.copy(source, folder / source.name)
    checkpoint = replace(
        bundled,
        test_preprocess=replace(bundled.preprocess, resize=48, crop=40),
        metrics=(*bundled.metrics, Metric("CIFAR-10 test", 12.34, None, 40, "a test")),
    )
    (folder / "model.json").write_text(json.dumps(manifest_of(checkpoint, None)))
    return folder


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    noise = np.random.default_rng(0).integers(0, 256, (9, 12, 3), np.uint8)
    path = tmp_path / "photos" / "cat" / "photo.png"
    path.parent.mkdir(parents=True)
    Image.fromarray(noise).resize((120, 90), Image.Resampling.BICUBIC).save(path)
    return path


def expected(photo: Path, preprocess: Preprocess) -> list[float]:
    """Probabilities by torchvision's transforms and the network itself."""
    resize = transforms.Resize(preprocess.resize, transforms.InterpolationMode(preprocess.interpolation))
    steps = [resize, transforms.CenterCrop(preprocess.crop), transforms.ToTensor()]
    pixels = transforms.Compose([*steps, transforms.Normalize(preprocess.mean, preprocess.std)])
    network = create_model("seresnet32-cifar-leeyeonsu", checkpoint=BUNDLED_MODEL)
    with torch.no_grad():
        scores: list[float] = network(pixels(Image.open(photo))[None]).softmax(1)[0].tolist()
    return scores


@pytest.mark.parametrize(
    ("options", "resize", "crop"),
    [
        ((), 32, 32),
        (("--recipe", "default"), 32, 32),
        (("--recipe", "test"), 48, 40),
        (("--image-size", "57"), 57, 57),
    ],
)
@pytest.mark.parametrize("engine", ["torch", "openvino"])
def test_predictions_at_a_size(
    options: tuple[str, ...], resize: int, crop: int, engine: str, run: Path, photo: Path, senet: Senet
) -> None:
    if engine == "openvino":
        pytest.importorskip("openvino")
    done = senet("predict", photo, "-m", run, *options, "-k", "10", "--format", "json", "--engine", engine)
    assert done.returncode == 0, done.stderr
    (record,) = json.loads(done.stdout)
    scores = {row["index"]: row["score"] for row in record["predictions"]}
    usual = MANIFEST.checkpoint(BUNDLED_MODEL).preprocess
    wanted = expected(photo, replace(usual, resize=resize, crop=crop))
    assert [scores[index] for index in range(10)] == pytest.approx(wanted, abs=2e-5)


def test_the_python_api(run: Path, photo: Path) -> None:
    classifier = Classifier(str(run), recipe="test", engine="torch")
    assert classifier.preprocess.crop == 40
    assert len(classifier.predict(photo, top_k=3)) == 3
    assert Classifier(BUNDLED_MODEL, image_size=64, engine="torch").preprocess.crop == 64
    with pytest.raises(UsageError, match="two sizes"):
        Classifier(str(run), image_size=64, recipe="test")


@pytest.mark.parametrize(
    ("options", "line", "size", "top1"),
    [
        (("--recipe", "test"), "published           12.34 %   CIFAR-10 test, a test", 40, 12.34),
        (("--image-size", "40"), "none for images resized to 40 and cropped to 40", 40, None),
    ],
)
def test_evaluate_compares_only_with_what_is_published_for_this_size(
    options: tuple[str, ...], line: str, size: int, top1: float | None, run: Path, photo: Path, senet: Senet
) -> None:
    command = ("evaluate", photo.parent.parent, "-m", run, *options, "--engine", "torch")
    done = senet(*command)
    assert done.returncode == 0, done.stderr
    assert f"1 image of 1 class, at {size} pixels" in done.stdout
    assert line in done.stdout
    facts = json.loads(senet(*command, "--format", "json").stdout)
    assert facts["image_size"] == size
    assert (facts["published"] and facts["published"]["top1"]) == top1


@pytest.mark.parametrize(
    "options",
    [
        ("-m", BUNDLED_MODEL, "--recipe", "test"),
        ("-m", BUNDLED_MODEL, "--recipe", "test", "--image-size", "64"),
        ("-m", BUNDLED_MODEL, "--image-size", "3"),
        ("-m", BUNDLED_MODEL, "--image-size", "0"),
        ("-m", BUNDLED_MODEL, "--image-size", "4097"),
        ("-m", BUNDLED_MODEL, "--recipe", "tset"),
        ("--weights", "w.pth", "--arch", "seresnet10-cifar", "--recipe", "test"),
    ],
)
def test_sizes_that_cannot_be_are_wrong_usage(options: tuple[str, ...], photo: Path, senet: Senet) -> None:
    done = senet("predict", photo, *options)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr


def test_with_a_size_no_other_model_steps_in(photo: Path, senet: Senet) -> None:
    """The model that comes with senet sees 32 pixels: a size for the default would be nonsense for it."""
    assert senet("predict", photo, "--offline").returncode == 0
    assert senet("predict", photo, "--offline", "--image-size", "256").returncode == 5
