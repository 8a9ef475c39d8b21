"""Counts what lies directly below a package, and who of it imports whom, for docs/architecture.md.

    python scripts/count_imports.py [FOLDER]

FOLDER holds the package `senet_cli` (by default this project). Imports inside functions and for types count;
`senet_cli/__init__.py` itself does not.
"""

from __future__ import annotations

import sys
from pathlib import Path

import grimp

PACKAGE = "senet_cli"


def imports(folder: Path) -> tuple[set[str], set[tuple[str, str]]]:
    """Packages and modules below the package, and (importer, imported) of those that differ."""
    sys.path.insert(0, str(folder))
    try:
        graph = grimp.build_graph(PACKAGE, cache_dir=None)
    finally:
        sys.path.pop(0)
    below = {module: module.split(".")[1] for module in graph.modules if module != PACKAGE}
    arrows = {
        (below[importer], below[imported])
        for importer in below
        for imported in graph.find_modules_directly_imported_by(importer)
        if imported in below and below[importer] != below[imported]
    }
    return {*below.values()}, arrows


if __name__ == "__main__":
    default = Path(__file__).parent.parent
    packages, arrows = imports(Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else default)
    print(f"{len(packages)} packages and modules, {len(arrows)} arrows between them")
