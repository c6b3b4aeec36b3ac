"""Greedy cover of boxes by chips on a grid, compiled.

Shapes: n boxes, m images, L pyramid levels. Positions are left or top borders of chips in whole
pixels of the original image. All kernels are in this file because Numba's cache does not notice
when a kernel that lives in another file has changed.
"""

import numpy as np
from numba import njit

# Keeps 512 / 0.8 at 640 when the factor was rounded up, and is far below one pixel.
SIDE_TOLERANCE = 1e-6


@njit(cache=True, nogil=True)
def _mix(value):
    """Scramble 64 bits (the finaliser of SplitMix64), so that the same seed acts everywhere."""
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


@njit(cache=True, nogil=True)
def _random_below(state, bound):
    """A random integer in [0, bound); advances ``state`` (1,) uint64. bound < 2**31."""
    state[0] += np.uint64(0x9E3779B97F4A7C15)
    return np.int64(((_mix(state[0]) >> np.uint64(32)) * np.uint64(bound)) >> np.uint64(32))


@njit(cache=True, nogil=True)
def _grid_positions(length, side, scale, stride, offset):
    """Sorted distinct positions on one axis: 0, every ``stride`` level pixels, and the far border.

    Args:
        length (int): Side of the image in original pixels.
        side (int): Side of the chip in original pixels, at most ``length``.
        scale (float): Factor of the level.
        stride (int): Distance of grid lines in level pixels.
        offset (int): First grid line in level pixels, in [0, stride).

    Returns:
        np.ndarray: (p,) int64, from 0 to ``length - side``.
    """
    last = length - side
    positions = np.empty(min(last, int(last * scale / stride) + 1) + 2, dtype=np.int64)
    positions[0] = 0
    count = 1
    line = offset
    while True:
        position = int(line / scale)
        if position >= last:
            break
        if position > positions[count - 1]:
            positions[count] = position
            count += 1
        line += stride
    if last > 0:
        positions[count] = last
        count += 1
    return positions[:count]


@njit(cache=True, nogil=True)
def _first_not_below(positions, value):
    """Index of the first sorted position that is not below ``value``, or their number."""
    low, high = 0, len(positions)
    while low < high:
        middle = (low + high) // 2
        if positions[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low


@njit(cache=True, nogil=True)
def _add_missing_positions(positions, lows, highs, state):
    """Add positions for the boxes that fall between two grid positions.

    Args:
        positions (np.ndarray): (p,) int64 sorted.
        lows (np.ndarray): (n,) int64, the first position that contains each box.
        highs (np.ndarray): (n,) int64, the last one, not below ``lows``.
        state (np.ndarray): (1,) uint64 state of the random numbers.

    Returns:
        np.ndarray: (p + q,) int64 sorted, with the fewest q positions, each drawn at random among
        those that serve its boxes, such that every interval [low, high] holds a position.
    """
    missing_lows, missing_highs = np.empty_like(lows), np.empty_like(highs)
    num_missing = 0
    for box in range(len(lows)):
        # The far border is a position, so there is always one at or after ``low``.
        if positions[_first_not_below(positions, lows[box])] > highs[box]:
            missing_lows[num_missing], missing_highs[num_missing] = lows[box], highs[box]
            num_missing += 1
    if num_missing == 0:
        return positions
    # Taking intervals by their upper end and opening a group only where one does not reach the
    # current group needs the fewest points.
    order = np.argsort(missing_highs[:num_missing])
    merged = np.empty(len(positions) + num_missing, dtype=np.int64)
    count, next_old = 0, 0
    group_low, group_high = missing_lows[order[0]], missing_highs[order[0]]
    for slot in range(1, num_missing + 1):
        if slot < num_missing and missing_lows[order[slot]] <= group_high:
            group_low = max(group_low, missing_lows[order[slot]])
            continue
        while positions[next_old] < group_low:
            merged[count] = positions[next_old]
            count, next_old = count + 1, next_old + 1
        merged[count] = group_low + _random_below(state, group_high - group_low + 1)
        count += 1
        if slot < num_missing:
            group_low, group_high = missing_lows[order[slot]], missing_highs[order[slot]]
    for old in range(next_old, len(positions)):
        merged[count] = positions[old]
        count += 1
    return merged[:count]


@njit(cache=True, nogil=True)
def _index_ranges(positions, lows, highs):
    """The positions that serve any box, and where among them those of each box begin and end.

    Args:
        positions (np.ndarray): (p,) int64 sorted.
        lows (np.ndarray): (n,) int64, the first position that contains each box.
        highs (np.ndarray): (n,) int64, the last one; some position lies between.

    Returns:
        tuple: (q,) int64 positions, a stretch of the given ones, and (2, n) int64, the index in it
        of the first and of the last position of each box.
    """
    ranges = np.empty((2, len(lows)), dtype=np.int64)
    begin, end = len(positions), 0
    for box in range(len(lows)):
        ranges[0, box] = _first_not_below(positions, lows[box])
        ranges[1, box] = _first_not_below(positions, highs[box] + 1) - 1
        begin, end = min(begin, ranges[0, box]), max(end, ranges[1, box] + 1)
    for box in range(len(lows)):
        ranges[0, box] -= begin
        ranges[1, box] -= begin
    return positions[begin:end], ranges


@njit(cache=True, nogil=True)
def _rescan_row(row_counts, row, row_best, row_ties):
    """Set the maximum of one row of the grid and how often it occurs."""
    best = np.int32(0)
    for count in row_counts:
        best = max(best, count)
    ties = 0
    for count in row_counts:
        ties += count == best
    row_best[row] = best
    row_ties[row] = ties


@njit(cache=True, nogil=True)
def _draw_best(counts, row_best, row_ties, state):
    """Row and column of a cell drawn uniformly among those that hold the maximum of the grid."""
    best, ties = np.int32(0), 0
    for row in range(len(row_best)):
        if row_best[row] > best:
            best, ties = row_best[row], row_ties[row]
        elif row_best[row] == best:
            ties += row_ties[row]
    chosen = _random_below(state, ties)
    row = 0
    while row_best[row] != best or chosen >= row_ties[row]:
        if row_best[row] == best:
            chosen -= row_ties[row]
        row += 1
    column = 0
    while counts[row, column] != best or chosen > 0:
        if counts[row, column] == best:
            chosen -= 1
        column += 1
    return row, column


@njit(cache=True, nogil=True)
def _greedy_cover(rows, columns, num_rows, num_columns, min_boxes, state):
    """Take the cell that contains most boxes left, as long as it contains ``min_boxes``.

    The cells that contain a box form a rectangle, so a box enters and leaves the counts by adding
    and subtracting one. Counts only fall: a row is read again only once none of its maxima is
    left, at most as often as its first maximum is high.

    Args:
        rows (np.ndarray): (2, n) int64, first and last row of the cells that contain each box.
        columns (np.ndarray): (2, n) int64, first and last column.
        num_rows (int): Rows of the grid (top borders).
        num_columns (int): Columns of the grid (left borders).
        min_boxes (int): The fewest boxes left that a cell is taken for; 1 covers all.
        state (np.ndarray): (1,) uint64 state of the random numbers.

    Returns:
        np.ndarray: (k, 2) int64 row and column of the cells taken, in order, k <= n.
    """
    num_boxes = rows.shape[1]
    counts = np.zeros((num_rows, num_columns), dtype=np.int32)
    boxes_before = np.zeros(num_rows + 1, dtype=np.int64)
    row_span = 0
    for box in range(num_boxes):
        boxes_before[rows[0, box] + 1] += 1
        row_span = max(row_span, rows[1, box] - rows[0, box])
        for row in range(rows[0, box], rows[1, box] + 1):
            for column in range(columns[0, box], columns[1, box] + 1):
                counts[row, column] += 1
    row_best = np.empty(num_rows, dtype=np.int32)
    row_ties = np.empty(num_rows, dtype=np.int64)
    for row in range(num_rows):
        _rescan_row(counts[row], row, row_best, row_ties)
        boxes_before[row + 1] += boxes_before[row]
    # Boxes by first row: those that a cell can contain are a short stretch of this list.
    by_first_row = np.empty(num_boxes, dtype=np.int64)
    next_slot = boxes_before.copy()
    for box in range(num_boxes):
        by_first_row[next_slot[rows[0, box]]] = box
        next_slot[rows[0, box]] += 1

    taken = np.empty((num_boxes, 2), dtype=np.int64)
    num_taken = 0
    covered = np.zeros(num_boxes, dtype=np.bool_)
    left = num_boxes
    while left > 0:
        row, column = _draw_best(counts, row_best, row_ties, state)
        if counts[row, column] < min_boxes:
            break
        taken[num_taken, 0], taken[num_taken, 1] = row, column
        num_taken += 1
        top, bottom = num_rows, -1
        for slot in range(boxes_before[max(row - row_span, 0)], boxes_before[row + 1]):
            box = by_first_row[slot]
            if (
                covered[box]
                or rows[1, box] < row
                or columns[0, box] > column
                or columns[1, box] < column
            ):
                continue
            covered[box] = True
            left -= 1
            top, bottom = min(top, rows[0, box]), max(bottom, rows[1, box])
            for touched in range(rows[0, box], rows[1, box] + 1):
                lost = 0
                for cell in range(columns[0, box], columns[1, box] + 1):
                    lost += counts[touched, cell] == row_best[touched]
                    counts[touched, cell] -= 1
                row_ties[touched] -= lost
        for touched in range(top, bottom + 1):
            if row_ties[touched] == 0:
                _rescan_row(counts[touched], touched, row_best, row_ties)
    return taken[:num_taken]


@njit(cache=True, nogil=True)
def _cover_level(lows, highs, height, width, side_y, side_x, scale, stride, min_boxes, state):
    """Chips of one image at one level.

    Args:
        lows (np.ndarray): (2, n) int64, first y and first x position that contain each box.
        highs (np.ndarray): (2, n) int64, the last ones.
        height (int): Height of the image in original pixels.
        width (int): Width.
        side_y (int): Height of the chips in original pixels.
        side_x (int): Width.
        scale (float): Factor of the level.
        stride (int): Stride of the grid in level pixels.
        min_boxes (int): The fewest boxes not yet covered that a chip is taken for.
        state (np.ndarray): (1,) uint64 state of the random numbers.

    Returns:
        np.ndarray: (k, 2) int64 y and x position of the chips.
    """
    tops = _grid_positions(height, side_y, scale, stride, _random_below(state, stride))
    tops = _add_missing_positions(tops, lows[0], highs[0], state)
    lefts = _grid_positions(width, side_x, scale, stride, _random_below(state, stride))
    lefts = _add_missing_positions(lefts, lows[1], highs[1], state)
    # Only the part of the grid that contains boxes.
    tops, rows = _index_ranges(tops, lows[0], highs[0])
    lefts, columns = _index_ranges(lefts, lows[1], highs[1])
    taken = _greedy_cover(rows, columns, len(tops), len(lefts), min_boxes, state)
    for chip in range(len(taken)):
        taken[chip, 0] = tops[taken[chip, 0]]
        taken[chip, 1] = lefts[taken[chip, 1]]
    return taken


@njit(cache=True, nogil=True)
def cover_images(
    boxes,
    image_starts,
    heights,
    widths,
    scales,
    valid,
    chip_size,
    stride,
    min_side,
    max_side,
    min_boxes,
    seed,
):
    """Cover the valid boxes of every image at every level with chips.

    Args:
        boxes (np.ndarray): (n, 4) float32 xyxy in original pixels.
        image_starts (np.ndarray): (m + 1,) int64, where the boxes of each image start.
        heights (np.ndarray): (m,) int64 heights of the images.
        widths (np.ndarray): (m,) int64 widths.
        scales (np.ndarray): (m, L) float64 factors.
        valid (np.ndarray): (n, L) bool, which boxes are to be covered at which level.
        chip_size (int): Longest side of a chip in level pixels.
        stride (int): Stride of the grid in level pixels.
        min_side (np.ndarray): (L,) float64, the shortest side of a box inside the image that is
            worth covering, in original pixels.
        max_side (np.ndarray): (L,) float64, boxes with a side that is not below it are left out,
            in level pixels.
        min_boxes (np.ndarray): (L,) int64, the fewest boxes not yet covered that a chip is taken
            for; where it is 1, all boxes are covered.
        seed (np.uint64): Seed; each image and level has random numbers of its own.

    Returns:
        tuple: image (k,) int64, level (k,) int64 and boxes (k, 4) float32 of the chips, by image,
        then by level.
    """
    num_levels = scales.shape[1]
    # A chip covers at least one box, so this always suffices, and unused memory is never touched.
    image_out = np.empty(boxes.shape[0] * num_levels, dtype=np.int64)
    level_out = np.empty(boxes.shape[0] * num_levels, dtype=np.int64)
    boxes_out = np.empty((boxes.shape[0] * num_levels, 4), dtype=np.float32)
    num_chips = 0
    state = np.empty(1, dtype=np.uint64)
    for image in range(len(heights)):
        start, stop = image_starts[image], image_starts[image + 1]
        height, width = heights[image], widths[image]
        lows = np.empty((2, stop - start), dtype=np.int64)
        highs = np.empty((2, stop - start), dtype=np.int64)
        for level in range(num_levels):
            scale = scales[image, level]
            side = int(chip_size / scale + SIDE_TOLERANCE)
            side_y, side_x = min(side, height), min(side, width)
            longest = max_side[level] / scale
            count = 0
            for box in range(start, stop):
                x1, y1 = max(boxes[box, 0], 0.0), max(boxes[box, 1], 0.0)
                x2, y2 = min(boxes[box, 2], width), min(boxes[box, 3], height)
                short, long = min(x2 - x1, y2 - y1), max(x2 - x1, y2 - y1)
                if not valid[box, level] or short <= 0 or short < min_side[level]:
                    continue
                if not long < longest:
                    continue
                lows[0, count] = max(int(np.ceil(y2)) - side_y, 0)
                lows[1, count] = max(int(np.ceil(x2)) - side_x, 0)
                highs[0, count] = min(int(np.floor(y1)), height - side_y)
                highs[1, count] = min(int(np.floor(x1)), width - side_x)
                if lows[0, count] <= highs[0, count] and lows[1, count] <= highs[1, count]:
                    count += 1
            if count < max(min_boxes[level], 1):
                continue
            state[0] = _mix(_mix(_mix(seed) + np.uint64(image)) + np.uint64(level))
            taken = _cover_level(
                lows[:, :count],
                highs[:, :count],
                height,
                width,
                side_y,
                side_x,
                scale,
                stride,
                min_boxes[level],
                state,
            )
            for chip in range(len(taken)):
                image_out[num_chips] = image
                level_out[num_chips] = level
                boxes_out[num_chips, 0] = taken[chip, 1]
                boxes_out[num_chips, 1] = taken[chip, 0]
                boxes_out[num_chips, 2] = taken[chip, 1] + side_x
                boxes_out[num_chips, 3] = taken[chip, 0] + side_y
                num_chips += 1
    return image_out[:num_chips].copy(), level_out[:num_chips].copy(), boxes_out[:num_chips].copy()
