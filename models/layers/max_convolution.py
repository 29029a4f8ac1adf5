"""The layer of TextCNN: each filter's largest answer over the words of a text, with its gradient at that word alone.

Only the place of the largest answer has a gradient. So training on long texts looks the places up first, without one,
and computes again what was found there: the backward pass, two thirds of a convolution's cost, shrinks from all places
of a text to one a filter. Answers and gradients are those of a convolution and a maximum. The layer does not embed
words and does not know which are padding: it is told.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

LONG = 120
"""Words in a batch's longest text above which it costs less to look places up, whatever filters there are."""


@keras.saving.register_keras_serializable(package="featuremill")
class MaxConvolution(keras.layers.Layer):
    """A convolution over words (ReLU, stride 1), then the maximum over the places where words are.

    The filters reach past the last word into zeros, so that a text of one word has answers; they never begin there.

    Input shape:
        (words, there): float [batch, length, dimensions], zeros where there is no word, and float [batch, length, 1],
        1 for a word and 0 for padding, which only follows words.

    Output shape:
        float [batch, filters], at least 0; 0 for a text without words.

    Args:
        filters: number of filters.
        width: of a filter, in words.
    """

    def __init__(self, filters: int, width: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.filters, self.width = filters, width

    def build(self, input_shape: Any) -> None:
        dimensions = input_shape[0][-1]
        self.kernel = self.add_weight(shape=(self.width, dimensions, self.filters), name="kernel")
        self.bias = self.add_weight(shape=(self.filters,), initializer="zeros", name="bias")

    def call(self, inputs: tuple[Any, Any], training: bool = False) -> Any:
        words, there = inputs
        padded = ops.pad(words, ((0, 0), (0, self.width - 1), (0, 0)))

        def everywhere() -> Any:
            return ops.max(self._answers(padded, self.kernel, self.bias, there), axis=1)

        if not training:
            return everywhere()
        return ops.cond(ops.shape(words)[1] > LONG, lambda: self._at_the_largest(padded, there), everywhere)

    def _at_the_largest(self, padded: Any, there: Any) -> Any:
        fixed = ops.stop_gradient
        answers = self._answers(fixed(padded), fixed(self.kernel), fixed(self.bias), there)
        # [filters, batch, width]: the rows of all words in the batch that each filter reads.
        batch, length, dimensions = ops.shape(padded)
        first = ops.expand_dims(ops.arange(batch) * length, 1) + ops.cast(ops.argmax(answers, axis=1), "int32")
        rows = ops.expand_dims(ops.transpose(first), -1) + ops.arange(self.width)
        read = ops.take(ops.reshape(padded, (-1, dimensions)), rows, axis=0)
        size = self.width * dimensions
        kernel = ops.reshape(ops.transpose(self.kernel, (2, 0, 1)), (self.filters, size, 1))
        answer = ops.matmul(ops.reshape(read, (self.filters, -1, size)), kernel)
        return ops.relu(ops.transpose(answer[:, :, 0]) + self.bias) * there[:, 0]

    def _answers(self, padded: Any, kernel: Any, bias: Any, there: Any) -> Any:
        # ReLU's answers are at least 0, so 0 takes a masked place out of the maximum.
        return ops.relu(ops.conv(padded, kernel) + bias) * there

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, int]:
        return (input_shape[0][0], self.filters)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "filters": self.filters, "width": self.width}
