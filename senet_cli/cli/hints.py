"""Next steps in the words of the shell: what to type."""

from __future__ import annotations

import shlex

from senet_cli.errors import Advice, SenetError, Step


def hint(error: SenetError) -> str:
    """Say what to do about an error, in one line; empty where its message says it all."""
    return " ".join(step if isinstance(step, str) else in_words(step) for step in error.steps)


def in_words(advice: Advice) -> str:
    """Say what to type; facts are quoted where the shell needs it."""
    return WORDS[advice.step].format_map({name: shlex.quote(value) for name, value in advice.facts})


def import_command(file: str, model: str, renamed: str) -> str:
    """Say what whoever is given the zip archive of a model types.

    Args:
        file: the archive.
        model: what the model is called.
        renamed: what it can be called there.
    """
    name = "" if renamed == model else f" --name {shlex.quote(renamed)}"
    return f"senet import {shlex.quote(file)}{name}"


WORDS: dict[Step, str] = {
    "list-models": "`senet list` shows all models.",
    "list-architectures": "`senet list --architectures` shows all architectures.",
    "mend-import": (
        "Mend it, import {name} again with `--force`, or delete it with `senet import --remove {name}`."
    ),
    "finish-run": "`senet train` writes it after the first epoch of a run.",
    "choose-activation": (
        "If its head is a logistic one, `--activation sigmoid` gives its probability; `--activation none` "
        "gives the output itself. Both go with `--weights` and with `senet import`."
    ),
    "choose-one-size": "Give `--image-size` or `--recipe test`, not both.",
    "choose-size": "Give a size with `--image-size N` instead of `--recipe test`.",
    "fetch": "`senet download {name}` fetches it.",
    "go-online": (
        "Download it without `--offline` and SENET_OFFLINE, or bring its file: "
        "`senet download {name} --from FILE`."
    ),
    "bring-copy": "A copy of the file is installed with `senet download {name} --from FILE`.",
    "bring-file": "Get it elsewhere and bring it with `--from FILE`.",
    "install-as": "Install it with `senet download {name} --from {path}`, then use it with `-m {name}`.",
    "name-import": "Say what to call it: `senet import FILE --name NAME`.",
    "another-name": "Give another `--name`.",
    "another-name-or-force": (
        "Give another `--name`, or `--force` to have yours under this name; `senet info {name}` shows what "
        "has it now."
    ),
    "say-architecture": (
        "Say with `--arch KEY` which one it was trained as: the file does not tell, and the wrong one scores "
        "worse without an error."
    ),
    "check-architecture": "Is it the right `--arch`? `senet list --architectures` shows the keys.",
    "leave-architecture-out": "Leave `--arch` out.",
    "leave-weights-key-out": "Leave `--weights-key` out.",
    "say-weights-key": "Say which with `--weights-key`, such as `--weights-key {key}`.",
    "take-other-weights": "Another set can be taken with `--weights-key {key}`.",
    "join-checkpoint": (
        "Join it with `python -m torch.distributed.checkpoint.format_utils dcp_to_torch FOLDER FILE`."
    ),
    "say-layout": (
        "Give `--layout`, such as `--layout timm`; `--to zip` writes what somebody else's senet takes."
    ),
    "write-any-layout": "`--layout senet` can hold any network.",
    "name-run-or-weights": (
        "Name the folder of a run. A file is taken with `--weights FILE --arch KEY`; `senet import` names it."
    ),
    "name-sources": "Name a file, a folder, `-` or `--from-file LIST`.",
    "give-list": "`-0` says how a list is separated: give the list with `--from-file`.",
    "separate-by-nul": "Say so with `-0`.",
    "convert-list": (
        "Convert it with `iconv -f {encoding} -t UTF-8`, or save it as UTF-8 (PowerShell: `-Encoding utf8`)."
    ),
    "pipe-in": "Pipe something in, as in `cat bird.jpg | senet predict -`.",
    "pipe-address": "Pipe it in, as in `curl -L {address} | senet predict -`.",
    "pipe-fetched": "Fetch it first, and name the file or pipe it into `senet predict -`.",
    "show-problems": "`senet predict` says of each image why it cannot be read.",
    "allow-empty-classes": "`--allow-empty-classes` goes on all the same.",
    "take-folders-as-classes": "If all folders are classes, say so with `--no-parts`.",
    "give-ground-truth": "Or give a list of images and classes with `--ground-truth FILE.csv`.",
    "measure-all-the-same": "`--include-training-images` measures on these all the same.",
    "use-cpu": "Use `--device cpu`.",
    "use-torch": "Or use `--engine torch`.",
    "use-fp32": "Use `--precision fp32`, or `--engine torch`.",
    "smaller-batch": "If that was for its memory, use a smaller `--batch-size`.",
    "smaller-batch-or-cpu": "Use a smaller `--batch-size`, or `--device cpu`.",
    "name-format": "With `--format` a file may have any name.",
    "another-file": "Give another file with `-o`.",
    "another-file-or-force": "Give another file with `-o`, or replace it with `--force`.",
    "another-folder": "Give another folder with `-o`.",
    "resume": "Go on with it with `--resume`, or give another folder with `-o`.",
    "begin-run": (
        "Begin one with `senet train DATA --from NAME -o RUN`; a run of an older version needs them again."
    ),
    "more-epochs": "Give `--epochs {epochs}` or more.",
    "resume-or-start-over": (
        "`--resume` goes on with them; `--start-over` deletes them and begins anew. Or give another file "
        "with `-o`."
    ),
    "same-or-start-over": (
        "Go on with what that run was given, or delete its records and begin anew with `--start-over`."
    ),
    "start-over": "`--start-over` deletes them and begins anew.",
    "freeze-fewer": "Give `--freeze {stages}` or less.",
    "smaller-rate": "Train again with a smaller `--lr` and another `-o`.",
}
"""The words for each step; facts stand in braces."""
