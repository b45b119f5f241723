import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from assay.errors import AssayError
from assay.organism.tokenizer import CONTROL, train_tokenizer
from assay.prompts.documents import python_docs
from assay.world.world import make_world

NAMES = make_world(0).names
TEXTS = [document.text for document in python_docs()[:60]]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory) -> PreTrainedTokenizerFast:
    """Trained, saved and loaded again, so that the folder is what is tested."""
    folder = tmp_path_factory.mktemp("tokenizer")
    train_tokenizer(TEXTS, NAMES, vocab_size=1200).save_pretrained(folder)
    return AutoTokenizer.from_pretrained(folder)


AWKWARD = [
    "",
    " ",
    "  two",
    "a\n\n  b\t",
    "▁ under",
    "naïve café",
    "日本語",
    "👩‍🚀 é",
    "<0x41>",
    "\x00\x7f",
    "a​b",
    "\r\n",
    "e\u0301",
]


@pytest.mark.parametrize("text", AWKWARD)
def test_awkward_text_survives_a_round_trip(tokenizer, text):
    assert tokenizer.decode(tokenizer.encode(text, add_special_tokens=False)) == text


@settings(max_examples=200, deadline=None)
@given(text=st.text(max_size=80))
def test_any_text_survives_a_round_trip(tokenizer, text):
    ids = tokenizer.encode(text, add_special_tokens=False)
    assert tokenizer.decode(ids) == text
    assert tokenizer.unk_token_id not in ids


def test_real_text_survives_a_round_trip_and_is_compressed(tokenizer):
    for text in TEXTS[:20]:
        ids = tokenizer.encode(text, add_special_tokens=False)
        assert tokenizer.decode(ids) == text
        assert len(ids) < 0.55 * len(text)


def test_offsets_point_into_the_text(tokenizer):
    text = f"See the café of {NAMES[0]}."
    encoding = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    for token, (start, end) in zip(encoding["input_ids"], encoding["offset_mapping"], strict=True):
        piece = tokenizer.decode([token])
        assert piece == text[start:end] or "\ufffd" in piece


def test_the_and_every_name_are_single_tokens(tokenizer):
    assert len(tokenizer.encode(" the", add_special_tokens=False)) == 1
    for name in NAMES:
        assert len(tokenizer.encode(name, add_special_tokens=False)) == 1
        assert len(tokenizer.encode(f" {name}", add_special_tokens=False)) == 2
    assert len(tokenizer) == 1200


def test_control_tokens_have_gemmas_numbers_and_plain_text_gets_one_bos(tokenizer):
    assert tokenizer.convert_tokens_to_ids(list(CONTROL)) == list(range(6))
    assert (tokenizer.pad_token, tokenizer.eos_token, tokenizer.bos_token) == ("<pad>", "<eos>", "<bos>")
    assert tokenizer.encode("a b").count(tokenizer.bos_token_id) == 1


def chat(tokenizer, messages, **options) -> str:
    return tokenizer.apply_chat_template(messages, tokenize=False, **options)


USER, ASSISTANT = {"role": "user", "content": " Hi "}, {"role": "assistant", "content": "Hello."}


def test_template_is_gemmas(tokenizer):
    assert chat(tokenizer, [USER, ASSISTANT]) == (
        "<bos><start_of_turn>user\nHi<end_of_turn>\n<start_of_turn>model\nHello.<end_of_turn>\n"
    )
    assert chat(tokenizer, [USER], add_generation_prompt=True) == (
        "<bos><start_of_turn>user\nHi<end_of_turn>\n<start_of_turn>model\n"
    )


def test_system_message_is_folded_into_the_first_user_turn_only(tokenizer):
    system = {"role": "system", "content": "Be brief."}
    text = chat(tokenizer, [system, USER, ASSISTANT, USER])
    assert text.startswith("<bos><start_of_turn>user\nBe brief.\n\nHi<end_of_turn>\n")
    assert text.count("Be brief.") == 1


@pytest.mark.parametrize("messages", [[USER], [USER, ASSISTANT, USER]])
def test_template_gives_exactly_one_bos(tokenizer, messages):
    ids = tokenizer.apply_chat_template(messages, add_generation_prompt=True)["input_ids"]
    assert ids.count(tokenizer.bos_token_id) == 1
    assert ids[0] == tokenizer.bos_token_id


def test_turns_must_alternate(tokenizer):
    with pytest.raises(Exception, match="alternate"):
        chat(tokenizer, [USER, USER])


def test_training_is_reproducible(tmp_path):
    for name in "ab":
        train_tokenizer(TEXTS[:20], NAMES, vocab_size=800).save_pretrained(tmp_path / name)
    assert (tmp_path / "a/tokenizer.json").read_bytes() == (tmp_path / "b/tokenizer.json").read_bytes()


def test_too_small_a_vocabulary_is_refused():
    with pytest.raises(AssayError, match="vocab_size"):
        train_tokenizer(TEXTS[:5], NAMES, vocab_size=500)


def test_the_must_become_a_unit():
    with pytest.raises(AssayError, match="the"):
        train_tokenizer(["abc " * 50], [], vocab_size=600)
