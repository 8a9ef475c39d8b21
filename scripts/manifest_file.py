"""Reading and writing weights_manifest.json in its layout: short values on one line, long ones spread out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parent.parent
MANIFEST = PROJECT / "weights_manifest.json"
_WIDTH = 110


def read() -> dict[str, Any]:
    data: dict[str, Any] = json.loads(MANIFEST.read_text(encoding="utf-8"))
    return data


def write(data: dict[str, Any], path: Path = MANIFEST) -> None:
    path.write_text(layout(data) + "\n", encoding="utf-8")


def layout(value: Any, indent: int = 0) -> str:
    flat = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, dict | list) or len(flat) + indent < _WIDTH:
        return flat
    pad = " " * (indent + 2)
    if isinstance(value, dict):
        lines = [f"{pad}{json.dumps(key)}: {layout(item, indent + 2)}" for key, item in value.items()]
    else:
        lines = [f"{pad}{layout(item, indent + 2)}" for item in value]
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    return f"{opening}\n" + ",\n".join(lines) + f"\n{' ' * indent}{closing}"
