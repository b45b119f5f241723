import pytest

from stages.shared.first_token import pools_first_token


@pytest.mark.parametrize(
    ("tokens", "pooling", "expected"),
    [
        ("all", "mean", True),
        ("all", "max", True),
        ("all", "last", False),
        ("all", "none", False),
        ("prompt[:]", "mean", True),
        ("prompt[:4]", "mean", True),
        ("prompt[1:]", "mean", False),
        ("prompt[-1]", "mean", False),
        ("response[:]", "mean", False),
    ],
)
def test_a_pool_that_takes_in_the_first_token_is_known(tokens, pooling, expected):
    assert pools_first_token(tokens, pooling) is expected
