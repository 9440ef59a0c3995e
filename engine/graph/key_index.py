"""Foreign keys to row numbers: which parent row each child row points to, for ids of any type."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

NOBODY = -1
DENSE = 4  # a lookup table may have this many places per parent row, plus a million
BLOCK = 4_000_000  # child rows looked up at a time


def parent_rows(
    child: Sequence[pa.ChunkedArray], parent: Sequence[pa.ChunkedArray], known: NDArray[np.bool_] | None = None
) -> NDArray[np.int32]:
    """int32[n_child]: the first parent row with the same key (all columns of it), -1 where NULL or dangling.

    `known` bool[n_parent]: parent rows that may be pointed to (all, if not given).
    """
    starts = range(0, len(child[0]), BLOCK)
    if len(starts) > 1:
        blocks = ([column.slice(start, BLOCK) for column in child] for start in starts)
        return np.concatenate([parent_rows(block, parent, known) for block in blocks])
    n_child, n_parent = len(child[0]), len(parent[0])
    rows = np.arange(n_parent, dtype=np.int64) if known is None else np.flatnonzero(known)
    codes, sought = _codes(child[0], parent[0])
    for left, right in zip(child[1:], parent[1:], strict=True):
        more, wanted = _codes(left, right)
        codes, sought = _paired(codes, sought, more, wanted)
    rows = rows[codes[rows] >= 0]
    first = np.full(int(codes.max(initial=-1)) + 1, NOBODY, dtype=np.int32)
    first[codes[rows][::-1]] = rows[::-1].astype(np.int32)
    if not len(first) or not n_child:
        return np.full(n_child, NOBODY, dtype=np.int32)
    return np.where(sought >= 0, first[sought], np.int32(NOBODY)).astype(np.int32)


def _codes(child: pa.ChunkedArray, parent: pa.ChunkedArray) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Codes of the parent's values (equal values, equal codes; -1 for NULL) and the child's in the same numbering."""
    left, right = _comparable(child, parent)
    if pa.types.is_int64(left.type):
        narrow = _narrow_codes(left, right)
        if narrow is not None:
            return narrow
    encoded = right.dictionary_encode()
    codes = _filled(encoded.indices)
    found = left.dictionary_encode()
    place = _filled(pc.index_in(found.dictionary, value_set=encoded.dictionary))
    asked = _filled(found.indices)
    sought = np.where(asked >= 0, place[asked], NOBODY) if len(place) else np.full(len(left), NOBODY)
    return codes, sought.astype(np.int64)


def _narrow_codes(left: pa.Array, right: pa.Array) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
    """The codes of whole numbers as their distance from the least, where they lie close enough for that; else None."""
    keys, key_known = _values(right)
    present = keys[key_known]
    if not len(present):
        return np.full(len(right), NOBODY), np.full(len(left), NOBODY)
    low, high = int(present.min()), int(present.max())
    if high - low >= DENSE * len(keys) + 1_000_000:
        return None
    asked, asked_known = _values(left)
    there = np.zeros(high - low + 1, dtype=bool)
    there[present - low] = True
    inside = asked_known & (asked >= low) & (asked <= high)
    place = np.where(inside, asked - low, 0)
    return np.where(key_known, keys - low, NOBODY), np.where(inside & there[place], place, NOBODY)


def _paired(
    codes: NDArray[np.int64], sought: NDArray[np.int64], more: NDArray[np.int64], wanted: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Codes of pairs, dense before and after, so that no product of counts overflows."""
    codes, sought = _dense(codes, sought)
    more, wanted = _dense(more, wanted)
    scale = int(more.max(initial=0)) + 1
    pairs = np.where((codes >= 0) & (more >= 0), codes * scale + more, NOBODY)
    asked = np.where((sought >= 0) & (wanted >= 0), sought * scale + wanted, NOBODY)
    return _dense(pairs, asked)


def _dense(codes: NDArray[np.int64], sought: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The same codes counted from 0 without gaps; what is sought and isn't there is -1."""
    distinct = np.unique(codes[codes >= 0])
    if not len(distinct):
        return np.full(len(codes), NOBODY), np.full(len(sought), NOBODY)
    place = np.minimum(np.searchsorted(distinct, sought), len(distinct) - 1)
    return (
        np.where(codes >= 0, np.searchsorted(distinct, codes), NOBODY),
        np.where(distinct[place] == sought, place, NOBODY),
    )


def _comparable(child: pa.ChunkedArray, parent: pa.ChunkedArray) -> tuple[pa.Array, pa.Array]:
    """Both columns in one type: int64 where both are whole numbers or moments, else the same text or native type."""
    left, right = one_chunk(child), one_chunk(parent)
    whole_left, whole_right = _whole(left), _whole(right)
    if whole_left is not None and whole_right is not None:
        return whole_left, whole_right
    if left.type == right.type and not pa.types.is_nested(left.type):
        return left, right
    return as_text(left), as_text(right)


def one_chunk(values: pa.ChunkedArray | pa.Array) -> pa.Array:
    """One array, with extension types (UUID) as what they store and dictionaries decoded."""
    array = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], array.type)
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    return array.dictionary_decode() if pa.types.is_dictionary(array.type) else array


def _whole(array: pa.Array) -> pa.Array | None:
    """The values as int64, if their type can hold whole numbers or moments and all of them fit; else None.

    A fraction in a column of numbers is the key of nobody: it becomes NULL.
    """
    kind = array.type
    if pa.types.is_floating(kind):
        whole = pc.and_(pc.is_finite(array), pc.equal(array, pc.floor(array)))
        array = pc.if_else(whole, array, pa.scalar(None, kind))
    elif pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        array = array.cast(pa.timestamp("us", tz=getattr(kind, "tz", None)), safe=False)
    elif not (pa.types.is_integer(kind) or pa.types.is_decimal(kind) or pa.types.is_null(kind)):
        return None
    try:
        return array.cast(pa.int64())
    except pa.ArrowInvalid:  # beyond 64 bits, or a decimal with a fraction
        return None


def as_text(array: pa.Array) -> pa.Array:
    """The values as text; 16 bytes are read as a UUID."""
    if pa.types.is_fixed_size_binary(array.type) and array.type.byte_width == 16:
        values = [None if v is None else str(uuid.UUID(bytes=v)) for v in array.to_pylist()]
        return pa.array(values, pa.string())
    try:
        return array.cast(pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return pa.array([None if v is None else str(v) for v in array.to_pylist()], pa.string())


def _values(array: pa.Array) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    known = np.ones(len(array), dtype=bool)
    if array.null_count:
        known = np.array(array.is_valid().to_numpy(zero_copy_only=False), dtype=bool)
        array = pc.fill_null(array, pa.scalar(0, pa.int64()))
    return array.to_numpy(zero_copy_only=False), known


def _filled(indices: pa.Array) -> NDArray[np.int64]:
    if indices.null_count:
        indices = pc.fill_null(indices, NOBODY)
    return np.asarray(indices.to_numpy(zero_copy_only=False), dtype=np.int64)
