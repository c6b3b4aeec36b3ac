"""Following and copying the Huffman codes of a baseline JPEG (ITU T.81, annexes F and K).

Shapes: b blocks of an MCU, each of one of the n components; r rows of MCUs. Positions are counted
in bits of the scan's data, from which the stuffed zeros were taken.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numba import njit

_MOST_BITS_OF_DC = 11
_RUN_BITS = 12
_MOST_BYTES_OF_BLOCK = 264  # 64 codes of 16 bits with 15 bits more
_SIXTEEN_ZEROS = 0xF0  # an AC code without a coefficient that does not end the block


@lru_cache(maxsize=64)
def lookup(counts: bytes, values: bytes) -> np.ndarray:
    """(65536,) uint16: of the next 16 bits, the length (times 256) and value of a code, or 0."""
    table = np.zeros(2**16, np.uint16)
    position = 0
    lengths = np.repeat(np.arange(1, 17), list(counts))
    for length, value in zip(lengths.tolist(), values):
        room = 1 << (16 - length)
        table[position : position + room] = length << 8 | value
        position += room
    return table


@lru_cache(maxsize=64)
def lookup_runs(counts: bytes, values: bytes) -> np.ndarray:
    """(4096,) uint32: what all AC codes that lie wholly in the next 12 bits add up to.

    That is how many bits they take, how many coefficients (times 256), and whether the last one is
    the end of the block (times 65536); 0 where not even one does. So few entries stay in the
    processor's nearest cache.
    """
    return _add_up(lookup(counts, values))


@njit(cache=True)
def _add_up(single):
    runs = np.zeros(1 << _RUN_BITS, np.uint32)
    for bits in range(len(runs)):
        position = coefficients = ended = 0
        while not ended:
            entry = np.int64(single[(bits << (16 - _RUN_BITS + position)) & 0xFFFF])
            taken = (entry >> 8) + (entry & 15)
            if entry == 0 or position + taken > _RUN_BITS:
                break
            position += taken
            if entry & 15 == 0 and entry & 255 != _SIXTEEN_ZEROS:
                ended = 1
            else:
                coefficients += (entry >> 4 & 15) + 1
        runs[bits] = position | coefficients << 8 | ended << 16
    return runs


@lru_cache(maxsize=64)
def codes(counts: bytes, values: bytes) -> np.ndarray:
    """(12, 2) int64: code and length of each number of bits of a difference, length 0 for none."""
    codes = np.zeros((_MOST_BITS_OF_DC + 1, 2), np.int64)
    position = 0
    lengths = np.repeat(np.arange(1, 17), list(counts))
    for length, value in zip(lengths.tolist(), values):
        if value <= _MOST_BITS_OF_DC:
            codes[value] = position >> (16 - length), length
        position += 1 << (16 - length)
    return codes


@njit(cache=True, nogil=True)
def without_stuffing(stored, has_restarts):
    """The bytes of a scan without the zeros that follow each 255, and how many they are.

    They end with the first marker but for restart markers, if there may be some: all decoders stop
    there, and what stands behind it is another image, or shows that some of this one is missing.
    """
    # So many bytes more that a block of damaged data cannot lead beyond them.
    data = np.empty(len(stored) + _MOST_BYTES_OF_BLOCK, np.uint8)
    count = index = 0
    while index < len(stored):
        data[count] = stored[index]
        index += 1
        if data[count] == 255:
            following = stored[index] if index < len(stored) else 0xD9
            if following == 255:  # a fill byte
                continue
            if following == 0:
                index += 1
            elif not (has_restarts and 0xD0 <= following <= 0xD7):
                break
        count += 1
    data[count:] = 0
    return data[: count + _MOST_BYTES_OF_BLOCK], count


@njit(cache=True, nogil=True, inline='always')
def _ahead(data, position):
    """The next 16 bits."""
    byte = position >> 3
    bits = (
        np.uint32(data[byte]) << np.uint32(16)
        | np.uint32(data[byte + 1]) << np.uint32(8)
        | np.uint32(data[byte + 2])
    )
    return np.int64((bits >> np.uint32(8 - (position & 7))) & np.uint32(0xFFFF))


@njit(cache=True, nogil=True, inline='always')
def _difference(data, position, table):
    """The DC difference of a block, and where its AC codes begin; -1 where no code begins."""
    entry = np.int64(table[_ahead(data, position)])
    length, size = entry >> 8, entry & 255
    if length == 0 or size > _MOST_BITS_OF_DC:
        return 0, -1
    position += length
    difference = 0
    if size:
        difference = _ahead(data, position) >> (16 - size)
        if difference < 1 << (size - 1):
            difference -= (1 << size) - 1
    return difference, position + size


@njit(cache=True, nogil=True, inline='always')
def _skip_ac(data, position, table, runs):
    """Where a block ends whose AC codes begin at a position; -1 where no code begins."""
    coefficient = 1
    while coefficient < 64:
        ahead = _ahead(data, position)
        run = np.int64(runs[ahead >> (16 - _RUN_BITS)])
        after = coefficient + (run >> 8 & 255)
        if run and after < 64:  # a block that is full ends without a code
            position += run & 255
            coefficient = after
            if run >> 16:
                return position
            continue
        entry = np.int64(table[ahead])
        if entry == 0:
            return -1
        position += (entry >> 8) + (entry & 15)
        if entry & 15 == 0 and entry & 255 != _SIXTEEN_ZEROS:
            return position
        coefficient += (entry >> 4 & 15) + 1
    return position if coefficient == 64 else -1


@njit(cache=True, nogil=True, inline='always')
def _after_marker(data, position, interval):
    """Where codes go on behind the restart marker that ends an interval; -1 if it is not there."""
    byte = (position + 7) >> 3
    # They are counted by eights, so that a lost interval is noticed.
    if data[byte] == 255 and data[byte + 1] == 0xD0 + interval % 8:
        return (byte + 2) << 3
    return -1


@njit(cache=True, nogil=True)
def follow(data, num_bits, blocks, dc, ac, runs, starts, row, columns, interval):
    """Fill ``starts`` up to a row; False where the codes make no sense."""
    known = 0
    while known < row and starts[known + 1, 0] > 0:
        known += 1
    for current in range(known, row):
        position = starts[current, 0]
        values = starts[current, 1:].copy()
        for column in range(columns):
            mcu = current * columns + column
            if interval and mcu and mcu % interval == 0:
                position = _after_marker(data, position, mcu // interval - 1)
                values[:] = 0
            for block in range(len(blocks)):
                component = blocks[block]
                if position >= 0:
                    difference, position = _difference(data, position, dc[component])
                    values[component] += difference
                if position >= 0:
                    position = _skip_ac(data, position, ac[component], runs[component])
                if position < 0 or position > num_bits:
                    return False
        starts[current + 1, 1:] = values
        starts[current + 1, 0] = position
    return True


@njit(cache=True, nogil=True)
def _write(out, position, value, count):
    """Write up to 27 bits."""
    for bit in range(count - 1, -1, -1):
        if value >> bit & 1:
            out[position >> 3] |= np.uint8(128 >> (position & 7))
        position += 1
    return position


@njit(cache=True, nogil=True)
def _copy_bits(data, start, end, out, position):
    """Copy bits of ``data``, byte by byte of ``out``."""
    while start < end and position & 7:
        position = _write(out, position, _ahead(data, start) >> 15, 1)
        start += 1
    while start + 8 <= end:
        out[position >> 3] = _ahead(data, start) >> 8
        start += 8
        position += 8
    if start < end:
        position = _write(out, position, _ahead(data, start) >> (16 - (end - start)), end - start)
    return position


@njit(cache=True, nogil=True)
def _write_difference(difference, codes, out, position):
    """Write a DC difference; -1 where there is no code for it."""
    size = 0
    while abs(difference) >> size:
        size += 1
    if size > _MOST_BITS_OF_DC or codes[size, 1] == 0:
        return -1
    position = _write(out, position, codes[size, 0], codes[size, 1])
    if difference < 0:
        difference += (1 << size) - 1
    return _write(out, position, difference, size)


@njit(cache=True, nogil=True)
def copy_codes(data, num_bits, blocks, dc, ac, runs, starts, window, columns, interval, codes, out):
    """Copy the MCUs of a window (rows, then columns, half-open); returns how many bytes, or -1."""
    first_row, end_row, first_column, end_column = window
    written = 0
    neighbours = np.zeros(len(dc), np.int64)  # the DC values before it in the copy
    for row in range(first_row, end_row):
        position = starts[row, 0]
        values = starts[row, 1:].copy()
        # Whose next difference is from another value than in the file.
        changed = np.ones(len(dc), np.bool_)
        uncopied = position
        for column in range(columns if row + 1 < end_row else end_column):
            inside = first_column <= column < end_column
            mcu = row * columns + column
            if interval and mcu and mcu % interval == 0:
                if inside and column > first_column:
                    written = _copy_bits(data, uncopied, position, out, written)
                    neighbours[:] = values
                position = _after_marker(data, position, mcu // interval - 1)
                if position < 0:
                    return -1
                values[:] = 0
                changed[:] = True
                uncopied = position
            if column == first_column:
                uncopied = position
            for block in range(len(blocks)):
                component = blocks[block]
                begin = position
                difference, position = _difference(data, position, dc[component])
                if position < 0:
                    return -1
                values[component] += difference
                if inside and changed[component]:
                    changed[component] = False
                    written = _copy_bits(data, uncopied, begin, out, written)
                    difference = values[component] - neighbours[component]
                    written = _write_difference(difference, codes[component], out, written)
                    if written < 0:
                        return -1
                    uncopied = position
                position = _skip_ac(data, position, ac[component], runs[component])
                if position < 0 or position > num_bits:
                    return -1
            if column == end_column - 1:
                written = _copy_bits(data, uncopied, position, out, written)
                neighbours[:] = values
        if row + 1 < end_row:
            starts[row + 1, 0] = position
            starts[row + 1, 1:] = values
    while written & 7:
        written = _write(out, written, 1, 1)
    return written >> 3
