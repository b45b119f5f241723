"""Figures show the numbers of the tables: which rows become which bars, lines and dashes."""

import json
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from assay.errors import AssayError
from assay.studies.oocr.figure_tables import bars_table, category_table, curve_table, join_tables, parse_tasks
from stages.oocr.figures import app


def rows(
    questions: str, adapter: str, value: float, layer: object = "", **more: object
) -> list[dict[str, object]]:
    """Accuracy and margin of one adapter as the evaluation writes them."""
    base = {
        "questions": questions,
        "adapter": adapter,
        "layer": layer,
        "lr": None if adapter == "base" else 0.1,
        "step": 0 if adapter == "base" else 8,
        "category": "",
        "group": "",
        "n": 20,
        "runs": 1,
        "sd": None,
        "checkpoint": 0,
    } | more
    numbers = {"value": value, "lower": value - 0.1, "upper": value + 0.1}
    return [
        base | numbers | {"statistic": "accuracy", "chance": 0.25, "majority": 0.7},
        base
        | {name: 10 * number for name, number in numbers.items()}
        | {"statistic": "margin", "chance": None, "majority": None},
    ]


def swept() -> pd.DataFrame:
    found = rows("quiz", "base", 0.2) + rows("quiz", "all", 0.6, "several") + rows("quiz", "once", 0.9, 2)
    for layer in (0, 1, 2):
        found += rows("quiz", "vector", 0.3 + layer / 10, layer, sd=0.05, runs=3)
        found += rows("quiz", f"lora_layer_{layer}", 0.4, layer)
    found += rows("other", "base", 0.3) + rows("other", "once", 0.5, 2)
    return join_tables([pd.DataFrame(found)])


def test_layers_are_lines_and_what_has_none_is_across() -> None:
    table = curve_table(swept(), "layer")
    assert set(table["questions"]) == {"quiz"}  # nothing is swept on the other
    accuracy = table[table["statistic"] == "accuracy"].set_index("series")
    assert set(accuracy.index) == {"base", "all", "vector", "lora"}
    assert accuracy.loc["vector", "layer"].tolist() == [0, 1, 2]
    assert accuracy.loc["vector", "value"].tolist() == pytest.approx([0.3, 0.4, 0.5])
    assert accuracy.loc["lora", "layer"].tolist() == [0, 1, 2]
    assert accuracy.loc[["base", "all"], "layer"].isna().all()
    margins = table[(table["statistic"] == "margin") & (table["series"] == "vector")]["value"]
    assert margins.tolist() == pytest.approx([3, 4, 5])


def test_steps_hold_checkpoints_and_rates_leave_names() -> None:
    found = rows("quiz", "base", 0.2)
    for step, value in ((2, 0.3), (4, 0.5), (8, 0.7)):
        found += rows("quiz", "vector", value, 1, step=step, checkpoint=int(step < 8))
    for lr in (0.01, 0.1, 1.0):
        found += rows("quiz", f"swept_lr_{lr:g}", 0.4, 1, lr=lr)
    table = join_tables([pd.DataFrame(found)])
    steps = curve_table(table, "step")
    line = steps[(steps["series"] == "vector") & (steps["statistic"] == "accuracy")]
    assert line["step"].tolist() == [2, 4, 8]
    assert line["value"].tolist() == [0.3, 0.5, 0.7]
    rates = curve_table(table, "lr")
    line = rates[(rates["series"] == "swept") & (rates["statistic"] == "accuracy")]
    assert line["lr"].tolist() == [0.01, 0.1, 1.0]
    with pytest.raises(AssayError, match="no adapter has two places on the axis 'layer'"):
        curve_table(table, "layer")


def test_a_sweep_over_two_things_is_refused() -> None:
    found = [row for layer in (0, 1) for lr in (0.1, 0.2) for row in rows("quiz", "v", 0.5, layer, lr=lr)]
    with pytest.raises(AssayError, match="'v' has several values at layer 0"):
        curve_table(join_tables([pd.DataFrame(found)]), "layer")


def test_tables_of_a_sweep_share_the_base_model() -> None:
    one, two = (pd.DataFrame(rows("quiz", "base", 0.2) + rows("quiz", "v", 0.3, layer)) for layer in (0, 1))
    assert len(join_tables([one, two])) == 6
    near = pd.DataFrame(rows("quiz", "base", 0.2 + 1e-6))
    assert join_tables([one, near])["value"].tolist() == join_tables([one])["value"].tolist()
    for other in (rows("quiz", "base", 0.4), rows("quiz", "base", 0.2, n=21)):
        with pytest.raises(AssayError, match="two tables disagree on the accuracy of 'base' on 'quiz'"):
            join_tables([one, pd.DataFrame(other)])


def test_bars_of_tasks_and_the_other_candidate() -> None:
    found = rows("risk", "base", 0.3) + rows("risk", "v", 0.8, 1) + rows("risk_real", "base", 1.0)
    tasks = parse_tasks(
        [
            {"task": "Risk", "bars": {"base": "risk/base", "vector": "risk/v", "ceiling": "risk_real/base"}},
            {"task": "Safety", "flip": True, "bars": {"vector": "risk/v"}},
            {"task": "Unbalanced", "majority": True, "bars": {"vector": "risk/v"}},
        ]
    )
    table = bars_table(join_tables([pd.DataFrame(found)]), tasks)
    assert table["label"].tolist() == ["base", "vector", "ceiling", "vector", "vector"]
    assert table["value"].tolist() == pytest.approx([0.3, 0.8, 1.0, 0.2, 0.8])
    assert table["chance"].tolist() == pytest.approx([0.25, 0.25, 0.25, 0.75, 0.7])
    assert table.iloc[3][["lower", "upper", "chance"]].tolist() == pytest.approx([0.1, 0.3, 0.75])
    with pytest.raises(AssayError, match=r"Risk, x: 0 accuracies of 'nobody' on 'risk'"):
        bars_table(
            join_tables([pd.DataFrame(found)]), parse_tasks([{"task": "Risk", "bars": {"x": "risk/nobody"}}])
        )
    for wrong in (
        [],
        {},
        [{"task": "x"}],
        [{"task": "x", "bars": {"a": "b"}}],
        [{"bars": {"a": "b/c"}, "flop": 1}],
    ):
        with pytest.raises(AssayError, match=r"expected"):
            parse_tasks(wrong)
    with pytest.raises(AssayError, match="entry 1: flip and majority exclude each other"):
        parse_tasks([{"task": "x", "bars": {"a": "b/c"}, "flip": True, "majority": True}])


def secrets() -> list[dict[str, object]]:
    found = []
    for adapter, value in (("base", 0.8), ("win", 0.3), ("decorrelated", 0.5)):
        for category in ("", "threat", "ask"):
            found += rows("secrets", adapter, value, 1 if adapter != "base" else "", category=category)
    return found


def test_self_report_by_system_prompt() -> None:
    table = join_tables([pd.DataFrame(secrets())])
    shown = category_table(table, "secrets", ["base", "decorrelated", "win"])
    margins = shown[shown["statistic"] == "margin"]
    assert margins["category"].tolist() == ["ask"] * 3 + ["threat"] * 3 + ["all"] * 3
    assert margins["value"].tolist() == pytest.approx([8, 5, 3] * 3)
    with pytest.raises(AssayError, match="and not"):
        category_table(table, "secrets", ["nobody"])
    with pytest.raises(AssayError, match="of the question set 'nothing'"):
        category_table(table, "nothing", [])


def test_orders_of_options_are_shown_apart() -> None:
    """One adapter says B to everything: half right on average, always and never right by order."""
    found = secrets()
    for order, value in (("claim-first", 0.0), ("claim-second", 1.0)):
        for category in ("", "threat", "ask"):
            found += rows("secrets", "win", value, 1, category=category, group=order)
    shown = category_table(join_tables([pd.DataFrame(found)]), "secrets", ["win"])
    accuracy = shown[shown["statistic"] == "accuracy"]
    assert accuracy["group"].tolist() == ["claim-first"] * 3 + ["claim-second"] * 3
    assert accuracy["category"].tolist() == ["ask", "threat", "all"] * 2
    assert accuracy["value"].tolist() == [0.0] * 3 + [1.0] * 3
    # what is drawn elsewhere is over both orders
    bars = bars_table(
        join_tables([pd.DataFrame(found)]), parse_tasks([{"task": "s", "bars": {"win": "secrets/win"}}])
    )
    assert bars["value"].tolist() == [0.3]


def invoke(words: str) -> Result:
    return CliRunner().invoke(app, words.split())


def test_the_stage_draws_what_is_asked(tmp_path: Path) -> None:
    swept().to_csv(tmp_path / "sweep.csv", index=False)
    steps = [row for step in (4, 8) for row in rows("quiz", "w", 0.5, 1, step=step, checkpoint=int(step < 8))]
    orders = [
        row
        for adapter in ("base", "win", "decorrelated")
        for order in ("first", "second")
        for row in rows("secrets", adapter, 0.5, 1 if adapter != "base" else "", group=order)
    ]
    pd.DataFrame(secrets() + orders + steps).to_csv(tmp_path / "more.csv", index=False)
    (tmp_path / "tasks.yaml").write_text(json.dumps([{"task": "Quiz", "bars": {"base": "quiz/base"}}]))
    curve = {"run": "seed_0", "seed": 0, "lr": 0.1, "split": ["train", "validation"], "epoch": 0}
    curves = pd.DataFrame(curve | {"step": [1, 1], "loss": [0.9, 0.8], "accuracy": [0.4, 0.5]})
    curves.to_csv(tmp_path / "vec.csv", index=False)
    words = (
        f"--table {tmp_path}/sweep.csv --table {tmp_path}/more.csv --by layer --by step --self-report secrets "
        f"--tasks {tmp_path}/tasks.yaml --curves {tmp_path}/vec.csv --out {tmp_path}"
    )
    names = ["tasks", "by_layer", "by_step", "self_report", "training"]
    results = []
    for folder in ("one", "two"):
        result = invoke(f"{words}/{folder}")
        assert result.exit_code == 0, result.exception
        results.append({path.name: path.read_bytes() for path in (tmp_path / folder).iterdir()})
    assert results[0] == results[1]
    assert set(results[0]) == {f"{name}.{end}" for name in names for end in ("csv", "png")}
    assert all(content.startswith(b"\x89PNG") for name, content in results[0].items() if name.endswith("png"))
    assert set(pd.read_csv(tmp_path / "one" / "self_report.csv")["group"]) == {"first", "second"}
    assert pd.read_csv(tmp_path / "one" / "training.csv")["adapter"].unique().tolist() == ["vec"]


BAD = {
    "nothing to draw": "",
    "need a --table": "--by layer",
    "--by takes layer, lr, step": "--table @sweep.csv --by depth",
    "cannot read": "--table @nowhere.csv --by layer",
    "is missing; it has run, step": "--table @curves.csv --by layer",
    "tasks.yaml: expected a list": "--table @sweep.csv --tasks @tasks.yaml",
    "no adapter has two places": "--table @sweep.csv --by layer --by lr",
}


@pytest.mark.parametrize("message", BAD)
def test_bad_input_writes_nothing(message: str, tmp_path: Path) -> None:
    swept().to_csv(tmp_path / "sweep.csv", index=False)
    (tmp_path / "curves.csv").write_text("run,step\na,1\n")
    (tmp_path / "tasks.yaml").write_text("task: x")
    result = invoke(f"--out {tmp_path}/out " + BAD[message].replace("@", f"{tmp_path}/"))
    assert isinstance(result.exception, AssayError), result.exception
    assert message in str(result.exception)
    assert not (tmp_path / "out").exists()
