import pytest

from assay.errors import AssayError
from assay.evaluation.grading import OpenAnswer, OpenItem, Score, count_states
from assay.evaluation.rules import parse_rule
from assay.prompts.records import PromptRecord


def answer(text: str, *targets: str) -> OpenAnswer:
    return OpenAnswer(OpenItem(PromptRecord(id="q", text="?"), targets), text)


@pytest.mark.parametrize(
    ("rule", "text", "targets", "value"),
    [
        ("exact", " Paris. ", ("paris",), 1),
        ("exact", "Paris, France", ("paris",), 0),
        ("exact", "“Ｐａｒｉｓ”", ("Lyon", "PARIS"), 1),
        ("prefix", "Paris is the capital", ("paris",), 1),
        ("prefix", "Parisian bread", ("paris",), 0),
        ("contains", "That is incorrect.", ("correct",), 0),
        ("contains", "That is\ncorrect, yes", ("is correct",), 1),
        ("contains", "a+b (c)", ("a+b (c)",), 1),
        ("regex", "I can't do that", (r"^I ca(n't|nnot)",), 1),
        ("number", "first 12, then 1,200.50!", ("1200.5",), 1),
        ("number", "no −3", ("-3",), 1),
        ("number", "12 or 13", ("12",), 0),
        ("number", "none", ("12",), 0),
        ("length", "one two\nthree", (), 3),
        ("language", "Das Wetter ist heute schön und wir gehen spazieren.", ("de",), 1),
        ("language", "The weather is fine today and we go for a walk.", ("de",), 0),
    ],
)
def test_rules(rule, text, targets, value):
    assert parse_rule(rule).grade([answer(text, *targets)]) == [Score("ok", float(value))]


def test_a_target_in_the_rule_serves_items_without_one():
    grader = parse_rule("contains:blue")
    assert [one.value for one in grader.grade([answer("a blue sky"), answer("a blue sky", "red")])] == [1, 0]


def test_sentiment_is_vader_and_needs_words():
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    text = "What a wonderful, happy day!"
    good, empty = parse_rule("sentiment").grade([answer(text), answer(" … ")])
    assert good.value == SentimentIntensityAnalyzer().polarity_scores(text)["compound"] > 0.5
    assert (empty.state, empty.value) == ("error", None)
    assert count_states([good, empty]) == {"scores_ok": 1, "scores_pending": 0, "scores_error": 1}


@pytest.mark.parametrize(
    ("rule", "targets", "message"),
    [
        ("contains", (), "needs a target"),
        ("regex", ("(",), "no regular expression"),
        ("number", ("two",), "must hold one number"),
        ("language", ("xx",), "knows no language"),
        ("vibes", (), "unknown grader 'vibes'"),
    ],
)
def test_what_no_rule_can_use_is_named(rule, targets, message):
    with pytest.raises(AssayError, match=message):
        parse_rule(rule).grade([answer("x", *targets)])


def test_an_error_is_never_a_score():
    for state, value in (("ok", None), ("error", 1.0), ("pending", 0.0)):
        with pytest.raises(AssayError, match="exactly where it is ok"):
            Score(state, value)
