"""What pip installs: the package; the scripts are run from the checkout."""

from setuptools import find_packages, setup

setup(
    name="adversarial-autoencoder",
    version="0.1.0",
    description="Adversarial autoencoders in TensorFlow 2, step by step",
    license="MIT",
    python_requires=">=3.10",
    packages=find_packages(include=["adversarial_autoencoder", "adversarial_autoencoder.*"]),
    package_data={"adversarial_autoencoder.explorer": ["*.html", "*.css", "*.js"]},
    install_requires=[
        "tensorflow>=2.18",
        "keras>=3.6,<3.16",  # FusedAdam uses private parts of its Adam: test before raising this.
        "tensorflow-datasets>=4.9.8",  # Earlier ones ask a cloud store first, for minutes offline.
        "numpy",
        "matplotlib",
        "absl-py",
        "tqdm",  # TFDS requires it as well.
        "tensorboard",  # tf.summary needs it, and TensorFlow 2.21 no longer brings it along.
        "importlib_resources",  # TFDS 4.9 imports it on Python 3.11 without requiring it.
    ],
    extras_require={
        "notebooks": ["ipykernel", "nbclient"],
        "test": ["hypothesis", "pytest", "pytest-xdist", "ruff"],
        "video": ["opencv-python-headless"],  # Video files and cameras, for experiments/animate.py.
    },
)
