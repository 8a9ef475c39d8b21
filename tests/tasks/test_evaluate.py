"""Accuracy and calibration against numbers worked out by hand, truth in its usual forms, real networks."""

from __future__ import annotations

import json
import math
from pathlib import Path
from unittest.mock import MagicMock, Mock

import numpy as np
import pytest
from PIL import Image

from senet_cli.catalogue.labels import LabelSet, load_labels, numbered_labels
from senet_cli.cli.hints import hint
from senet_cli.datasets.classes import match_classes
from senet_cli.datasets.ground_truth import read_labelled
from senet_cli.errors import UsageError
from senet_cli.inference.records import ImageResult, Prediction
from senet_cli.settings import BUNDLED_MODEL
from senet_cli.tasks.evaluate.accuracy import Mistake, Share, Tally, calibration_error
from tests.conftest import Senet

CIFAR = load_labels("cifar-10")
IMAGENET = load_labels("imagenet-1k")


# --- numbers --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("right", "of", "low", "high"),
    [
        # Newcombe 1998, Statistics in Medicine 17:857, table I, method 3
        (81, 263, 25.53, 36.62),
        (15, 148, 6.24, 16.05),
        (0, 20, 0.00, 16.11),
        (1, 29, 0.61, 17.18),
    ],
)
def test_interval_is_wilsons(right: int, of: int, low: float, high: float) -> None:
    assert Share(right, of).interval == pytest.approx((low, high), abs=0.006)


def test_a_share_of_nothing_is_no_number() -> None:
    assert math.isnan(Share(0, 0).percent)
    assert all(map(math.isnan, Share(0, 0).interval))


def test_calibration_error_by_hand() -> None:
    # bin of 0.90: two images, one right: |1.8 - 1|; bin of 0.5: two images, none right: |1.0 - 0|
    assert calibration_error([0.9, 0.9, 0.5, 0.5], [True, False, False, False]) == pytest.approx(45.0)
    assert calibration_error([1.0] * 3, [True] * 3) == 0.0


def test_the_mistakes_with_the_highest_scores_are_kept_the_first_of_equal_ones_first() -> None:
    names = ("cat", "dog")
    predictor = Mock(labels=MagicMock(labels=names, ids=(None, None)), activation="softmax")
    predictor.name, predictor.labels.__len__.return_value = "m", 2
    tally = Tally(2)
    for path, answer, score in [("a", 1, 0.7), ("b", 0, 0.99), ("c", 1, 0.9), ("d", 1, 0.7), ("e", 1, 0.6)]:
        best = Prediction(names[answer], None, answer, score)
        tally.add(ImageResult(path, "m", (best,)), 0)
    result = tally.result(predictor)
    assert result.worst == (Mistake("c", "cat", "dog", 0.9), Mistake("a", "cat", "dog", 0.7))
    assert result.overconfidence == pytest.approx(100 * (3.89 - 1) / 5)


# --- classes --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "labels", "indices"),
    [
        (["airplane", "Truck", "CAT"], CIFAR, (0, 9, 3)),
        (["n01440764", "n01531178_goldfinch", "n01443537-goldfish"], IMAGENET, (0, 11, 1)),
        (["great white shark", "Great_White-Shark"][:1], IMAGENET, (2,)),
        (["0", "007", "42"], numbered_labels(100), (0, 7, 42)),
        (["3", "9"], CIFAR, (3, 9)),
    ],
)
def test_classes_are_matched_by_id_name_or_index(
    names: list[str], labels: LabelSet, indices: tuple[int, ...]
) -> None:
    assert match_classes(names, labels) == indices


@pytest.mark.parametrize(
    ("names", "labels", "reason"),
    [
        (["airplain"], CIFAR, "airplane"),
        (["10"], CIFAR, "no class `10`"),
        (["n99999999", "x", "y"], IMAGENET, "nor 2 others"),
        (["cat", "Cat"], CIFAR, "the same class"),
    ],
)
def test_unknown_classes_are_told(names: list[str], labels: LabelSet, reason: str) -> None:
    with pytest.raises(UsageError) as caught:
        match_classes(names, labels)
    assert reason in str(caught.value)


def test_every_imagenet_class_is_found_by_id_and_by_name() -> None:
    assert match_classes([str(i) for i in IMAGENET.ids], IMAGENET) == tuple(range(1000))
    assert match_classes(IMAGENET.labels, IMAGENET) == tuple(range(1000))


# --- truth ----------------------------------------------------------------------------------------


def picture(path: Path, colour: str = "red") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), colour).save(path)


LISTS = {
    "kaggle's": "ImageId,PredictionString\n"
    "VAL_1,n01531178 1 2 3 4\nVAL_2,n01440764 5 6 7 8 n01440764 1 1 2 2\n",
    "caffe's": "VAL_1.JPEG 11\nVAL_2.JPEG 0\n",
    "csv with a header": "label,filename\nn01531178,sub/VAL_1.JPEG\nn01440764,sub/VAL_2.JPEG\n",
    "csv without": "sub/VAL_1.JPEG,goldfinch\nsub/VAL_2.JPEG,tench\n",
    "tsv, quoted, of Windows": '\ufeff"file"\t"class"\r\n'
    '"VAL_1.JPEG"\t"goldfinch"\r\n"VAL_2.JPEG"\t"tench"\r\n',
}


LISTS |= {
    "numbered rows": "id,filename,label\n11,sub/VAL_1.JPEG,goldfinch\n12,sub/VAL_2.JPEG,tench\n",
    "id is the image": "id,label\nVAL_1,goldfinch\nVAL_2,tench\n",
    "semicolons": "file;class\nVAL_1.JPEG;11\nVAL_2.JPEG;0\n",
    "from elsewhere": "/data/imagenet/val/sub/VAL_1.JPEG goldfinch\nC:\\val\\sub\\VAL_2.JPEG tench\n",
}


@pytest.mark.parametrize("text", LISTS.values(), ids=LISTS)
def test_lists_of_images_and_classes(text: str, tmp_path: Path) -> None:
    for name in ("VAL_1.JPEG", "VAL_2.JPEG"):
        picture(tmp_path / "val" / "sub" / name)
    (tmp_path / "truth").write_text(text, encoding="utf-8", newline="")
    labelled = read_labelled(tmp_path / "val", tmp_path / "truth")
    indices = match_classes(labelled.classes, IMAGENET)
    found = {Path(source.name).name: indices[target] for source, target in labelled.images}
    assert found == {"VAL_1.JPEG": 11, "VAL_2.JPEG": 0}
    assert all(Path(source.name).exists() for source, _ in labelled.images)


@pytest.mark.parametrize("name", ["LOC_val_solution.csv", "val.txt"])
def test_imagenets_own_lists_are_found_beside_the_images(name: str, tmp_path: Path) -> None:
    text = LISTS["kaggle's" if name.endswith("csv") else "caffe's"]
    (tmp_path / name).write_text(text)
    for image in ("VAL_1.JPEG", "VAL_2.JPEG"):
        picture(tmp_path / "ILSVRC" / "Data" / "CLS-LOC" / "val" / image)
    assert len(read_labelled(tmp_path, None)) == 2


@pytest.mark.parametrize("around", [".", "only", "only/one"])
def test_images_of_one_name_are_told_apart_by_their_folders(around: str, tmp_path: Path) -> None:
    for name in ("cat/1.png", "dog/1.png"):
        picture(tmp_path / "data" / around / name)
    truth = tmp_path / "truth.csv"
    for prefix in ("", "data/", "elsewhere/"):
        truth.write_text(f"{prefix}cat/1.png,cat\n{prefix}dog/1.png,dog\n")
        labelled = read_labelled(tmp_path / "data", truth)
        for source, target in labelled.images:
            assert Path(source.name).parent.name == labelled.classes[target]
    truth.write_text("1.png,cat\n")
    with pytest.raises(UsageError, match="may be"):
        read_labelled(tmp_path / "data", truth)


BAD_LISTS = {
    "two classes": ("a.png,cat\na.png,dog\n", "both"),
    "nothing": ("\n\n", "no rows"),
    "a long cell": ("file,class\n" + "a" * 200_000 + ",cat\n", "cannot be read"),
    "a long path": ("/".join(["a" * 3000] * 9) + ",cat\n", "none of the 1 images"),
    "one column": ("a.png\n", "no image and class"),
}


@pytest.mark.parametrize(("text", "reason"), BAD_LISTS.values(), ids=BAD_LISTS)
def test_lists_that_are_none(text: str, reason: str, tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    (tmp_path / "truth").write_text(text)
    with pytest.raises(UsageError, match=reason):
        read_labelled(tmp_path, tmp_path / "truth")


def test_a_list_of_names_only_beside_class_folders_is_passed_over(tmp_path: Path) -> None:
    picture(tmp_path / "cat" / "1.png")
    (tmp_path / "val.txt").write_text("cat/1.png\n")
    assert read_labelled(tmp_path, None).classes == ("cat",)


def test_a_number_that_is_no_index() -> None:
    with pytest.raises(UsageError, match="no class"):
        match_classes(["1" * 5000], IMAGENET)


def test_names_with_blanks_in_a_list(tmp_path: Path) -> None:
    picture(tmp_path / "my cat.png")
    (tmp_path / "truth").write_text("my cat.png 281\n")
    labelled = read_labelled(tmp_path, tmp_path / "truth")
    assert Path(labelled.images[0][0].name).name == "my cat.png"


def test_class_folders_need_no_list(tmp_path: Path) -> None:
    picture(tmp_path / "val" / "n01531178" / "1.png")
    assert read_labelled(tmp_path, None).classes == ("n01531178",)


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("ILSVRC2012_validation_ground_truth.txt", "490\n361\n", "an order of its own"),
        ("empty.csv", "", "no rows"),
        ("one.csv", "path,label\nVAL_1.JPEG\n", "line 2"),
        ("elsewhere.csv", "a.jpg,cat\nb.jpg,dog\n", "none of the 2 images"),
    ],
)
def test_lists_that_are_no_use(name: str, text: str, reason: str, tmp_path: Path) -> None:
    picture(tmp_path / "VAL_1.JPEG")
    (tmp_path / name).write_text(text)
    with pytest.raises(UsageError, match=reason):
        read_labelled(tmp_path, tmp_path / name)


def test_photos_without_any_truth(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    with pytest.raises(UsageError) as caught:
        read_labelled(tmp_path, None)
    assert "--ground-truth" in hint(caught.value)


# --- the command ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def originals(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first 1,017 test images of CIFAR-10, to the last bit, in class folders."""
    with np.load(data / "cifar10" / "cifar10-original-subset.npz") as arrays:
        images, labels = arrays["test_x"], arrays["test_labels_all"]
    folder = tmp_path_factory.mktemp("originals")
    for number, image in enumerate(images):
        path = folder / CIFAR.labels[labels[number]] / f"{number:04}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(image.reshape(32, 32, 3) if image.ndim == 3 else image).save(path)
    return folder


@pytest.mark.parametrize(
    ("model", "right"),
    [
        ("seresnet32-cifar10.cutmix", 964),
        pytest.param("seresnet32-cifar10.teacher", 953, marks=pytest.mark.slow),
    ],
)
def test_real_networks_are_right_as_often_as_an_independent_program_found(
    model: str, right: int, originals: Path, cifar_cache: Path, senet: Senet, tmp_path: Path
) -> None:
    environment = {"SENET_CACHE": str(cifar_cache), "OMP_NUM_THREADS": "1"}
    done = senet(
        "evaluate", originals, "-m", model, "--format", "json", "--confusion", "c.png", env=environment
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert (result["images"], result["top1"]["right"], result["failed"]) == (1017, right, 0)
    confusion = np.array(result["confusion"])
    assert confusion.sum() == 1017
    assert confusion.trace() == right
    assert [row["right"] for row in result["classes"]] == confusion.diagonal().tolist()
    assert [row["images"] for row in result["classes"]] == confusion.sum(1).tolist()
    shares = [row["right"] / row["images"] for row in result["classes"]]
    assert result["mean_class_accuracy"] == pytest.approx(100 * sum(shares) / 10, abs=1e-3)
    assert result["published"]["dataset"] == "cifar-10"
    with Image.open(tmp_path / "c.png") as drawn:
        assert drawn.format == "PNG"


def test_images_that_cannot_be_read_are_counted_apart(
    data: Path, cifar_cache: Path, senet: Senet, tmp_path: Path
) -> None:
    picture(tmp_path / "set" / "cat" / "1.png")
    (tmp_path / "set" / "cat" / "2.png").write_bytes(b"no image")
    (tmp_path / "truth.csv").write_text("path,label\n1.png,cat\n2.png,cat\n3.png,dog\n")
    environment = {"SENET_CACHE": str(cifar_cache), "SENET_MODEL": "seresnet32-cifar10"}
    for extra, failed in (((), 1), (("--ground-truth", "truth.csv"), 2)):
        done = senet("evaluate", "set", *extra, "--format", "json", env=environment)
        result = json.loads(done.stdout)
        assert done.returncode == 1
        assert (result["images"], result["failed"]) == (1, failed)
        assert f"{failed} of {failed + 1} images" in done.stderr
    done = senet("evaluate", "set", "-o", "result.txt", env=environment)
    assert done.stdout == ""
    assert "top-1" in (tmp_path / "result.txt").read_text()


def test_a_model_must_be_named(senet: Senet, tmp_path: Path) -> None:
    done = senet("evaluate", tmp_path)
    assert done.returncode == 2
    assert "--model" in done.stderr


def test_classes_that_the_model_does_not_know(cifar_cache: Path, senet: Senet, tmp_path: Path) -> None:
    picture(tmp_path / "set" / "zebra" / "1.png")
    done = senet("evaluate", "set", "-m", "seresnet32-cifar10", env={"SENET_CACHE": str(cifar_cache)})
    assert done.returncode == 2
    assert "no class `zebra`" in done.stderr


# --- what is printed ------------------------------------------------------------------------------


def test_mistakes_and_calibration_in_every_format(senet: Senet, tmp_path: Path) -> None:
    data = tmp_path / "data"
    for number, colour in enumerate(("blue", "green", "red")):
        picture(data / "truck" / f"{number}.png", colour)
    picture(data / "cat" / "a\tb.png", "white")
    options = ("evaluate", data, "-m", BUNDLED_MODEL, "--engine", "torch")
    result = json.loads(senet(*options, "--worst", 3, "--format", "json").stdout)
    wrong = result["images"] - result["top1"]["right"]
    assert len(result["worst"]) == min(3, wrong) > 0
    scores = [each["score"] for each in result["worst"]]
    assert scores == sorted(scores, reverse=True)
    rows = [line.split("\t") for line in senet(*options, "--worst", 9, "--format", "tsv").stdout.splitlines()]
    assert len(rows) == wrong
    for row, each in zip(rows, result["worst"], strict=False):
        assert row[:3] == [f"{each['score']:.3f}", each["truth"], each["answer"]]
        assert row[3] == each["path"].replace("\t", "\\t")
    text = senet(*options, "--worst", 1).stdout
    assert "how far scores are from how often they are right: on average " in text
    *_, title, head, row = text.splitlines()
    assert title == "mistakes with the highest scores:"
    assert str(head).split() == ["score", "class", "taken", "for", "image"]
    assert str(row).split()[0] == rows[0][0]
    lines = senet(*options, "--format", "tsv").stdout.splitlines()
    assert [str(line).partition("\t")[0] for line in lines] == ["cat", "truck"]
