import numpy as np
from scipy import stats

from assay.statistics.draws import key_draws


def slow_splitmix(start: int, key: int) -> float:
    """Sebastiano Vigna's reference, in Python's integers."""
    mixed = (start + (key + 1) * 0x9E3779B97F4A7C15) % 2**64
    mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EB % 2**64
    return ((mixed ^ (mixed >> 31)) >> 11) / 2**53


def test_splitmix_gives_its_published_numbers():
    """The first output for seed 1234567 of the reference implementation is 6457827717110365317."""
    assert slow_splitmix(1234567, 0) == (6457827717110365317 >> 11) / 2**53


def test_a_keys_number_is_its_own(monkeypatch):
    monkeypatch.setattr("assay.statistics.draws.item_seed", lambda seed, _: seed)
    keys = np.array([0, 1, 5, 999_999_999])
    found = key_draws(1234567, "x", keys)
    assert found.tolist() == [slow_splitmix(1234567, int(key)) for key in keys]
    assert key_draws(1234567, "x", keys[2:]).tolist() == found[2:].tolist()


def test_numbers_are_uniform_and_differ_by_seed_and_name():
    keys = np.arange(20_000)
    found = key_draws(0, "turn 1", keys)
    assert stats.kstest(found, "uniform").pvalue > 0.001
    for other in (key_draws(1, "turn 1", keys), key_draws(0, "turn 2", keys)):
        assert abs(np.corrcoef(found, other)[0, 1]) < 0.03
