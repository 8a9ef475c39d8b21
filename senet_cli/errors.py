"""One root for every error that a user can cause or meet, next steps by name, and one table of exit codes.

A message of the library never names a flag or a command, because whoever imports the package has neither:
`senet_cli.cli.hints` has the words for the shell.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar, Literal


class ExitCode(IntEnum):
    """What `senet` tells the shell. The README shows the same table."""

    OK = 0
    SOME_FAILED = 1
    USAGE = 2
    NOTHING_TO_CLASSIFY = 3
    MODEL = 4
    NETWORK = 5
    DIGEST = 6
    DISK = 7
    DEVICE = 8
    BUG = 70
    HUNG_UP = 129
    INTERRUPTED = 130
    OUTPUT_CLOSED = 141
    TERMINATED = 143

    @property
    def meaning(self) -> str:
        """One line for the table in the README."""
        return _MEANINGS[self]


_MEANINGS = {
    ExitCode.OK: "all images classified",
    ExitCode.SOME_FAILED: "finished, but some images failed",
    ExitCode.USAGE: "wrong usage",
    ExitCode.NOTHING_TO_CLASSIFY: "nothing to classify",
    ExitCode.MODEL: "unknown model or unusable checkpoint",
    ExitCode.NETWORK: "network",
    ExitCode.DIGEST: "digest mismatch",
    ExitCode.DISK: "disk or permission",
    ExitCode.DEVICE: "device not available",
    ExitCode.BUG: "a bug in senet, please report it",
    ExitCode.HUNG_UP: "the terminal went away (SIGHUP)",
    ExitCode.INTERRUPTED: "interrupted (Ctrl-C)",
    ExitCode.OUTPUT_CLOSED: "standard output was closed (as by `head`)",
    ExitCode.TERMINATED: "terminated (SIGTERM)",
}


# --- next steps: named here, put into words by whoever knows how senet is used -------------------

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
    "bring-copy",
    "bring-file",
    "install-as",
    "name-import",
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
    "say-layout",
    "write-any-layout",
    # sources and data sets
    "name-run-or-weights",
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
    "give-ground-truth",
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
    "begin-run",
    "more-epochs",
    "resume-or-start-over",
    "same-or-start-over",
    "start-over",
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


# --- errors ---------------------------------------------------------------------------------------


class SenetError(Exception):
    """An error with a message for people and the next steps.

    Args:
        message: what happened, one sentence without a final stop; it names no flags.
        steps: what to do next: whole sentences that hold however senet is used, and advice that the command
            line puts in words; empty sentences are dropped.
    """

    exit_code: ClassVar[ExitCode] = ExitCode.BUG

    def __init__(self, message: str, *steps: str | Advice) -> None:
        super().__init__(message, *steps)  # all, so that it can be pickled
        self.message = message
        self.steps = tuple(step for step in steps if step)

    @property
    def hint(self) -> str:
        """The next steps that need no command line, in one line; empty where there are none."""
        return " ".join(step for step in self.steps if isinstance(step, str))

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message


class UsageError(SenetError):
    """Options or arguments that do not fit together."""

    exit_code = ExitCode.USAGE


class DivergedError(SenetError):
    """Training left the finite numbers."""

    exit_code = ExitCode.USAGE


class NothingToClassifyError(SenetError):
    """The sources were fine but held no image."""

    exit_code = ExitCode.NOTHING_TO_CLASSIFY


class ModelError(SenetError):
    """Something about the model, before or while it is loaded."""

    exit_code = ExitCode.MODEL


class UnknownModelError(ModelError):
    """No checkpoint or architecture has this name."""


class ManifestError(ModelError):
    """A manifest that does not parse; the message names file, entry and field."""


class CheckpointError(ModelError):
    """A weights file that cannot be read or does not fit its architecture."""


class NetworkError(SenetError):
    """No mirror delivered the file, or the network may not be used.

    Args:
        message, steps: see `SenetError`.
        brief: why, in a few words, such as "no network".
    """

    exit_code = ExitCode.NETWORK

    def __init__(self, message: str, *steps: str | Advice, brief: str = "the download failed") -> None:
        super().__init__(message, *steps)
        self.brief = brief


class DigestError(SenetError):
    """Bytes arrived, but not the published ones.

    Args:
        message, steps: see `SenetError`.
        sha256: what they hash to, where they all arrived.
    """

    exit_code = ExitCode.DIGEST

    def __init__(self, message: str, *steps: str | Advice, sha256: str | None = None) -> None:
        super().__init__(message, *steps)
        self.sha256 = sha256


class DiskError(SenetError):
    """Reading or writing a file of ours failed: permission, space, medium."""

    exit_code = ExitCode.DISK

    @classmethod
    def from_os_error(cls, error: OSError, doing: str, *steps: str | Advice) -> DiskError:
        """Turn an `OSError` met while `doing` something into a message with its reason."""
        return cls(f"{doing} failed: {error.strerror or error}", *steps)


class DeviceError(SenetError):
    """The device asked for is not there, or gave out."""

    exit_code = ExitCode.DEVICE


class ImageError(SenetError):
    """One image that cannot be classified.

    Args:
        kind: stable word for scripts: missing, unreadable, not_a_file, empty, format,
            decode, too_large, logits.
        message: the reason in words.
        passing: True if the same bytes may do another time: access, memory or a library was missing.

    Attributes:
        path: the image's file, where Python code named one; else None.
    """

    exit_code = ExitCode.SOME_FAILED

    def __init__(self, kind: str, message: str, *, passing: bool = False) -> None:
        super().__init__(message)
        self.kind, self.passing = kind, passing
        self.path: str | None = None

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else super().__str__()


class OutputClosed(Exception):  # noqa: N818 - not an error: the reader had enough
    """The reader of standard output went away."""


class Terminated(BaseException):
    """SIGTERM arrived; raised in the main thread so that everything is closed in order."""

    exit_code: ClassVar[ExitCode] = ExitCode.TERMINATED


class HungUp(Terminated):
    """SIGHUP arrived: the terminal was closed, or the connection to it."""

    exit_code = ExitCode.HUNG_UP
