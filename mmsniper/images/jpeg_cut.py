"""A JPEG of just a part of another one, without decoding a pixel of either.

JPEG has no index: where a block's bits begin is known only when all bits before it have been read.
But reading them is the smaller part of decoding. So the Huffman codes are followed without making
anything of them, those of the blocks around a window are copied, and the first of each row is told
the difference from its new neighbour (ITU T.81, F.1.2.1). A decoder of the copy does no more than
the window needs, and its pixels are the same to the last digit, because a margin is left for
decoders that look at neighbouring blocks. What a decoder of the copy cannot notice is damage: it
mostly leaves codes behind, and shows where all of them end.

Words: a block is 8x8 samples of a component. An MCU (minimum coded unit) holds the blocks of all
components of the same pixels, such as 16x16 of them.
"""

from __future__ import annotations

import struct

import numpy as np

from .formats import JpegFrame, jpeg_frame, jpeg_segments
from .jpeg_codes import codes, copy_codes, follow, lookup, lookup_runs, without_stuffing

# Application data that decide about colours. The others are texts, profiles and thumbnails.
_KEPT_APPLICATIONS = (0xE0, 0xEE)
_TABLES, _RESTART_INTERVAL, _SCAN = 0xC4, 0xDD, 0xDA
_BASELINE = (0xC0, 0xC1)
_MARGIN = 1  # MCUs on each side of a window


class JpegCutter:
    """Cuts windows out of a baseline JPEG.

    Args:
        content: The bytes of the file.
        starts: What ``starts`` of another cutter of the same file was, to go on from there.

    Attributes:
        starts (np.ndarray): For each row of MCUs that was reached, the bit where it begins and the
            DC values before it; zeros for the others.

    Raises:
        ValueError: It is of another kind: progressive, or with several scans.
    """

    def __init__(self, content: bytes, starts: np.ndarray | None = None) -> None:
        try:
            self._read(content)
        except (IndexError, KeyError, StopIteration, ZeroDivisionError, struct.error) as error:
            raise ValueError('its header makes no sense') from error
        shape = self._rows + 1, 1 + len(self._dc)
        self.starts = np.zeros(shape, np.int64) if starts is None else starts

    def _read(self, content: bytes) -> None:
        self._segments = list(jpeg_segments(content))
        self._content = content
        frame = jpeg_frame(content)
        scan = self._segments[-1][2] if self._segments else len(content)
        if frame is None or content[scan : scan + 2] != bytes([0xFF, _SCAN]):
            raise ValueError('its header is incomplete')
        if not any(marker in _BASELINE for marker, _, _ in self._segments):
            raise ValueError('it is no baseline JPEG')
        intervals = [
            _number(content, start)
            for marker, start, _ in self._segments
            if marker == _RESTART_INTERVAL
        ]
        self._interval = intervals[-1] if intervals else 0
        self._scan_header = content[scan : scan + 2 + _number(content, scan + 2)]
        self._layout(frame, content)
        self._read_tables(content)
        scan_data = np.frombuffer(content, np.uint8)[scan + len(self._scan_header) :]
        self._data, self._num_bytes = without_stuffing(scan_data, self._interval > 0)

    @property
    def known_share(self) -> float:
        """Of how many of the rows it is known where they begin."""
        return np.count_nonzero(self.starts[:, 0]) / self._rows

    @property
    def _coding(self) -> tuple:
        return self._data, 8 * self._num_bytes, self._blocks, self._dc, self._ac, self._runs

    def check(self) -> None:
        """Follow all codes to the end, so that ``starts`` has all rows.

        Wrong codes are codes as well, nearly always. What tells them from right ones is where they
        end, as it does in libjpeg.

        Raises:
            ValueError: They do not end where the scan's data do, so the file is damaged.
        """
        if not follow(*self._coding, self.starts, self._rows, self._columns, self._interval):
            raise ValueError('its codes cannot be followed')
        left_over = self._data[(self.starts[-1, 0] + 7) >> 3 : self._num_bytes]
        if (left_over != left_over[:1]).any():  # equal ones are padding
            raise ValueError('its codes end before its data')

    def cut(self, window: tuple[int, int, int, int]) -> tuple[bytes, int, int]:
        """A JPEG of the MCUs around a window.

        Args:
            window: (left, top, right, bottom) in pixels, half-open, inside of the image.

        Returns:
            tuple: The bytes of a JPEG, and the left and top pixel of the image that it begins with.

        Raises:
            ValueError: The file is damaged, or its tables have no code for a difference that the
                cut makes.
        """
        left, top, right, bottom = window
        if not (0 <= left < right <= self._width and 0 <= top < bottom <= self._height):
            raise ValueError('the window is not inside the image')
        first_column = max(0, left // self._mcu_width - _MARGIN)
        first_row = max(0, top // self._mcu_height - _MARGIN)
        end_column = min(self._columns, -(-right // self._mcu_width) + _MARGIN)
        end_row = min(self._rows, -(-bottom // self._mcu_height) + _MARGIN)
        if not follow(*self._coding, self.starts, first_row, self._columns, self._interval):
            raise ValueError('its codes cannot be followed')
        # No part takes more than all of it, and differences that are new up to 4 bytes each.
        changes = (end_row - first_row) * (self._columns if self._interval else 1) * len(self._dc)
        out = np.zeros(len(self._data) + 4 * changes, np.uint8)
        num_bytes = copy_codes(
            *self._coding,
            self.starts,
            (first_row, end_row, first_column, end_column),
            self._columns,
            self._interval,
            self._codes,
            out,
        )
        if num_bytes < 0:
            raise ValueError('its codes cannot be copied')
        x, y = first_column * self._mcu_width, first_row * self._mcu_height
        width = min(self._width, end_column * self._mcu_width) - x
        height = min(self._height, end_row * self._mcu_height) - y
        entropy = out[:num_bytes].tobytes().replace(b'\xff', b'\xff\x00')
        return self._header(width, height) + entropy + b'\xff\xd9', x, y

    def _layout(self, frame: JpegFrame, content: bytes) -> None:
        """Which blocks of which components an MCU has, and how many MCUs there are."""
        start = next(start for marker, start, _ in self._segments if marker in _BASELINE)
        sampling = {}
        for index in range(frame.num_components):
            name, factors, _ = content[start + 6 + 3 * index : start + 9 + 3 * index]
            sampling[name] = factors >> 4, factors & 15
        num_components = self._scan_header[4]
        described = self._scan_header[5 : 5 + 2 * num_components]
        names, self._table_numbers = described[::2], described[1::2]
        if sorted(names) != sorted(sampling):
            raise ValueError('it has several scans')
        if num_components == 1:  # blocks one by one, whatever the factors
            sampling = {names[0]: (1, 1)}
        across = max(factors[0] for factors in sampling.values())
        down = max(factors[1] for factors in sampling.values())
        blocks = [
            [index] * (sampling[name][0] * sampling[name][1]) for index, name in enumerate(names)
        ]
        self._blocks = np.array(sum(blocks, []), np.int64)
        self._width, self._height = frame.width, frame.height
        self._mcu_width, self._mcu_height = 8 * across, 8 * down
        self._columns = -(-frame.width // self._mcu_width)
        self._rows = -(-frame.height // self._mcu_height)

    def _read_tables(self, content: bytes) -> None:
        """The Huffman tables of each component of the scan."""
        tables = {}
        for marker, start, end in self._segments:
            while marker == _TABLES and start + 17 <= end:
                counts = content[start + 1 : start + 17]
                values = content[start + 17 : start + 17 + sum(counts)]
                tables[content[start]] = counts, values
                start += 17 + sum(counts)
        dc = [tables[number >> 4] for number in self._table_numbers]
        ac = [tables[0x10 | number & 15] for number in self._table_numbers]
        self._dc = np.stack([lookup(*table) for table in dc])
        self._ac = np.stack([lookup(*table) for table in ac])
        self._runs = np.stack([lookup_runs(*table) for table in ac])
        self._codes = np.stack([codes(*table) for table in dc])

    def _header(self, width: int, height: int) -> bytes:
        """All before the scan's data, for an image of another size."""
        parts = [b'\xff\xd8']
        for marker, start, end in self._segments:
            is_text = marker == 0xFE or (
                0xE0 <= marker <= 0xEF and marker not in _KEPT_APPLICATIONS
            )
            if not is_text and marker != _RESTART_INTERVAL:
                segment = self._content[start:end]
                if marker in _BASELINE:
                    segment = segment[:1] + struct.pack('>HH', height, width) + segment[5:]
                parts += [struct.pack('>BBH', 0xFF, marker, len(segment) + 2), segment]
        return b''.join([*parts, self._scan_header])


def _number(content: bytes, position: int) -> int:
    return int.from_bytes(content[position : position + 2], 'big')
