"""What turns outputs into scores: kept with the model, the same from the file to the record."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
import torch

from senet_cli.catalogue.activation import ACTIVATIONS, Activation
from senet_cli.catalogue.fields import Fields
from senet_cli.catalogue.labels import numbered_labels
from senet_cli.catalogue.lookup import load_manifest, parse_manifest
from senet_cli.catalogue.resolve import ModelRef
from senet_cli.catalogue.write import checkpoint_dict, manifest_of
from senet_cli.cli.hints import hint
from senet_cli.errors import CheckpointError, ExitCode, ManifestError
from senet_cli.inference.classifier import Classifier
from senet_cli.inference.pipeline import RunOptions
from senet_cli.inference.predictor import Predictor
from senet_cli.inference.records import ImageResult
from senet_cli.inference.resolve import OwnWeights, Resolver
from senet_cli.inference.runtime import resolve_runtime
from senet_cli.output.choose import make_writer
from senet_cli.settings import Settings
from tests.conftest import Senet
from tests.inference.numberengine import number_predictor
from tests.tasks.import_weights.worlds import KEY, imported, random_network, theirs

PROJECT = Path(__file__).parents[2]
PHOTO = PROJECT / "examples" / "ship.jpg"
OUTPUTS = np.array([0.5, -2.0, 3.0, 90.0, 95.0, -800.0], np.float32)
EXPECTED = {
    "softmax": torch.softmax(torch.tensor(OUTPUTS).double(), 0),
    "sigmoid": torch.sigmoid(torch.tensor(OUTPUTS).double()),
    "none": torch.tensor(OUTPUTS).double(),
}


def predictor(activation: Activation) -> Predictor:
    return replace(number_predictor(), labels=numbered_labels(len(OUTPUTS)), activation=activation)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_scores_are_pytorchs_and_ranked_by_the_outputs(activation: Activation) -> None:
    ranked = predictor(activation).rank(OUTPUTS, 9)
    assert [best.index for best in ranked] == [4, 3, 2, 0, 1, 5]
    for best in ranked:
        assert best.score == pytest.approx(float(EXPECTED[activation][best.index]), rel=1e-12, abs=1e-300)


def test_the_least_score_is_a_threshold_for_each_class() -> None:
    assert [best.index for best in predictor("sigmoid").rank(OUTPUTS, 9, 0.6)] == [4, 3, 2, 0]
    assert [best.index for best in predictor("softmax").rank(OUTPUTS, 9, 0.6)] == [4]
    assert len(predictor("none").rank(OUTPUTS, 9)) == 6, "negative outputs are not under a bar of nothing"


def test_it_is_part_of_an_entry() -> None:
    schema = json.loads((PROJECT / "docs" / "weights_manifest.schema.json").read_text())
    published = load_manifest().checkpoint("seresnet50.a2")
    assert "activation" not in checkpoint_dict(published)
    for activation in ACTIVATIONS:
        checkpoint = replace(published, activation=activation)
        written = json.loads(json.dumps(manifest_of(checkpoint, None)))
        jsonschema.validate(written, schema)
        (read,) = parse_manifest(Fields(written, "here")).checkpoints.values()
        assert read.activation == activation
    written["checkpoints"][published.name]["activation"] = "tanh"
    assert not jsonschema.Draft202012Validator(schema).is_valid(written)
    with pytest.raises(ManifestError, match=r"`activation` is .*tanh"):
        parse_manifest(Fields(written, "here"))


def own_file(folder: Path, classes: int) -> Path:
    from senet_cli.weights.publishers import find_layout

    spec = load_manifest().architecture(KEY).spec.with_classes(classes)
    torch.save(theirs(random_network(spec), find_layout("timm")), folder / f"{classes}.pth")
    return folder / f"{classes}.pth"


@pytest.mark.parametrize("engine", ["torch", "auto"])
def test_one_output_needs_another_than_softmax(engine: Any, tmp_path: Path) -> None:
    file = own_file(tmp_path, 1)
    settings = Settings.from_environment()
    resolver = Resolver.load(settings)

    def load(activation: Activation) -> Predictor:
        model = resolver.own_weights(OwnWeights(file, KEY, activation=activation))
        return Predictor.load(model, resolve_runtime(engine, "cpu", "fp32"), settings)

    with pytest.raises(CheckpointError, match="has one output, so its softmax is 1") as caught:
        load("softmax")
    assert caught.value.exit_code == ExitCode.MODEL == 4
    assert "--activation sigmoid" in hint(caught.value)
    sigmoid, none = (scores_of(load(activation)) for activation in ("sigmoid", "none"))
    assert len(sigmoid) == len(none) == 1
    assert sigmoid[0] == pytest.approx(float(torch.sigmoid(torch.tensor(none[0]).double())))
    assert 0 < sigmoid[0] < 1


def scores_of(loaded: Predictor) -> list[float]:
    from senet_cli.images.sources import Source
    from senet_cli.inference.pipeline import classify

    (record,) = classify([Source(str(PHOTO))], loaded, RunOptions(5, 0.0, 1, 1))
    assert isinstance(record, ImageResult)
    assert record.probabilities == (loaded.activation != "none")
    return [best.score for best in record.predictions]


def test_an_imported_model_keeps_it(tmp_path: Path) -> None:
    one, three = own_file(tmp_path, 1), own_file(tmp_path, 3)
    with pytest.raises(CheckpointError, match="one output"):
        imported(one)
    for file, activation in ((one, "sigmoid"), (three, "sigmoid"), (three, "none"), (three, None)):
        imported(file, activation=activation, force=True)
        resolver = Resolver.load(Settings.from_environment())
        known = resolver.catalogue.resolve(ModelRef.parse("mine"))
        assert known.checkpoint.activation == (activation or "softmax")
        classifier = Classifier("mine", engine="torch")
        logits = torch.from_numpy(classifier.logits(PHOTO))[0].double()
        expected = {"sigmoid": torch.sigmoid(logits), "none": logits, None: torch.softmax(logits, 0)}[
            activation
        ]
        ranked = classifier.predict(PHOTO)
        assert [best.score for best in ranked] == pytest.approx([float(expected[b.index]) for b in ranked])


def test_a_table_shows_no_percentages_of_outputs() -> None:
    for activation, shown, hidden in (("softmax", "99.33%", "95"), ("none", "-800", "%")):
        ranked = tuple(predictor(activation).rank(OUTPUTS, 9))
        record = ImageResult("a.jpg", "mine", ranked, probabilities=activation != "none")
        text = make_writer("table", width=80, colour=False, unicode=True).record(record)
        assert shown in text
        assert hidden not in text


def test_on_the_command_line(senet: Senet, tmp_path: Path) -> None:
    file = own_file(tmp_path, 1)

    def run(*options: str) -> subprocess.CompletedProcess[str]:
        return senet("predict", PHOTO, "--format", "jsonl", "--engine", "torch", *options)

    own = ("--weights", str(file), "--arch", KEY)
    refused = run(*own)
    assert (refused.returncode, refused.stdout) == (4, "")
    assert "has one output" in refused.stderr
    done = run(*own, "--activation", "sigmoid")
    (best,) = json.loads(done.stdout)["predictions"]
    assert 0 < best["score"] < 1
    wrong = run("--activation", "sigmoid")
    assert wrong.returncode == 2
    assert "a model with a name has its own" in wrong.stderr
