"""Cadene's pretrainedmodels: the first ports of the authors' networks; also timm's `legacy_` networks."""

from __future__ import annotations

from senet_cli.weights.publishers.base import KeyLayout, Publisher, Style, WrittenFile, block_parts

CADENE = KeyLayout(
    "cadene",
    stem={"conv": "layer0.conv1", "norm": "layer0.bn1"}
    | {f"conv{n}": f"layer0.conv{n}" for n in (1, 2, 3)}
    | {f"norm{n}": f"layer0.bn{n}" for n in (1, 2, 3)},
    block="layer{stage}.{block}",
    parts=block_parts("bn", "se_module.fc1", "se_module.fc2", "downsample"),
    head="last_linear",
)


def _load(builder: str, file: WrittenFile) -> str:
    network = f"pretrainedmodels.{builder}(num_classes={file.classes}, pretrained=None)"
    return f"{network}.load_state_dict({file.state_dict})"


PUBLISHER = Publisher(
    "cadene",
    layouts=(CADENE,),
    style=Style(
        convolutional_se=True, counters=False
    ),  # older than PyTorch 0.4.1, which brought the counters
    loader=_load,
)
