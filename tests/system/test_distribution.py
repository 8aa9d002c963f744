"""What a run is trained on is found, or one line says what is wrong with --devices or TF_CONFIG."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

from adversarial_autoencoder import options
from adversarial_autoencoder.system import distribution
from adversarial_autoencoder.system.errors import UserError

import numpy as np
import pytest
import tensorflow as tf
from conftest import ROOT, SMALL


def flags(*words):
    return options.parse(["x", "--train", *words], "", {})


def test_one_device_needs_no_strategy():
    assert distribution.start(flags()) is None
    assert distribution.start(flags("--devices=1")) is None
    assert distribution.start(options.parse(["x", "--devices=7"], "", {})) is None


def test_a_batch_that_does_not_divide_is_an_error():
    with pytest.raises(UserError, match="--batch_size=100 cannot be divided among 3 devices"):
        distribution.start(flags("--devices=3"))


@pytest.fixture
def visible(monkeypatch):
    """The GPUs, of the two that are there, that TensorFlow was told to use."""
    seen = []
    monkeypatch.setattr(distribution.tf.config, "list_physical_devices", lambda kind: ["a", "b"])
    monkeypatch.setattr(
        distribution.tf.config, "set_visible_devices", lambda chosen, kind: seen.append(chosen)
    )
    return seen


def test_gpus_that_are_not_asked_for_are_left_alone(visible, monkeypatch):
    assert distribution.start(flags("--devices=1")) is None
    assert visible == [["a"]]

    def too_late(chosen, kind):
        raise RuntimeError("Visible devices cannot be modified after being initialized")

    monkeypatch.setattr(distribution.tf.config, "set_visible_devices", too_late)
    monkeypatch.setattr(distribution.tf.config, "list_logical_devices", lambda kind: ["a"])
    assert distribution.start(flags("--devices=1")) is None
    with pytest.raises(UserError, match="--devices=2, but TensorFlow has already started"):
        distribution.start(flags("--devices=2"))


def test_more_gpus_than_there_are_are_an_error(visible):
    with pytest.raises(UserError, match="--devices=4, but TensorFlow sees 2 GPUs"):
        distribution.start(flags("--devices=4"))
    with pytest.raises(UserError, match="--batch_size=101 .* 2 devices"):
        distribution.start(flags("--batch_size=101"))


def test_devices_that_come_too_late_are_an_error():
    distribution.tf.zeros([1])
    with pytest.raises(UserError, match="--devices=50, but TensorFlow has already started"):
        distribution.start(flags("--devices=50"))


# Several machines: processes of this one, which speak over loopback.


def cluster(*workers):
    """The TF_CONFIG of the first of these workers."""
    return json.dumps({"cluster": {"worker": workers}, "task": {"type": "worker", "index": 0}})


@pytest.mark.parametrize(
    "text, complaint",
    [
        ("{", "Expecting property name"),
        ("[]", "list indices must be"),
        ("[" * 100_000, "nested too deep"),
        (json.dumps({"cluster": {"worker": ["a:1", "b:1"]}}), "'task' is missing"),
        (
            json.dumps({"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}),
            "there is no worker 1",
        ),
        (cluster("a"), "'a' is no host:port"),
        (cluster("a:1", "12345"), "'12345' is no host:port"),
        (cluster("a:1", ":1"), "':1' is no host:port"),
        (cluster("a:0", "b:1"), "'a:0' is no host:port, with a port from 1 to 65535"),
        (cluster("a:1", "b:65536"), "'b:65536' is no host:port"),
        (cluster("a:1", "b:٣"), "is no host:port"),
        (cluster("a:1", "a:1"), "a:1 is there twice"),
        (cluster("a:1", 2), "expected string"),
        (
            json.dumps(
                {
                    "cluster": {"worker": ["a:1"], "ps": ["b:1"]},
                    "task": {"type": "worker", "index": 0},
                }
            ),
            "the job ps",
        ),
    ],
)
def test_a_broken_tf_config_is_an_error_that_shows_how_it_should_be(text, complaint, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(UserError, match=f"TF_CONFIG .*{complaint}.* should be like"):
        distribution.start(flags())


def test_a_lone_worker_needs_no_strategy_and_pictures_need_no_workers(monkeypatch):
    monkeypatch.setenv("TF_CONFIG", cluster("a:1"))
    assert distribution.start(flags()) is None
    monkeypatch.setenv("TF_CONFIG", "{")
    assert distribution.start(options.parse(["x"], "", {})) is None


def test_without_gpus_a_worker_is_one_device(monkeypatch):
    monkeypatch.setenv("TF_CONFIG", cluster("a:1", "b:1"))
    with pytest.raises(UserError, match="--devices=2, but with TF_CONFIG a CPU is one device"):
        distribution.start(flags("--devices=2"))
    with pytest.raises(UserError, match="--batch_size=101 cannot be divided among 2 devices"):
        distribution.start(flags("--batch_size=101"))


def free_ports(n):
    sockets = [socket.socket() for _ in range(n)]
    for found in sockets:
        found.bind(("localhost", 0))
    ports = [found.getsockname()[1] for found in sockets]
    for found in sockets:
        found.close()
    return ports


def test_a_worker_that_does_not_come_is_named_after_the_time_given(monkeypatch, capsys):
    own, other = free_ports(2)
    monkeypatch.setenv("TF_CONFIG", cluster(f"localhost:{own}", f"localhost:{other}"))
    told = f"localhost:{other} did not answer within 1 s: start the same command there"
    with pytest.raises(UserError, match=told):
        distribution.start(flags("--wait=1"))
    assert f"Waiting for localhost:{other}, at most 1 s" in capsys.readouterr().err


def test_ctrl_c_ends_the_wait_for_workers_at_once(monkeypatch):
    own, other = free_ports(2)
    monkeypatch.setenv("TF_CONFIG", cluster(f"localhost:{own}", f"localhost:{other}"))
    begin = time.monotonic()
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        distribution.start(flags())
    assert time.monotonic() - begin < 3


def test_a_worker_whose_port_another_process_has_is_told(monkeypatch):
    with socket.create_server(("localhost", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setenv("TF_CONFIG", cluster(f"localhost:{port}", "localhost:1"))
        with pytest.raises(UserError, match=f"the port {port} of this worker .* cannot be had"):
            distribution.start(flags())


def test_workers_that_are_there_are_waited_for():
    ports, servers = free_ports(2), []

    def come(own, other, after):
        time.sleep(after)
        distribution._wait_for([f"localhost:{other}"], f"localhost:{own}", 10)
        servers.append(distribution._listening(own))  # As TensorFlow does then.

    first = threading.Thread(target=come, args=(*ports, 0))
    first.start()
    come(*reversed(ports), after=0.5)
    first.join()
    assert len(servers) == 2
    for server in servers:
        server.close()


def start_workers(script, npz, folder, *words, words_of_second=()):
    """Two processes that train one run, their temporary files in tmp0 and tmp1 of the folder."""
    addresses = [f"localhost:{port}" for port in free_ports(2)]
    processes = []
    for index in range(2):
        (folder / f"tmp{index}").mkdir(exist_ok=True)
        task = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
        environment = {
            "TF_CONFIG": json.dumps(task),
            "TMPDIR": str(folder / f"tmp{index}"),
            "PYTHONPATH": str(ROOT),
        }
        command = [sys.executable, str(ROOT / f"{script}.py"), "--train", f"--dataset={npz}"]
        command += [*SMALL, f"--results_dir={folder / 'Results'}", *words]
        processes.append(
            subprocess.Popen(
                command + list(words_of_second) * index,
                env=os.environ | environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
    return processes


def ends(processes):
    """Exit codes and what was written to standard error, in words."""
    found = [process.communicate(timeout=300) for process in processes]
    return [process.returncode for process in processes], [err for _, err in found]


def checkpoints_of(folder):
    return sorted(folder.glob("Results/*/*/Saved_models/checkpoint-*"))


def wait_for_epoch(folder, processes):
    while len(checkpoints_of(folder)) < 2:
        assert all(process.poll() is None for process in processes)
        time.sleep(0.1)


def numbers(checkpoint):
    reader = tf.train.load_checkpoint(str(checkpoint / "checkpoint"))
    names = sorted(reader.get_variable_to_shape_map())
    tensors = [reader.get_tensor(name) for name in names]
    return [t for t in tensors if getattr(t, "dtype", None) == np.float32 and t.ndim]


@pytest.mark.slow
@pytest.mark.parametrize("script", ["part3_style_content", "part4_semisupervised"])
def test_two_workers_train_the_run_of_one_device(script, npz, tmp_path):
    # A bias before batch normalization has no effect, and Adam moves it by its gradient's rounding.
    words = ["--n_labeled=30", "--nobatch_norm"] if script.startswith("part4") else []
    codes, errors = ends(start_workers(script, npz, tmp_path, *words))
    assert codes == [0, 0], errors
    assert not list((tmp_path / "tmp1").iterdir())
    alone = tmp_path / "alone"
    command = [sys.executable, str(ROOT / f"{script}.py"), "--train", f"--dataset={npz}", *SMALL]
    subprocess.run([*command, *words, f"--results_dir={alone / 'Results'}"], check=True)
    (ours, theirs) = (checkpoints_of(folder)[-1] for folder in (tmp_path, alone))
    assert ours.name == theirs.name
    for a, b in zip(numbers(ours), numbers(theirs), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-5)


@pytest.mark.slow
def test_a_lost_worker_or_a_signal_at_one_stops_all_and_the_run_goes_on(npz, tmp_path):
    script, long = "part3_style_content", "--n_epochs=2000"
    processes = start_workers(script, npz, tmp_path, long)
    wait_for_epoch(tmp_path, processes)
    processes[1].kill()
    assert processes[0].wait(timeout=60) == 1
    _, errors = ends(processes)
    assert errors[0].splitlines()[-1].startswith(f"{script}: another worker has stopped")
    kept = checkpoints_of(tmp_path)
    shutil.rmtree(tmp_path / "tmp1")  # What is killed cannot clear up.

    processes = start_workers(script, npz, tmp_path, long, "--resume")
    while checkpoints_of(tmp_path)[-1].name == kept[-1].name:
        assert all(process.poll() is None for process in processes)
        time.sleep(0.1)
    processes[1].send_signal(signal.SIGTERM)
    codes, _ = ends(processes)
    assert codes == [128 + signal.SIGTERM] * 2
    assert not list((tmp_path / "tmp1").iterdir())
    assert len(list(tmp_path.glob("Results/*/*/flags.txt"))) == 1


@pytest.mark.slow
def test_workers_with_different_flags_stop_before_anything_is_written(npz, tmp_path):
    processes = start_workers("part3_style_content", npz, tmp_path, words_of_second=["--n_l2=17"])
    codes, errors = ends(processes)
    assert codes == [1, 1]
    assert all("the workers differ in --n_l2" in error for error in errors)
    assert not (tmp_path / "Results").exists()
