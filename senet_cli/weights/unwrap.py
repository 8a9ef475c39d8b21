"""From what a file holds to one set of weights: wrappers, averaged weights, prefixes, counters.

Which set is taken follows timm's `load_state_dict(path, use_ema=True)`: averaged weights before others
(`state_dict_ema`, `model_ema`, then `state_dict`, `model`). OpenMMLab's files are the exception: mmengine and
mmcv put the averaged weights under `state_dict` and "the original model parameters are actually saved in ema
field after train" (documentation of their EMAHook).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from senet_cli.errors import CheckpointError, UsageError, advise
from senet_cli.weights.arrays import State, Unreadable
from senet_cli.weights.publishers import LAYOUTS
from senet_cli.weights.taken import WHOLE, Taken

_AVERAGED = ("state_dict_ema", "model_ema", "ema_state_dict", "ema", "ema_model", "params_ema")
_PLAIN = ("state_dict", "model", "model_state_dict", "net", "network", "weights", "params", "module")
_ORDER = (*_AVERAGED, *_PLAIN)
"""Known wrappers, the preferred first; timm's own four in timm's order."""
_AVERAGES = {"ema", "averaged", "swa"}
"""Words in the names of averaged weights."""
_NO_WEIGHTS = ("optim", "sched", "scaler", "criterion", "loss")
"""Parts of names under which a trainer keeps tensors that are no network's."""
_DEPTH = 3
"""A wrapper within a wrapper within a wrapper is as deep as published files go."""
INSERTED = {"module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"}
"""What PyTorch's wrappers (parallel, averaged, compiled, checkpointed) put between names; no layout does."""
_COUNTERS = {"n_averaged", "steps"}
"""What averaged models (PyTorch's, mmengine's) hold beside the network."""
_OPERATIONS = {"total_ops", "total_params"}
"""What a counter of operations (thop) leaves in every module."""
_EMA = "ema_"
"""Before the names of the second set that mmcv's EMAHook keeps among the first."""
_SHOWN_KEYS = 5


@dataclass(frozen=True, slots=True)
class Weights:
    """One set of weights out of a file.

    Args:
        tensors: under the publisher's keys, without wrappers' names.
        taken: which set it is.
    """

    tensors: State
    taken: Taken


def weights_in(data: Any, path: Path, key: str | None = None) -> Weights:
    """Find the weights in what a file holds.

    Args:
        data: as the file's reader returned it, tensors as arrays.
        path: for messages.
        key: which set to take, as `Taken.sets` names them; None: the preferred one.

    Raises:
        CheckpointError: there are none, or several and nothing tells which counts, or other things in it.
        UsageError: there is no set `key`.
    """
    sets: dict[str, Weights | CheckpointError] = {}
    for name, held in _sets(data).items():
        try:
            groups = _groups(name, _clean(held, path))
        except CheckpointError as error:  # only of interest if it is the set that counts
            sets[name] = error
        else:
            sets |= {inner: _stripped(inner, state, path) for inner, state in groups.items()}
    if not sets:
        raise CheckpointError(f"`{path}` holds no state dict, but {_in_words(data)}")
    ranked = sorted(sets, key=lambda name: _rank(name, data))
    chosen = sets[_only(ranked, path) if key is None else _find(key, ranked, path)]
    if isinstance(chosen, CheckpointError):
        sound = next((name for name in ranked if isinstance(sets[name], Weights)), None)
        steps = chosen.steps if sound is None else (advise("take-other-weights", key=sound),)
        raise CheckpointError(chosen.message, *steps)
    alike = tuple(name for name in ranked if _alike(sets[name], chosen))
    return replace(chosen, taken=replace(chosen.taken, sets=alike))


def _in_words(data: Any) -> str:
    if not isinstance(data, dict):
        return f"a {type(data).__name__}"
    return f"a dict with {some(dict.keys(data))}" if dict.__len__(data) else "an empty dict"


# --- sets ---------------------------------------------------------------------------------------


def _items(held: dict[Any, Any]) -> dict[Any, Any]:
    """Copy into a plain dict: one out of a file may have attributes in place of its methods."""
    return dict(dict.items(held))


def _sets(data: Any, prefix: str = "", depth: int = _DEPTH) -> dict[str, dict[Any, Any]]:
    """Everything in a file that is, or claims to be, a state dict, by its path."""
    if not isinstance(data, dict) or not dict.__len__(data):
        return {}
    held = {name: value for name, value in _items(data).items() if isinstance(value, dict)}
    known = {name: value for name, value in held.items() if name in _ORDER and dict.__len__(value)}
    found: dict[str, dict[Any, Any]] = {}
    for name, value in known.items() if depth else ():
        within = {} if _has_tensors(value) else _sets(value, f"{prefix}{name}/", depth - 1)
        found |= within or {f"{prefix}{name}": value}
    if any(map(_has_tensors, found.values())):  # a name as `params` can stand before settings too
        found = {name: value for name, value in found.items() if _has_tensors(value)}
    unknown = {
        f"{prefix}{name}": value
        for name, value in held.items()
        if name not in known and _is_state(value) and _may_hold_weights(name)
    }
    if found or unknown or not _has_tensors(data):
        return found | unknown
    return {prefix.rstrip("/") or WHOLE: data}


def _has_tensors(held: dict[Any, Any]) -> bool:
    return any(_is_tensor(value) for value in dict.values(held))


def _may_hold_weights(name: Any) -> bool:
    return isinstance(name, str) and not any(part in name.lower() for part in _NO_WEIGHTS)


def _is_state(held: dict[Any, Any]) -> bool:
    """Return True for names with tensors, of which one at least is a weight."""
    items = _items(held)
    names = all(isinstance(name, str) for name in items)
    tensors = all(_is_tensor(value) for value in items.values())
    return names and tensors and any(name.rpartition(".")[2] == "weight" for name in items)


def _clean(held: dict[Any, Any], path: Path) -> State:
    """Return the set with text for names.

    Raises:
        CheckpointError: something in it is not a tensor with numbers in memory.
    """
    items = _items(held)
    if strangers := [key for key, value in items.items() if not _is_tensor(value)]:
        raise CheckpointError(f"`{path}` holds values that are not tensors: {some(strangers)}")
    if odd := [key for key, value in items.items() if isinstance(value, Unreadable)]:
        raise CheckpointError(f"`{path}` holds tensors that are sparse, quantised or empty: {some(odd)}")
    return {str(key): value for key, value in items.items()}


def _is_tensor(value: Any) -> bool:
    return isinstance(value, np.ndarray | Unreadable)


def _groups(name: str, state: State) -> dict[str, State]:
    """Split a state dict into its networks, by path: `model.*` beside `ema_model.*`, or `ema_*` doubles."""
    inside = "" if name == WHOLE else f"{name}/"
    by_first: dict[str, State] = {}
    for key, value in state.items():
        first, _, rest = key.partition(".")
        by_first.setdefault(first, {})[rest] = value
    networks = {first: group for first, group in by_first.items() if _has_head(group)}
    names = [{*_without_inserted(group)} - _COUNTERS for group in networks.values()]
    if len(networks) > 1 and all(group == names[0] for group in names):
        others = {key: value for key, value in state.items() if key.partition(".")[0] not in networks}
        if len(others) < len(names[0]):  # else they are several heads of one network
            return {f"{inside}{first}": group | others for first, group in networks.items()}
    if doubled := _doubles(state):
        plain = {key: value for key, value in state.items() if key not in doubled}
        return {name: plain, f"{inside}{_EMA}": plain | {doubled[key]: state[key] for key in doubled}}
    return {name: state}


def _doubles(state: State) -> dict[str, str]:
    """Names of a second set beside the first, and what they double: dots may have become underscores."""
    doubles = [key for key in state if key.startswith(_EMA)]
    first = {key.replace(".", "_"): key for key in state if not key.startswith(_EMA)}
    found = {key: first.get(key.removeprefix(_EMA).replace(".", "_")) for key in doubles}
    if any(name is None or state[key].shape != state[name].shape for key, name in found.items()):
        return {}
    return {key: name for key, name in found.items() if name is not None}


def _has_head(keys: Iterable[str]) -> bool:
    """Return True if one of the layouts' classifiers is among the names, wrappers' parts aside."""
    return not _HEADS.isdisjoint(_without_inserted(keys))


_HEADS = frozenset(layout.key("head.weight") for layout in LAYOUTS.values())


# --- which of them ------------------------------------------------------------------------------


def _rank(name: str, data: Any) -> tuple[bool, int, int]:
    """Small for what is preferred."""
    parts = name.split("/")
    if _raw_of_openmmlab(parts, data):
        return (True, len(_ORDER), len(_ORDER))
    return (not any(map(_is_average, parts)), _place(parts[-1]), _place(parts[0]))


def _place(part: str) -> int:
    return _ORDER.index(part) if part in _ORDER else -1 if part == WHOLE else len(_ORDER)


def _is_average(name: str) -> bool:
    return not _AVERAGES.isdisjoint(name.lower().split("_"))


def _raw_of_openmmlab(parts: list[str], data: dict[Any, Any]) -> bool:
    """Return True for weights before averaging, which OpenMMLab keeps under names that say otherwise."""
    if parts[-1] == _EMA:
        return True
    held = _items(data)
    if parts[0] != "ema_state_dict" or "state_dict" not in held:
        return False
    meta = held.get("meta")
    says = isinstance(meta, dict) and "mmengine_version" in _items(meta)
    return says or "message_hub" in held or "steps" in _items(held["ema_state_dict"])


def _only(ranked: list[str], path: Path) -> str:
    """Choose the first set.

    Raises:
        CheckpointError: nothing tells it from the second.
    """
    unknown = [name for name in ranked if name.split("/")[-1] not in (*_ORDER, _EMA, WHOLE)]
    first = ranked[0]
    same = [name for name in unknown if _is_average(name) == _is_average(first)]
    if first in same and len(same) > 1:
        names = ", ".join(f"`{name}`" for name in ranked)
        raise CheckpointError(
            f"`{path}` holds {len(ranked)} sets of weights, and nothing tells which one counts: {names}",
            advise("say-weights-key", key=ranked[0]),
        )
    return first


def _find(key: str, ranked: list[str], path: Path) -> str:
    """Find the set that a person names.

    Raises:
        UsageError: there is none.
    """
    if key in ranked:
        return key
    ends = [name for name in ranked if name.endswith(f"/{key}")]
    if len(ends) == 1:
        return ends[0]
    raise UsageError(
        f"`{path}` holds no set of weights `{key[:100]}`",
        f"It holds {', '.join(f'`{name}`' for name in ranked)}.",
    )


def _alike(one: Weights | CheckpointError, chosen: Weights) -> bool:
    """Return True if a set could have been taken in place of the chosen one: it has half of its names."""
    if isinstance(one, CheckpointError):
        return False
    return 2 * len(one.tensors.keys() & chosen.tensors.keys()) > len(chosen.tensors)


# --- names --------------------------------------------------------------------------------------


def _without_inserted(keys: Iterable[str]) -> list[str]:
    return [".".join(part for part in key.split(".") if part not in INSERTED) for key in keys]


def _stripped(name: str, state: State, path: Path) -> Weights | CheckpointError:
    """Put the set under the network's own names, or say why those cannot be told."""
    aside = [key for key, value in state.items() if _is_counter(key, value)]
    rest = {key: value for key, value in state.items() if key not in aside}
    bare = _without_inserted(rest)
    count = Counter(bare)
    if twice := [key for key, short in zip(rest, bare, strict=True) if count[short] > 1]:
        return CheckpointError(
            f"`{path}` holds several tensors whose names mean the same: {some(twice)}",
            "Save the state_dict() of one network alone.",
        )
    inserted = sorted({part for key in rest for part in key.split(".")} & INSERTED)
    tensors = dict(zip(bare, rest.values(), strict=True))
    prefix = _prefix(tensors)
    if others := [key for key in tensors if not key.startswith(prefix)]:
        return CheckpointError(
            f"`{path}` holds a network under `{prefix}`, and beside it {some(others)}",
            "Save the state_dict() of the network alone.",
        )
    removed = [*(f"{part}." for part in inserted), *([prefix] if prefix else [])]
    tensors = {key.removeprefix(prefix): value for key, value in tensors.items()}
    return Weights(tensors, Taken(name, (name,), tuple(removed), tuple(aside)))


def _is_counter(key: str, value: NDArray[Any]) -> bool:
    last = key.rpartition(".")[2]
    return value.size == 1 and (last in _OPERATIONS or last in _COUNTERS)


def _prefix(keys: Iterable[str]) -> str:
    """Find what stands before most names, up to a classifier's: often `model.`; empty if nothing does."""
    names = list(keys)
    if not _HEADS.isdisjoint(names):
        return ""
    found = [name.removesuffix(head) for name in names for head in _HEADS if name.endswith(f".{head}")]
    for prefix in sorted(set(found), key=len):
        if 2 * sum(name.startswith(prefix) for name in names) > len(names):
            return prefix
    return ""


def some(keys: Iterable[Any]) -> str:
    """Show the first few names, for people."""
    names = list(map(str, keys))
    more = f" and {len(names) - _SHOWN_KEYS} more" if len(names) > _SHOWN_KEYS else ""
    return ", ".join(name[:100] for name in names[:_SHOWN_KEYS]) + more
