"""A publisher is one file: what is in the folder is known, and each says everything that is asked of it."""

from __future__ import annotations

import pkgutil
from dataclasses import replace
from pathlib import Path

import pytest

from senet_cli.catalogue.entries import Preprocess
from senet_cli.catalogue.lookup import load_manifest
from senet_cli.errors import ModelError
from senet_cli.weights import publishers
from senet_cli.weights.publishers import (
    LAYOUTS,
    PUBLISHERS,
    WRITABLE,
    find_layout,
    layout_for,
    publisher_of,
    style_of,
)
from senet_cli.weights.publishers.base import WrittenFile
from senet_cli.weights.publishers.caffe import CAFFE
from senet_cli.weights.publishers.timm import TIMM, TIMM_POOLED

ARCHITECTURES = load_manifest().architectures
PREPROCESS = Preprocess(256, 224, "bilinear", (0.5, 0.4, 0.3), (0.2, 0.2, 0.2))


def test_every_file_of_the_folder_is_a_publisher() -> None:
    files = {module.name for module in pkgutil.iter_modules(publishers.__path__)} - {"base"}
    assert files == {publisher.name.replace("-", "_") for publisher in PUBLISHERS}


def test_every_layout_belongs_to_one_publisher() -> None:
    layouts = [layout for publisher in PUBLISHERS for layout in publisher.layouts]
    assert [layout.name for layout in layouts] == list(LAYOUTS)
    assert all(publisher_of(layout).layouts.count(layout) == 1 for layout in layouts)
    assert set(LAYOUTS) - set(WRITABLE) == {"caffe", "caffe-inception"}
    with pytest.raises(ValueError, match="no file is written"):
        style_of(CAFFE)
    with pytest.raises(ModelError, match="`keras` is not known"):
        find_layout("keras")


def test_layouts_are_names_for_the_networks_that_they_are_chosen_for() -> None:
    """Of the structures whose published files are in a layout, that layout is chosen."""
    offenders = []
    for checkpoint in load_manifest().checkpoints.values():
        for file in checkpoint.files:
            layout = find_layout(file.layout)
            chosen = layout_for(layout, checkpoint.architecture.spec)
            if chosen != layout:
                offenders.append((checkpoint.name, layout.name, chosen.name))
    assert not offenders


def test_any_layout_of_a_publisher_leads_to_the_right_one() -> None:
    pooled, plain = ARCHITECTURES["seresnet152d"].spec, ARCHITECTURES["seresnet50"].spec
    for asked in (TIMM, TIMM_POOLED):
        assert (layout_for(asked, pooled), layout_for(asked, plain)) == (TIMM_POOLED, TIMM)
    inception = ARCHITECTURES["sebninception-caffe"].spec
    assert {layout_for(layout, inception).name for layout in LAYOUTS.values()} == {
        "caffe-inception",
        *(publisher.layouts[0].name for publisher in PUBLISHERS if publisher.name != "caffe"),
    }


def test_only_the_authors_files_are_prepared_in_their_own_way() -> None:
    own = [publisher.name for publisher in PUBLISHERS if publisher.preprocess_of(PREPROCESS) != PREPROCESS]
    assert own == ["caffe"]
    assert publisher_of(CAFFE).preprocess_of(PREPROCESS) == replace(
        PREPROCESS, mean=(123 / 255, 117 / 255, 104 / 255), std=(1 / 255, 1 / 255, 1 / 255)
    )


@pytest.mark.parametrize(
    ("publisher", "line"),
    [
        ("senet", "senet predict --weights a.pth --arch NAME"),
        (
            "cadene",
            'pretrainedmodels.NAME(num_classes=7, pretrained=None).load_state_dict(torch.load("a.pth"))',
        ),
        ("timm", 'timm.create_model("NAME", num_classes=7, checkpoint_path="a.pth")'),
        ("mmpretrain", 'mmpretrain.get_model("NAME", pretrained="a.pth", head=dict(num_classes=7))'),
        (
            "pytorchcv",
            'pytorchcv.model_provider.get_model("NAME", num_classes=7).load_state_dict(torch.load("a.pth"))',
        ),
    ],
)
def test_the_line_that_loads_a_file(publisher: str, line: str) -> None:
    """That the lines work is tested with the packages themselves, in test_export.py."""
    (owner,) = (each for each in PUBLISHERS if each.name == publisher)
    assert owner.loader is not None
    file = WrittenFile(Path("a.pth"), "torch", 7)
    assert owner.loader("NAME", file) == line
    other = owner.loader("NAME", replace(file, container="safetensors"))
    assert other == line.replace("torch.load(", "safetensors.torch.load_file(")
