"""Our own files, as `senet train` and `senet import` write them: the module paths are the names."""

from __future__ import annotations

from senet_cli.weights.publishers.base import KeyLayout, Publisher, Style, WrittenFile
from senet_cli.weights.publishers.caffe import CAFFE_INCEPTION

SENET = KeyLayout(
    "senet",
    stem={f"{kind}{n}": f"stem.{kind}{n}" for kind in ("conv", "norm") for n in ("", "1", "2", "3", "4")}
    | {path: f"stem.{path}" for path in CAFFE_INCEPTION.stem},
    block="stage{stage}.{block}",
    parts={f"{kind}{n}": f"{kind}{n}" for kind in ("conv", "norm") for n in (1, 2, 3)}
    | {
        path: path
        for path in (
            *("se.reduce", "se.expand", "shortcut", "shortcut.conv", "shortcut.norm"),
            *("norm1.instance", "norm1.batch"),
            *CAFFE_INCEPTION.parts,
        )
    },
    head="head",
    final="final.norm",
)


def _load(key: str, file: WrittenFile) -> str:
    return f"senet predict --weights {file.path} --arch {key}"


PUBLISHER = Publisher(
    "senet",
    layouts=(SENET,),
    style=Style(convolutional_se=False, counters=False),
    loader=_load,
    by_key=True,
)
