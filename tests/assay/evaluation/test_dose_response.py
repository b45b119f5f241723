import numpy as np
import pytest

from assay.errors import AssayError
from assay.evaluation import dose_response
from assay.evaluation.dose_response import Dose, Responses, plan_doses, random_like, repeated_share
from assay.evaluation.dose_tables import dose_metrics
from assay.interventions.direction import Direction, DirectionInfo

INFO = DirectionInfo("f" * 64, "resid", "test", {}, "t")


def responses(doses, gain, noise):
    """Scores that rise by gain(dose) a coefficient, each item from a start of its own."""
    rng = np.random.default_rng(0)
    starts = rng.normal(size=30)
    values = {"unsteered": dict.fromkeys(dose_response.STATISTICS, starts)}
    for dose in doses:
        scores = starts + gain(dose) * dose.coefficient + noise * rng.normal(size=30)
        values[dose.config] = dict.fromkeys(dose_response.STATISTICS, scores)
    return Responses(values, tuple(str(i) for i in range(30)))


def test_slopes_and_changes_are_those_of_least_squares_beside_random_directions():
    doses = plan_doses([4], [-1, 1, 2], 20)
    found = responses(doses, lambda dose: 0.5 if dose.draw is None else 0.01 * dose.draw - 0.1, 0.1)
    metrics = dose_metrics(found, doses)
    own = [dose for dose in doses if dose.draw is None]
    table = np.array([found.at(None, "score"), *(found.at(dose, "score") for dose in own)])
    slopes = np.polyfit([0, -1, 1, 2], table, 1)[0]
    assert metrics["layer_4_slope"] == pytest.approx(slopes.mean())
    assert metrics["layer_4_slope_lo"] < 0.5 < metrics["layer_4_slope_hi"]
    assert metrics["layer_4_slope_random_n"] == 20
    assert metrics["layer_4_slope_random"] == pytest.approx(-0.005, abs=0.02)
    assert metrics["layer_4_slope_lo"] > metrics["layer_4_slope_random_hi"]
    assert metrics["layer_4_c_2_score_change"] == pytest.approx((table[3] - table[0]).mean())
    assert metrics["layer_4_c_2_p_random"] == pytest.approx(1 / 21)
    assert "layer_4_c_minus_1_score" in metrics


def test_items_without_a_score_are_counted_and_left_out():
    doses = plan_doses([0], [1], 0)
    found = responses(doses, lambda _: 1.0, 0.0)
    scores = found.at(doses[0], "score").copy()
    scores[:3] = np.nan
    values = {**found.values, doses[0].config: {**found.values[doses[0].config], "score": scores}}
    one = dose_response.change(Responses(values, found.clusters), doses[0], "score")
    assert (one.n, one.n_dropped) == (27, 3)
    assert one.value == pytest.approx(1.0)


def test_random_directions_have_the_norms_and_repeat():
    direction = Direction({2: np.arange(8.0), 5: np.ones(8)}, INFO)
    drawn = random_like(direction, 3)
    for layer, vector in direction.vectors.items():
        assert np.linalg.norm(drawn.vectors[layer]) == pytest.approx(np.linalg.norm(vector))
    assert np.array_equal(drawn.vectors[2], random_like(direction, 3).vectors[2])
    assert not np.allclose(drawn.vectors[2], random_like(direction, 4).vectors[2])


def test_zero_is_one_config_on_which_nothing_is_written():
    direction = Direction({2: np.ones(8)}, INFO)
    made = dose_response.configs(direction, plan_doses([2], [0, 1], 2), "all", 0)
    assert made["unsteered"] == ()
    assert len(made) == 4


@pytest.mark.parametrize(("coefficients", "draws"), [([0], 20), ([1, float("nan")], 20), ([1], 1)])
def test_grids_that_show_nothing_are_refused(coefficients, draws):
    with pytest.raises(AssayError):
        plan_doses([0], coefficients, draws)


@pytest.mark.parametrize(
    ("ids", "share"), [([1, 2, 3, 1, 2, 3], 1 / 4), ([1, 1, 1, 1], 1 / 2), ([1, 2], 0), ([], 0)]
)
def test_repeats(ids, share):
    assert repeated_share(ids) == pytest.approx(share)


def test_configs_have_names_of_their_own():
    assert Dose(3, -0.5, 2).config != Dose(3, -0.5).config != Dose(3, 0.5).config
