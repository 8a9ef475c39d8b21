"""What Python code may give as an image, and what it gets where that cannot be read."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from senet_cli import Classifier, load_image
from senet_cli.errors import ImageError, UsageError
from senet_cli.settings import BUNDLED_MODEL

SHIP = Path(__file__).parents[2] / "examples" / "ship.jpg"


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Classifier:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SENET_CACHE", str(tmp_path_factory.mktemp("inputs")))
        return Classifier(str(BUNDLED_MODEL), device="cpu")


class Reader:
    """A file that can only be read, as a socket's or an archive's."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def read(self) -> bytes:
        return self._data


def test_the_same_file_in_every_form(classifier: Classifier) -> None:
    data = SHIP.read_bytes()
    stored = io.BytesIO(b"before" + data)
    stored.seek(len(b"before"))
    expected = classifier.logits(SHIP)
    with SHIP.open("rb") as file:
        forms: list[Any] = [str(SHIP), data, bytearray(data), memoryview(data), file, stored, Reader(data)]
        for form in forms:
            assert np.array_equal(classifier.logits(form), expected), type(form)
    assert load_image(io.BytesIO(data)).tobytes() == load_image(SHIP).tobytes() == load_image(data).tobytes()


def test_a_failure_stands_in_its_place(classifier: Classifier, tmp_path: Path) -> None:
    broken, missing = tmp_path / "broken.jpg", tmp_path / "missing.jpg"
    broken.write_bytes(SHIP.read_bytes()[:300])
    images = [
        SHIP,
        broken,
        b"no image",
        missing,
        np.zeros((4, 4, 3), np.uint8),
        str(SHIP),
    ] * 8  # several batches
    found = classifier.predict(images, 1, errors="return")
    assert len(found) == len(images)
    for number, result in enumerate(found):
        image = images[number]
        if number % 6 in (1, 2, 3):
            assert isinstance(result, ImageError)
            assert result.path == (str(image) if isinstance(image, Path) else None)
            assert result.kind == {1: "decode", 2: "format", 3: "missing"}[number % 6]
        else:
            assert not isinstance(result, ImageError)
            assert result == classifier.predict(image, 1)
    alone = classifier.predict(missing, errors="return")
    assert isinstance(alone, ImageError)
    assert alone.path == str(missing)


def test_without_that_the_first_failure_is_raised_and_names_the_file(
    classifier: Classifier, tmp_path: Path
) -> None:
    for images in ([SHIP, tmp_path / "b.jpg"], tmp_path / "b.jpg"):
        with pytest.raises(ImageError) as caught:
            classifier.predict(images)
        assert caught.value.path == str(tmp_path / "b.jpg")
    with pytest.raises(ImageError) as caught:
        classifier.features([SHIP, b"nothing"])
    assert caught.value.path is None


def test_what_is_not_an_image_is_an_error_of_the_caller(classifier: Classifier, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("text")
    with (tmp_path / "a.txt").open() as file, pytest.raises(UsageError, match="open for text"):
        classifier.predict([file], errors="return")  # type: ignore[list-item]
    with pytest.raises(UsageError, match='errors is "ignore"'):
        classifier.predict(SHIP, errors="ignore")  # type: ignore[call-overload]


def test_it_shows_what_it_is(classifier: Classifier) -> None:
    assert repr(classifier) == (
        f"Classifier('{BUNDLED_MODEL}', classes=10, engine='{classifier.engine.name}', device='cpu')"
    )


def test_type_checkers_see_the_annotations() -> None:
    import senet_cli

    assert (Path(senet_cli.__file__).parent / "py.typed").is_file()


@pytest.mark.parametrize(
    ("thing", "said"),
    [
        (None, "a NoneType"),
        (7, "a int"),
        (np.zeros((8, 8, 3), np.float32), "an array float32 (8, 8, 3)"),
        (np.zeros((8, 8, 3), np.uint16), "an array uint16 (8, 8, 3)"),
        (np.zeros((8, 8, 2), np.uint8), "an array uint8 (8, 8, 2)"),
        (np.zeros((1, 8, 8, 3), np.uint8), "an array uint8 (1, 8, 8, 3)"),
        (np.zeros((0, 8, 3), np.uint8), "an array uint8 (0, 8, 3)"),
        (np.zeros(8, np.uint8), "an array uint8 (8,)"),
        (torch.zeros(3, 8, 8), "a Tensor"),
        ({"path": "a.jpg"}, "a dict"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_things_that_are_no_images(classifier: Classifier, thing: Any, said: str) -> None:
    for call in (classifier.predict, classifier.features):
        for given in (thing, [SHIP, thing]):
            with pytest.raises(UsageError, match="cannot classify this") as caught:
                call(given)
            assert said in caught.value.message
            assert "a PIL image" in caught.value.hint
