"""Characters composed from layer sheets: order, visibility, sequences, and bad folders."""

import shutil
import types

from adversarial_autoencoder import datasets
from adversarial_autoencoder.datasets import sprites
from adversarial_autoencoder.system.errors import UserError
from experiments import compose_sprites

import numpy as np
import pytest
from PIL import Image

SIDE = 4
# Of each layer, a row of the cell on which it alone is seen, and the colours of its sheets.
COLOURS = {
    "body": [(250, 0, 0), (200, 0, 0)],
    "shoes": [(0, 0, 250)],
    "bottomwear": [(0, 250, 0), (0, 200, 0)],
    "topwear": [(250, 250, 0), (200, 200, 0), (150, 150, 0)],
    "eyes": [(250, 0, 250), (200, 0, 200)],
    "hair": [(0, 250, 250), (0, 200, 200)],
}
# Columns of a cell that each layer covers: each one that is drawn later covers some of it.
EXTENT = {"body": 4, "shoes": 3, "bottomwear": 2, "topwear": 1}
FRAMES = {"spellcast": 3, "walk": 2, "hurt": 2}  # Of the tiny sheets' actions; others are empty.


def draw(layer, colour):
    """A sheet; hair and eyes lie on the last row of pixels, all others on all rows before it."""
    sheet = np.zeros([len(sprites.ROWS) * SIDE, sprites.N_COLUMNS * SIDE, 4], np.uint8)
    for row, (action, side) in enumerate(sprites.ROWS):
        for frame in range(FRAMES.get(sprites.ACTIONS[action], 0)):
            cell = sheet[row * SIDE :, frame * SIDE :][:SIDE, :SIDE]
            paint = (*colour, 255)
            if layer in EXTENT:
                cell[:-1, : EXTENT[layer]] = paint
            elif layer == "hair":
                cell[-1, :2] = paint
            elif sprites.DIRECTIONS[side] == "front":
                cell[-1, 1 : 2 if sprites.ACTIONS[action] == "hurt" else 4] = paint
    return sheet


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("sheets")
    for layer, colours in COLOURS.items():
        (path / layer).mkdir()
        for k, colour in enumerate(colours):
            Image.fromarray(draw(layer, colour)).save(path / layer / f"{k}.png")
    # The last shirt is made for walking only.
    sheet = draw("topwear", COLOURS["topwear"][2])
    for row, (action, _) in enumerate(sprites.ROWS):
        if sprites.ACTIONS[action] != "walk":
            sheet[row * SIDE : (row + 1) * SIDE] = 0
    Image.fromarray(sheet).save(path / "topwear" / "2.png")
    return path


@pytest.fixture(scope="module")
def sheets(folder):
    return sprites.Sheets(folder)


def row_of(action, direction):
    return sprites.ROWS.index((sprites.ACTIONS.index(action), sprites.DIRECTIONS.index(direction)))


def test_layers_lie_over_each_other_from_body_to_hair(sheets):
    character = dict.fromkeys(sprites.ATTRIBUTES, 1)
    picture = sheets.compose(np.array([list(character.values())]), row_of("walk", "front"), 1)[0]
    expected = [COLOURS[layer][1] for layer in ("topwear", "bottomwear")]
    expected += [COLOURS["shoes"][0], COLOURS["body"][1]]
    np.testing.assert_array_equal(picture[0], expected)
    hair, eyes = COLOURS["hair"][1], COLOURS["eyes"][1]
    np.testing.assert_array_equal(picture[-1], [hair, hair, eyes, eyes])
    from_behind = sheets.compose(np.ones([1, 5], int), row_of("walk", "back"), 1)[0]
    np.testing.assert_array_equal(from_behind[-1], [hair, hair, (0, 0, 0), (0, 0, 0)])


def test_what_is_half_transparent_mixes_with_what_lies_below(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "sheets")
    hair = draw("hair", (200, 200, 200))
    hair[..., 3] //= 5  # 51 of 255.
    Image.fromarray(hair).save(tmp_path / "sheets" / "hair" / "0.png")
    sheets = sprites.Sheets(tmp_path / "sheets")
    picture = sheets.compose(np.zeros([1, 5], int), row_of("walk", "front"), 0)[0]
    np.testing.assert_array_equal(picture[-1, :2], [(40, 40, 40), (240, 40, 240)])


def test_an_attribute_is_visible_where_another_value_would_give_another_picture(sheets):
    characters = np.array([[0, 0, 0, 0, 0], [1, 1, 1, 1, 1]])
    eyes = sprites.ATTRIBUTES.index("eyes")
    for action, direction, seen in (
        ("walk", "front", True),
        ("walk", "back", False),
        ("hurt", "front", False),  # Hair covers them.
    ):
        visible = sheets.visible(characters, row_of(action, direction), 0)
        assert visible[:, eyes].tolist() == [seen] * 2
        assert np.delete(visible, eyes, axis=1).all()


def test_characters_come_in_whole_sequences_of_the_actions_that_they_are_dressed_for(sheets):
    pictures = sprites.compose(sheets, np.array([[0, 0, 0, 0, 0], [0, 0, 2, 0, 0]]), first=7)
    assert pictures.identity.tolist() == [7] * (4 * 3 + 4 * 2 + 2) + [8] * (4 * 2)
    walk = sprites.ACTIONS.index("walk")
    assert set(pictures.pose[pictures.identity == 8, 0]) == {walk}
    first = pictures.pose[pictures.identity == 7]
    assert first[:4].tolist() == [[0, 0, 0], [0, 0, 1], [0, 0, 2], [0, 1, 0]]
    assert len(np.unique(first, axis=0)) == len(first)
    for k in range(len(pictures.images)):
        action, side, frame = pictures.pose[k].tolist()
        row = sprites.ROWS.index((action, side))
        np.testing.assert_array_equal(
            pictures.images[k], sheets.compose(pictures.attributes[k : k + 1], row, frame)[0]
        )


def test_some_poses_of_each_character_are_other_ones_for_each_and_in_order(sheets):
    characters = np.zeros([6, 5], int)
    pictures = sprites.compose(sheets, characters, n_poses=5, seed=1)
    poses = pictures.pose.reshape(6, 5, 3)
    assert len({pose.tobytes() for pose in poses}) > 1
    for pose in poses.tolist():
        assert sorted(pose) == pose and len(set(map(tuple, pose))) == 5
    again = sprites.compose(sheets, characters, n_poses=5, seed=1)
    np.testing.assert_array_equal(again.pose, pictures.pose)


def test_characters_are_all_different_and_drawn_by_the_seed(sheets):
    drawn = sprites.draw_characters(sheets, 48, seed=0)
    assert len(np.unique(drawn, axis=0)) == 48 == np.prod(sheets.n_values)
    np.testing.assert_array_equal(drawn, sprites.draw_characters(sheets, 48, seed=0))
    assert (drawn != sprites.draw_characters(sheets, 48, seed=1)).any()
    with pytest.raises(UserError, match="49 characters are asked for, and the sheets give 48"):
        sprites.draw_characters(sheets, 49, seed=0)


def test_of_more_than_256_sheets_each_is_counted(folder, tmp_path):
    wide = tmp_path / "sheets"
    shutil.copytree(folder, wide)
    for k in range(2, 300):
        shutil.copy(wide / "hair" / "1.png", wide / "hair" / f"{k}.png")
    sheets = sprites.Sheets(wide)
    hair = sprites.ATTRIBUTES.index("hair")
    characters = np.zeros([3, len(sprites.ATTRIBUTES)], int)
    characters[:, hair] = 255, 256, 299
    pictures = sprites.compose(sheets, characters, n_poses=1)
    assert pictures.attributes[:, hair].tolist() == [255, 256, 299]
    sprites.save(tmp_path / "own.npz", pictures, pictures)
    assert np.load(tmp_path / "own.npz")["factors_train"][:, hair].tolist() == [255, 256, 299]
    few = sprites.compose(sprites.Sheets(folder), np.zeros_like(characters), n_poses=1)
    assert few.attributes.dtype == np.uint8  # As ever, and so are fingerprints.


def test_characters_of_very_many_sheets_are_drawn_without_a_list_of_all(monkeypatch):
    many = types.SimpleNamespace(n_values=(3000, 3000, 3000, 3000, 300_000))
    drawn = sprites.draw_characters(many, 50, seed=0)
    assert len(np.unique(drawn, axis=0)) == 50 and (drawn.max(0) < many.n_values).all()
    np.testing.assert_array_equal(sprites.draw_characters(many, 20, seed=0), drawn[:20])
    assert (sprites.draw_characters(many, 50, seed=1) != drawn).any()


def compose(folder, *words):
    compose_sprites.main(["compose_sprites.py", f"--sheets={folder}", *words])


def test_the_file_is_read_as_a_data_set_whose_test_characters_are_unseen(folder, tmp_path, capsys):
    path = tmp_path / "sprites.npz"
    compose(folder, f"--output={path}", "--n_characters=9", "--n_test_characters=4")
    assert "9 characters" in capsys.readouterr().out
    data = datasets.load(str(path), by_identity=True)
    assert (data.n_classes, data.image_shape) == (9, (SIDE, SIDE, 3))
    assert set(data.test.labels) == {9, 10, 11, 12}
    assert not set(data.train.labels) & set(data.test.labels)
    assert tuple(data.test.factors) == tuple(data.test.visible) == sprites.ATTRIBUTES
    assert tuple(data.test.pose) == sprites.POSE

    def looks(split):
        return set(zip(*(values.tolist() for values in split.factors.values()), strict=True))

    assert len(looks(data.test)) == 4 and not looks(data.train) & looks(data.test)
    fewer = tmp_path / "fewer.npz"
    compose(folder, f"--output={fewer}", "--n_characters=5", "--n_test_characters=4")
    np.testing.assert_array_equal(np.load(fewer)["x_test"], np.load(path)["x_test"])
    assert not list(tmp_path.glob("partial-*"))


@pytest.mark.parametrize(
    "words, told",
    [
        (["--sheets="], "--sheets is missing"),
        (["--sheets=nowhere"], "--sheets=nowhere is no folder"),
        (["--output=sprites.zip"], "must end in .npz"),
        (["--output=nowhere/sprites.npz"], "there is no folder nowhere"),
        (["--n_characters=90"], "190 characters are asked for, and the sheets give 48 only"),
        (["--n_characters=0"], "n_characters"),
        (["sheets"], "'sheets' is not understood"),
    ],
)
def test_bad_input_is_told(words, told, folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=told):
        compose(folder, *words)
    assert not list(tmp_path.iterdir())


def no_sheets(path):
    shutil.rmtree(path / "eyes")


def no_picture(path):
    (path / "hair" / "1.png").write_bytes(b"no picture")


def other_size(path):
    Image.new("RGBA", (2 * 13, 2 * 21)).save(path / "hair" / "1.png")


def no_sheet(path):
    Image.new("RGBA", (64, 64)).save(path / "body" / "0.png")


def huge_sheet(path):
    Image.new("1", (10_000, 10_000)).save(path / "body" / "0.png")


def empty(path):
    for name in ("0.png", "1.png"):
        Image.new("RGBA", (4 * 13, 4 * 21)).save(path / "body" / name)


@pytest.mark.parametrize(
    "damage, told",
    [
        (no_sheets, r"has no eyes/\*.png: it needs sheets of body, shoes,"),
        (no_picture, "hair/1.png cannot be read"),
        (other_size, "hair/1.png is 26 x 42 pixels, and others are 52 x 84"),
        (no_sheet, "body/0.png is 64 x 64 pixels: a sheet has 13 x 21 square cells"),
        (huge_sheet, "body/0.png is 10000 x 10000 pixels: a sheet has"),
        (empty, "the body's sheets are empty"),
    ],
)
def test_a_folder_that_holds_no_sheets_is_told(damage, told, folder, tmp_path, recwarn):
    shutil.copytree(folder, tmp_path / "sheets")
    damage(tmp_path / "sheets")
    with pytest.raises(UserError, match=told):
        sprites.Sheets(tmp_path / "sheets")
    assert not recwarn.list
