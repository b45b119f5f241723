import numpy as np
import pytest
from scipy.optimize import approx_fprime, minimize
from scipy.stats import norm, pearsonr
from support.preferences.published import THURSTONE, needs_published
from support.preferences.thurstonian_world import World, make_world, random_pairs

from assay.errors import AssayError
from assay.studies.preferences.utilities.comparisons import Comparisons
from assay.studies.preferences.utilities.measurements import read_comparisons
from assay.studies.preferences.utilities.thurstone import MAX_MU, fit_thurstone
from assay.studies.preferences.utilities.thurstone_objective import Objective
from assay.studies.preferences.utilities.utility_files import read_utilities


def example(n=12, pairs=40, samples=5, seed=0, refuse=0.1):
    return make_world(n, seed, spread=1.0).comparisons(
        random_pairs(n, pairs, seed), samples, np.random.default_rng(seed), refuse=refuse
    )


def by_hand(comparisons, parameters, refusals):
    """The formula by scipy.stats."""
    n = len(comparisons.ids)
    mu, log_sigma = np.concatenate([[0], parameters[: n - 1]]), parameters[n - 1 :]
    i, j = comparisons.first, comparisons.second
    z = (mu[i] - mu[j]) / np.sqrt(np.exp(log_sigma[i]) ** 2 + np.exp(log_sigma[j]) ** 2)
    second = comparisons.second_wins + (comparisons.refusals if refusals == "as-b" else 0)
    likelihood = comparisons.first_wins @ norm.logcdf(z) + second @ norm.logcdf(-z)
    return (log_sigma**2).sum() - likelihood


def test_smoothing_adds_choices_once_to_every_pair_that_was_asked():
    ids = ("a", "b", "c")
    asked = Comparisons([0, 1, 1], [1, 0, 2], [5, 0, 1], [0, 2, 3], [0, 0, 0], ids=ids)
    added = Comparisons([0, 1] * 2, [1, 2] * 2, [14, 3, 1, 0], [0, 7, 1, 0], [0] * 4, ids=ids)
    x = np.array([-0.3, 0.4, 0.1, -0.2, 0.3])
    penalty = (x[2:] ** 2).sum()
    value, gradient = Objective.of(asked, "drop", smoothing=0.5)(x)
    expected, slope = Objective.of(added, "drop")(x)
    assert value - penalty == pytest.approx((expected - penalty) / 2)
    np.testing.assert_allclose(gradient[:2], slope[:2] / 2)
    assert np.abs(fit_thurstone(asked, errors=False).mu).max() > 6  # "a" always won
    smoothed = fit_thurstone(asked, smoothing=0.5)
    assert np.abs(smoothed.mu).max() < 3
    assert np.isfinite(smoothed.mu_se).all()
    with pytest.raises(AssayError, match="smoothing"):
        fit_thurstone(asked, smoothing=-1)


@pytest.mark.parametrize("refusals", ["drop", "as-b"])
def test_value_gradient_and_hessian(refusals):
    comparisons = example()
    objective = Objective.of(comparisons, refusals)
    x = np.random.default_rng(1).normal(0, 0.7, 23)
    value, gradient = objective(x)
    assert value == pytest.approx(by_hand(comparisons, x, refusals), rel=1e-12)
    np.testing.assert_allclose(gradient, approx_fprime(x, lambda p: objective(p)[0], 1e-6), atol=2e-4)
    hessian = objective.hessian(x).toarray()
    numeric = approx_fprime(x, lambda p: objective(p)[1], 1e-6)
    np.testing.assert_allclose(hessian[1:, 1:], numeric, atol=2e-4)
    shift = np.concatenate([np.ones(12), np.zeros(12)])
    np.testing.assert_allclose(hessian @ shift, 0, atol=1e-10)


def test_far_tails_stay_finite_and_clip_only_where_asked():
    comparisons = Comparisons([0, 0], [1, 2], [0, 3], [4, 0], [0, 0], ids=("x", "y", "z"))
    x = np.array([-10.0, -10.0, -2.0, -2.0, -2.0])
    value, gradient = Objective.of(comparisons, "drop")(x)
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()
    assert abs(gradient[0]) > 100
    clipped, flat = Objective.of(comparisons, "drop", floor=1e-10)(x)
    assert clipped == pytest.approx(-4 * np.log(1e-10) + 12, abs=1e-6)
    np.testing.assert_allclose(flat[:2], 0)


def test_the_converged_fit_is_a_minimum_that_another_optimiser_finds_too():
    comparisons = example(8, 24, 6)
    found = fit_thurstone(comparisons)
    assert found.converged
    assert found.projected_gradient <= 1e-6
    start = np.concatenate([found.mu[1:], np.log(found.sigma)]) + np.random.default_rng(0).normal(0, 0.05, 15)
    bounds = [(-10, 10)] * 7 + [(-2, 2)] * 8
    other = minimize(
        lambda p: by_hand(comparisons, p, "drop"),
        start,
        method="SLSQP",
        bounds=bounds,
        options={"ftol": 1e-13, "maxiter": 500},
    )
    assert found.objective == pytest.approx(other.fun, abs=1e-6)
    np.testing.assert_allclose(found.mu[1:], other.x[:7], atol=2e-3)
    np.testing.assert_allclose(np.log(found.sigma), other.x[7:], atol=2e-3)
    assert found.nll + found.penalty == pytest.approx(
        by_hand(comparisons, np.r_[found.mu[1:], np.log(found.sigma)], "drop")
    )


def test_a_saddle_is_left():
    world = World(np.random.default_rng(0).normal(0, 1, 15), np.ones(15))
    comparisons = world.comparisons(random_pairs(15, 100), 10, np.random.default_rng(36))
    found = fit_thurstone(comparisons)
    x = np.concatenate([found.mu[1:], np.log(found.sigma)])
    information = approx_fprime(x, lambda p: Objective.of(comparisons, "drop")(p)[1], 1e-6)
    assert np.linalg.eigvalsh(information).min() > 0
    assert np.isfinite(found.mu_se).all()


def test_many_choices_recover_the_truth():
    world = make_world(60, spread=1.5)
    comparisons = world.comparisons(random_pairs(60, 1700), 30, np.random.default_rng(0))
    found = fit_thurstone(comparisons)
    assert pearsonr(found.mu, world.mu).statistic > 0.995
    assert pearsonr(np.log(found.sigma), np.log(world.sigma)).statistic > 0.5


def test_errors_are_the_centred_inverse_information_and_no_task_is_special():
    comparisons = example(10, 40, 8)
    found = fit_thurstone(comparisons)
    x = np.concatenate([found.mu[1:], np.log(found.sigma)])
    objective = Objective.of(comparisons, "drop")
    pinned = np.linalg.inv(approx_fprime(x, lambda p: objective(p)[1], 1e-6))[:9, :9]
    covariance = np.zeros((10, 10))
    covariance[1:, 1:] = pinned
    centring = np.eye(10) - 0.1
    np.testing.assert_allclose(found.mu_se, np.sqrt(np.diag(centring @ covariance @ centring)), rtol=1e-3)
    other = fit_thurstone(comparisons.reordered([*comparisons.ids[4:], *comparisons.ids[:4]]))
    np.testing.assert_allclose(np.roll(other.mu_se, 4), found.mu_se, rtol=1e-4)


def test_errors_cover_the_truth_where_sigma_varies_as_the_penalty_expects():
    scores = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        world = World(rng.normal(0, 1, 12), np.exp(rng.normal(0, np.sqrt(0.5), 12)))
        found = fit_thurstone(world.comparisons(random_pairs(12, 66), 10, rng))
        assert found.converged
        truth = world.mu - world.mu.mean()
        scores.append((found.mu - found.mu.mean() - truth) / found.mu_se)
    covered = (np.abs(scores) < norm.ppf(0.975)).mean()
    assert 0.9 <= covered <= 0.985


def test_a_task_that_always_loses_lies_at_the_bound_and_has_no_error():
    first = np.array([0, 0, 1, 0, 1, 2])
    second = np.array([1, 2, 2, 3, 3, 3])
    wins = np.array([200, 300, 200, 10**6, 10**6, 10**6])
    losses = np.array([150, 200, 150, 0, 0, 0])
    found = fit_thurstone(Comparisons(first, second, wins, losses, 0 * wins, ids=tuple("abcd")))
    assert found.mu[3] == -MAX_MU
    assert found.at_bound == 1
    assert np.isnan(found.mu_se).tolist() == [False, False, False, True]
    assert found.converged


def test_refusals_move_utilities_only_where_asked():
    quiet = example(refuse=0.0)
    refused = Comparisons(
        quiet.first, quiet.second, quiet.first_wins, quiet.second_wins, 2 + 0 * quiet.first, ids=quiet.ids
    )
    np.testing.assert_array_equal(fit_thurstone(refused).mu, fit_thurstone(quiet).mu)
    assert np.abs(fit_thurstone(refused, refusals="as-b").mu - fit_thurstone(quiet).mu).max() > 0.1


def test_a_task_without_comparison_stays_where_it_started():
    comparisons = Comparisons([0, 1], [1, 0], [3, 2], [1, 2], [0, 0], ids=("x", "y", "alone"))
    found = fit_thurstone(comparisons, errors=False)
    assert (found.mu[2], found.sigma[2]) == (0, 1)
    assert np.isnan(found.mu_se).all()


def test_bad_arguments():
    with pytest.raises(AssayError, match="at least two tasks"):
        fit_thurstone(Comparisons([], [], [], [], [], ids=("x",)))
    with pytest.raises(AssayError, match="'converged' or 'reference'"):
        fit_thurstone(example(), tolerance="loose")


@needs_published
def test_the_published_fit_is_reproduced():
    published = read_utilities(THURSTONE / "thurstonian.csv")
    comparisons = read_comparisons(THURSTONE / "measurements.yaml").reordered(published.ids)
    found = fit_thurstone(comparisons, refusals="as-b", tolerance="reference", errors=False)
    assert found.objective == pytest.approx(9634.564498851432, rel=1e-9)
    assert (found.iterations, found.evaluations) == (36, 38)
    assert found.gradient_norm == pytest.approx(11.776708566972442, rel=1e-6)
    np.testing.assert_allclose(found.mu, published.mu, atol=1e-8)
    np.testing.assert_allclose(found.sigma, published.sigma, atol=1e-8)


@needs_published
def test_the_converged_fit_of_the_published_choices_is_better_than_any_known():
    published = read_utilities(THURSTONE / "thurstonian.csv")
    comparisons = read_comparisons(THURSTONE / "measurements.yaml").reordered(published.ids)
    found = fit_thurstone(comparisons, refusals="as-b")
    assert found.converged
    assert found.objective <= 9628.223
    assert np.isfinite(found.mu_se).sum() == 1000 - found.at_bound
