"""Draws a seeded COCO data set of simple shapes whose sizes span all valid ranges.

mmsniper/experiments/generation/generated_set.py says how the folder is laid out. Every image
depends on the seed, its split and its number alone, so the same parameters give the same bytes, and
a larger set begins with the images of a smaller one.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from mmsniper.errors import InputError
from mmsniper.experiments.generation.generated_set import check_counts, make_set, save_split
from mmsniper.utils.script import run_script

CLASSES = ('disc', 'ring', 'triangle', 'square', 'cross')
TOOL = 'draw_shapes'
VERSION = 1  # of the drawing: raise it whenever the same parameters come to give other pictures
SUBPIXELS = 4  # shapes are filled at this multiple of the resolution and averaged down
MAX_COVERED = 0.3  # of an object's pixels, by objects drawn after it
MAX_ASPECT = 1.2
TRIES = 40  # places tried for an object before it is left out


@dataclass(frozen=True)
class Shape:
    """One object, ready to be painted.

    Attributes:
        label: Index into ``CLASSES``.
        corner: (x, y) of the upper left corner of its box, pixels of the image.
        alpha: (h, w) float32 in [0, 1], how much of each pixel it covers; no border row or column
            is empty.
        fill: (h, w, 3) float32 BGR, what it looks like.
        outline: (k, 2) float64 xy polygon in pixels of the image; a hole is joined to it by a seam.
    """

    label: int
    corner: tuple
    alpha: np.ndarray
    fill: np.ndarray
    outline: np.ndarray

    @property
    def window(self) -> tuple:
        """Slices that cut its box out of the image."""
        (x, y), (height, width) = self.corner, self.alpha.shape
        return slice(y, y + height), slice(x, x + width)

    def annotation(self) -> dict:
        """COCO annotation without its ids. The box is that of the painted pixels."""
        height, width = self.alpha.shape
        x, y = self.outline.T
        area = abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2
        return dict(
            category_id=self.label + 1,
            bbox=[*self.corner, width, height],
            area=round(float(area), 2),
            segmentation=[self.outline.round(2).ravel().tolist()],
            iscrowd=0,
        )


def turned(points: np.ndarray, angle: float) -> np.ndarray:
    """(k, 2) points turned around the origin by ``angle`` in radians."""
    cos, sin = np.cos(angle), np.sin(angle)
    return points @ np.array([[cos, sin], [-sin, cos]])


def around(count: int) -> np.ndarray:
    """(count, 2) points spread evenly on the unit circle."""
    angles = np.arange(count) * 2 * np.pi / count
    return np.stack([np.cos(angles), np.sin(angles)], 1)


def make_contours(name: str, rng: np.random.Generator) -> list[np.ndarray]:
    """The outer contour of a shape turned by a random angle, and its hole's if it has one.

    Returns:
        list[np.ndarray]: (k, 2) float64 xy each, scaled so that the outer one spans [0, 1] in x and
            in y.
    """
    if name == 'cross':
        arm = rng.uniform(0.18, 0.3)
        quarter = np.array([[arm, 1], [arm, arm], [1, arm]])
        found = [np.concatenate([turned(quarter, -i * np.pi / 2) for i in range(4)])]
    else:
        found = [around({'triangle': 3, 'square': 4}.get(name, 128))]
    if name == 'ring':
        found.append(found[0][::-1] * rng.uniform(0.5, 0.65))
    angle = rng.uniform(0, 2 * np.pi)
    found = [turned(contour, angle) for contour in found]
    low, high = found[0].min(0), found[0].max(0)
    return [(contour - low) / (high - low) for contour in found]


def coverage(contours: Sequence[np.ndarray], width: int, height: int) -> np.ndarray:
    """Fills contours that are given in the unit square into a patch.

    OpenCV fills borders inclusively, so spreading the unit square over the subpixels 0 ... n - 1
    makes the shape touch all four sides of the patch and leave it on none.

    Returns:
        np.ndarray: (height, width) float32, the share of each pixel that is inside.
    """
    size = np.array([width, height]) * SUBPIXELS
    fine = np.zeros(size[::-1], np.uint8)
    cv2.fillPoly(fine, [np.rint(c * (size - 1)).astype(np.int32) for c in contours], 255)
    coarse = cv2.resize(fine, (width, height), interpolation=cv2.INTER_AREA)
    return coarse.astype(np.float32) / 255


def make_noise(rng: np.random.Generator, height: int, width: int, bump: float) -> np.ndarray:
    """(height, width, 3) float32 noise around zero with bumps of about ``bump`` pixels."""
    grid = (int(height / bump) + 2, int(width / bump) + 2, 3)
    coarse = rng.standard_normal(grid, dtype=np.float32)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def make_background(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """(height, width, 3) uint8 BGR clutter that holds none of the classes."""
    image = np.empty((height, width, 3), np.float32)
    image[:] = rng.uniform(60, 195, 3)
    for bump, strength in ((max(height, width), 45), (120, 16), (24, 9)):
        image += make_noise(rng, height, width, bump) * np.float32(rng.uniform(0.3, 1) * strength)
    image = np.clip(image, 0, 255).astype(np.uint8)
    blobs = int(rng.integers(3, 12))
    for index in range(blobs):  # long and lumpy, so that none looks like a disc
        waves = np.arange(2, 6)[:, None] * np.linspace(0, 2 * np.pi, 60) + rng.uniform(0, 7, (4, 1))
        points = around(60) * (1 + rng.uniform(-0.22, 0.22, 4) @ np.cos(waves))[:, None]
        points *= np.array([1, rng.uniform(0.3, 0.55)]) * np.exp(rng.uniform(1.8, 4.5))
        points = turned(points, rng.uniform(0, np.pi)) + rng.uniform(0, 1, 2) * (width, height)
        colour = rng.uniform(40, 215, 3).tolist()
        cv2.fillPoly(image, [np.rint(points * 16).astype(np.int32)], colour, cv2.LINE_AA, shift=4)
        if index == blobs // 2:  # the first half is out of focus
            image = cv2.blur(image, (9, 9))
    ends = np.rint(rng.uniform(-0.2, 1.2, (rng.integers(4, 14), 2, 2)) * (width, height) * 16)
    for start, end in ends.astype(int).tolist():
        colour = rng.uniform(20, 235, 3).tolist()
        cv2.line(image, start, end, colour, int(rng.integers(1, 4)), cv2.LINE_AA, shift=4)
    grain = make_noise(rng, height, width, 5) + make_noise(rng, height, width, 2)
    return np.clip(image + grain * np.float32(rng.uniform(1, 6)), 0, 255).astype(np.uint8)


def make_fill(rng: np.random.Generator, under: np.ndarray) -> np.ndarray:
    """(h, w, 3) float32 BGR surface that stands out from ``under``, the pixels at its place."""
    height, width = under.shape[:2]
    mean = under.reshape(-1, 3).mean(0)
    candidates = rng.uniform(10, 245, (12, 3))
    distances = np.abs(candidates - mean).mean(1)
    colour = candidates[np.argmax(np.minimum(distances, 60))]  # the first that is far enough
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    angle = rng.uniform(0, 2 * np.pi)
    along = np.float32(np.cos(angle)) * columns + np.float32(np.sin(angle)) * rows
    period = max(3.0, min(height, width) * rng.uniform(0.15, 0.4))
    kind = rng.choice(['plain', 'gradient', 'stripes', 'speckle'])
    if kind == 'plain':
        shade = np.zeros_like(along)
    elif kind == 'gradient':
        shade = (along - along.min()) / max(height, width) * 60
    elif kind == 'stripes':
        shade = 25 + 25 * np.sin(along * np.float32(2 * np.pi / period))
    else:
        shade = np.abs(make_noise(rng, height, width, period / 2)[..., 0]) * 18
    # Shaded away from the colour underneath, no part of the object can fade into it.
    return np.clip(colour + np.sign(colour - mean) * shade[..., None], 0, 255).astype(np.float32)


def hides_another(
    owners: np.ndarray, window: tuple, solid: np.ndarray, shapes: Sequence[Shape]
) -> bool:
    """Whether an object painted next hides too much of an earlier one, or shrinks its visible box.

    Args:
        owners: (H, W) int16, the number of the topmost object at each pixel, -1 for none.
        window: Slices of the new object's box.
        solid: (h, w) bool, the pixels that it paints.
        shapes: The objects painted so far.
    """
    below = owners[window]
    touched = np.unique(below[solid])
    before = below.copy()
    below[solid] = -2  # below is a view: as if painted, taken back at the end
    hidden = False
    for number in touched[touched >= 0]:
        seen = owners[shapes[number].window] == number
        enough = seen.sum() >= (1 - MAX_COVERED) * (shapes[number].alpha > 0).sum()
        same_box = all(side.any() for side in (seen[0], seen[-1], seen[:, 0], seen[:, -1]))
        hidden |= not (enough and same_box)
    below[:] = before
    return hidden


def paint(image: np.ndarray, shape: Shape) -> None:
    """Blends ``shape`` into ``image``, (H, W, 3) uint8 BGR, in place."""
    patch = image[shape.window]
    patch[:] = np.rint(patch + shape.alpha[..., None] * (shape.fill - patch))


def draw_scene(rng: np.random.Generator, args: argparse.Namespace) -> tuple:
    """Makes one image.

    Returns:
        tuple: the background (H, W, 3) uint8 BGR and the list of ``Shape`` to be painted on it in
            this order.
    """
    background = make_background(rng, args.height, args.width)
    image = background.copy()
    owners = np.full(image.shape[:2], -1, np.int16)
    shapes: list[Shape] = []
    low, high = args.objects
    bounds = np.log([args.min_size, args.max_size])
    sizes = np.exp(rng.uniform(*bounds, rng.integers(low, high + 1)))
    for size in np.sort(sizes)[::-1]:  # large ones first: a small one may lie on them
        aspect = MAX_ASPECT ** rng.uniform(-0.5, 0.5)
        width, height = int(round(size * aspect)), int(round(size / aspect))
        label = int(rng.integers(len(CLASSES)))
        contours = make_contours(CLASSES[label], rng)
        alpha = coverage(contours, width, height)
        spots = rng.integers(0, (args.width - width + 1, args.height - height + 1), (TRIES, 2))
        for x, y in spots.tolist():
            window = slice(y, y + height), slice(x, x + width)
            if not hides_another(owners, window, alpha > 0, shapes):
                closed = np.concatenate([np.concatenate([c, c[:1]]) for c in contours])
                outline = closed * (width, height) + (x, y)
                fill = make_fill(rng, image[window])
                shapes.append(Shape(label, (x, y), alpha, fill, outline))
                owners[window][alpha > 0] = len(shapes) - 1
                paint(image, shapes[-1])
                break
    return background, shapes


def draw_split(folder: Path, split: str, args: argparse.Namespace) -> None:
    """Writes the images and the annotation file of one split below ``folder``."""

    def draw_image(rng: np.random.Generator) -> tuple:
        image, shapes = draw_scene(rng, args)
        for shape in shapes:
            paint(image, shape)
        return image, [shape.annotation() for shape in shapes], {}

    categories = [dict(id=i + 1, name=name) for i, name in enumerate(CLASSES)]
    save_split(folder, split, getattr(args, split), args.seed, categories, draw_image)


def check(args: argparse.Namespace) -> None:
    """Raises InputError for parameters that no image can satisfy."""
    check_counts(args.train, args.val, args.seed)
    if not 4 <= args.min_size <= args.max_size:
        raise InputError(
            f'--min-size {args.min_size:g} --max-size {args.max_size:g} is no range: '
            'give 4 <= min <= max'
        )
    largest = int(min(args.height, args.width) / MAX_ASPECT**0.5)
    if args.max_size > largest:
        raise InputError(
            f'--max-size {args.max_size:g} does not fit into {args.width}x{args.height} images: '
            f'give at most {largest}'
        )
    if not 0 <= args.objects[0] <= args.objects[1]:
        raise InputError(
            f'--objects {args.objects[0]} {args.objects[1]} is no range: give 0 <= LO <= HI'
        )


def draw(out_dir: Path, args: argparse.Namespace) -> bool:
    """Draws the set unless it is there already, see ``make_set``.

    Returns:
        bool: False if a finished set with the same parameters was kept.

    Raises:
        InputError: the parameters contradict each other, or ``out_dir`` holds something else.
    """
    check(args)
    keys = ('train', 'val', 'height', 'width', 'seed', 'min_size', 'max_size', 'objects')
    parameters = dict(version=VERSION, **{key: getattr(args, key) for key in keys})
    return make_set(
        out_dir, TOOL, parameters, lambda folder, split: draw_split(folder, split, args)
    )


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description='Draw a COCO data set of shapes in many sizes.',
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument('--out-dir', type=Path, required=True, help='folder to make')
    parser.add_argument('--train', type=int, default=150, help='training images')
    parser.add_argument('--val', type=int, default=60, help='validation images')
    parser.add_argument('--height', type=int, default=480, help='of the images, pixels')
    parser.add_argument('--width', type=int, default=640, help='of the images, pixels')
    parser.add_argument('--seed', type=int, default=0, help='same seed, same bytes')
    parser.add_argument('--min-size', type=float, default=8, help='smallest sqrt(w*h), pixels')
    parser.add_argument('--max-size', type=float, default=400, help='largest sqrt(w*h), pixels')
    parser.add_argument(
        '--objects',
        type=int,
        nargs=2,
        default=[5, 14],
        metavar=('LO', 'HI'),
        help='fewest and most objects tried per image; what finds no place is left out',
    )
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Draws the data set that the command line asks for."""
    args = parse_args(argv)
    drawn = draw(args.out_dir, args)
    done = 'drew' if drawn else 'kept, already drawn with these parameters:'
    print(f'{done} {args.train} training and {args.val} validation images in {args.out_dir}')


if __name__ == '__main__':
    run_script(main)
