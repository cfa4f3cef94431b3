"""Attention of texts in machine code: sums and gradients of one text and head after the other, in float32.

A text's queries, keys and values are copied where the processor's first caches hold them, and every product, the
softmax and dropout are done there. Both sides are filled up with zeros to a multiple of ``TILE``. The attention weights
are kept for the gradient, those that dropout sets to 0 with a minus sign.
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import njit, prange, types
from numba.extending import intrinsic

from otx.files.machine_code import machine_code
from otx_encoders.compiled.random_bits import bits

INNER = {"error_model": "numpy", "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
FUSED = {"fastmath": {"contract"}} | INNER
"""Fused multiply-adds, but no reordering, on which ``_exp`` relies."""
SUMS = {"fastmath": {"contract", "reassoc"}} | INNER
"""The same with sums in any order, so that they run in vectors."""
MAXIMA = {"fastmath": {"nnan", "nsz"}} | INNER
"""Maxima in any order, of numbers without NaN."""
TILE = 8
"""Texts and heads are filled up to a multiple of this, the numbers in a vector register."""

_ZERO, _ONE = np.float32(0), np.float32(1)
_LOG2_E = np.float32(1.4426950408889634)
_LN2_HIGH, _LN2_LOW = np.float32(0.693359375), np.float32(-2.12194440e-4)
"""The logarithm of 2 in two parts, of which the first has zeros enough to be multiplied exactly."""
_ROUND = np.float32(1.5 * 2.0**23)
"""What rounds a number when it is added and subtracted, and leaves the integer in the lowest bits."""
_SMALLEST = np.float32(-87.0)
_P2, _P3, _P4, _P5, _P6, _P7 = (
    np.float32(value)
    for value in (
        5.0000001201e-1,
        1.6666665459e-1,
        4.1665795894e-2,
        8.3334519073e-3,
        1.3981999507e-3,
        1.9875691500e-4,
    )
)
"""Cephes' ``expf``: https://netlib.org/cephes/"""
_SHIFT, _BIAS = np.int32(23), np.int32(127)


@njit(**FUSED)
def _exp(x):
    """Compute exp(x) of a number of at most 0 to 1 unit in the last place, without branches. NaN stays NaN."""
    bounded = _SMALLEST if x < _SMALLEST else x
    shifted = bounded * _LOG2_E + _ROUND
    power = shifted - _ROUND
    r = bounded - power * _LN2_HIGH
    r = r - power * _LN2_LOW
    value = ((((_P7 * r + _P6) * r + _P5) * r + _P4) * r + _P3) * r + _P2
    value = value * r * r + r + _ONE
    scale = (np.float32(shifted).view(np.int32) + _BIAS) << _SHIFT
    return _ZERO if x < _SMALLEST else value * np.int32(scale).view(np.float32)


@intrinsic
def _multiply_tile(typing, left, i, right, j, result):
    """Write ``TILE`` x ``TILE`` entries of the product of two matrices, from row i and column j on.

    The entries stay in vector registers until they are complete, which loops in Python do not bring about. Rows of
    ``right`` and ``result`` are contiguous; ``left`` has any strides.
    """
    signature = types.void(left, i, right, j, result)

    def generate(context, builder, signature, arguments):
        number, word = ir.FloatType(), ir.IntType(64)
        vector, nothing = ir.VectorType(number, TILE), ir.VectorType(ir.IntType(32), TILE)(None)
        left, right, result = (
            context.make_array(kind)(context, builder, value)
            for kind, value in zip(signature.args[::2], arguments[::2], strict=True)
        )
        (left_row, left_next), (right_row, _), (result_row, column) = (
            [builder.extract_value(array.strides, axis) for axis in range(2)]
            for array in (left, right, result)
        )
        inner = builder.extract_value(right.shape, 0)

        def address(array, *steps):
            """Return the address of an entry: the array's own, and numbers of strides on."""
            place = builder.ptrtoint(array.data, word)
            for count, stride in steps:
                place = builder.add(place, builder.mul(count, stride))
            return place

        def vector_at(place):
            return builder.inttoptr(place, vector.as_pointer())

        rows = [word(row) for row in range(TILE)]
        first_left = address(left, (arguments[1], left_row))
        first_right = address(right, (arguments[3], column))
        first_result = address(result, (arguments[1], result_row), (arguments[3], column))
        before = builder.block
        loop, after = (builder.append_basic_block(name) for name in ("product", "product_end"))
        builder.branch(loop)
        builder.position_at_end(loop)
        k = builder.phi(word)
        k.add_incoming(word(0), before)
        sums = [builder.phi(vector) for _ in rows]
        factors = builder.load(
            vector_at(builder.add(first_right, builder.mul(k, right_row))), align=4
        )
        for row, total in zip(rows, sums, strict=True):
            total.add_incoming(vector([0.0] * TILE), before)
            place = builder.add(first_left, builder.mul(k, left_next))
            place = builder.add(place, builder.mul(row, left_row))
            factor = builder.load(builder.inttoptr(place, number.as_pointer()))
            factor = builder.insert_element(vector(ir.Undefined), factor, ir.IntType(32)(0))
            factor = builder.shuffle_vector(factor, vector(ir.Undefined), nothing)
            product = builder.fmul(factor, factors, flags=["contract"])
            total.add_incoming(builder.fadd(product, total, flags=["contract"]), loop)
        following = builder.add(k, word(1))
        k.add_incoming(following, loop)
        builder.cbranch(builder.icmp_signed("<", following, inner), loop, after)
        builder.position_at_end(after)
        for row, total in zip(rows, sums, strict=True):
            place = builder.add(first_result, builder.mul(row, result_row))
            builder.store(total.incomings[1][0], vector_at(place), align=4)
        return context.get_dummy_value()

    return signature, generate


@njit(**FUSED)
def _multiply(left, right, result):
    """Write the product of two matrices; rows and columns of the result are multiples of ``TILE``."""
    for i in range(0, result.shape[0], TILE):
        for j in range(0, result.shape[1], TILE):
            _multiply_tile(left, i, right, j, result)


@njit(**FUSED)
def _transpose(matrix, result):
    for i in range(matrix.shape[0]):
        for j in range(matrix.shape[1]):
            result[j, i] = matrix[i, j]


@njit(**FUSED)
def _read(rows, first, length, column, factor, block):
    """Copy a head of a text, multiplied by a factor."""
    for i in range(length):
        target = block[i]
        source = rows[first + i][column : column + len(target)]
        for k in range(len(target)):
            target[k] = source[k] * factor


@njit(**FUSED)
def _write(block, first, length, column, rows):
    for i in range(length):
        source = block[i]
        target = rows[first + i][column : column + len(source)]
        for k in range(len(source)):
            target[k] = source[k]


@njit(**FUSED)
def _copy(source, target):
    for j in range(len(target)):
        target[j] = source[j]


@njit(**MAXIMA)
def _highest(scores, length):
    highest = scores[0]
    for j in range(1, length):
        highest = max(highest, scores[j])
    return highest


@njit(**SUMS)
def _softmax(scores, length):
    """Turn the scores of one query into weights: NaN if one is NaN or infinite, whatever the highest is then."""
    highest = _highest(scores, length)
    total = _ZERO
    for j in range(length):
        scores[j] = _exp(scores[j] - highest)
        total += scores[j]
    share = _ONE / total
    for j in range(length):
        scores[j] *= share
    for j in range(length, len(scores)):
        scores[j] = _ZERO


@njit(**FUSED)
def _drop(weights, length, place, seed, threshold):
    """Give the weights that are dropped a minus sign."""
    for j in range(length):
        dropped = bits(place + j, seed) < threshold
        weights[j] = -weights[j] if dropped else weights[j]


@njit(**FUSED)
def _apply(weights, scale):
    """Set the weights with a minus sign to 0, and scale the others."""
    for j in range(len(weights)):
        weights[j] = _ZERO if weights[j] < _ZERO else weights[j] * scale


@njit(**SUMS)
def _softmax_gradient(weights, kept_scale, length, gradient):
    """Turn the gradient of the weights after dropout into that of the scores."""
    total = _ZERO
    for j in range(length):
        factor = kept_scale if weights[j] > _ZERO else _ZERO
        gradient[j] *= factor
        total += gradient[j] * abs(weights[j])
    for j in range(length):
        gradient[j] = (gradient[j] - total) * abs(weights[j])


@njit(**FUSED)
def _blocks(padded, width):
    shape = (padded, width)
    return (
        np.zeros(shape, np.float32),
        np.zeros(shape, np.float32),
        np.zeros(shape, np.float32),
        np.empty(shape, np.float32),
    )


@njit(**FUSED)
def _attend_some(
    query, key, value, bounds, heads, scale, seed,
    threshold, kept_scale, begin, end, places, weights, sums,
):  # fmt: skip
    width = query.shape[1] // heads
    for number in range(begin, end):
        text, head = number // heads, number % heads
        first, length = bounds[text], bounds[text + 1] - bounds[text]
        column, place = head * width, places[number]
        padded = -(-length // TILE) * TILE
        q, k, v, product = _blocks(padded, width)
        transposed, scores = (
            np.empty((width, padded), np.float32),
            np.empty((padded, padded), np.float32),
        )
        _read(query, first, length, column, scale, q)
        _read(key, first, length, column, _ONE, k)
        _read(value, first, length, column, _ONE, v)
        _transpose(k, transposed)
        _multiply(q, transposed, scores)
        for i in range(length):
            row = scores[i]
            _softmax(row, length)
            if threshold > 0:
                _drop(row, length, place + i * length, seed, threshold)
            if len(weights) > 0:
                _copy(row, weights[place + i * length : place + (i + 1) * length])
            if threshold > 0:
                _apply(row, kept_scale)
        _multiply(scores, v, product)
        _write(product, first, length, column, sums)


@machine_code(
    "void(float32[:,::1], float32[:,::1], float32[:,::1], int64[::1], int64, float32, UniTuple(uint32, 2), uint32, "
    "float32, int64[::1], int64[::1], float32[::1], float32[:,::1])",
    parallel=True,
)
def attend(
    query, key, value, bounds, heads, scale, seed,
    threshold, kept_scale, parts, places, weights, sums,
):  # fmt: skip
    """Attend within each text. Holds no lock of the interpreter.

    Args:
        query: Queries ``[N, H * D]`` of all texts; D is a multiple of ``TILE``.
        key: Keys of the same shape.
        value: Values of the same shape.
        bounds: Where each text starts and where the last one ends ``[texts + 1]``.
        heads: Number of heads.
        scale: Factor of the products.
        seed: Seed of dropout.
        threshold: Share of the weights to drop, in units of 2^-32.
        kept_scale: Factor of the weights that are not dropped.
        parts: Where the heads of texts of each thread start, and where the last ones end ``[threads + 1]``.
        places: Where the weights of each head of each text start ``[texts * H]``.
        weights: Receives the weights of each head of each text, row by row; empty if no gradient is asked for.
        sums: Receives the weighted sums of the values ``[N, H * D]``.
    """
    if len(parts) == 2:  # starts no thread
        _attend_some(
            query, key, value, bounds, heads, scale, seed,
            threshold, kept_scale, parts[0], parts[1], places, weights, sums,
        )  # fmt: skip
        return
    for part in prange(len(parts) - 1):
        _attend_some(
            query, key, value, bounds, heads, scale, seed,
            threshold, kept_scale, parts[part], parts[part + 1], places, weights, sums,
        )  # fmt: skip


@njit(**FUSED)
def _attend_backward_some(
    query, key, value, bounds, heads, scale, kept_scale,
    begin, end, places, weights, gradient, of_query, of_key, of_value,
):  # fmt: skip
    width = query.shape[1] // heads
    for number in range(begin, end):
        text, head = number // heads, number % heads
        first, length = bounds[text], bounds[text + 1] - bounds[text]
        column, place = head * width, places[number]
        padded = -(-length // TILE) * TILE
        q, k, v, product = _blocks(padded, width)
        outer, transposed = (
            np.zeros((padded, width), np.float32),
            np.empty((width, padded), np.float32),
        )
        inner, mixed = (
            np.zeros((padded, padded), np.float32),
            np.zeros((padded, padded), np.float32),
        )
        _read(query, first, length, column, scale, q)
        _read(key, first, length, column, scale, k)
        _read(value, first, length, column, _ONE, v)
        _read(gradient, first, length, column, _ONE, outer)
        _transpose(v, transposed)
        _multiply(outer, transposed, inner)
        for i in range(length):
            row = mixed[i]
            kept = weights[place + i * length : place + (i + 1) * length]
            _softmax_gradient(kept, kept_scale, length, inner[i])
            _copy(kept, row[:length])
            _apply(row, kept_scale)
        _multiply(inner, k, product)
        _write(product, first, length, column, of_query)
        _multiply(inner.T, q, product)
        _write(product, first, length, column, of_key)
        _multiply(mixed.T, outer, product)
        _write(product, first, length, column, of_value)


@machine_code(
    "void(float32[:,::1], float32[:,::1], float32[:,::1], int64[::1], int64, float32, float32, int64[::1], "
    "int64[::1], float32[::1], float32[:,::1], float32[:,::1], float32[:,::1], float32[:,::1])",
    parallel=True,
)
def attend_backward(
    query, key, value, bounds, heads, scale, kept_scale,
    parts, places, weights, gradient, of_query, of_key, of_value,
):  # fmt: skip
    """Write the gradients of all texts. Holds no lock of the interpreter.

    Args:
        query: Queries ``[N, H * D]`` of all texts; D is a multiple of ``TILE``.
        key: Keys of the same shape.
        value: Values of the same shape.
        bounds: Where each text starts and where the last one ends ``[texts + 1]``.
        heads: Number of heads.
        scale: Factor of the products.
        kept_scale: Factor of the weights that are not dropped.
        parts: Where the heads of texts of each thread start, and where the last ones end ``[threads + 1]``.
        places: Where the weights of each head of each text start ``[texts * H]``.
        weights: What ``attend`` wrote.
        gradient: Gradient of the sums ``[N, H * D]``.
        of_query: Receives the gradient of the queries ``[N, H * D]``.
        of_key: Receives the gradient of the keys.
        of_value: Receives the gradient of the values.
    """
    if len(parts) == 2:  # starts no thread
        _attend_backward_some(
            query, key, value, bounds, heads, scale, kept_scale,
            parts[0], parts[1], places, weights, gradient, of_query, of_key, of_value,
        )  # fmt: skip
        return
    for part in prange(len(parts) - 1):
        _attend_backward_some(
            query, key, value, bounds, heads, scale, kept_scale,
            parts[part], parts[part + 1], places, weights, gradient, of_query, of_key, of_value,
        )  # fmt: skip
