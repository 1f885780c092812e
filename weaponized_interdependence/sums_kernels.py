"""Numbering texts and sorting rows by whole numbers, in compiled loops. Read `sums`, which alone calls them.

Work is cut into parts by the data, and what a part does rests on its own rows alone; so the outcome is the same
whatever the number of threads.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from weaponized_interdependence.compiled import compiled, in_threads

Codes = npt.NDArray[np.int32]
Ints = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]
Scalar = TypeVar("Scalar", bound=np.generic)
Words = npt.NDArray[np.uint64]

_PART_BITS = 6  # texts are numbered in 64 parts: of a million texts, the table of one part still fits a core's cache
_LEADING_BITS = 8  # rows are dealt into 256 runs by the leading bits of the key, and these are sorted each by itself
_DIGIT_BITS = 11  # bits sorted by in one pass over a run: its counts stay in the nearest cache
_CHUNK = 1 << 20  # rows dealt by one thread at a time

_FACTOR = np.uint64(0x9E3779B97F4A7C15)  # odd, and with no pattern in its bits: 2**64 over the golden ratio
_HALF = np.uint64(32)


def ready() -> None:
    """Load the loops, which takes a part of a second: worth doing while a file is read."""
    sort_rows([np.zeros(1, dtype=np.int32)], [1], np.zeros(1))
    number([[np.zeros((1, 1), dtype=np.uint64)]])


def number(columns: Sequence[Sequence[Words]]) -> tuple[Words, Codes, list[Codes]]:
    """The distinct rows of the columns together (k, width), a number of each, and for each column that of every row.

    A column comes in pieces of (rows, width). Rows are dealt into parts by the leading bits of a hash, and each part
    looks up its own in a table by hash. Equal rows have one hash and meet in one part, which compares them whole:
    nothing rests on hashes being different.
    """
    width, parts = columns[0][0].shape[1], range(1 << _PART_BITS)
    state = [(np.zeros(1 << 10, dtype=np.int32), np.empty((1 << 9, width), dtype=np.uint64), 0) for _ in parts]
    codes = [
        _number([_frozen(w[at : at + _CHUNK]) for w in words for at in range(0, len(w), _CHUNK)], state)
        for words in columns
    ]
    known = [texts[:count] for _, texts, count in state]
    numbers = [np.arange(part, len(own) << _PART_BITS, len(state), dtype=np.int32) for part, own in enumerate(known)]
    return np.concatenate(known), np.concatenate(numbers), codes


def renumber(codes: Sequence[Codes], place: Codes) -> list[Codes]:
    """`place` of every number, in the room of the numbers."""

    def work(code: Codes) -> None:
        code[:] = place[code]

    in_threads(work, [code[at : at + _CHUNK] for code in codes for at in range(0, len(code), _CHUNK)])
    return list(codes)


def _number(pieces: Sequence[Words], state: list[tuple[Codes, Words, int]]) -> Codes:
    """Code of every row: (number in its part, part). `state` is what each part has seen, and is carried on."""
    # Dealt, so that a part reads and writes without gaps: jumps in memory cost more than the look-up itself.
    dealt = in_threads(lambda words: _deal_by_hash(words, _PART_BITS), pieces)
    borders = [border.tolist() for *_, border in dealt]

    def look_up(part: int) -> None:
        for (own, _, number, _), border in zip(dealt, borders, strict=True):
            rows = slice(border[part], border[part + 1])
            state[part] = _look_up(own[rows], part, _PART_BITS, *state[part], number[rows])

    in_threads(look_up, range(len(state)))
    ends = np.cumsum([0, *map(len, pieces)]).tolist()
    code = np.empty(ends[-1], dtype=np.int32)

    def put_back(piece: int) -> None:
        _, rows, number, _ = dealt[piece]
        code[ends[piece] : ends[piece + 1]][rows] = number

    in_threads(put_back, range(len(pieces)))
    return code


def _frozen(array: npt.NDArray[Scalar]) -> npt.NDArray[Scalar]:
    """A view that cannot be written to, so that loops are compiled for one kind of array whoever made it."""
    view = array.view()
    view.flags.writeable = False
    return view


def sort_rows(keys: Sequence[Codes], bits: Sequence[int], value: Values) -> tuple[list[Codes], Values]:
    """Rows in the order of their keys, the first being the leading one, each below 2**bits; equal rows stay in order.

    All keys of a row are made one number, of 63 bits at most. Rows are dealt into runs by its leading bits, and each
    run is sorted by counting, from the last digit to the first.
    """
    value, chunks = _frozen(value), [slice(at, at + _CHUNK) for at in range(0, len(value), _CHUNK)]
    whole, most = np.empty(len(value), dtype=np.int64), sum(bits)
    shift = max(most - _LEADING_BITS, 0)

    def join(rows: slice) -> Ints:
        joined = whole[rows]
        joined[:] = 0
        for key, own in zip(keys, bits, strict=True):
            joined <<= own
            joined |= key[rows]
        return _counted(joined, shift, 1 << _LEADING_BITS)

    counts = np.array(in_threads(join, chunks), dtype=np.int64).reshape(-1, 1 << _LEADING_BITS)
    # Where each chunk puts its first row of every run: runs follow each other, and within a run the chunks do.
    ends = counts.T.cumsum().reshape(counts.T.shape).T
    place = np.ascontiguousarray(ends - counts)
    dealt, dealt_value = np.empty_like(whole), np.empty_like(value)

    def deal(chunk: int) -> None:
        _deal(whole[chunks[chunk]], value[chunks[chunk]], shift, place[chunk], dealt, dealt_value)

    in_threads(deal, range(len(chunks)))
    borders = [0, *counts.sum(axis=0).cumsum().tolist()]
    found = [np.empty(len(value), dtype=np.int32) for _ in keys]

    def sort(rows: slice) -> None:
        joined = dealt[rows]
        _sort_run(joined, dealt_value[rows], shift, _DIGIT_BITS)
        for key, own in zip(reversed(found), reversed(bits), strict=True):
            key[rows] = joined & ((1 << own) - 1)
            joined >>= own

    in_threads(sort, [slice(first, last) for first, last in pairwise(borders) if last > first])
    return found, dealt_value


@compiled
def _hash(words: Words, row: int) -> np.uint64:
    mixed = _FACTOR
    for k in range(words.shape[1]):
        mixed = (mixed ^ words[row, k]) * _FACTOR
        mixed ^= mixed >> _HALF
    mixed *= _FACTOR
    return mixed ^ (mixed >> _HALF)


@compiled
def _deal_by_hash(words: Words, part_bits: int) -> tuple[Words, Codes, Codes, Ints]:
    """Rows in the order of the leading bits of their hash: the rows, where they stood, room for a number of each, and
    where each part begins (parts + 1,)."""
    beyond = np.uint64(64 - part_bits)
    parts = np.empty(len(words), dtype=np.uint8)
    begins = np.zeros((1 << part_bits) + 2, dtype=np.int64)
    for row in range(len(words)):
        parts[row] = _hash(words, row) >> beyond
        begins[np.int64(parts[row]) + 2] += 1
    begins = begins.cumsum()
    dealt, rows = np.empty_like(words), np.empty(len(words), dtype=np.int32)
    for row in range(len(words)):
        at = begins[np.int64(parts[row]) + 1]
        begins[np.int64(parts[row]) + 1] = at + 1
        rows[at] = row
        for k in range(words.shape[1]):
            dealt[at, k] = words[row, k]
    return dealt, rows, np.empty(len(words), dtype=np.int32), begins[:-1].copy()


@compiled
def _look_up(
    words: Words, part: int, part_bits: int, slots: Codes, known: Words, count: int, code: Codes
) -> tuple[Codes, Words, int]:
    """Number the rows of a part, new ones in the order of their coming: code = (number in the part, part).

    `slots` is a table by hash of 1 + the place in `known`, 0 where free; both are doubled when it is half full.
    """
    mask = np.uint64(len(slots) - 1)
    one = np.uint64(1)
    for row in range(len(words)):
        at = _hash(words, row) & mask
        there = slots[at]
        while there != 0 and not _same(known, there - 1, words, row):
            at = (at + one) & mask
            there = slots[at]
        if there == 0:
            for k in range(words.shape[1]):
                known[count, k] = words[row, k]
            count += 1
            there = np.int32(count)
            slots[at] = there
            if count == len(known):
                slots, known = _doubled(known)
                mask = np.uint64(len(slots) - 1)
        code[row] = ((there - 1) << part_bits) | part
    return slots, known, count


@compiled
def _doubled(known: Words) -> tuple[Codes, Words]:
    """A table and a list of twice the size, with all that is known in them."""
    count = len(known)
    more = np.empty((2 * count, known.shape[1]), dtype=np.uint64)
    more[:count] = known
    slots = np.zeros(4 * count, dtype=np.int32)
    mask = np.uint64(len(slots) - 1)
    for k in range(count):
        at = _hash(known, k) & mask
        while slots[at] != 0:
            at = (at + np.uint64(1)) & mask
        slots[at] = k + 1
    return slots, more


@compiled
def _same(one: Words, at: int, other: Words, row: int) -> bool:
    same = True
    for k in range(one.shape[1]):
        same = same and one[at, k] == other[row, k]
    return same


@compiled
def _counted(key: Ints, shift: int, size: int) -> Ints:
    counts = np.zeros(size, dtype=np.int64)
    for row in range(len(key)):
        counts[key[row] >> shift] += 1
    return counts


@compiled
def _deal(key: Ints, value: Values, shift: int, place: Ints, key_to: Ints, value_to: Values) -> None:
    for row in range(len(key)):
        run = key[row] >> shift
        at = place[run]
        place[run] = at + 1
        key_to[at] = key[row]
        value_to[at] = value[row]


@compiled
def _sort_run(key: Ints, value: Values, bits: int, digit: int) -> None:
    """Sort by the last `bits` of the key, in place; few rows by insertion, others by counting, digit by digit."""
    rows = len(key)
    if rows <= 32:
        for row in range(1, rows):
            moved, moved_value = key[row], value[row]
            at = row
            while at > 0 and key[at - 1] > moved:
                key[at], value[at] = key[at - 1], value[at - 1]
                at -= 1
            key[at], value[at] = moved, moved_value
        return
    spare, spare_value = np.empty_like(key), np.empty_like(value)
    mask = (1 << digit) - 1
    begins = np.empty(mask + 2, dtype=np.int64)
    shift = 0
    while shift < bits:
        begins[:] = 0
        for row in range(rows):
            begins[((key[row] >> shift) & mask) + 1] += 1
        for k in range(mask + 1):
            begins[k + 1] += begins[k]
        for row in range(rows):
            k = (key[row] >> shift) & mask
            at = begins[k]
            begins[k] = at + 1
            spare[at] = key[row]
            spare_value[at] = value[row]
        key[:] = spare
        value[:] = spare_value
        shift += digit
