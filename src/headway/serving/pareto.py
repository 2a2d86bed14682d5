"""The set of choices that no other choice beats in every respect."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def front_2d(up: ArrayLike, down: ArrayLike) -> NDArray[np.intp]:
    """Indices of points that no other beats in both: larger `up`, smaller `down`; ordered by falling `up`.

    One sort and one running minimum, so that it stays quick on 10^6 points. Of equal points the first stays; a
    point with a NaN, or with an infinite `down`, does not.

    >>> front_2d([1, 2, 3, 2], [1, 2, 4, 5]).tolist()
    [2, 1, 0]
    """
    u, d = np.asarray(up, dtype=float), np.asarray(down, dtype=float)
    d = np.where(np.isnan(u) | np.isnan(d), np.inf, d)
    order = np.lexsort((d, -u))
    best = np.minimum.accumulate(np.concatenate(([np.inf], d[order])))[:-1]
    return order[d[order] < best]


def front(columns: ArrayLike) -> NDArray[np.intp]:
    """Indices of rows that no other row beats; every column is better when smaller.

    Parameters
    ----------
    columns : array of shape (points, criteria)
        NaN counts as worst.

    >>> front([[1, 2], [2, 1], [2, 2], [1, 2]]).tolist()
    [0, 1, 3]
    """
    values = np.nan_to_num(np.asarray(columns, dtype=float), nan=np.inf)
    keep = [
        i for i, row in enumerate(values) if not np.any(np.all(values <= row, axis=1) & np.any(values < row, axis=1))
    ]
    return np.asarray(keep, dtype=np.intp)
