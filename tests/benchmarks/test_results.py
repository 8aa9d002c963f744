"""`benchmarks/results.py`: the published numbers, and the tables and comments made of them."""

from adversarial_autoencoder.system.errors import UserError

import pytest
import results
from conftest import ROOT

MEASURES = {
    "error": {"name": "test error", "percent": True, "good": "low (guessing: 90%)"},
    "nats": {"name": "likelihood, nats"},
}
ONE = {
    "recipe": "part4/default",
    "measure": "error",
    "mean": 0.028,
    "deviation": 0.0003,
    "seeds": [1, 2, 3],
    "chosen_on": "validation images",
    "minutes": 30,
    "processor": "one core",
    "goal": {"at most": 0.025},
}
TWO = ONE | {"measure": "nats", "mean": 333.85, "deviation": 0.2, "values": [333.7, 334.0]}
TWO |= {"seeds": [1, 2], "goal": {"at least": 333}, "note": "of two"}
OTHER = ONE | {"recipe": "part4/default --n_labeled=100", "mean": 0.061, "deviation": None}
CONTENT = {"measures": MEASURES, "results": [ONE, TWO, OTHER]}


@pytest.mark.parametrize("entry, text", [(ONE, "2.80% ± 0.03"), (TWO, "333.7 and 334.0")])
def test_a_figure_has_the_decimals_of_its_deviation_or_of_both_seeds(entry, text):
    assert results.figure(entry, MEASURES) == text


@pytest.mark.parametrize(
    "mean, deviation, digits", [(0.99382, 0.00163, 4), (0.028, 0.00034, 4), (328.17, 4.12, 0)]
)
def test_one_digit_of_a_deviation_counts_and_two_where_the_first_is_small(mean, deviation, digits):
    assert results.digits_of(mean, deviation) == digits


def test_a_goal_is_reached_or_missed_by_the_mean():
    assert results.goal(ONE, MEASURES) == "at most 2.5%: missed"
    assert results.goal(TWO, MEASURES) == "at least 333: reached"


def test_a_table_has_the_chosen_rows_and_columns_and_repeats_nothing_of_a_recipe():
    columns = ["what", "here", "seeds", "minutes", "recipe"]
    made = results.table(CONTENT, ["part4/default"], columns, {"part4/default": "Part 4"})
    assert made.splitlines()[2:] == [
        "| Part 4: test error | 2.80% ± 0.03 | 1, 2, 3 | 30, one core | `part4/default.txt` |",
        "| … likelihood, nats (of two) | 333.7 and 334.0 | 1, 2 |  |  |",
    ]
    made = results.table(CONTENT, ["part4/default --*", "*#nats"], ["recipe", "here"], {})
    assert made.splitlines()[2:] == [
        "| `part4/default.txt --n_labeled=100` | 6.1% |",
        "| `part4/default.txt` | 333.7 and 334.0 |",
    ]


def test_a_table_with_measures_as_columns_has_a_row_for_each_recipe():
    made = results.table(CONTENT, ["part4/*"], ["recipe", "#nats", "#error", "seeds"], {})
    assert made.splitlines() == [
        "| recipe | likelihood, nats | test error | seeds |",
        "| --- | --- | --- | --- |",
        "| `part4/default.txt` | 333.7 and 334.0 | 2.80% ± 0.03 | 1, 2, 3 |",
        "| `part4/default.txt --n_labeled=100` |  | 6.1% | 1, 2, 3 |",
    ]


def test_a_table_says_which_values_of_a_measure_are_good():
    made = results.table(CONTENT, ["part4/default"], ["measure", "good", "here"], {})
    assert made.splitlines() == [
        "| measure | good is | here |",
        "| --- | --- | --- |",
        "| test error | low (guessing: 90%) | 2.80% ± 0.03 |",
        "| likelihood, nats (of two) |  | 333.7 and 334.0 |",
    ]


@pytest.mark.parametrize("rows, columns", [(["part5/*"], ["here"]), (["*"], ["there"])])
def test_rows_and_columns_that_do_not_exist_are_refused(rows, columns):
    with pytest.raises(ValueError, match="nothing that fits part5|no column there"):
        results.table(CONTENT, rows, columns, {})


def test_a_recipe_s_comment_is_made_anew_and_its_flags_are_left_alone():
    text = "# Part 4\n# minutes: 1\n# seeds: 0\n# images: none\n--z_dim=2\n"
    made = results.recipe_as_it_should_be(text, "part4/default", CONTENT)
    assert made.splitlines() == [
        "# Part 4",
        "# minutes: 30, one core",
        "# seeds: 1, 2, 3",
        "# images: validation images",
        "# On test images: test error 2.80% ± 0.03; likelihood, nats 333.7 and 334.0",
        "--z_dim=2",
    ]
    assert results.recipe_as_it_should_be(made, "part4/default", CONTENT) == made
    assert results.recipe_as_it_should_be(text, "part4/series", CONTENT) == text


@pytest.mark.parametrize("text", ["", "[]", '{"results": [{}]}', '{"measures": {}}', "[" * 9999])
def test_a_file_of_another_shape_is_told_in_one_line(text, tmp_path):
    path = tmp_path / "results.json"
    path.write_text(text)
    with pytest.raises(UserError, match="results.json is damaged .*: restore it"):
        results.load(path)


def test_the_file_is_as_it_is_written_and_every_entry_has_its_recipe():
    content = results.load()
    assert results.dump(content) == results.FILE.read_text(encoding="utf-8")
    keys = [(entry["recipe"], entry["measure"]) for entry in content["results"]]
    assert len(keys) == len(set(keys))
    for recipe, _ in keys:
        assert (ROOT / "recipes" / f"{recipe.partition(' ')[0]}.txt").exists(), recipe


@pytest.mark.parametrize("path", (ROOT / "recipes").rglob("*.txt"), ids=lambda p: p.parent.name)
def test_every_recipe_says_what_results_json_says(path):
    text = path.read_text()
    name = f"{path.parent.name}/{path.stem}"
    made = results.recipe_as_it_should_be(text, name, results.load())
    assert made == text, "run python docs/make_pages.py"
