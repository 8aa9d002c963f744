"""What pip installs: the package and the four parts."""

import pathlib

from setuptools import find_packages, setup

setup(
    name="adversarial-autoencoder",
    version="0.1.0",
    description="Adversarial autoencoders in TensorFlow 2, step by step",
    long_description=pathlib.Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    author="The adversarial-autoencoder authors",
    license_expression="MIT",
    license_files=["LICENSE"],
    keywords=["adversarial autoencoder", "autoencoder", "generative model", "TensorFlow", "Keras"],
    classifiers=[
        "Intended Audience :: Education",
        "Intended Audience :: Science/Research",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Typing :: Typed",
    ],
    python_requires=">=3.10,<3.14",  # TensorFlow has wheels for these.
    packages=find_packages(include=["adversarial_autoencoder", "adversarial_autoencoder.*"]),
    py_modules=[path.stem for path in sorted(pathlib.Path(__file__).parent.glob("part?_*.py"))],
    package_data={
        "adversarial_autoencoder": ["py.typed"],
        "adversarial_autoencoder.explorer": ["*.html", "*.css", "*.js"],
    },
    # The lower bounds are what `.ci/run lowest` installs, on Python 3.10.
    install_requires=[
        "tensorflow>=2.18.0",
        "keras>=3.6.0",
        "tensorflow-datasets>=4.9.8",  # Earlier ones ask a cloud store first, for minutes offline.
        "numpy>=1.26.0",
        "matplotlib>=3.8.0",
        "absl-py>=2.1.0",
        "tqdm>=4.66.0",  # TFDS requires it as well.
        "tensorboard>=2.18.0",  # tf.summary needs it; TensorFlow 2.21 no longer brings it along.
        # TFDS 4.9 imports it without requiring it; on Python 3.10 etils brings it along.
        'importlib_resources>=6.4.0; python_version >= "3.11"',
    ],
    extras_require={
        "notebooks": ["ipykernel", "nbclient"],
        "test": ["hypothesis", "import-linter", "playwright", "pytest", "pytest-xdist", "ruff"],
        "video": ["opencv-python-headless"],  # Video files and cameras, for experiments/animate.py.
    },
)
