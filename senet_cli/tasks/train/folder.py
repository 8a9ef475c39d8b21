"""The folder of a run: state to go on from, log, picture, and the finished model with its manifest.

<run>/recipe.json         what the run was asked for, and the command
<run>/held-back.json      which images are trained on and which held back, see `datasets.training_record`
<run>/state.pt            after each epoch: weights, momentum, log, and what the run was asked for
<run>/log.csv             one line an epoch
<run>/curves.png          loss and accuracy over the epochs
<run>/model.safetensors   the finished weights; before that, of the last two epochs, epoch-N-of-M.safetensors
<run>/model.json          a manifest with one checkpoint: what makes `-m <run>` work; written last
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from senet_cli.catalogue.entries import Checkpoint
from senet_cli.catalogue.labels import LabelSet
from senet_cli.catalogue.lookup import MODEL_FILE
from senet_cli.datasets.training_record import TrainingRecord
from senet_cli.errors import CheckpointError, DiskError, UsageError, advise
from senet_cli.nets.network import SENetwork
from senet_cli.output.targets import refuse_protected
from senet_cli.store.files import write_atomically
from senet_cli.store.locks import advisory_lock
from senet_cli.store.model_folders import (
    HELD_BACK_FILE,
    STATE_FILE,
    WEIGHTS_FILE,
    ModelFolder,
    as_json,
    epochs_of,
    unfinished_file,
)
from senet_cli.tasks.train.begun import Begun, numbers_of
from senet_cli.tasks.train.loop import Epoch, best_epoch

_RECIPE, _LOG, _CURVES = "recipe.json", "log.csv", "curves.png"
_RESULTS = (STATE_FILE, _LOG, _CURVES, WEIGHTS_FILE, MODEL_FILE)
_FILES = (_RECIPE, HELD_BACK_FILE, *_RESULTS)
"""What a run writes."""
_MAY_CHANGE = {"epochs", "patience"}
_COLUMNS = tuple(field.name for field in fields(Epoch))


@dataclass(frozen=True, slots=True)
class State:
    """Where a run stands after an epoch.

    Args:
        asked: what the run was asked for, by name; a run only goes on if it is asked for the same.
        network: state dict of the network.
        optimiser: state dict of the optimiser.
        log: the epochs so far.
        probe: what the run began with, where that was fitted; see `tasks.train.run`.
        best: state dict of the network after the epoch with the lowest loss on what is held back; older runs
            kept it only while they had patience.
        best_epoch: number of that epoch; 0: none is kept.
        stopped: True if the run ended early.
    """

    asked: dict[str, Any]
    network: dict[str, Tensor]
    optimiser: dict[str, Any]
    log: tuple[Epoch, ...]
    probe: dict[str, Any] | None = None
    best: dict[str, Tensor] | None = None
    best_epoch: int = 0
    stopped: bool = False


class RunFolder:
    """A run's files. Each is replaced in one step, so that a run killed at any moment can go on.

    Args:
        path: the folder; it need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def used(self) -> bool:
        """True if a run was begun here, or files lie here that a run would replace."""
        paths = [self.path / name for name in _RESULTS]
        return any(map(os.path.exists, paths))  # False where one may not look

    @property
    def finished(self) -> bool:
        """True if a finished model lies here; it stays while a run is extended."""
        name = self._weights_name()
        return name is not None and epochs_of(name) is None

    def _weights_name(self) -> str | None:
        """Read the name of the weights that the manifest describes; None where there is no manifest."""
        try:
            about = json.loads((self.path / MODEL_FILE).read_bytes())
            (entry,) = about["checkpoints"].values()
            return str(entry["files"][0]["path"])
        except (OSError, ValueError, KeyError, IndexError, TypeError, AttributeError):
            return None

    def recipe(self) -> dict[str, Any]:
        """Read what `save_recipe` wrote; empty where there is none.

        Raises:
            CheckpointError: the file is not one of ours.
        """
        path = self.path / _RECIPE
        try:
            recipe = json.loads(path.read_bytes())
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except OSError as error:
            raise DiskError.from_os_error(error, f"reading `{path}`") from error
        except (ValueError, RecursionError) as error:
            raise self._damaged_recipe() from error
        if not isinstance(recipe, dict):
            raise self._damaged_recipe()
        return recipe

    def begun(self) -> Begun | None:
        """Read what the run was begun with; None where there is none, or an older version began it.

        Raises:
            CheckpointError: the file is not one of ours.
        """
        recipe = self.recipe()
        try:
            return Begun.read(recipe)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise self._damaged_recipe() from error

    def _damaged_recipe(self) -> CheckpointError:
        return CheckpointError(f"`{self.path / _RECIPE}` is damaged", advise("another-folder"))

    def prepare(self) -> None:
        """Make the folder.

        Raises:
            DiskError: it cannot be made or written.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            write_atomically(self.path / ".writable", b"")
            (self.path / ".writable").unlink()
        except OSError as error:
            raise DiskError.from_os_error(error, f"writing to `{self.path}`") from error
        for name in _FILES:  # before hours of work, not after
            refuse_protected(self.path / name)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes out of the folder, and clear away what a killed one left half written.

        Raises:
            UsageError: another process trains here.
        """

        def refuse() -> None:
            raise UsageError(f"another process trains in `{self.path}`", advise("another-folder"))

        with advisory_lock(self.path / ".lock", 0, refuse):
            for left in self.path.glob(".new-*"):
                with contextlib.suppress(OSError):
                    left.unlink()
            yield

    def load_state(self, asked: dict[str, Any]) -> State | None:
        """Load the state to go on from, or None if there is none yet.

        Raises:
            UsageError: the run was begun with something else; the message says what. Only the number of
                epochs may be another, if it is not less than what is done.
            CheckpointError: the file is not one of ours.
        """
        path = self.path / STATE_FILE
        if not path.exists():
            return None
        try:
            data = torch.load(path, map_location="cpu", weights_only=True)
            log = tuple(Epoch(*row) for row in data["log"])
            then = {"teachers": [], **data["asked"], **numbers_of(data["asked"])}
            best, best_at = data.get("best"), int(data.get("best_epoch", 0))
            if best and not best_at and then["patience"]:  # without its number it is known to be of the log
                best_at = best_epoch(log)
            state = State(
                then,
                data["network"],
                data["optimiser"],
                log,
                data.get("probe"),
                best if best_at else None,
                best_at,
                data.get("stopped", False),
            )
        except OSError as error:
            raise DiskError.from_os_error(error, f"reading `{path}`") from error
        except Exception as error:  # torch's reader has no error of its own
            raise CheckpointError(f"`{path}` is not the state of a run", advise("another-folder")) from error
        if len(log) > asked["epochs"]:
            raise UsageError(
                f"the run in `{self.path}` has done {len(log)} epochs already",
                advise("more-epochs", epochs=len(log) + 1),
            )
        fixed = [name for name in asked if name not in _MAY_CHANGE]
        names = [name for name in fixed if state.asked.get(name) != asked[name]]
        if names:
            was = ", ".join(f"{name} {state.asked.get(name)} (now {asked[name]})" for name in names)
            raise UsageError(
                f"the run in `{self.path}` was begun with {was[:500]}",
                "Resume it with the same.",
                advise("another-folder"),
            )
        return state

    def save_state(self, state: State) -> None:
        """Keep where the run stands, then its log.

        Raises:
            DiskError: it cannot be written; what was there before still is.
        """
        data = {
            "asked": state.asked,
            "network": state.network,
            "optimiser": state.optimiser,
            "log": [astuple(epoch) for epoch in state.log],
            "probe": state.probe,
            "best": state.best,
            "best_epoch": state.best_epoch,
            "stopped": state.stopped,
        }
        buffer = io.BytesIO()
        torch.save(data, buffer)
        self._write(STATE_FILE, buffer.getvalue())
        self._write(_LOG, _as_csv(state.log).encode())

    def save_recipe(self, asked: dict[str, Any], begun: Begun, record: TrainingRecord) -> None:
        """Say what was asked for, for people and for going on; and which images the model is trained on.

        Raises:
            DiskError: it cannot be written.
        """
        about = {"command": list(begun.command), "torch": torch.__version__}
        recipe = {**about, **asked, "begun_with": begun.as_dict()}
        self._write(_RECIPE, as_json(recipe))
        self._write(HELD_BACK_FILE, as_json(record.as_dict()))

    def save_log(self, log: Sequence[Epoch]) -> None:
        """Write the log, also where a run was killed before it could, and draw loss and accuracy."""
        from senet_cli.output.plots import draw_curves

        self._write(_LOG, _as_csv(log).encode())
        loss = {"training": [e.loss for e in log], "held back": [e.held_back_loss for e in log]}
        accuracy = {
            "training": [100 * e.accuracy for e in log],
            "held back": [100 * e.held_back_accuracy for e in log],
        }
        self._write(_CURVES, draw_curves(loss, accuracy))

    def save_model(
        self,
        network: SENetwork,
        checkpoint: Checkpoint,
        labels: LabelSet | None,
        done: tuple[int, int] | None = None,
    ) -> Checkpoint:
        """Write the weights, then the manifest that describes them.

        The weights of the epoch before stay until the next one, for whoever has just read their manifest.

        Args:
            network: trained.
            checkpoint: all about it but its files.
            labels: names of its classes, where they do not come with the package.
            done: how many epochs of how many; None: the run is finished.

        Returns:
            The checkpoint with its file.

        Raises:
            DiskError: they cannot be written.
        """
        from safetensors.numpy import save

        from senet_cli.nets.network import state_of

        weights = save(state_of(network), metadata={"format": "pt"})
        name = WEIGHTS_FILE if done is None else unfinished_file(*done)
        kept = {name} if done is None else {name, self._weights_name()}
        try:
            written = ModelFolder(self.path).write(checkpoint, labels, weights, weights_name=name)
            for path in self.path.glob("epoch-*.safetensors"):
                if path.name not in kept and epochs_of(path.name):
                    path.unlink(missing_ok=True)
        except OSError as error:
            raise DiskError.from_os_error(error, f"writing to `{self.path}`") from error
        return written

    def _write(self, name: str, data: bytes) -> None:
        path = self.path / name
        refuse_protected(path)
        try:
            write_atomically(path, data, shared=True)
        except OSError as error:
            raise DiskError.from_os_error(error, f"writing `{path}`") from error


def _as_csv(log: Sequence[Epoch]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for epoch in log:
        writer.writerow(f"{value:.6g}" if isinstance(value, float) else value for value in astuple(epoch))
    return text.getvalue()
