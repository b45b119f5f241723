"""From the world's tables to figures and page: the stages around measuring and probing, on planted activations and choices."""

import json
import re
import shutil

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm, spearmanr
from support.preferences.command_line import stage

from assay.activations.store import StoreHeader, create_store
from assay.probes.files import ProbeInfo, save_probes
from assay.probes.linear import UtilityProbe
from assay.studies.preferences.shifts.condition_counts import read_condition_choices
from assay.studies.preferences.shifts.conditions import BASELINE
from assay.world.tables import truth_tables
from assay.world.world import Sizes, make_world

D = 8
PIN = {
    "alias": "toy", "source": "nowhere", "kind": "folder", "revision": None, "content_hash": "ab" * 32, "base": None,
    "model_type": "gemma3_text", "n_layers": 2, "d_model": D, "n_heads": 1, "n_kv_heads": 1, "head_dim": 8, "d_mlp": 8,
    "vocab_size": 100, "context_length": 512, "dtype_cpu": "float32", "dtype_cuda": "bfloat16",
    "chat_template_hash": "cd" * 32, "tokenizer_hash": "ef" * 32, "trust_remote_code": False,
}  # fmt: skip
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chromium-browser")
DRIVER = shutil.which("chromedriver")
HOSTILE = '</script><script>document.title = "owned"</script> funny'


class Study:
    """A small world prepared, with choices by its law and activations whose first feature is the utility."""

    def __init__(self, folder):
        self.folder = folder
        world = make_world(1, Sizes(5, 4, 5, 5, 5, 1))
        for name, table in truth_tables(world).items():
            table.to_csv(folder / f"{name}.csv", index=False)
        self.tasks = {task.id: task for task in world.preferences.tasks}
        self.conditions = {condition.id: condition for condition in world.preferences.conditions}
        (folder / "topics.json").write_text(json.dumps({task.id: task.topic for task in self.tasks.values()}))
        assert stage("prepare", *self.prepare(folder / "inputs")) == 0
        rng = np.random.default_rng(0)
        self.weight = np.r_[2.0, np.zeros(D - 1)]
        self._utilities("train", rng)
        self._utilities("eval", rng)
        self.records = [json.loads(line) for line in (folder / "inputs/ood.jsonl").read_text().splitlines()]
        self._store(
            "ood",
            [r["id"] for r in self.records],
            [self.utility(r["task_id"], r["condition_id"]) for r in self.records],
            rng,
        )
        self._store("chat", list(self.tasks), [task.utility for task in self.tasks.values()], rng)
        probes = {
            layer: UtilityProbe(self.weight / 4 * (layer == 1), 0.0, 1.0, True, penalty=1.0)
            for layer in (0, 1)
        }
        save_probes(
            folder / "probes.safetensors",
            probes,
            ProbeInfo("pin", "resid", "m", "utility", "t", 1, "prompt[-1]"),
        )
        self._choices(rng)

    def prepare(self, out, **changes):
        given = {
            "tasks": self.folder / "tasks.csv", "topics": self.folder / "topics.json", "conditions": self.folder / "conditions.csv",
            "shifts": self.folder / "shifts.csv", "evaluation": 0.5, "neutral": "You are neutral.", "per-kind": 2, "targets": 12,
            "anchors": 4, "seed": 0, "out": out, "metrics": self.folder / "prepare.json",
        } | changes  # fmt: skip
        return [word for name, value in given.items() for word in (f"--{name}", value)]

    def utility(self, task, condition):
        shift = 0.0 if condition == BASELINE else self.conditions[condition].shift(self.tasks[task])
        return self.tasks[task].utility + shift

    def _utilities(self, split, rng):
        excluded = set((self.folder / f"inputs/not_{split}.txt").read_text().split())
        rows = [
            {"task_id": name, "mu": 3 * task.utility + rng.normal(0, 0.1), "sigma": 1.0}
            for name, task in self.tasks.items()
            if name not in excluded
        ]
        pd.DataFrame(rows).to_csv(self.folder / f"utilities_{split}.csv", index=False)

    def _store(self, name, ids, utilities, rng):
        header = StoreHeader("m", "pin", "resid", "prompt[-1]", "last", "float32", name[0] * 64)
        rows = rng.normal(size=(len(ids), 2, D))
        rows[:, 1, 0] = 2 * np.array(utilities) + 0.02 * rng.normal(size=len(ids))
        with create_store(self.folder / f"{name}.h5", header, layers=[0, 1], d=D, ids=ids) as store:
            store.write(rows.astype("<f4"))

    def _choices(self, rng):
        made = []
        for line in (self.folder / "inputs/ood_pairs.jsonl").read_text().splitlines():
            pair = json.loads(line)
            gap = self.utility(pair["task_a"], pair["condition_id"]) - self.utility(
                pair["task_b"], pair["condition_id"]
            )
            won = int(rng.binomial(20, norm.cdf(gap)))
            keys = {name: pair[name] for name in ("condition_id", "task_a", "task_b")}
            made.append({**keys, "n_a": won, "n_b": 20 - won, "n_refusals": 0, "n_total": 20})
        (self.folder / "choices.json").write_text(json.dumps(made))


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Study:
    return Study(tmp_path_factory.mktemp("study"))


def deltas(study, out, **changes):
    f = study.folder
    given = {
        "prompts": f / "inputs/ood.jsonl", "activations": f / "ood.h5", "probes": f / "probes.safetensors", "pairwise": f / "choices.json",
        "default-utilities": f / "utilities_eval.csv", "layer": "0", "out": out / "deltas.csv", "utilities": out / "ood_utilities.csv",
    } | changes  # fmt: skip
    return stage("deltas", *(word for name, value in given.items() for word in (f"--{name}", value)))


def test_prepared_halves_are_disjoint_and_complete(study):
    inputs = study.folder / "inputs"
    train, evaluation = (set((inputs / f"not_{s}.txt").read_text().split()) for s in ("eval", "train"))
    assert not train & evaluation
    assert train | evaluation == set(study.tasks)
    chat = [json.loads(line) for line in (inputs / "chat.jsonl").read_text().splitlines()]
    assert [(r["id"], r["messages"]) for r in chat] == [
        (name, [{"role": "user", "content": task.text}]) for name, task in study.tasks.items()
    ]
    counts = json.loads((study.folder / "prepare.json").read_text())
    assert counts["train_tasks"] + counts["eval_tasks"] == counts["tasks"] == len(study.tasks)
    assert counts["ood_prompts"] == len(study.records)


def test_each_target_meets_each_anchor_under_its_condition_and_the_baseline(study):
    evaluation = set((study.folder / "inputs/not_train.txt").read_text().split())
    counts = read_condition_choices(study.folder / "choices.json")
    by_condition = {name: counts.condition == counts.index_of(name) for name in counts.conditions}
    targets = {
        name: {counts.tasks[i] for i in counts.choices.first[rows]} for name, rows in by_condition.items()
    }
    assert set().union(*targets.values()) == targets[BASELINE]
    assert targets[BASELINE] <= evaluation
    for name, rows in by_condition.items():
        assert len(targets[name]) * 4 == rows.sum()
        if name != BASELINE:
            assert any(study.conditions[name].shift(study.tasks[task]) for task in targets[name])
    for record in study.records:
        system, user = record["messages"]
        condition = record["condition_id"]
        neutral = condition == BASELINE
        assert system["content"] == (
            "You are neutral." if neutral else study.conditions[condition].system_prompt
        )
        assert user["content"] == study.tasks[record["task_id"]].text


def test_deltas_follow_the_shift_where_the_probe_reads_it(study, tmp_path):
    assert deltas(study, tmp_path) == 0
    table = pd.read_csv(tmp_path / "deltas.csv")
    assert set(table["layer"]) == {"best", "reported"}
    best = table[table["layer"] == "best"]
    shift = [
        study.conditions[c].shift(study.tasks[t])
        for c, t in zip(best["condition_id"], best["task_id"], strict=True)
    ]
    assert np.allclose(best["probe_delta"], shift, atol=0.1)
    assert (best["truth"] == np.sign(shift)).all()
    assert (table[table["layer"] == "reported"]["probe_delta"].abs() < 1e-9).all()
    fitted = pd.read_csv(tmp_path / "ood_utilities.csv")
    truth = [study.utility(t, c) for c, t in zip(fitted["condition_id"], fitted["task_id"], strict=True)]
    assert np.allclose(fitted["score"], truth, atol=0.1)
    within = fitted.assign(truth=truth).groupby("condition_id")[["mu", "truth"]].corr().iloc[0::2, 1]
    assert within.mean() > 0.9


def test_statistics_and_figures_of_the_planted_shift(study, tmp_path):
    assert deltas(study, tmp_path, layer="1") == 0
    found = ("--points", tmp_path / "points.csv", "--conditions", tmp_path / "conditions.csv")
    assert stage(
        "ood_stats", "--pairwise", study.folder / "choices.json", "--deltas", tmp_path / "deltas.csv",
        "--utilities", tmp_path / "ood_utilities.csv", *found, "--resamples", 200, "--out", tmp_path / "ood.json",
    ) == 0  # fmt: skip
    metrics = json.loads((tmp_path / "ood.json").read_text())
    assert metrics["best_target_pearson"] > 0.85
    assert metrics["utility_probe_pearson"] > metrics["utility_default_pearson"]
    drawn = stage(
        "ood_figures",
        *found,
        "--deltas",
        tmp_path / "deltas.csv",
        "--metrics",
        tmp_path / "ood.json",
        "--out",
        tmp_path / "fig",
    )
    assert drawn == 0
    scatter = pd.read_csv(tmp_path / "fig/ood_scatter.csv")
    assert set(scatter["group"]) == {"off target", "made less liked", "made more liked"}
    assert len(scatter) == sum(record["condition_id"] != BASELINE for record in study.records)
    kinds = pd.read_csv(tmp_path / "fig/ood_kinds.csv")
    assert set(kinds["kind"]) == {"category", "object", "crossed", "persona", "competing"}
    for name in ("ood_scatter", "ood_kinds", "ood_predictors"):
        assert (tmp_path / f"fig/{name}.png").read_bytes().startswith(b"\x89PNG")


def test_truth_correlates_with_its_parts(study, tmp_path):
    outs = {"table": tmp_path / "t.csv", "figure": tmp_path / "t.png", "metrics": tmp_path / "m.json"}
    arguments = [word for name, path in outs.items() for word in (f"--{name}", path)]
    inputs = [
        "--train-utilities",
        study.folder / "utilities_train.csv",
        "--eval-utilities",
        study.folder / "utilities_eval.csv",
    ]
    common = [*inputs, "--resamples", 100, "--seed", 0, *arguments]
    assert stage("truth", "--tasks", study.folder / "tasks.csv", *common) == 0
    metrics = json.loads((tmp_path / "m.json").read_text())
    table = pd.read_csv(tmp_path / "t.csv")
    for split, part in table.groupby("split"):
        expected = np.corrcoef(part["measured"], part["true"])[0, 1]
        assert metrics[f"{split}_utility_pearson"] == pytest.approx(expected, abs=1e-5)
        assert metrics[f"{split}_topic_part_pearson"] < expected
        rho = spearmanr(part["measured"], part["true"]).statistic
        assert metrics[f"{split}_utility_spearman"] == pytest.approx(rho, abs=1e-4)
        assert metrics[f"{split}_utility_spearman_lo"] < rho < metrics[f"{split}_utility_spearman_hi"]
    own = pd.read_csv(study.folder / "tasks.csv")[["id", "text"]]
    own.to_csv(tmp_path / "own.csv", index=False)
    assert stage("truth", "--tasks", tmp_path / "own.csv", *common) == 0
    assert json.loads((tmp_path / "m.json").read_text()) == {"tasks_with_truth": 0}


def test_probes_of_another_model_are_refused(study, tmp_path, capsys):
    probe = {1: UtilityProbe(study.weight, 0.0, 1.0, True, penalty=1.0)}
    save_probes(
        tmp_path / "other.safetensors",
        probe,
        ProbeInfo("other", "resid", "m", "utility", "t", 1, "prompt[-1]"),
    )
    assert deltas(study, tmp_path, probes=tmp_path / "other.safetensors") == 1
    assert "was made with another model" in capsys.readouterr().err
    assert not (tmp_path / "deltas.csv").exists()


def test_choices_under_other_conditions_write_nothing(study, tmp_path, capsys):
    text = (study.folder / "choices.json").read_text()
    for name in study.conditions:
        text = text.replace(json.dumps(name), json.dumps(f"other {name}"))
    (tmp_path / "choices.json").write_text(text)
    assert deltas(study, tmp_path, pairwise=tmp_path / "choices.json") == 1
    assert "have no condition and task in common" in capsys.readouterr().err
    assert {path.name for path in tmp_path.iterdir()} == {"choices.json"}


def test_shares_and_anchors_out_of_range_are_clear_errors(study, tmp_path, capsys):
    for changes, message in (
        ({"evaluation": 1.5}, "between 0 and 1"),
        ({"anchors": 999}, "lower preferences.ood.anchors"),
    ):
        assert stage("prepare", *study.prepare(tmp_path / "x", **changes)) == 1
        assert message in capsys.readouterr().err
        assert not (tmp_path / "x").exists()


def view(study, out):
    f = study.folder
    pin = f / "pin.json"
    pin.write_text(json.dumps(PIN))
    given = {
        "tasks": f / "hostile.csv", "topics": f / "topics.json", "train-utilities": f / "utilities_train.csv",
        "eval-utilities": f / "utilities_eval.csv", "activations": f / "chat.h5", "probes": f / "probes.safetensors",
        "model": pin, "out": out,
    }  # fmt: skip
    return stage("view", *(word for name, value in given.items() for word in (f"--{name}", value)))


@pytest.fixture(scope="module")
def page(study, tmp_path_factory):
    """The page, where one task's text is a hostile script."""
    table = pd.read_csv(study.folder / "tasks.csv")
    table.loc[0, "text"] = HOSTILE
    table.to_csv(study.folder / "hostile.csv", index=False)
    out = tmp_path_factory.mktemp("page") / "view.html"
    assert view(study, out) == 0
    return out


def test_the_page_holds_every_task_from_the_mean_of_its_half(study, page):
    text = page.read_text("utf-8")
    data = json.loads(re.search(r'id="data">(.*?)</script>', text, re.S)[1])
    assert len(data["tasks"]) == len(study.tasks)
    by_text = {task.text: task for task in study.tasks.values()}
    for split in ("train", "eval"):
        own = [row for row in data["tasks"] if row["split"] == split]
        assert abs(np.mean([row["utility"] for row in own])) < 1e-3
        assert all(row["error"] == pytest.approx(row["probe"] - row["utility"], abs=2e-4) for row in own)
        known = [(row["utility"], by_text[row["text"]].utility) for row in own if row["text"] in by_text]
        assert np.corrcoef(np.array(known).T)[0, 1] > 0.99
    assert "<script>document.title" not in text


@pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="needs Chromium and chromedriver")
def test_the_page_sorts_filters_and_runs_no_script_of_a_task(study, page, tmp_path):
    from selenium import webdriver
    from selenium.webdriver.common.keys import Keys

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}"):
        options.add_argument(argument)
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    try:
        driver.get(page.as_uri())
        utilities = column(driver, 4)
        assert utilities == sorted(utilities, reverse=True)
        driver.find_element("css selector", '[data-key="utility"]').click()
        assert column(driver, 4) == sorted(column(driver, 4))
        driver.find_element("id", "find").send_keys("funny POEM")
        texts = [cell.text for cell in driver.find_elements("css selector", "tbody td:first-child")]
        expected = [
            t.text
            for t in study.tasks.values()
            if "funny poem" in t.text and t.text != study.tasks["task-000"].text
        ]
        assert sorted(texts) == sorted(expected)
        driver.switch_to.active_element.send_keys(Keys.ESCAPE)
        assert len(column(driver, 4)) == len(study.tasks)
        driver.find_element("css selector", '[data-key="utility"]').send_keys("/")
        assert driver.switch_to.active_element.get_attribute("id") == "find"
        assert driver.title != "owned"
    finally:
        driver.quit()


def column(driver, number):
    cells = driver.find_elements("css selector", f"tbody td:nth-child({number})")
    assert cells
    return [float(cell.text) for cell in cells]
