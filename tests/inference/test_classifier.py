"""The Python API with real trained networks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

import senet_cli
from senet_cli import Classifier, Prediction, create_model
from senet_cli.errors import ImageError, NetworkError, UnknownModelError, UsageError
from senet_cli.inference.predictor import Predictor
from senet_cli.nets.network import SENetwork
from tests.datasets.cifar import NAMES
from tests.known import network_of

KEY = "seresnet32-cifar-leeyeonsu"
Pixels = NDArray[np.uint8]


@pytest.fixture(scope="module")
def photos(data: Path) -> Pixels:
    """The first 1,017 images of CIFAR-10's test set, their original bytes: (N, 32, 32, 3)."""
    with np.load(data / "cifar10" / "cifar10-original-subset.npz") as file:
        pixels: Pixels = file["test_x"]
    return pixels


@pytest.fixture(scope="module")
def world(cifar_cache: Path) -> Iterator[pytest.MonkeyPatch]:
    """The environment of someone who has downloaded the two networks and went offline."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SENET_CACHE", str(cifar_cache))
        patch.setenv("SENET_OFFLINE", "1")
        yield patch


@pytest.fixture(scope="module")
def classifier(world: pytest.MonkeyPatch) -> Classifier:
    return Classifier("seresnet32-cifar10", device="cpu")


@pytest.fixture
def cached(cifar_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENET_CACHE", str(cifar_cache))
    monkeypatch.setenv("SENET_OFFLINE", "1")


def scores_by_index(predictions: list[Prediction]) -> list[float]:
    return [p.score for p in sorted(predictions, key=lambda prediction: prediction.index)]


# --- real predictions ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.usefixtures("cached")
def test_predictions_are_those_of_an_independent_program(name: str, data: Path, photos: Pixels) -> None:
    golden = json.loads((data / "checkpoints" / "golden_predictions.json").read_text())["models"][NAMES[name]]
    classifier = Classifier(name, device="cpu")
    results = classifier.predict(list(photos), top_k=1)
    assert len(results) == len(golden["pred"]) == 1017

    right = 0
    for path, expected in golden["pred"].items():  # "test/airplane/00003.png" is image 3 of the test set
        best = results[int(Path(path).stem)][0]
        assert best.label == expected["pred"]
        assert best.score == pytest.approx(expected["prob"], abs=2e-5)
        right += best.label == expected["label"]
    assert right == golden["correct"]

    for path, logits in golden["logits_first5"].items():
        number = int(Path(path).stem)
        ours = classifier.engine.logits(photos[number : number + 1])[0]
        np.testing.assert_allclose(ours, logits, atol=1e-4)


# --- predict ------------------------------------------------------------------------------------


def test_the_same_image_in_every_form(classifier: Classifier, photos: Pixels, tmp_path: Path) -> None:
    array = photos[0]
    image = Image.fromarray(array)
    path = tmp_path / "cat.png"
    image.save(path)
    expected = scores_by_index(classifier.predict(array, top_k=10))
    assert sum(expected) == pytest.approx(1)
    for form in (path, str(path), image, image.convert("RGBA"), np.asfortranarray(array)):
        assert scores_by_index(classifier.predict(form, top_k=10)) == pytest.approx(expected, abs=1e-6)
    for several in ([path, image, array], (path, image, array)):
        results = classifier.predict(several, top_k=10)
        assert len(results) == 3
        for result in results:
            assert scores_by_index(result) == pytest.approx(expected, abs=1e-6)


def test_a_prediction_says_what_it_is(classifier: Classifier, photos: Pixels) -> None:
    best = classifier.predict(photos[0])[0]
    assert (best.label, best.index, best.id) == ("cat", 3, None)
    assert 0.5 < best.score < 1


def test_predictions_are_ranked(classifier: Classifier, photos: Pixels) -> None:
    for result in classifier.predict(list(photos[:20]), top_k=10):
        scores = [prediction.score for prediction in result]
        assert scores == sorted(scores, reverse=True)
        assert len({prediction.index for prediction in result}) == 10


@pytest.mark.parametrize(("top_k", "given"), [(1, 1), (3, 3), (10, 10), (11, 10), (10**9, 10)])
def test_top_k_is_cut_to_the_number_of_classes(
    classifier: Classifier, photos: Pixels, top_k: int, given: int
) -> None:
    assert len(classifier.predict(photos[0], top_k=top_k)) == given
    assert [len(result) for result in classifier.predict([photos[0]] * 2, top_k=top_k)] == [given] * 2


def test_five_by_default(classifier: Classifier, photos: Pixels) -> None:
    assert len(classifier.predict(photos[0])) == 5


def test_no_images_give_no_results(classifier: Classifier) -> None:
    assert classifier.predict([]) == []
    assert len(classifier.features([])) == 0


def test_an_image_gives_the_same_scores_alone_and_among_others(
    classifier: Classifier, photos: Pixels
) -> None:
    count = classifier.batch_size + 7
    together = classifier.predict(list(photos[:count]), top_k=10)
    for number in (0, 1, classifier.batch_size - 1, classifier.batch_size, count - 1):
        alone = classifier.predict(photos[number], top_k=10)
        assert scores_by_index(together[number]) == pytest.approx(scores_by_index(alone), abs=1e-5)


def test_a_large_photograph_is_resized(classifier: Classifier, data: Path) -> None:
    path = min((data / "photos-cifar10-labels" / "airplane").iterdir())
    with Image.open(path) as image:
        assert min(image.size) > 32
    assert classifier.predict(path)[0].label == "airplane"


# --- ranking ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def predictor(classifier: Classifier) -> Predictor:
    """What ranks for the pipeline and for `Classifier`, with ten classes."""
    return Predictor(
        name=classifier.name,
        spec=classifier.spec,
        preprocess=classifier.preprocess,
        labels=classifier.labels,
        engine=classifier.engine,
        batch_size=classifier.batch_size,
    )


def test_ties_go_to_the_lower_index(predictor: Predictor) -> None:
    def order(logits: list[float]) -> list[int]:
        return [p.index for p in predictor.rank(np.array(logits, np.float32), top_k=10)]

    assert order([0.5] * 10) == list(range(10))
    assert order([0, 3, 1, 3, 0, 3, 1, 0, 0, 0]) == [1, 3, 5, 2, 6, 0, 4, 7, 8, 9]
    assert order([-1e30] * 9 + [1e30]) == [9, 0, 1, 2, 3, 4, 5, 6, 7, 8]


def test_scores_are_softmax_probabilities(predictor: Predictor) -> None:
    logits = np.linspace(-3, 4, 10, dtype=np.float32)
    scores = scores_by_index(predictor.rank(logits, top_k=10))
    assert scores == pytest.approx(torch.tensor(logits).double().softmax(0).tolist(), abs=1e-12)
    shifted = scores_by_index(predictor.rank(logits + 1000, top_k=10))
    assert shifted == pytest.approx(scores, rel=1e-3)


def test_predictions_under_the_bar_are_left_out(predictor: Predictor) -> None:
    logits = np.log(np.array([0.3, 0.3, 0.2, 0.1, 0.1] + [1e-9] * 5, np.float32))
    assert [p.index for p in predictor.rank(logits, 10, min_score=0.15)] == [0, 1, 2]
    assert [p.index for p in predictor.rank(logits, 2, min_score=0.15)] == [0, 1]
    assert predictor.rank(logits, 10, min_score=0.5) == []


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_logits_that_are_no_numbers(
    classifier: Classifier,
    predictor: Predictor,
    value: float,
    photos: Pixels,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    logits = np.zeros(10, np.float32)
    logits[4] = value
    with pytest.raises(ImageError) as caught:
        predictor.rank(logits, 5)
    assert caught.value.kind == "logits"

    monkeypatch.setattr(classifier.engine, "logits", lambda _: logits[None])
    with pytest.raises(ImageError, match="not finite"):
        classifier.predict(photos[0])


# --- what is no image ---------------------------------------------------------------------------


@pytest.mark.parametrize("top_k", [0, -1])
def test_top_k_under_one(classifier: Classifier, photos: Pixels, top_k: int) -> None:
    with pytest.raises(UsageError, match=f"top_k is {top_k}"):
        classifier.predict(photos[0], top_k=top_k)


def test_files_that_are_no_images(classifier: Classifier, tmp_path: Path) -> None:
    text = tmp_path / "a.jpg"
    text.write_text("no image")
    for path, kind in ((text, "format"), (tmp_path / "nowhere.jpg", "missing")):
        with pytest.raises(ImageError) as caught:
            classifier.predict(path)
        assert caught.value.kind == kind


# --- lists --------------------------------------------------------------------------------------


def test_a_list_gives_what_single_images_give(classifier: Classifier, photos: Pixels) -> None:
    """Shorter and longer than a batch; the longer one runs in batches side by side."""
    count = 2 * classifier.batch_size + 3
    images = list(photos[:count])
    logits = classifier.logits(images)
    assert logits.shape == (count, 10)
    assert logits.dtype == np.float32
    for number in (0, 1, count - 1):
        np.testing.assert_allclose(classifier.logits(images[number])[0], logits[number], atol=1e-4)
    ranked = classifier.predict(images, top_k=1)
    assert [best[0].index for best in ranked] == logits.argmax(1).tolist()
    np.testing.assert_allclose(classifier.logits(images[:3]), logits[:3], atol=1e-4)
    assert classifier.logits([]).shape == (0, 10)


def test_a_list_is_decoded_ahead_of_the_engine(
    classifier: Classifier, tmp_path: Path, photos: Pixels
) -> None:
    """Also in a later batch; nothing hangs."""
    images: list[object] = list(photos[: 3 * classifier.batch_size])
    images[2 * classifier.batch_size] = tmp_path / "nowhere.jpg"
    with pytest.raises(ImageError) as caught:
        classifier.predict(images)
    assert caught.value.kind == "missing"


# --- features -----------------------------------------------------------------------------------


def test_features_are_what_the_head_gets(classifier: Classifier, photos: Pixels, cifar_cache: Path) -> None:
    features = classifier.features(list(photos[:5]))
    assert features.shape == (5, 64)
    assert features.dtype == np.float32
    assert classifier.features(photos[0]).shape == (1, 64)
    assert features.std() > 0.01

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SENET_CACHE", str(cifar_cache))
        network = network_of("seresnet32-cifar10")
    with torch.no_grad():
        logits = network.head(torch.from_numpy(features)).numpy()
    np.testing.assert_allclose(logits, classifier.engine.logits(photos[:5]), atol=1e-5)


# --- precision ----------------------------------------------------------------------------------


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
@pytest.mark.usefixtures("cached")
def test_half_precision_agrees_on_the_best_class(
    classifier: Classifier, precision: str, photos: Pixels
) -> None:
    images = list(photos[:30])
    half = Classifier("seresnet32-cifar10", device="cpu", precision=precision)
    assert half.engine.logits(photos[:1]).dtype == np.float32
    expected = classifier.predict(images, top_k=1)
    got = half.predict(images, top_k=1)
    assert [best.index for (best,) in got] == [best.index for (best,) in expected]
    off = [abs(ours.score - theirs.score) for (ours,), (theirs,) in zip(got, expected, strict=True)]
    assert 0 < max(off) < 0.05


# --- finding a model ----------------------------------------------------------------------------


@pytest.mark.usefixtures("cached")
def test_models_are_found_by_every_name(photos: Pixels) -> None:
    for name in ("seresnet32-cifar10", "seresnet32-cifar10.cutmix", "leeyeonsu/cutmix", "SEResNet32-CIFAR10"):
        assert Classifier(name, device="cpu").name == "seresnet32-cifar10.cutmix"
    with pytest.raises(UnknownModelError, match=r"seresnet32-cifar10\.teacher"):
        Classifier("seresnet32-cifar10.teache", device="cpu")


@pytest.mark.usefixtures("cached")
def test_what_is_not_cached_is_not_fetched_offline() -> None:
    with pytest.raises(NetworkError):
        Classifier("seresnet18", device="cpu", offline=True)


# --- create_model -------------------------------------------------------------------------------


def se_modules(network: SENetwork) -> int:
    return sum(isinstance(module, senet_cli.SqueezeExcitation) for module in network.modules())


def test_create_model_with_random_weights() -> None:
    network = create_model("seresnet20-cifar")
    assert network.training
    assert se_modules(network) == 9
    assert network(torch.zeros(2, 3, 32, 32)).shape == (2, 10)
    torch.manual_seed(1)
    first = create_model("seresnet20-cifar")
    torch.manual_seed(1)
    assert torch.equal(first.stem.conv.weight, create_model("seresnet20-cifar").stem.conv.weight)
    assert not torch.equal(first.stem.conv.weight, network.stem.conv.weight)


def test_create_model_with_other_numbers() -> None:
    network = create_model("seresnet20-cifar", num_classes=3, in_channels=1, se=False)
    assert se_modules(network) == 0
    assert network(torch.zeros(2, 1, 32, 32)).shape == (2, 3)
    assert network.spec.classes == 3
    assert network.spec.se is None


@pytest.mark.usefixtures("cached")
def test_create_model_with_a_checkpoint(classifier: Classifier, photos: Pixels) -> None:
    network = create_model(KEY, checkpoint="seresnet32-cifar10")
    assert not any(module.training for module in network.modules())
    mean, std = (
        torch.tensor(v).reshape(3, 1, 1) for v in (classifier.preprocess.mean, classifier.preprocess.std)
    )
    inputs = (torch.from_numpy(photos[:3]).permute(0, 3, 1, 2) / 255 - mean) / std
    with torch.inference_mode():
        logits = network(inputs).numpy()
    np.testing.assert_allclose(logits, classifier.engine.logits(photos[:3]), atol=1e-5)


@pytest.mark.usefixtures("cached")
def test_a_checkpoint_with_another_head_keeps_the_rest() -> None:
    whole = create_model(KEY, checkpoint="seresnet32-cifar10")
    other = create_model(KEY, checkpoint="seresnet32-cifar10", num_classes=4)
    assert other.head.weight.shape == (4, 64)
    assert other.spec.classes == 4
    for key, value in other.state_dict().items():
        if not key.startswith("head."):
            assert torch.equal(value, whole.state_dict()[key])
    with torch.inference_mode():
        assert torch.isfinite(other(torch.zeros(1, 3, 32, 32))).all()
    assert not any(module.training for module in other.modules())


@pytest.mark.parametrize(
    ("key", "changes"),
    [(KEY, {"in_channels": 1}), (KEY, {"se": False}), ("seresnet32-cifar", {})],
    ids=["in_channels", "se", "another architecture"],
)
@pytest.mark.usefixtures("cached")
def test_a_checkpoint_that_does_not_fit(key: str, changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"seresnet32-cifar10\.cutmix.* is a `seresnet32-cifar-leeyeonsu`"):
        create_model(key, checkpoint="seresnet32-cifar10", **changes)


def test_an_unknown_architecture_key_gets_a_suggestion() -> None:
    with pytest.raises(UnknownModelError, match="seresnet50-caffe") as caught:
        create_model("seresnet50-cafe")
    assert caught.value.exit_code == 4
