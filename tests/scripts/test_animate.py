"""One character driven by another: the frames' order and number, their size, and bad input."""

import shutil
import sys
import types

from adversarial_autoencoder import datasets
from adversarial_autoencoder.datasets import sprites
from adversarial_autoencoder.pictures import animation
from adversarial_autoencoder.system.errors import UserError
from experiments import animate

import keras
import numpy as np
import pytest
from matplotlib import pyplot as plt
from PIL import Image

pytestmark = pytest.mark.usefixtures("pictures_for_a_readme")
SHAPE = (4, 4, 3)


def networks():
    """s is the first pixel's red, z its green; a decoded image shows both there, and no more."""
    x = keras.Input([48])
    flat = keras.layers.Flatten()(keras.layers.Reshape(SHAPE)(x))
    dense = {name: keras.layers.Dense(1, use_bias=False) for name in ("s", "mean", "stddev")}
    encoder = keras.Model(x, [layer(flat) for layer in dense.values()])
    for layer, place in zip(dense.values(), (0, 1, 2), strict=True):
        layer.set_weights([np.eye(48)[:, place : place + 1]])
    s, z = keras.Input([1]), keras.Input([1])
    last = keras.layers.Dense(48, use_bias=False)
    decoder = keras.Model([s, z], last(keras.layers.Concatenate()([s, z])))
    last.set_weights([np.eye(48)[:2]])
    return encoder, decoder


def picture(red=0, green=0, shape=(4, 4)):
    x = np.zeros([*shape, 3], np.uint8)
    x[..., 0], x[..., 1] = red, green
    return x


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of these networks, on a data set of two test characters, 100 and 200 red."""
    folder = tmp_path_factory.mktemp("runs")
    walk = [(2, 2, frame) for frame in (2, 0, 3, 1)]
    pose = np.array([*walk, (0, 2, 0)] * 2, np.uint8)
    x = np.stack([picture(red, 10 * p[2]) for red in (100, 200) for p in pose[:5]])
    arrays = {"factor_names": np.array(["eyes"]), "pose_names": np.array(sprites.POSE)}
    for part, first in (("train", 0), ("test", 2)):
        arrays |= {f"x_{part}": np.concatenate([x, x]), f"pose_{part}": np.tile(pose, [2, 1])}
        arrays[f"y_{part}"] = np.tile(first + np.repeat([0, 1], 5), 2)
        arrays[f"factors_{part}"] = np.zeros([20, 1])
        arrays[f"visible_{part}"] = np.ones([20, 1], bool)
    for name in arrays:
        if name.endswith("_test"):
            arrays[name] = arrays[name][:10]
    np.savez(folder / "data.npz", **arrays)
    path = folder / "Disentangling" / "now"
    (path / "Saved_models").mkdir(parents=True)
    data = datasets.load(str(folder / "data.npz"), by_identity=True)
    lines = ["# model: Disentangling", f"# data: {data.fingerprint}", f"--dataset={data.name}"]
    (path / "flags.txt").write_text("\n".join(lines) + "\n")
    for name, network in zip(("encoder", "decoder"), networks(), strict=True):
        network.save(path / "Saved_models" / f"{name}.keras")
    return path


def animated(run, output, *words):
    """Runs the script; returns the strip as it was before it was enlarged, and the GIF's frames."""
    animate.main(["animate.py", f"--run={run}", f"--output={output}", "--scale=1", *words])
    frames = list(animation.driver_frames(str(output)))
    with Image.open(output.with_suffix(".png")) as image:
        strip = np.asarray(image.convert("RGB"))
    scale = 8 if max(strip.shape) <= 1024 else 1
    return strip[::scale, ::scale], frames


def cells(strip):
    """The pictures of a strip, [n_rows, n_columns, 4, 4, 3]."""
    rows = range(0, strip.shape[0], 6)
    return np.array(
        [[strip[r : r + 4, c : c + 4] for c in range(0, strip.shape[1], 6)] for r in rows]
    )


def folder_of(path, greens, shape=(4, 4)):
    path.mkdir()
    for k, green in enumerate(greens):
        Image.fromarray(picture(7, green, shape)).save(path / f"frame{k}.png")
    return path


def test_each_frame_has_the_pose_of_the_driver_and_the_looks_of_the_character(
    run, tmp_path, capsys
):
    greens = list(range(10, 250, 20))  # Twelve: frame2 comes before frame10.
    driver = folder_of(tmp_path / "frames", greens)
    Image.fromarray(picture(150)).save(tmp_path / "me.png")
    words = (f"--driver={driver}", f"--character=1,{tmp_path / 'me.png'},0")
    strip, frames = animated(run, tmp_path / "out.gif", *words)
    shown = cells(strip)
    assert shown.shape == (4, 12, 4, 4, 3)
    np.testing.assert_array_equal(shown[0, :, 0, 0, 1], greens)
    for row, red in zip(shown[1:], (200, 150, 100), strict=True):
        np.testing.assert_array_equal(row[:, 0, 0, 1], greens)
        np.testing.assert_array_equal(row[:, 0, 0, 0], red)
    assert len(frames) == 12
    assert [frame[6, 0, 1] for frame in frames] == greens  # The first character, below.
    told = capsys.readouterr().out
    assert "12 frames of 3 characters: " in told and "frames a second, from frame in" in told


def test_an_action_of_the_data_set_drives_in_the_order_of_its_frames(run, tmp_path):
    strip, frames = animated(run, tmp_path / "out.gif", "--driver=walk/front", "--character=1")
    np.testing.assert_array_equal(cells(strip)[:, :, 0, 0, 1], [[0, 10, 20, 30]] * 2)
    np.testing.assert_array_equal(cells(strip)[:, :, 0, 0, 0], [[100] * 4, [200] * 4])
    assert len(frames) == 4


def test_characters_are_loaded_as_the_run_s_were_and_others_as_they_are(monkeypatch):
    lines = ["--dataset=faces/", "--data_dir=there", "--image_size=64", '--unseen=A,"b,c"']
    run = types.SimpleNamespace(flag_lines=lambda: lines)
    loaded = []
    monkeypatch.setattr(animate.datasets, "load", lambda name, **words: loaded.append(words))
    for dataset in (None, "faces/", "other"):
        with pytest.raises(AttributeError):  # Nothing was loaded.
            animate.Characters(run, dataset).of(0)
    own = {"data_dir": "there", "by_identity": True, "unseen": ["A", "b,c"], "image_size": 64}
    own |= {"ground": "white", "n_images": 0}
    assert loaded == [own, own, {"data_dir": "there", "by_identity": True}]


def test_a_gif_drives_and_only_as_far_as_asked(run, tmp_path):
    animation.save_gif(tmp_path / "in.gif", [picture(9, g) for g in (50, 90, 70, 60)], 10, 2)
    words = (f"--driver={tmp_path / 'in.gif'}", "--character=0", "--n_frames=3")
    strip, _ = animated(run, tmp_path / "out.gif", *words)
    np.testing.assert_array_equal(cells(strip)[1, :, 0, 0, 1], [50, 90, 70])


class Camera:
    """OpenCV, as far as it is used."""

    def __init__(self, source):
        self.source, self.left = source, [] if source == "none.mp4" else [picture(0, 33)] * 3
        Camera.last, self.released = self, False

    def isOpened(self):  # noqa: N802
        return self.source != 7 and not str(self.source).endswith("broken.mp4")

    def read(self):
        frame = self.left.pop() if self.left else None
        return frame is not None, None if frame is None else frame[..., ::-1]

    def release(self):
        self.released = True


def test_videos_and_cameras_are_read_by_opencv(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "cv2", types.SimpleNamespace(VideoCapture=Camera))
    (tmp_path / "film.mp4").touch()
    for driver, source in (
        ("webcam", 0),
        ("webcam:2", 2),
        (str(tmp_path / "film.mp4"), str(tmp_path / "film.mp4")),
    ):
        frames = list(animation.driver_frames(driver))
        assert Camera.last.source == source and Camera.last.released
        np.testing.assert_array_equal(frames, [picture(0, 33)] * 3)
    (tmp_path / "broken.mp4").touch()
    for driver, told in (
        ("webcam:7", "webcam:7 gives no pictures"),
        (str(tmp_path / "broken.mp4"), "broken.mp4 is no video that OpenCV can read"),
    ):
        with pytest.raises(UserError, match=told):
            list(animation.driver_frames(driver))


def test_frames_of_another_size_are_cut_from_their_middle_and_scaled():
    frame = np.zeros([8, 20, 3], np.uint8)
    frame[:, 6:14] = np.arange(8, dtype=np.uint8)[:, np.newaxis, np.newaxis] // 2 * 40
    fitted = animation.fit(frame, SHAPE)
    np.testing.assert_array_equal(fitted[:, :, 0], np.repeat([[0], [40], [80], [120]], 4, axis=1))
    np.testing.assert_array_equal(animation.fit(fitted, SHAPE), fitted)
    assert animation.fit(frame, (16, 16, 1)).shape == (16, 16, 1)


@pytest.mark.parametrize("ground, level", [("white", 255), ("black", 0)])
def test_what_is_transparent_has_the_ground_of_the_run_s_images(ground, level, tmp_path):
    x = np.full([4, 4, 4], 200, np.uint8)
    x[0, 0, 3], x[1, 1, 3] = 0, 255
    (tmp_path / "own" / "a").mkdir(parents=True)
    Image.fromarray(x).save(tmp_path / "own" / "a" / "a.png")
    run = types.SimpleNamespace(
        flag_lines=lambda: [f"--dataset={tmp_path / 'own'}", f"--ground={ground}"]
    )
    characters = animate.Characters(run, None)
    assert characters.ground == ground
    read = animate.picture_of(str(tmp_path / "own" / "a" / "a.png"), characters, characters.ground)
    assert read[0, 0].tolist() == [level] * 3 and read[1, 1].tolist() == [200] * 3
    run = types.SimpleNamespace(flag_lines=lambda: ["--dataset=sprites.npz", "--ground=white"])
    assert animate.Characters(run, None).ground == "black"  # That of compose_sprites.py.


def test_a_window_that_is_closed_ends_it(run, monkeypatch, tmp_path):
    monkeypatch.setattr(animation.png, "opens_windows", lambda: True)
    pauses = []

    def pause(seconds):
        pauses.append(seconds)
        if len(pauses) == 2:
            plt.close("animation")

    monkeypatch.setattr(plt, "pause", pause)
    words = ("--driver=walk/front", "--character=1", "--show")
    strip, _ = animated(run, tmp_path / "out.gif", *words)
    assert cells(strip).shape[1] == 2


def broken(path):
    path.write_bytes(b"GIF89a and no more")


def cut(path):
    rng = np.random.default_rng(0)
    frames = [rng.integers(0, 255, [20, 20, 3], np.uint8) for _ in range(4)]
    animation.save_gif(path, frames, 10, 1)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize(
    "words, told",
    [
        (["--character=0"], "--driver is missing"),
        (["--driver=walk"], "--character is missing"),
        (["--driver=nothing.gif", "--character=0"], "nothing.gif does not exist: give a GIF"),
        (["--driver=broken.gif", "--character=0"], "broken.gif cannot be read as an image"),
        (["--driver=cut.gif", "--character=0"], "cut.gif cannot be read as an image"),
        (["--driver=empty", "--character=0"], "empty holds no pictures"),
        (["--driver=walk/up", "--character=0"], "directions are back, left, front, right"),
        (["--driver=thrust/left", "--character=0"], "has no thrust/left of test character 0"),
        (["--driver=walk", "--character=2"], "no test character 2: .* has 0 to 1"),
        (["--driver=walk", "--character=0", "--driver_character=5"], "no test character 5"),
        (["--driver=walk", "--character=nobody.png"], "nobody.png does not exist: give a picture"),
        (["--driver=walk", "--character=broken.gif"], "broken.gif cannot be read"),
        (["--driver=walk", "--character=0", "--output=a.mp4"], "--output=a.mp4 must be a .gif"),
        (["--driver=walk", "--character=0", "--output=x/a.gif"], "in a folder that is there"),
        (["--driver=walk", "--character=0", "--frame_rate=0"], "frame_rate"),
        (["--driver=film.mp4", "--character=0"], "OpenCV, which is not installed"),
    ],
)
def test_bad_input_is_told_and_nothing_is_written(words, told, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "cv2", None)
    broken(tmp_path / "broken.gif")
    cut(tmp_path / "cut.gif")
    (tmp_path / "film.mp4").touch()
    (tmp_path / "empty").mkdir()
    before = set(tmp_path.iterdir())
    with pytest.raises(UserError, match=told) as caught:
        animate.main(["animate.py", f"--run={run}", *words])
    assert "\n" not in str(caught.value)
    assert set(tmp_path.iterdir()) == before


def test_a_run_without_two_codes_and_a_missing_run_are_told(run, tmp_path):
    words = ["animate.py", "--driver=walk", "--character=0"]
    with pytest.raises(UserError, match="there is no run in"):
        animate.main([*words, f"--results_dir={tmp_path}"])
    encoder, decoder = networks()
    with pytest.raises(UserError, match="the run has no encoder of s and z"):
        animation.Animator(keras.Model(encoder.input, encoder.outputs[0]), decoder)


def damaged(run, folder, replaced):
    """A copy of the run with other flags."""
    copied = shutil.copytree(run, folder / "Disentangling" / "copy")
    text = (copied / "flags.txt").read_text()
    assert replaced[0] in text
    (copied / "flags.txt").write_text(text.replace(*replaced))
    return copied


@pytest.mark.parametrize(
    "replaced, told",
    [
        (("sha256 ", "sha256 0"), "was trained on other data"),
        (("--dataset=", "--image_size=many\n--dataset="), "--image_size=many is no number"),
        (("--dataset=", f"--n_images={'9' * 5000}\n--dataset="), r"=9+\.\.\. is no number"),
        (("# data: ", "# created: 2026-01-01T00:00:00.000000Z\n# data: "), "is not as the run"),
    ],
)
def test_changed_data_and_edited_flags_are_told_in_one_line(replaced, told, run, tmp_path):
    copied = damaged(run, tmp_path, replaced)
    with pytest.raises(UserError, match=told) as caught:
        animated(copied, tmp_path / "out.gif", "--driver=walk", "--character=0")
    assert "\n" not in str(caught.value)


def test_an_export_that_cannot_be_read_is_told_in_one_line(run, tmp_path):
    copied = damaged(run, tmp_path, ("--", "--"))
    (copied / "Saved_models" / "decoder.keras").write_bytes(b"PK")
    with pytest.raises(UserError, match="decoder.keras cannot be read .*: train the run first"):
        animated(copied, tmp_path / "out.gif", "--driver=walk", "--character=0")
