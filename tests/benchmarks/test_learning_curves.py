"""`benchmarks/learning_curves.py` and its fit, on made-up numbers and one small training."""

import json
import types

import learning_curves
import numpy as np
import power_law
import pytest
from conftest import SMALL
from learning_curves import Point

LENGTHS = np.array([25, 50, 100, 200, 400])


def points_of(errors, lengths=LENGTHS, seed=0):
    pairs = zip(lengths, errors, strict=False)
    return [Point(int(n), seed, int(n), n / 100, error, error) for n, error in pairs]


@pytest.mark.parametrize("a, b, c", [(0.016, 0.5, 1.0), (0.0, 0.1, 0.5), (0.03, 0.0, 1.0)])
def test_the_fit_finds_the_curve_that_the_errors_were_made_with(a, b, c):
    found = power_law.fit(LENGTHS, a + b * LENGTHS**-c, np.full(5, 0.001))
    wanted = power_law.Fit(a, b, c).at([1500, 5000])
    np.testing.assert_allclose(found.at([1500, 5000]), wanted, rtol=0.03, atol=2e-4)


def test_the_interval_holds_the_true_error_about_as_often_as_it_says():
    generator, true = np.random.default_rng(1), power_law.Fit(0.016, 0.5, 1.0)
    inside = 0
    for _ in range(10):
        errors = generator.normal(true.at(LENGTHS), 0.001)
        _, low, high = power_law.predict(LENGTHS, errors, np.full(5, 0.001), 1500)
        inside += low <= true.at(1500) <= high
    assert inside >= 7


def test_errors_that_lie_far_from_the_fit_widen_the_interval():
    errors, wanted = np.array([0.23, 0.17, 0.19, 0.17]), 1500
    _, low, high = power_law.predict(LENGTHS[:4], errors, np.full(4, 0.004), wanted)
    assert low < 0.165 and high > 0.185


def test_a_report_says_that_a_wide_interval_means_that_nothing_is_known():
    sure = learning_curves.report(points_of(0.02 + 0.5 / LENGTHS), "1.60@1500", [1500])
    assert "| 1500 | the paper's |  |  | 1.60% |" in sure
    assert "- 1500 epochs: 2.0" in sure and "not known" not in sure
    unsure = learning_curves.report(points_of(0.5 * LENGTHS**-0.5, LENGTHS[:4]), "", [500_000])
    assert unsure.endswith("which is to say that it is not known")


def test_a_report_says_where_longer_does_not_help_and_where_a_fit_needs_more():
    assert "not more than chance" in learning_curves.report(
        points_of([0.04, 0.03, 0.0281, 0.028, 0.0279]), "", [1500]
    )
    assert learning_curves.report(points_of([0.04, 0.03, 0.02]), "", [1500]).endswith(
        "Too few lengths for a fit: 3 of 4."
    )


def test_clusters_are_fitted_by_majority_and_the_table_has_both_errors():
    points = [p._replace(test_by_majority=p.test - 0.01) for p in points_of([0.2], [25])]
    assert learning_curves.ends(points)[1] == pytest.approx(0.19)
    table = learning_curves.report(points, "9.55@1500", [])
    assert "| test error | by majority |" in table and "| 20.00% | 19.00% |" in table


def test_seeds_of_a_length_are_one_point_whose_error_is_that_of_their_mean():
    both = points_of([0.02], [25]) + points_of([0.04], [25], seed=1)
    lengths, means, deviations = learning_curves.ends(both)
    assert (lengths, means) == (25, pytest.approx(0.03)) and deviations == pytest.approx(0.01)


def test_the_schedule_is_stretched_with_the_length():
    words = ["--n_epochs=25", "--learning_rate_drops=17,22", "--kl_epochs=6.2", "--z_dim=2"]
    assert learning_curves.stretched(words, 100)[len(words) :] == [
        "--n_epochs=100",
        "--learning_rate_drops=68,88",
        "--kl_epochs=24.8",
        "--keep_every=10",
    ]


def test_clusters_are_named_by_validation_images_before_their_errors_are_counted(data, monkeypatch):
    swapped = np.array([[0, 1, 0], [0, 0, 1], [1, 0, 0]], np.float32)
    labels = {s.images.tobytes(): s.labels for s in (data.validation, data.test)}

    def classify(x):
        images = np.rint(np.array(x) * 255).astype(np.uint8)
        return swapped[labels[images.tobytes()]]

    model = types.SimpleNamespace(classify=classify, labels_are_clusters=True)
    assert learning_curves.errors(model, data) == (0, 0, 0)
    metrics = {"clustering_error": 0.2, "clustering_error_by_majority": 0.1}
    monkeypatch.setattr(learning_curves.clusters, "clustering", lambda *_: metrics)
    assert learning_curves.errors(model, data) == (0.2, 0.2, 0.1)
    model.labels_are_clusters = False
    assert learning_curves.errors(model, data) == (1, 1)


@pytest.mark.slow
def test_a_small_run_has_its_curve_and_is_not_trained_again(npz, tmp_path, capfd):
    recipe = tmp_path / "part4_semisupervised" / "tiny.txt"
    recipe.parent.mkdir()
    recipe.write_text("\n".join([*SMALL, "--n_labeled=30"]))
    words = [f"--recipe={recipe}", "--epochs=2", f"--results_dir={tmp_path}", f"--dataset={npz}"]
    learning_curves.main(["learning_curves.py", *words])
    place = tmp_path / "learning_curves" / "part4_semisupervised" / "tiny"
    known = json.loads((place / "2" / "seed_0" / "curve.json").read_text())
    points = [Point(*values) for values in known["points"]]
    assert [point.epoch for point in points] == [1, 2] and known["cpu_hours"] > 0
    assert all(0 <= point.test <= 1 and 0 <= point.validation <= 1 for point in points)
    assert (place / "curve.png").stat().st_size > 1000
    assert "| 2 | 0 |" in (place / "table.md").read_text()
    capfd.readouterr()
    learning_curves.main(["learning_curves.py", *words])
    assert "--train" not in capfd.readouterr().out
