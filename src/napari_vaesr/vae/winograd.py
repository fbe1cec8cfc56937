"""3 x 3 convolutions with a quarter of the products, for processors that are bound by their arithmetic.

Four by four pixels of the result follow from six by six of what is convolved. Both, and the weights, are
transformed so that the convolution is a product at each of 36 places; there, all pixels and channels together
are products of matrices, which is what libraries of linear algebra are best at. The transforms are products
with constant matrices, done as such (Winograd, 1980; Lavin and Gray, 2016, "Fast algorithms for convolutional
neural networks": F(4 x 4, 3 x 3)).

It goes strip by strip, so that what lies between the steps stays in the caches.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import torch
from torch import Tensor

SIDE = 4
"""Pixels of the result along a side of what is computed together."""

SEEN = SIDE + 2
"""Pixels along a side of what that depends on."""

POINTS = (0.0, 0.5**0.5, -(0.5**0.5), 2**0.5, -(2**0.5))
"""With these, rounding errors are half of what they are with the usual integers."""

STRIP, THREADS = 192, 8
"""Squares of `SIDE` x `SIDE` pixels done at a time for every thread, which is what the caches hold, and how
many threads count, so that memory is bounded."""

Finish = Callable[[Tensor, int, slice], object]
"""Does in place what follows: takes rows of the result, (rows, width, channels), the image of the batch, and
which rows of it they are."""


@cache
def transforms() -> tuple[Tensor, Tensor, Tensor]:
    """Return the transforms of what is seen, of the weights and of the products.

    A convolution is a product of polynomials, which follows from its values at some points (Toom and Cook;
    see Blahut, 2010, "Fast algorithms for signal processing", chapter 5); one of the points is infinity.

    Returns
    -------
    seen : Tensor of shape (36, 36)
    weights : Tensor of shape (36, 9)
    products : Tensor of shape (16, 36)
        Each acts on squares that are written row by row.
    """
    seen, weights, products = np.zeros((SEEN, SEEN)), np.zeros((SEEN, 3)), np.zeros((SIDE, SEEN))
    for row, point in enumerate(POINTS):
        others = np.delete(POINTS, row)
        seen[row, :-1] = np.poly(others)[::-1]
        weights[row] = point ** np.arange(3) / np.prod(point - others)
        products[:, row] = point ** np.arange(SIDE)
    seen[-1] = np.poly(POINTS)[::-1]
    weights[-1, -1] = products[-1, -1] = 1
    first, second, third = (
        torch.from_numpy(np.kron(each, each)).float() for each in (seen, weights, products)
    )
    return first, second, third


def convolve(x: Tensor, weight: Tensor, bias: Tensor | None, finish: Finish | None = None) -> Tensor:
    """Return the convolution with padding of 1, and what `finish` makes of it.

    It differs from what a sum of products gives by rounding alone, which is relative to the largest of the
    6 x 6 pixels around.

    Parameters
    ----------
    x : Tensor of shape (batch, inputs, height, width)
        float32, on the CPU; fastest with channels last in memory.
    weight : Tensor of shape (outputs, inputs, 3, 3)
    bias : Tensor of shape (outputs,) or None
    finish : callable, optional
        Done to every strip while it is in the caches.

    Returns
    -------
    Tensor of shape (batch, outputs, height, width)
        With channels last in memory.
    """
    batch, inputs, height, width = x.shape
    outputs = len(weight)
    of_seen, of_weights, of_products = transforms()
    matrices = (of_weights @ weight.permute(2, 3, 1, 0).reshape(9, -1)).view(-1, inputs, outputs)
    down, across = -(-height // SIDE), -(-width // SIDE)
    rows = max(1, min(STRIP * min(torch.get_num_threads(), THREADS) // across, down))
    made = x.new_empty(batch, height, width, outputs)
    # The strip with what is around it, 0 beyond the image; and two that the steps write to in turn.
    strip = x.new_zeros(SIDE * rows + 2, SIDE * across + 2, inputs)
    one, other = x.new_empty(2, len(of_seen) * rows * across * max(inputs, outputs)).unbind()

    def space(memory: Tensor, first: int, *others: int) -> Tensor:
        return memory[: first * torch.Size(others).numel()].view(first, *others)

    for image, pixels in enumerate(x.permute(0, 2, 3, 1)):
        for start in range(0, down, rows):
            count = min(rows, down - start)
            squares = count * across
            top = SIDE * start - 1
            there = range(max(top, 0), min(top + SIDE * count + 2, height))
            strip[there.start - top : there.stop - top, 1 : width + 1] = pixels[there.start : there.stop]
            strip[: there.start - top] = 0
            strip[there.stop - top :] = 0

            seen = space(one, SEEN * SEEN, squares * inputs)
            line, column, channel = strip.stride()
            shape = (SEEN, SEEN, count, across, inputs)
            steps = (line, column, SIDE * line, SIDE * column, channel)
            seen.view(shape).copy_(strip.as_strided(shape, steps))
            torch.mm(of_seen, seen, out=space(other, len(of_seen), squares * inputs))
            factors = space(other, len(of_seen), squares, inputs)
            torch.bmm(factors, matrices, out=space(one, len(of_seen), squares, outputs))
            products = space(one, len(of_seen), squares * outputs)
            torch.mm(of_products, products, out=space(other, SIDE * SIDE, squares * outputs))

            result = space(other, SIDE, SIDE, count, across, outputs).permute(2, 0, 3, 1, 4)
            whole = space(one, SIDE * count, SIDE * across, outputs)
            into = whole.view(count, SIDE, across, SIDE, outputs)
            if bias is None:
                into.copy_(result)
            else:
                torch.add(result, bias, out=into)
            inside = whole[: height - SIDE * start, :width]
            done = slice(SIDE * start, SIDE * start + len(inside))
            if finish is not None:
                finish(inside, image, done)
            made[image, done] = inside
    return made.permute(0, 3, 1, 2)
