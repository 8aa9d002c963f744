"""Whatever a file holds: a data set, or a `UserError` of one line, and little memory."""

import contextlib
import gzip
import tracemalloc
import warnings
import zipfile

from adversarial_autoencoder import datasets
from adversarial_autoencoder.datasets import mnist, npz
from adversarial_autoencoder.system.errors import UserError

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st
from small_data import good_arrays, idx_bytes, images, labels, npy, zipped

N_EXAMPLES = 5_000  # Of each of the two readers; some minutes together.
MOST_BYTES = 32 << 20  # That one small file may take.
KEYS = ("x_train", "y_train", "x_test", "y_test", "class_names")
FACTORS = ("factor_names", "factors_train", "factors_test")
VISIBLE = ("visible_train", "visible_test")
POSE = ("pose_names", "pose_train", "pose_test")

DTYPES = ("u1", "i1", "<i8", "<u8", ">u2", "<f8", "<f2", ">f4", "<f16", "?", "<c8", "U3", "S2")
DESCRIPTIONS = (*DTYPES, "O", "V7", "<M8[s]", "U0", "<i3", "u", 7, None, [("a", "u1")], ("u1", 3))

lengths = st.one_of(
    st.sampled_from([0, 1, 2, 3, 5, 6, 12, 13, 48]),
    st.integers(-3, 2**66),
    st.booleans(),
    st.floats(),
    st.text(max_size=2),
)
shapes = st.one_of(
    st.sampled_from([(48, 6, 5), (48,), (48, 1), (12, 6, 5), (12,), (3,), (48, 6, 5, 3), ()]),
    st.lists(lengths, max_size=6).map(tuple),
    lengths,
)
headers = st.fixed_dictionaries(
    {},
    optional={
        "shape": shapes,
        "descr": st.sampled_from(DESCRIPTIONS),
        "fortran_order": st.sampled_from([True, False, 1, None]),
        "version": st.integers(0, 4),
        "header": st.one_of(
            st.binary(max_size=40), st.text("()[]{},'\\\"0u1:- \n", max_size=60).map(str.encode)
        ),
        "extra": st.none(),
    },
)


def cast(n, shape, dtype, values):
    with np.errstate(all="ignore"):
        return np.resize(np.array(values), (n, *shape)).astype(dtype)


arrays = st.builds(
    cast,
    st.sampled_from([0, 1, 2, 3, 11, 12, 13, 48, 49]),
    st.sampled_from([(), (1,), (2,), (6, 5), (6, 5, 1), (6, 5, 3), (6, 5, 4), (0, 5), (1, 1)]),
    st.sampled_from(DTYPES),
    st.one_of(
        st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=9),
        st.lists(st.integers(0, 3), min_size=1, max_size=9),
        st.lists(st.floats(), min_size=1, max_size=9),
        st.lists(st.floats(0, 1), min_size=1, max_size=9),
    ),
)


@st.composite
def members(draw):
    """A good file's arrays, some of them exchanged, left out, or with another header."""
    drawn = dict(good_arrays())
    if draw(st.booleans()):
        drawn["class_names"] = np.array(draw(st.lists(st.text(max_size=4), max_size=4)), "U")
    if draw(st.booleans()):
        factors = np.array(["a", "b"]), np.ones((48, 2)), np.ones((12, 2))
        drawn |= zip(FACTORS, factors, strict=True)
        if draw(st.booleans()):
            drawn |= zip(VISIBLE, (factors[1] > 0, factors[2] > 0), strict=True)
    if draw(st.booleans()):
        pose = np.array(["c"]), np.ones((48, 1), int), np.ones((12, 1), int)
        drawn |= zip(POSE, pose, strict=True)
    for key in draw(st.sets(st.sampled_from((*KEYS, *FACTORS, *VISIBLE, *POSE)), max_size=2)):
        drawn[key] = draw(arrays)
    contents = {key: npy(array) for key, array in drawn.items()}
    for key in draw(st.sets(st.sampled_from(sorted(drawn)), max_size=2)):
        contents[key] = draw(
            st.one_of(
                headers.map(lambda changes, array=drawn[key]: npy(array, **changes)),
                st.binary(max_size=200),
            )
        )
    for key in draw(st.sets(st.sampled_from(sorted(drawn)), max_size=1)):
        del contents[key]
    return contents


edits = st.lists(st.tuples(st.integers(0, 2**14), st.integers(0, 255)), max_size=4)
cuts = st.one_of(st.none(), st.integers(0, 2**14))


def damaged(content, edits, cut):
    """The bytes with some of them exchanged, counted from the end, and cut off at the end."""
    content = bytearray(content)
    for place, value in edits:
        if content:
            content[-1 - place % len(content)] = value
    return bytes(content[: cut if cut is None else cut % (len(content) + 1)])


@contextlib.contextmanager
def little_memory():
    """Asserts that what is done within takes little, and raises nothing but one line."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NumPy's, of casts and of what is not finite.
        tracemalloc.start()
        try:
            yield
        except UserError as error:
            text = str(error)
            assert len(text.splitlines()) == 1 and text.isprintable() and len(text) < 1000
        finally:
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
    assert peak < MOST_BYTES


def load_npz(path, content):
    path.write_bytes(content)
    with little_memory():
        data = datasets.load(str(path))
        assert data.train.images.dtype == np.uint8 and data.train.labels.dtype == np.int32
        assert data.class_names and all(isinstance(name, str) for name in data.class_names)
        assert len(data.fingerprint.splitlines()) == 1
        assert len(data.test_examples(3)[0]) == min(3, len(data.test))


class AnySum(str):
    """Compares equal to each checksum, as if MNIST were made of the files at hand."""

    __hash__ = str.__hash__

    def __eq__(self, other):
        return True

    def __ne__(self, other):
        return False


def load_idx(folder, content):
    """Four files of which the second or the first, as the length has it, is this content."""
    arrays = images(48), labels(48), images(12, seed=1), labels(12)
    contents = [gzip.compress(idx_bytes(array), 1) for array in arrays]
    contents[len(content) % 2] = content
    for name, packed in zip(mnist.MD5, contents, strict=True):
        (folder / name).write_bytes(packed)
    with little_memory():
        assert datasets.load("mnist", str(folder)).name == "mnist"


@pytest.fixture(autouse=True)
def small_machine(monkeypatch):
    monkeypatch.setattr(npz, "available_memory", lambda: MOST_BYTES // 2)
    monkeypatch.setattr(mnist, "MD5", dict.fromkeys(mnist.MD5, AnySum()))
    monkeypatch.setattr(mnist, "MAX_VALUES", 784_000)


fuzz = hypothesis.settings(
    max_examples=N_EXAMPLES,
    deadline=None,
    database=None,
    suppress_health_check=list(hypothesis.HealthCheck),
)


# What it found in the code of version 0.1: a traceback each, or terabytes asked for.
FOUND = (
    {"y_train": b"\xab\x1b~0\xba\xf4%\x10\xd3"},
    {"class_names": b"\x86"},
    {"factor_names": b"\x19\xbe\x1c\x01"},
    {"x_train": npy(images(48), header=b'01"[u({1')},
    {"x_train": npy(images(48), header=b"}11((00 [0\n)()[,")},
    {"y_train": npy(labels(48), header=b'0\'-0()00}"[)\n\n"')},
    {"x_test": npy(images(12), shape=(461, 58838331053), descr="|b1")},
)


@pytest.mark.parametrize("changes", FOUND)
def test_what_was_found_is_a_line(tmp_path, changes):
    good = {key: npy(array) for key, array in good_arrays().items()}
    factors = {"factors_train": npy(np.ones((48, 2))), "factors_test": npy(np.ones((12, 2)))}
    good |= factors if "factor_names" in changes else {}
    (tmp_path / "any.npz").write_bytes(zipped(good | changes))
    with little_memory(), pytest.raises(UserError):
        datasets.load(str(tmp_path / "any.npz"))


@pytest.mark.slow
@fuzz
@hypothesis.given(
    contents=members(),
    method=st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]),
    edits=edits,
    cut=cuts,
)
def test_any_npz_is_a_data_set_or_a_line(tmp_path, contents, method, edits, cut):
    load_npz(tmp_path / "any.npz", damaged(zipped(contents, method), edits, cut))


@st.composite
def packed_idx(draw):
    content = draw(
        st.one_of(
            st.sampled_from([idx_bytes(images(48)), idx_bytes(labels(48))]),
            st.binary(max_size=60),
            st.builds(
                lambda shape, values: b"\0\0\x08" + bytes([len(shape)]) + b"".join(shape) + values,
                st.lists(st.integers(0, 2**32 - 1).map(lambda n: n.to_bytes(4, "big")), max_size=5),
                st.binary(max_size=60),
            ),
        )
    )
    content = damaged(content, draw(edits), draw(cuts))
    parts = gzip.compress(content, draw(st.integers(0, 9))) + draw(st.binary(max_size=20))
    return damaged(parts, draw(edits), draw(cuts))


@pytest.mark.slow
@fuzz
@hypothesis.given(content=packed_idx())
def test_any_idx_file_is_a_data_set_or_a_line(tmp_path, content):
    load_idx(tmp_path, content)
