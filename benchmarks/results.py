"""benchmarks/results.json, the home of every published number, and the tables made of it.

It holds `measures`, what tables call a measure, whether it is a percentage and which values are
good, and `results`, one line each:

    recipe       <script>/<variant>, and the flags that stand behind it
    measure      its name in metrics.json
    mean         over seeds, in the measure's own unit (0.028 is 2.8%)
    deviation    over seeds; of one seed, the standard error over test images; null: not known
    values       optional: each seed's; of two seeds these are shown
    seeds        their numbers
    chosen_on    the images that the settings were chosen on
    processor, minutes    of training, for one seed
    commit, data    of the source; the data set's name, "mnist" if omitted
    goal         optional: {"at most": 0.025} or {"at least": 340}
    paper, series    optional: what the paper has, and the 2017 program stopped early, as text
    note         optional: what the number compares with, such as "chance: 11.4%"

`docs/make_pages.py` puts a table in place of what stands between two lines of a page:

    <!-- results part2_aae/2d, part4_*/default#test_error: what, here, seeds, paper, minutes -->
    <!-- end -->

Before the colon: recipes, or recipe#measure, wildcards allowed, in the order of the rows; or
`missed`, all that miss their goal. Behind it: the columns, of `COLUMNS`. With columns such as
#test_error each recipe is one row.
"""

import decimal
import fnmatch
import json
import math
import pathlib
import statistics

from adversarial_autoencoder.system.errors import UserError
from adversarial_autoencoder.system.files import read_json, write_atomically

FILE = pathlib.Path(__file__).resolve().parent / "results.json"
OF_RUN = ("chosen_on", "minutes", "recipe", "commit", "data")  # The same in rows of one recipe.
COLUMNS = {
    "what": "",
    "measure": "measure",
    "good": "good is",
    "here": "here",
    "goal": "goal",
    "paper": "AAE paper",
    "series": "2017, stopped early",
    "seeds": "seeds",
    "chosen_on": "chosen on",
    "minutes": "minutes per seed",
    "recipe": "recipe",
    "commit": "commit",
    "data": "data",
}
MOST_TOLD = 3  # Measures in a recipe's comment.
COMMENT = "On test images"  # How the line begins that a recipe has of its results.


def load(path=None):
    """Returns the content of `FILE`, or of another.

    Raises:
      UserError: it cannot be read, or an entry has not what it must.
    """

    def check(found):
        for entry in found["results"]:
            found["measures"][entry["measure"]]["name"]
            entry["recipe"], entry["mean"] + 0, entry["deviation"], len(entry["seeds"])
        return {"measures": found["measures"], "results": found["results"]}

    return read_json(path or FILE, check, "restore it")


def dump(content):
    """Returns the file's text, a line for each measure and each result."""

    def lines(items):
        return ",\n".join(items)

    measures = (
        f'"{name}": {json.dumps(about, ensure_ascii=False)}'
        for name, about in content["measures"].items()
    )
    entries = (json.dumps(entry, ensure_ascii=False) for entry in content["results"])
    return f'{{"measures": {{\n{lines(measures)}\n}}, "results": [\n{lines(entries)}\n]}}\n'


def record(recipe, columns, errors, of_run):
    """Writes what `reproduce.py` measured, and returns a line about it.

    Of a recipe that is there already its measures are renewed, of another all that have a name are
    added. Goals, notes and what else is not measured stay.

    Args:
      recipe: `<script>/<variant>` and further flags.
      columns: by seed, figures by the measure's name; and "minutes of training".
      errors: standard errors over test images, `<measure>_standard_error`.
      of_run: chosen_on, processor, commit, data.

    Raises:
      UserError: the numbers that are there were measured with other data.
    """
    content, path = load(), FILE
    old = {entry["measure"]: entry for entry in content["results"] if entry["recipe"] == recipe}
    for entry in old.values():
        if entry.get("data", "mnist") != of_run["data"]:
            message = f"{path}: {recipe} was measured with {entry.get('data', 'mnist')}, not"
            raise UserError(f"{message} {of_run['data']}: give --dataset, or omit --record")
    figures = list(columns.values())
    common = set.intersection(*(set(found) for found in figures))
    names = [name for name in content["measures"] if name in common and (not old or name in old)]
    minutes = statistics.fmean(found["minutes of training"] for found in figures)
    for name in names:
        values = [found[name] for found in figures]
        deviation = statistics.stdev(values) if len(values) > 1 else None
        if deviation is None:
            deviation = errors.get(f"{name}_standard_error")
        digits = digits_of(statistics.fmean(values), deviation)
        measured = {
            "recipe": recipe,
            "measure": name,
            "mean": round(statistics.fmean(values), digits),
            "deviation": None if deviation is None else round(deviation, digits),
            "values": [round(value, digits) for value in values],
            "seeds": list(columns),
            **of_run,
            "minutes": round(minutes, 1 if minutes < 10 else None),
        }
        if name in old:
            measured["chosen_on"] = old[name].get("chosen_on", measured["chosen_on"])
            old[name].update(measured)
        else:
            content["results"].append(measured)
    write_atomically(path, dump(content))
    return f"Recorded {', '.join(names)} in {path}; python docs/make_pages.py renews the tables."


def digits_of(mean, deviation):
    """Decimals worth telling: one digit of the deviation, two if it begins with 1 or 2."""
    size = deviation or abs(mean) / 1000 or 1
    exponent = math.floor(math.log10(size))
    return (size / 10**exponent < 3) - exponent


def decimals(number):
    """How many decimals a number was written with."""
    return max(0, -decimal.Decimal(repr(number)).as_tuple().exponent)


def shown(numbers, percent, n_decimals=None):
    """Returns numbers as text, all with as many decimals."""
    n_decimals = max(map(decimals, numbers)) if n_decimals is None else n_decimals
    if percent:
        return [f"{100 * number:.{max(0, n_decimals - 2)}f}%" for number in numbers]
    return [f"{number:.{n_decimals}f}" for number in numbers]


def figure(entry, measures):
    """`2.80% ± 0.03`; of two seeds whose values are known, these."""
    percent = measures[entry["measure"]].get("percent", False)
    values, told = entry.get("values", []), [entry["mean"]]
    if len(values) == 2:
        return " and ".join(dict.fromkeys(shown(values, percent)))
    if entry["deviation"]:
        told.append(entry["deviation"])
    mean, *deviation = shown(told, percent, max(map(decimals, told + values)))
    return " ± ".join([mean, *(text.rstrip("%") for text in deviation)])


def cells(entry, measures, titles, first):
    """A row's cells by column; `first`: no row above is of the same recipe."""
    recipe, _, flags = entry["recipe"].partition(" ")
    measure = measures[entry["measure"]]["name"]
    measure += f" ({entry['note']})" if "note" in entry else ""
    minutes = ", ".join(str(entry[k]) for k in ("minutes", "processor") if entry.get(k))
    title = titles.get(recipe, recipe) + (f", `{flags}`" if flags else "")
    return {name: str(entry.get(name) or "") for name in COLUMNS} | {
        "what": f"{title}: {measure}" if first else f"… {measure}",
        "measure": measure,
        "good": measures[entry["measure"]].get("good", ""),
        "here": figure(entry, measures),
        "goal": goal(entry, measures),
        "seeds": ", ".join(map(str, entry["seeds"])),
        "minutes": minutes,
        "recipe": f"`{recipe}.txt{' ' if flags else ''}{flags}`",
    }


def goal(entry, measures):
    """`at most 2.5%: missed`, the verdict by the mean; "" where there is no goal."""
    told = []
    for word, bound in entry.get("goal", {}).items():
        reached = entry["mean"] <= bound if word == "at most" else entry["mean"] >= bound
        text = shown([bound], measures[entry["measure"]].get("percent", False))[0]
        told.append(f"{word} {text}: {'reached' if reached else 'missed'}")
    return "; ".join(told)


def chosen(content, patterns):
    """Returns the entries that fit patterns of recipes or recipe#measure, in this order.

    Raises:
      ValueError: a pattern fits nothing.
    """
    entries = []
    for pattern in patterns:
        pattern = pattern if "#" in pattern else f"{pattern}#*"
        found = [
            entry
            for entry in content["results"]
            if fnmatch.fnmatchcase(f"{entry['recipe']}#{entry['measure']}", pattern)
        ]
        if not found:
            raise ValueError(f"results.json has nothing that fits {pattern}")
        entries += [entry for entry in found if entry not in entries]
    return entries


def table(content, rows, columns, titles):
    """Returns a table in Markdown: a row for each measure, or, with `#measure` columns, recipe.

    Args:
      content: the file's.
      rows: patterns of recipes or recipe#measure.
      columns: names of `COLUMNS`, and `#` before names of measures.
      titles: what to call a recipe in the column `what`.

    Raises:
      ValueError: a pattern fits nothing, or a column is unknown.
    """
    measures, entries = content["measures"], chosen(content, rows)
    heads = COLUMNS | {f"#{name}": about["name"] for name, about in measures.items()}
    if unknown := [name for name in columns if name not in heads]:
        raise ValueError(f"no column {', '.join(unknown)}; there are {', '.join(heads)}")
    lines, by_recipe, above = [], {}, None
    for entry in entries:
        by_recipe.setdefault(entry["recipe"], []).append(entry)
    if any(name.startswith("#") for name in columns):
        for of_recipe in by_recipe.values():
            row = dict.fromkeys(heads, "") | cells(of_recipe[0], measures, titles, True)
            row["what"] = row["what"].rpartition(": ")[0]
            row |= {f"#{entry['measure']}": figure(entry, measures) for entry in of_recipe}
            lines.append([row[name] for name in columns])
    else:
        for entry in entries:
            same, above = entry["recipe"] == above, entry["recipe"]
            row = cells(entry, measures, titles, not same)
            lines.append(["" if same and name in OF_RUN else row[name] for name in columns])
    lines[:0] = [[heads[name] for name in columns], ["---"] * len(columns)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def recipe_as_it_should_be(text, name, content):
    """Returns a recipe's text with its fields, and the line of its results, made anew.

    A recipe that was never measured keeps what it has.
    """
    entries = [entry for entry in content["results"] if entry["recipe"] == name]
    if not entries:
        return text
    lines = [line for line in text.splitlines() if not line.startswith(f"# {COMMENT}")]
    row = cells(entries[0], content["measures"], {}, True)
    fields = {"minutes": row["minutes"], "seeds": row["seeds"], "images": row["chosen_on"]}
    for field, value in fields.items():
        places = [k for k, line in enumerate(lines) if line.startswith(f"# {field}:")]
        if value and places:
            lines[places[0]] = f"# {field}: {value}"
    told = [
        f"{content['measures'][e['measure']]['name']} {figure(e, content['measures'])}"
        for e in entries[:MOST_TOLD]
    ]
    n_comments = sum(line.startswith("#") for line in lines)
    lines.insert(n_comments, f"# {COMMENT}: {'; '.join(told)}")
    return "\n".join(lines) + "\n"
