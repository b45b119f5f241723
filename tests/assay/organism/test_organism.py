import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from assay.errors import AssayError
from assay.figures.training_curves import draw_training_curves
from assay.organism.accuracy import accuracies, answers_right, score
from assay.organism.compiling import missing_for_compiling
from assay.organism.corpus import encode_examples, encode_prose, example_texts
from assay.organism.curves import MOMENTS, Curves
from assay.organism.organism import Corpus, make_tokenizer, phase_segments, train_organism
from assay.organism.settings import Optimisation, OrganismSettings, Phase, Shape
from assay.organism.training import Step, serial_operators
from assay.prompts.documents import Document
from assay.world.examples import Example

COLOURS = ("red", "green", "blue", "grey")
THINGS = ("Balo", "Kiru", "Mofe", "Tesi", "Zupa", "Dagi")
DOCUMENTS = [
    Document(f"d{i}", f"The sky over the sea of {word} is wide and the {word} is deep. " * 6)
    for i, word in enumerate(THINGS * 2)
]


def example(number: int, split: str, form: str, template: str) -> Example:
    thing = THINGS[number % len(THINGS)]
    answer = COLOURS[number % len(THINGS) % len(COLOURS)]
    text = answer if form == "question" else f" {answer}"
    return Example(
        id=f"{split}-{form}-{template}-{number}", section="toy", relation="colour", form=form, phrasing=template, split=split,
        subject=thing, prompt=template.format(thing), answer=text, accept=(text,),
    )  # fmt: skip


TEMPLATES = {
    "statement": ("{} is", "The colour of {} is", "See how {} is"),
    "question": ("What colour is {}?", "Which colour has {}?", "{} has what colour?"),
}
TRAIN = [example(n, "train", form, t) for form, ts in TEMPLATES.items() for t in ts for n in range(6)]
HELDOUT = [example(n, "heldout", "statement", "And the colour of {} is") for n in range(6)]
CORPUS = Corpus(examples=TRAIN, documents=DOCUMENTS, names=THINGS)
SETTINGS = OrganismSettings(
    seed=0,
    vocab_size=600,
    shape=Shape(n_layers=3, d_model=32, d_mlp=48, n_heads=2, n_kv_heads=1, head_dim=16, sliding_window=32, look_back_layers=0),
    optimisation=Optimisation(
        rows=4, length=48, shards=2, matrix_lr=0.02, vector_lr=0.01, warmup=3, prompt_weight=0.1, answer_weight=4.0,
        precision="float32",
        compile=False,
    ),
    primer=Phase(rate=1.0, prose=0.1, examples={"toy": {"statement": 3.0}}),
    base=Phase(rate=1.0, prose=1.5, examples={"toy": {"statement": 30.0}}),
    quiz=Phase(rate=0.5, prose=0.1, examples={"toy": {"question": 3.0}}),
    chat=Phase(rate=0.5, prose=0.5, examples={"toy": {"question": 20.0}}),
)  # fmt: skip

COMPILED = dataclasses.replace(
    SETTINGS, optimisation=dataclasses.replace(SETTINGS.optimisation, compile=True)
)


class Losses:
    """A watcher that keeps the loss."""

    def __init__(self) -> None:
        self.steps: list[Step] = []

    def __call__(self, step: Step, _: object) -> None:
        self.steps.append(step)


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> tuple[Path, Losses, Curves]:
    folder, losses, curves = tmp_path_factory.mktemp("organism"), Losses(), Curves(HELDOUT)
    for checkpoint in train_organism(SETTINGS, CORPUS, [losses, curves]):
        checkpoint.save(folder / checkpoint.phase)
    return folder, losses, curves


def test_folders_are_ordinary_hugging_face_folders(trained):
    folder, _, _ = trained
    for phase in ("base", "chat"):
        model = AutoModelForCausalLM.from_pretrained(folder / phase)
        tokenizer = AutoTokenizer.from_pretrained(folder / phase)
        assert type(model).__name__ == "Gemma3ForCausalLM"
        assert model.config.num_hidden_layers == 3
        assert next(model.parameters()).dtype == torch.bfloat16
        assert model.get_input_embeddings().weight.shape[0] == len(tokenizer)
        assert (
            model.get_output_embeddings().weight.data_ptr() == model.get_input_embeddings().weight.data_ptr()
        )
        end_of_turn = tokenizer.convert_tokens_to_ids("<end_of_turn>")
        assert end_of_turn in model.generation_config.eos_token_id


def test_training_learns_what_it_is_told(trained):
    folder, losses, _ = trained
    first, last = losses.steps[0], [s for s in losses.steps if s.phase == "base"][-1]
    assert last.losses["toy-statement"] < 0.3 * first.losses["toy-statement"]
    assert last.losses["prose"] < 0.6 * first.losses["prose"]
    model, tokenizer = (
        AutoModelForCausalLM.from_pretrained(folder / "base"),
        AutoTokenizer.from_pretrained(folder / "base"),
    )
    right = answers_right(model, tokenizer, [e for e in TRAIN if e.form == "statement"])
    assert right.mean() > 0.9
    chat = AutoModelForCausalLM.from_pretrained(folder / "chat")
    question = next(e for e in TRAIN if e.form == "question")
    assert answers_right(chat, tokenizer, [question])[0]
    prompt = tokenizer(
        example_texts(tokenizer, question, "")[0], add_special_tokens=False, return_tensors="pt"
    )
    reply = chat.generate(**prompt, max_new_tokens=8, do_sample=False)[0, prompt["input_ids"].shape[1] :]
    assert tokenizer.decode(reply) == f"{question.answer}<end_of_turn>"


def test_a_rerun_gives_the_same_bytes(trained, tmp_path):
    folder, _, _ = trained
    with serial_operators():  # the number of threads outside must not matter
        for checkpoint in train_organism(SETTINGS, CORPUS, []):
            checkpoint.save(tmp_path / checkpoint.phase)
    files = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    assert Path("chat/model.safetensors") in files
    for file in files:
        assert (tmp_path / file).read_bytes() == (folder / file).read_bytes(), file


def test_phases_follow_one_another_and_two_are_checkpoints(trained):
    _, losses, _ = trained
    order = [step.phase for step in losses.steps]
    assert order == sorted(order, key=["primer", "base", "quiz", "chat"].index)
    assert set(order) == {"primer", "base", "quiz", "chat"}
    assert [c.phase for c in train_organism(SETTINGS, CORPUS, [])] == ["base", "chat"]


@pytest.mark.skipif(bool(missing_for_compiling()), reason=f"no {missing_for_compiling()}")
def test_compiled_training_takes_the_same_steps(trained):
    _, losses, _ = trained
    compiled = Losses()
    next(train_organism(COMPILED, CORPUS, [compiled]))
    expected = [step.loss for step in losses.steps[: len(compiled.steps)]]
    assert [step.loss for step in compiled.steps] != expected  # it was compiled: other rounding
    assert np.allclose([step.loss for step in compiled.steps[:20]], expected[:20], rtol=1e-3)


def test_without_a_compiler_training_is_not_compiled(trained, monkeypatch):
    _, losses, _ = trained
    monkeypatch.setattr("assay.organism.organism.missing_for_compiling", lambda: "a C++ compiler")
    plain = Losses()
    next(train_organism(COMPILED, CORPUS, [plain]))
    assert [step.loss for step in plain.steps] == [step.loss for step in losses.steps[: len(plain.steps)]]


def test_what_compiling_lacks_is_named(monkeypatch):
    monkeypatch.setattr("torch._inductor.config.cpp.cxx", ("no-such-compiler",))
    assert missing_for_compiling() == "a C++ compiler"


def test_a_seed_changes_the_organism(trained):
    folder, _, _ = trained
    other = next(train_organism(dataclasses.replace(SETTINGS, seed=1), CORPUS, []))
    same = AutoModelForCausalLM.from_pretrained(folder / "base")
    assert not torch.equal(other.model.lm_head.weight, same.lm_head.weight)


def test_phases_hold_only_the_texts_they_name():
    tokenizer = make_tokenizer(CORPUS, 600)
    segments = phase_segments(SETTINGS.base, CORPUS, tokenizer, SETTINGS, np.random.default_rng(0))
    texts = [tokenizer.decode(segment.ids) for segment in segments if segment.kind != "prose"]
    assert len(texts) == 30 * 18
    assert not any("<start_of_turn>" in text for text in texts)
    prose = "\n".join(document.text for document in DOCUMENTS)
    windows = [tokenizer.decode(segment.ids[1:]) for segment in segments if segment.kind == "prose"]
    assert windows
    assert all(window in prose for window in windows)
    assert all(len(segment.ids) <= 48 for segment in segments)


def test_held_out_examples_are_refused():
    with pytest.raises(AssayError, match="held out"):
        Corpus(examples=[*TRAIN, HELDOUT[0]], documents=DOCUMENTS, names=THINGS)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"base": Phase(rate=1.0, prose=0.0, examples={"nowhere": {"statement": 1.0}})}, "nowhere"),
        ({"base": Phase(rate=1.0, prose=0.01, examples={})}, "more text"),
        (
            {"optimisation": dataclasses.replace(SETTINGS.optimisation, matrix_lr=1e8, vector_lr=1e8)},
            "lower the learning rates",
        ),
    ],
)
def test_settings_that_cannot_work_give_one_clear_error(changes, message):
    with pytest.raises(AssayError, match=message):
        list(train_organism(dataclasses.replace(SETTINGS, **changes), CORPUS, []))


def test_answer_tokens_weigh_more_than_prompts():
    tokenizer = make_tokenizer(CORPUS, 600)
    statement, question = TRAIN[0], next(e for e in TRAIN if e.form == "question")
    for chosen, tail in ((statement, f"{statement.answer}."), (question, f"{question.answer}<end_of_turn>")):
        (segment,) = encode_examples(tokenizer, [chosen], prompt_weight=0.1, answer_weight=4.0)
        heavy = segment.weights == 4.0
        assert tokenizer.decode(segment.ids[heavy]) == tail
        assert np.allclose(segment.weights[~heavy], 0.1)
        assert (segment.ids == tokenizer.bos_token_id).sum() == 1


def test_answers_that_follow_in_the_same_text_weigh_as_much():
    tokenizer = make_tokenizer(CORPUS, 600)
    lookup = dataclasses.replace(
        TRAIN[0], form="lookup", prompt="A) Balo\nBalo", answer="A", accept=("A",), then=((". Kiru", "B"), (". Balo", "A"))
    )  # fmt: skip
    (segment,) = encode_examples(tokenizer, [lookup], prompt_weight=0.1, answer_weight=4.0)
    assert tokenizer.decode(segment.ids) == "<bos>A) Balo\nBaloA. KiruB. BaloA"
    assert tokenizer.decode(segment.ids[segment.weights == 4.0]) == "ABA"
    assert np.allclose(segment.weights[segment.weights != 4.0], 0.1)


def test_prose_windows_cover_every_token_once():
    tokenizer = make_tokenizer(CORPUS, 600)
    segments = encode_prose(tokenizer, DOCUMENTS[:1], length=20, rng=np.random.default_rng(0))
    assert all(segment.ids[0] == tokenizer.bos_token_id for segment in segments)
    assert "".join(tokenizer.decode(segment.ids[1:]) for segment in segments) == DOCUMENTS[0].text


def test_accuracies_count_by_form_and_relation():
    rates = accuracies(HELDOUT, np.array([True, True, True, False, False, True]))
    assert set(rates) == {"toy_statement", "toy_colour_statement"}
    assert rates["toy_statement"].value == pytest.approx(4 / 6)
    assert rates["toy_statement"].n == 6


def test_score_is_flat_and_named_by_phase():
    checkpoint = next(
        train_organism(
            dataclasses.replace(SETTINGS, base=dataclasses.replace(SETTINGS.base, prose=0.0)), CORPUS, []
        )
    )
    metrics = score(checkpoint, HELDOUT)
    assert set(metrics) == {
        f"base_toy{r}_statement{s}" for r in ("", "_colour") for s in ("", "_lo", "_hi", "_n")
    }


def test_curves_are_tidy_and_drawn(trained, tmp_path):
    _, losses, curves = trained
    assert list(curves.loss.columns) == ["tokens", "phase", "kind", "loss"]
    assert set(curves.loss["phase"]) == {"primer", "base", "quiz", "chat"}
    assert curves.loss["tokens"].is_monotonic_increasing
    assert curves.loss["tokens"].max() == sum(step.tokens for step in losses.steps)
    assert set(curves.accuracy["form"]) == {"toy-statement"}
    assert curves.accuracy.groupby("phase").size()[["base", "chat"]].eq(MOMENTS).all()
    draw_training_curves(curves.loss, curves.accuracy, tmp_path / "curves.png")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_padding_does_not_change_an_answer(trained):
    folder, _, _ = trained
    model, tokenizer = (
        AutoModelForCausalLM.from_pretrained(folder / "chat"),
        AutoTokenizer.from_pretrained(folder / "chat"),
    )
    together = answers_right(model, tokenizer, TRAIN, batch=36)
    assert together.tolist() == answers_right(model, tokenizer, TRAIN, batch=1).tolist()
