"""Makes docs/images/predict.svg: what `senet predict` prints on a terminal, with a model from the cache."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

PROJECT = Path(__file__).parent.parent
FONT_DOWNLOADS = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)
COMMAND = ["senet", "predict", "examples", "-m", "seresnet32-cifar10", "-k", "3"]


def on_a_terminal(command: list[str]) -> str:
    """Output of a command that believes it writes to a terminal, with colours."""
    program = shutil.which(command[0], path=str(Path(sys.executable).parent)) or command[0]
    line = " ".join([program, *command[1:]])
    done = subprocess.run(
        ["script", "-qec", f"stty cols 80; {line}", "/dev/null"],
        cwd=PROJECT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
        text=True,
    )
    return done.stdout.replace("\r\n", "\n")


def main() -> None:
    console = Console(record=True, width=80, file=io.StringIO(), force_terminal=True)
    console.print(Text.assemble(("$ ", "dim"), " ".join(COMMAND)))
    console.print(Text.from_ansi(on_a_terminal(COMMAND)))
    picture = FONT_DOWNLOADS.sub("", console.export_svg(title="senet"))
    (PROJECT / "docs" / "images" / "predict.svg").write_text(picture, encoding="utf-8")


if __name__ == "__main__":
    main()
