"""Makes docs/images/predict.svg: what a first `senet predict` prints on a terminal without internet.

Linux only: `unshare` takes the network away, `script` is the terminal.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

PROJECT = Path(__file__).parent.parent
FONT_DOWNLOADS = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)
TRANSIENT = re.compile(r"^[^\n]*\r(?:\x1b\[[0-9]*[AK])*", re.MULTILINE)
"""What was drawn over: progress."""
OTHER_CODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-ln-z]")
"""All but colours."""
COMMAND = ["senet", "predict", "examples", "-k", "3"]


def on_a_terminal(command: list[str]) -> str:
    """Output of a command that believes it writes to a terminal, with colours, with an empty cache."""
    program = shutil.which(command[0], path=str(Path(sys.executable).parent)) or command[0]
    line = " ".join([program, *command[1:]])
    with tempfile.TemporaryDirectory() as cache:
        done = subprocess.run(
            ["unshare", "-rn", "script", "-qec", f"stty cols 80; {line}", "/dev/null"],
            cwd=PROJECT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=True,
            text=True,
            env=os.environ | {"SENET_CACHE": cache, "TERM": "xterm-256color"},
        )
    shown = TRANSIENT.sub("", done.stdout.replace("\r\n", "\n"))
    return OTHER_CODES.sub("", shown)


def main() -> None:
    console = Console(record=True, width=80, file=io.StringIO(), force_terminal=True)
    console.print(Text.assemble(("$ ", "dim"), " ".join(COMMAND)))
    console.print(Text.from_ansi(on_a_terminal(COMMAND)))
    picture = FONT_DOWNLOADS.sub("", console.export_svg(title="senet"))
    (PROJECT / "docs" / "images" / "predict.svg").write_text(picture, encoding="utf-8")


if __name__ == "__main__":
    main()
