"""What training changes in its batches: how much, what stays as it was, and that (seed, step) alone decide."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import tensorflow as tf

from models.training.augment import augment, hidden, shifted
from models.training.candidates import candidates, image_candidate

SEEDS = tf.constant([3, 5], tf.int64)
TEXTS = replace(candidates("lstm")[0], unknown=0.5)
IMAGES = replace(image_candidate("mlp"), shift=2)


def test_about_the_share_is_hidden_and_padding_stays() -> None:
    ids = np.random.default_rng(0).integers(2, 90, (40, 50))
    ids[:, 30:] = 0
    found = hidden(tf.constant(ids, tf.int32), 0.2, SEEDS).numpy()
    changed = found != ids
    assert (found[changed] == 1).all() and not changed[:, 30:].any()
    assert abs(changed[:, :30].mean() - 0.2) < 0.04  # three deviations are 0.035
    assert changed[:, :30].any(axis=0).all()  # each place has its chance


def test_an_image_is_moved_as_a_whole() -> None:
    images = np.zeros((200, 9, 9, 1), np.uint8)
    images[:, 3:6, 4, 0] = [7, 8, 9]
    found = shifted(tf.constant(images), 2, SEEDS).numpy()
    places = set()
    for one in found:
        (top, *_), (left, *_), _ = np.nonzero(one)
        assert one[top : top + 3, left, 0].tolist() == [7, 8, 9] and np.count_nonzero(one) == 3
        places.add((int(top) - 3, int(left) - 4))
    assert places == {(down, right) for down in range(-2, 3) for right in range(-2, 3)}


def test_what_is_moved_out_of_an_image_is_lost_and_zeros_come_in() -> None:
    found = shifted(tf.ones([50, 3, 3, 1], tf.uint8), 1, SEEDS).numpy()
    assert {int(one.sum()) for one in found} == {4, 6, 9}


def batches(shape: tuple[int, ...], dtype: str, number: int = 4) -> tf.data.Dataset:
    x = np.random.default_rng(0).integers(2, 200, (number, *shape)).astype(dtype)
    return tf.data.Dataset.from_tensor_slices((x, np.arange(number * shape[0]).reshape(number, -1)))


def read(found: tf.data.Dataset) -> list[tuple[Any, Any]]:
    return [(x.numpy(), y.numpy()) for x, y in found]


def test_steps_and_seeds_decide() -> None:
    for candidate, given in ((TEXTS, batches((5, 6), "int32")), (IMAGES, batches((5, 8, 8, 1), "uint8"))):
        whole, labels = zip(*read(augment(given, candidate, 1, 0)))
        later = [x for x, _ in read(augment(given.skip(2), candidate, 1, 2))]
        other = [x for x, _ in read(augment(given, candidate, 2, 0))]
        assert np.array_equal(whole[2:], later) and not np.array_equal(whole, other)
        assert np.array_equal(labels, [y for _, y in read(given)])
        assert whole[0].dtype == read(given)[0][0].dtype


def test_the_same_batch_is_changed_anew_in_each_step() -> None:
    first, second = (x for x, _ in read(augment(batches((50, 6), "int32", 1).repeat(2), TEXTS, 0, 0)))
    assert not np.array_equal(first, second)


def test_nothing_is_changed_unless_the_candidate_wants_it() -> None:
    given = batches((5, 6), "int32")
    assert augment(given, replace(TEXTS, unknown=0.0), 0, 0) is given
