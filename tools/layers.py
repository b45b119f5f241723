"""The house's floors: every room of assay/ imports rooms of lower levels only."""

import ast
from collections.abc import Iterator
from pathlib import Path

LEVELS = {
    0: ("errors", "arrays"),
    1: ("storage", "statistics"),
    2: ("models", "prompts"),
    3: ("forward", "interventions", "world"),
    4: ("activations", "generation", "finetuning"),
    5: ("probes", "directions", "evaluation"),
    6: ("figures", "pages", "organism"),
    7: ("studies",),
    8: ("report",),
}
LEVEL = {room: level for level, rooms in LEVELS.items() for room in rooms}


def breaches(root: Path) -> list[str]:
    """One sentence for each import upwards, sideways between rooms of a level, or from study to study.

    Imports inside functions and under TYPE_CHECKING count: they tie rooms together as any other.
    """
    found = []
    for path in sorted((root / "assay").rglob("*.py")):
        module = ".".join(path.relative_to(root).with_suffix("").parts)
        room = _room(module.removesuffix(".__init__"))
        if room == "assay":
            continue
        if room.split("/")[0] not in LEVEL:
            found.append(f"{module}: {room} is no room of tools/layers.py; give it a level")
            continue
        found += [
            f"{module}, line {line}: {room} must not import {other}"
            for line, other in _imports(path)
            if other != room and not _below(other, room)
        ]
    return found


def _room(module: str) -> str:
    """`probes` of assay.probes.ridge, `studies/oocr` of assay.studies.oocr.figures, `assay` of the package itself."""
    parts = module.split(".")[1:]
    if not parts:
        return "assay"
    return "/".join(parts[:2]) if parts[0] == "studies" else parts[0]


def _below(other: str, room: str) -> bool:
    top, own = other.split("/")[0], room.split("/")[0]
    return top in LEVEL and LEVEL[top] < LEVEL[own]


def _imports(path: Path) -> Iterator[tuple[int, str]]:
    """(line, room) of everything of assay that a file imports, relative imports included."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level:
            modules = ["assay.relative_import"]  # has no room, so it is a breach
        elif isinstance(node, ast.ImportFrom) and node.module in ("assay", "assay.studies"):
            modules = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            modules = [node.module or ""]
        else:
            continue
        yield from ((node.lineno, _room(m)) for m in modules if m.startswith("assay."))
