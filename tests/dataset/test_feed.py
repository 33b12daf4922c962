"""The libraries that can read a dataset as it is: keras.fit, tf.data, and torch and Grain where they are installed."""

from __future__ import annotations

import numpy as np
import pytest

import labelkit
from labelkit.training.backend import start_keras
from tests.datasets import make_dataset


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder = make_dataset(tmp_path_factory.mktemp("data") / "dataset", participants=3, samples=5)
    return labelkit.open_dataset(folder, ["rgb32", "view_normal", "row"])


def pairs(pictures, normals):
    """Pictures with their normals, as bytes, sorted: of whole datasets in any order."""
    return sorted((np.asarray(p).tobytes(), np.asarray(n).tobytes()) for p, n in zip(pictures, normals, strict=True))


def holds_all(batches, dataset):
    seen = [pair for batch in batches for pair in pairs(batch["rgb32"], batch["view_normal"])]
    return sorted(seen) == pairs(dataset.column("rgb32"), dataset.column("view_normal"))


def test_keras_fits_a_network_on_it(dataset):
    start_keras(0)
    import keras

    from labelkit.dataset.feed import Feed

    picture = keras.Input((32, 32, 3), name="rgb32")
    normal = keras.layers.Dense(3)(keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(picture)))
    model = keras.Model({"rgb32": picture}, normal)
    model.compile("adam", "mse")
    fitted = model.fit(Feed(dataset, ["rgb32"], "view_normal", batch_size=4), epochs=8, verbose=0)
    assert fitted.history["loss"][-1] < fitted.history["loss"][0] / 2


def test_a_feed_shows_every_sample_once_an_epoch_in_an_order_of_its_seed(dataset):
    from labelkit.dataset.feed import Feed

    def shown(feed):
        return np.concatenate([feed[k][1] for k in range(len(feed))]).tolist()

    normals = dataset.column("view_normal").tolist()
    feed, again = (Feed(dataset, ["view_normal"], "view_normal", batch_size=4, seed=3) for _ in range(2))
    first = shown(feed)
    feed.on_epoch_end()
    assert shown(again) == first != shown(feed)
    assert sorted(first) == sorted(shown(feed)) == sorted(normals)
    assert shown(Feed(dataset, ["row"], "view_normal", indices=[7, 2], seed=None)) == [normals[7], normals[2]]
    assert all(np.array_equal(feed[k][0]["view_normal"], feed[k][1]) for k in range(len(feed)))


def test_tf_data_reads_it_sample_by_sample(dataset):
    import tensorflow as tf

    signature = {field: tf.TensorSpec(value.shape, value.dtype) for field, value in dataset[0].items()}
    stream = tf.data.Dataset.from_generator(lambda: iter(dataset), output_signature=signature)
    assert holds_all(list(stream.batch(4).as_numpy_iterator()), dataset)


def test_torch_loads_it_in_batches_and_in_other_processes(dataset):
    data = pytest.importorskip("torch.utils.data", reason="torch is not installed; labelkit does not need it")
    assert holds_all(data.DataLoader(dataset, batch_size=4, shuffle=True), dataset)
    batches = data.BatchSampler(data.RandomSampler(dataset), 4, drop_last=False)
    assert holds_all(data.DataLoader(dataset, sampler=batches, batch_size=None), dataset)
    assert holds_all(data.DataLoader(dataset, batch_size=4, num_workers=2), dataset)


def test_grain_maps_it(dataset):
    grain = pytest.importorskip("grain", reason="grain is not installed; labelkit does not need it")
    stream = grain.MapDataset.source(dataset).shuffle(seed=1).batch(4)
    assert holds_all([stream[k] for k in range(len(stream))], dataset)
