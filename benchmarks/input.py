"""Measure whether batches are fast enough: labelkit's gathering, memory, TFRecord and h5py, and the training's wait.

    python benchmarks/input.py [--samples 2048] [--rounds 5]

Makes two datasets of random pictures; the second has ten times as many samples. All ways of reading give batches of
32 pyramids and their angles as TensorFlow tensors, each in its own order. The ways take turns, round by round; the
best round of each counts, since other programs disturbed it least.
Tables go to stdout, all figures to benchmarks/results/input.json. docs/training.md explains them.
"""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import argparse
import contextlib
import hashlib
import json
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from labelkit import __version__
from labelkit.dataset.dataset import Dataset, open_dataset
from labelkit.dataset.manifest import FileEntry, Manifest, write_manifest
from labelkit.dataset.schema import FIELDS, shard_name
from labelkit.dataset.shards import shard_bytes
from labelkit.files import sha256_of
from labelkit.geometry.orientation import centred_from_label_deg
from labelkit.runs.folder import claim_run
from labelkit.settings import TrainSettings
from labelkit.training.augment import Augmentation
from labelkit.training.backend import start_keras
from labelkit.training.batches import Batches, epoch_order, prefetch
from labelkit.training.samples import Samples, Sides

RESULT = Path(__file__).parent / "results" / "input.json"
BATCH, SHARD = 32, 256
PICTURES = TrainSettings().fields
ANGLES = ("view_azimuth", "view_elevation")


def make_dataset(folder: Path, samples: int) -> Path:
    """Write a dataset of random pictures and angles: shards and manifest, as a build does."""
    files = {}
    for number, start in enumerate(range(0, samples, SHARD)):
        rng = np.random.default_rng([samples, number])
        n = min(SHARD, samples - start)
        columns = {
            field.name: rng.integers(0, 256, (n, *field.tail), dtype=np.uint8)
            if field.dtype == "|u1"
            else np.zeros((n, *field.tail), field.dtype)
            for field in FIELDS
        }
        columns |= {name: rng.uniform(60, 120, n).astype(np.float32) for name in ANGLES}
        path = folder / shard_name("p01", "p01", number)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(shard_bytes(columns, {}))
        files[shard_name("p01", "p01", number)] = FileEntry(bytes=path.stat().st_size, sha256=sha256_of(path))
    counts: dict[str, Any] = {
        "frames": samples,
        "samples": samples,
        "rejected": {},
        "participants": {},
        "recordings": [],
    }
    made: dict[str, Any] = {"labelkit": __version__, "versions": {}, "settings": {}}
    digest = hashlib.sha256(b"").hexdigest()
    write_manifest(folder, Manifest(**made, **counts, settings_digest=digest, files=files))
    return folder


def samples_of(data: Dataset) -> Samples:
    """Read the labels as training does."""
    angles_deg = np.stack([data.column(name) for name in ANGLES], axis=-1)
    n = len(data)
    return Samples(data, np.arange(n), centred_from_label_deg(angles_deg), np.full(n, "p01"), data.column("row"))


def gathered_per_s(data: Dataset, rounds: int) -> dict[str, float]:
    """Gather the same batches through memory maps and from arrays: samples per second of processor time."""
    arrays = {field: data.column(field) for field in PICTURES}
    order = epoch_order(len(data), 0, 1)
    batches = [order[k : k + BATCH] for k in range(0, len(order), BATCH)]
    ways: dict[str, Callable[[Any], Any]] = {
        "memory maps": lambda indices: data.gather_fields(PICTURES, indices),
        "memory": lambda indices: {field: array[indices] for field, array in arrays.items()},
    }
    for field, stack in ways["memory maps"](batches[0]).items():
        assert np.array_equal(stack, ways["memory"](batches[0])[field])
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(4 * rounds):
        for name, gather in ways.items():
            start = time.process_time()
            for indices in batches:
                gather(indices)
            taken[name].append(time.process_time() - start)
    return {name: len(data) / min(times) for name, times in taken.items()}


def write_records(data: Dataset, path: Path) -> Path:
    """Write the samples as TFRecord, pictures as their bytes."""
    import tensorflow as tf

    def feature(value: Any) -> Any:
        if isinstance(value, bytes):
            return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
        return tf.train.Feature(float_list=tf.train.FloatList(value=value))

    with tf.io.TFRecordWriter(str(path)) as writer:
        for sample in data:
            features = {field: feature(sample[field].tobytes()) for field in PICTURES}
            features["angles"] = feature([float(sample[name]) for name in ANGLES])
            example = tf.train.Example(features=tf.train.Features(feature=features))
            writer.write(example.SerializeToString())
    return path


def from_labelkit(samples: Samples, epoch: int) -> Iterator[Any]:
    """Yield the batches of an epoch as training takes them, as tensors."""
    import tensorflow as tf

    batches = Batches(
        samples.source,
        PICTURES,
        samples.indices,
        np.deg2rad(samples.centred_deg),
        batch_size=BATCH,
        seed=0,
        epoch=epoch,
    )
    for pictures, angles in prefetch(batches):
        yield {field: tf.convert_to_tensor(stack) for field, stack in pictures.items()}, tf.convert_to_tensor(angles)


def from_records(path: Path, n: int, epoch: int) -> Iterator[Any]:
    """Yield batches from TFRecord: shuffled over all samples, parsed per batch, on both cores, prefetched."""
    import tensorflow as tf

    sides = {field: int(field.removeprefix("rgb")) for field in PICTURES}
    wanted = {field: tf.io.FixedLenFeature([], tf.string) for field in PICTURES}
    wanted["angles"] = tf.io.FixedLenFeature([2], tf.float32)

    def parsed(records: Any) -> Any:
        found = tf.io.parse_example(records, wanted)
        pictures = {
            field: tf.reshape(tf.io.decode_raw(found[field], tf.uint8), (-1, side, side, 3))
            for field, side in sides.items()
        }
        return pictures, found["angles"]

    stream = tf.data.TFRecordDataset(str(path)).shuffle(n, seed=epoch).batch(BATCH)
    yield from stream.map(parsed, num_parallel_calls=tf.data.AUTOTUNE).prefetch(2)


def from_h5py(data: Dataset, epoch: int) -> Iterator[Any]:
    """Yield batches that tf.data makes of single samples, read through h5py in random order."""
    import tensorflow as tf

    with contextlib.ExitStack() as stack:
        files = [stack.enter_context(h5py.File(data.path / name, "r")) for name in data.shard_names]

        def each() -> Iterator[Any]:
            for number in epoch_order(len(data), 0, epoch):
                shard, local = files[number // SHARD], int(number % SHARD)
                yield {field: shard[field][local] for field in PICTURES}, [shard[name][local] for name in ANGLES]

        sides = {field: int(field.removeprefix("rgb")) for field in PICTURES}
        signature = (
            {field: tf.TensorSpec((side, side, 3), tf.uint8) for field, side in sides.items()},
            tf.TensorSpec((2,), tf.float32),
        )
        yield from tf.data.Dataset.from_generator(each, output_signature=signature).batch(BATCH).prefetch(2)


def read_per_s(data: Dataset, rounds: int, scratch: Path) -> dict[str, float]:
    """Read whole epochs in each way: samples per second."""
    samples, n = samples_of(data), len(data)
    records = write_records(data, scratch / "samples.tfrecord")
    ways: dict[str, Callable[[int], Iterator[Any]]] = {
        "labelkit": lambda epoch: from_labelkit(samples, epoch),
        "TFRecord": lambda epoch: from_records(records, n, epoch),
        "from_generator over h5py": lambda epoch: from_h5py(data, epoch),
    }
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for epoch in range(1, rounds + 2):  # the first does not count, as it fills the disk cache
        for name, read in ways.items():
            start, seen = time.perf_counter(), 0
            for _, angles in read(epoch):
                seen += len(angles)
            assert seen == n, name
            taken[name].append(time.perf_counter() - start)
    return {name: n / min(times[1:]) for name, times in taken.items()}


def waiting_share(data: Dataset, scratch: Path) -> dict[str, float]:
    """Train the default network with augmentation; return the share of the second epoch that its steps waited."""
    start_keras(0)
    from labelkit.models import build_model
    from labelkit.training.trainer import fit_run

    settings = TrainSettings(epochs=2, diagnostics=False)
    samples, n = samples_of(data), 40 * settings.batch_size
    sides = Sides(samples.at(np.arange(n) % len(data)), samples.at(np.arange(16)), samples.at(np.arange(1)))
    run = claim_run("vanilla", scratch / "run")
    history = fit_run(run, build_model(settings), sides, settings, on_step=lambda: None, on_epoch=lambda *_: None)
    last = history[-1]  # the first includes the compilation of the step
    return {"share": last.waited_s / last.seconds, "step_ms": 1000 * last.seconds / 40}


def peak_mb(folder: Path) -> dict[str, float]:
    """Read one augmented epoch in its own process; return its peak memory, MB."""
    asked = subprocess.run([sys.executable, __file__, "--peak-of", str(folder)], stdout=subprocess.PIPE, check=True)
    found: dict[str, float] = json.loads(asked.stdout)
    return found


def own_peak_mb(folder: Path) -> dict[str, float]:
    """Read one augmented epoch here; return the peak memory of this process without and with mapped pages."""
    samples, peak = samples_of(open_dataset(folder)), {"own": 0.0, "with_mapped_files": 0.0}
    batches = Batches(
        samples.source,
        PICTURES,
        samples.indices,
        np.deg2rad(samples.centred_deg),
        batch_size=BATCH,
        seed=0,
        epoch=1,
        augment=Augmentation(TrainSettings().turn_deg),
    )
    for _ in prefetch(batches):
        lines = Path("/proc/self/status").read_text().splitlines()
        now = {key: int(rest.split()[0]) / 1024 for key, rest in (line.split(":", 1) for line in lines) if "Rss" in key}
        everything = sum(now.values())
        peak = {
            "own": max(peak["own"], now["RssAnon"]),
            "with_mapped_files": max(peak["with_mapped_files"], everything),
        }
    return peak


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=2048, help="samples of the smaller dataset (2048)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each way (5)")
    parser.add_argument("--peak-of", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, default=RESULT, help="JSON file of all figures")
    flags = parser.parse_args()
    if flags.peak_of:
        print(json.dumps(own_peak_mb(flags.peak_of)))
        return

    with tempfile.TemporaryDirectory(prefix="labelkit-") as name:
        scratch = Path(name)
        small = make_dataset(scratch / "small", flags.samples)
        large = make_dataset(scratch / "large", 10 * flags.samples)
        memory = {"n": peak_mb(small), "10 n": peak_mb(large)}
        data = open_dataset(small)
        gathered = gathered_per_s(data, flags.rounds)
        read = read_per_s(data, flags.rounds, scratch)
        waiting = waiting_share(data, scratch)
    figures = [
        ("gathering, over gathering from memory", gathered["memory maps"] / gathered["memory"], ">=", 0.9),
        ("batches, over TFRecord", read["labelkit"] / read["TFRecord"], ">=", 1.5),
        ("batches, over from_generator", read["labelkit"] / read["from_generator over h5py"], ">=", 3.0),
        ("share of its time that a step waits", waiting["share"], "<", 0.05),
        ("peak memory, 10 n samples over n", memory["10 n"]["own"] / memory["n"]["own"], "<", 1.05),
    ]
    print(f"{'samples a second, batches of 32':<40}")
    alone = {f"gathered from {name}": per_s for name, per_s in gathered.items()}
    for name, per_s in {**alone, **read}.items():
        print(f"  {name:<38}{per_s:>12,.0f}")
    print(f"a step of the default network takes {waiting['step_ms']:.0f} ms")
    for name, peak in memory.items():
        print(
            f"peak memory of {name} samples (n = {flags.samples}): {peak['own']:.0f} MB; "
            f"{peak['with_mapped_files']:.0f} MB with the pages of files that it maps"
        )
    print(f"\n{'must show':<42}{'measured':>10}{'goal':>10}  met")
    for name, value, sign, goal in figures:
        met = value >= goal if sign == ">=" else value < goal
        print(f"{name:<42}{value:>10.3f}{f'{sign} {goal:g}':>10}  {'yes' if met else 'no'}")
    machine = {"python": platform.python_version(), "system": platform.platform(), "cores": os.cpu_count()}
    content = {"machine": machine, "samples": flags.samples, "gathered_per_s": gathered, "read_per_s": read}
    content |= {"waiting": waiting, "memory_mb": memory, "must_show": figures}
    flags.out.parent.mkdir(parents=True, exist_ok=True)
    flags.out.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    print(f"written to {flags.out}")


if __name__ == "__main__":
    main()
