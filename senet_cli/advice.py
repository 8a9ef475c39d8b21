"""Next steps that depend on how senet is used: the library names them, the command line puts them in words.

A message of the library never names a flag or a command, because whoever imports the package has neither.
`senet_cli.cli.hints` has the words for the shell.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Step = Literal[
    # models
    "list-models",
    "list-architectures",
    "mend-import",
    "finish-run",
    "choose-activation",
    "choose-one-size",
    "choose-size",
    "fetch",
    "go-online",
    "bring-file",
    "install-as",
    "another-name",
    "another-name-or-force",
    # files of weights
    "say-architecture",
    "check-architecture",
    "leave-architecture-out",
    "leave-weights-key-out",
    "say-weights-key",
    "take-other-weights",
    "join-checkpoint",
    "write-any-layout",
    # sources and data sets
    "name-sources",
    "give-list",
    "separate-by-nul",
    "convert-list",
    "pipe-in",
    "pipe-address",
    "pipe-fetched",
    "show-problems",
    "allow-empty-classes",
    "take-folders-as-classes",
    "give-truth",
    "measure-all-the-same",
    # engines
    "use-cpu",
    "use-torch",
    "use-fp32",
    "smaller-batch",
    "smaller-batch-or-cpu",
    # output and training
    "name-format",
    "another-file",
    "another-file-or-force",
    "another-folder",
    "resume",
    "freeze-fewer",
    "smaller-rate",
]
"""What can be done, whatever the words."""


@dataclass(frozen=True, slots=True)
class Advice:
    """A next step, and what its words need to know; made by `advise`.

    Args:
        step: what can be done.
        facts: pairs of a name and a value, such as ("path", "weights.pth").
    """

    step: Step
    facts: tuple[tuple[str, str], ...] = ()


def advise(step: Step, **facts: object) -> Advice:
    """Make the advice to take a step, with facts that are shown as `str` shows them."""
    return Advice(step, tuple((name, str(value)) for name, value in facts.items()))
