"""A repository of four stages in two files, small enough to break in every way on purpose."""

from pathlib import Path

FILES = {
    ".dvc/config": "[core]\n    no_scm = true\n[parsing]\n    bool = boolean_optional\n    list = append\n",
    "params.yaml": "seed: 0\nwords:\n  count:\n    lower: true\n    layers: [1, 2]\n",
    "assay/__init__.py": '"""Instruments."""\n',
    "assay/counting.py": (
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    from assay.unused import Nothing\n"
        "def count():\n    from .deep import inner\n    return inner.value()\n"
    ),
    "assay/deep/__init__.py": "VALUE = 1\n",
    "assay/deep/inner.py": "from assay.deep import VALUE\ndef value():\n    return VALUE\n",
    "assay/unused.py": "class Nothing: ...\n",
    "assay/pages/__init__.py": "",
    "assay/pages/render.py": "TEMPLATE = 'page.html'\n",
    "assay/pages/page.html": "{% include 'head.html' %}<p></p>\n",
    "assay/pages/head.html": "<title></title>\n",
    "stages/__init__.py": '"""Protocol."""\n',
    "stages/make.py": (
        "import typer\nfrom pathlib import Path\n"
        "app = typer.Typer()\n"
        "@app.command()\n"
        "def make(seed: int = typer.Option(...), out: Path = typer.Option(...)) -> None:\n"
        "    raise SystemExit('ran')\n"
    ),
    "stages/words/__init__.py": "",
    "stages/words/count.py": (
        "import typer\nfrom pathlib import Path\nimport assay.counting\n"
        "app = typer.Typer()\n"
        "@app.command()\n"
        "def count(data: Path = typer.Option(...), variant: str = typer.Option(...),\n"
        "          metrics: Path = typer.Option(...), lower: bool = typer.Option(...),\n"
        "          layers: list[int] = typer.Option(...)) -> None:\n"
        "    raise SystemExit('ran')\n"
    ),
    "stages/words/view.py": (
        "import typer\nfrom pathlib import Path\nfrom assay.pages import render\n"
        "app = typer.Typer()\n"
        "@app.command()\n"
        "def view(data: Path = typer.Option(...), page: Path = typer.Option(...)) -> None:\n"
        "    raise SystemExit('ran')\n"
    ),
    "dvc.yaml": """\
stages:
  make:   # served by a script that studies share
    desc: Make words
    cmd: python -m stages.make --seed param:seed --out data/words.txt
    params:
    - seed
    deps:
    - stages/make.py
    outs:
    - data/words.txt
  all_make:
    desc: Something that needs every study
    cmd: python -m stages.make --seed 1 --out data/all.txt
    deps:
    - stages/make.py
    - metrics/words
    - plots/words
    outs:
    - data/all.txt
""",
    "stages/words/dvc.yaml": """\
vars:
- ../../params.yaml
stages:
  count:
    desc: Count them, twice
    matrix:
      variant: [long, short]
    wdir: ../..
    cmd: python -m stages.words.count --data data/words.txt --variant ${item.variant}
      ${words.count} --metrics metrics/words/count_${item.variant}.json
    params:
    - words.count
    deps:
    - assay/counting.py
    - assay/deep/__init__.py
    - assay/deep/inner.py
    - stages/words/count.py
    - data/words.txt
    metrics:
    - metrics/words/count_${item.variant}.json:
        cache: false
  view:
    desc: Show them
    wdir: ../..
    cmd: python -m stages.words.view --data data/words.txt --page plots/words/page.html
    deps:
    - assay/pages
    - stages/words/view.py
    - data/words.txt
    plots:
    - plots/words/page.html:
        cache: false
plots:
- ../../plots/words/page.html:
    template: linear
""",
}


def write_mini_repository(root: Path) -> Path:
    """Write the files under `root`, with a dvc.lock that fits, and return `root`."""
    for name, text in FILES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


def edit(root: Path, name: str, old: str, new: str) -> None:
    """Replace the one occurrence of `old` in a file."""
    path = root / name
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{old!r} occurs {text.count(old)} times in {name}"
    path.write_text(text.replace(old, new), encoding="utf-8")
