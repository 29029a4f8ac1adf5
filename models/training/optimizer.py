"""Adam for large embeddings: only the rows that a batch holds are updated.

Keras's Adam decays the moments of every row and moves every row in each step, which for a vocabulary of tens of
thousands costs more than the rest of the step. Everything that is not sparse is updated as Keras does it.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf
from keras import ops


@keras.saving.register_keras_serializable(package="featuremill")
class LazyAdam(keras.optimizers.Adam):
    """Adam (Kingma and Ba 2015) whose moments of a row stand still while no batch holds the row.

    Where every batch holds every row once it is equal to Adam. The arguments are those of keras.optimizers.Adam,
    without `amsgrad`.
    """

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Updates one variable; a sparse gradient (tf.IndexedSlices) only its rows."""
        if not isinstance(gradient, tf.IndexedSlices):
            super().update_step(gradient, variable, learning_rate)
            return
        # A row that occurs more than once has one gradient, the sum. (Keras's Adam squares them one by one.)
        rows, place = tf.unique(gradient.indices)
        values = tf.math.unsorted_segment_sum(tf.cast(gradient.values, variable.dtype), place, tf.size(rows))
        step = tf.cast(self.iterations.value + 1, variable.dtype)
        rate = tf.cast(learning_rate, variable.dtype)
        rate *= tf.sqrt(1 - tf.pow(self.beta_2, step)) / (1 - tf.pow(self.beta_1, step))
        index = self._get_variable_index(variable)
        first, second = self._momentums[index].value, self._velocities[index].value
        m = self.beta_1 * tf.gather(first, rows) + (1 - self.beta_1) * values
        v = self.beta_2 * tf.gather(second, rows) + (1 - self.beta_2) * ops.square(values)
        first.scatter_update(tf.IndexedSlices(m, rows))
        second.scatter_update(tf.IndexedSlices(v, rows))
        variable.scatter_sub(tf.IndexedSlices(rate * m / (tf.sqrt(v) + self.epsilon), rows))
