"""Tiling that ends its process in the middle of a picture, as a power cut would."""

import os
import signal
import sys
from pathlib import Path

from mmsniper.images import tile_set
from mmsniper.images.tile_encoding import JPEGTiles


def die_at(number):
    """Kill the process when so many tiles have been made."""
    encode, made = JPEGTiles.encode, []

    def encode_or_die(tiles, tile):
        made.append(tile.shape)
        if len(made) == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return encode(tiles, tile)

    JPEGTiles.encode = encode_or_die


if __name__ == '__main__':
    die_at(int(sys.argv[4]))
    tile_set(*map(Path, sys.argv[1:4]))
