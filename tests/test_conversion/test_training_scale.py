"""How many pixels an image of the training has, by hand."""

import pytest

from mmsniper.conversion.training_scale import has_fixed_size, training_pixels

VGA = [(640, 480)]


def resize(scale, **more):
    return dict(type='Resize', scale=scale, keep_ratio=True, **more)


@pytest.mark.parametrize(
    'steps, pixels',
    [
        ([], 640 * 480),
        ([resize((1333, 800))], 1066.7 * 800),
        ([resize((800, 1333))], 1066.7 * 800),
        ([dict(type='Resize', scale=(300, 200))], 300 * 200),
        ([dict(type='Resize', scale_factor=0.5)], 320 * 240),
        ([dict(type='mmdet.Resize', scale=(300, 200))], 300 * 200),
        (
            [dict(type='RandomChoiceResize', scales=[(1333, 480), (1333, 960)], keep_ratio=True)],
            (640 * 480 + 1280 * 960) / 2,
        ),
        ([resize((1280, 960)), dict(type='RandomCrop', crop_size=(500, 2000))], 1280 * 500),
        (
            [dict(type='RandomCrop', crop_type='relative', crop_size=(0.5, 1.0))],
            640 * 240,
        ),
        ([dict(type='RandomCenterCropPad', crop_size=(511, 400))], 511 * 400),
        (
            [
                dict(type='Mosaic', img_scale=(640, 640)),
                dict(type='RandomAffine', border=(-320, -320)),
                dict(type='MixUp', img_scale=(640, 640)),
            ],
            640 * 640,
        ),
        ([resize((416, 416)), dict(type='Pad', pad_to_square=True)], 416 * 416),
        ([dict(type='Pad', size=(1024, 1024))], 1024 * 1024),
        (
            [
                dict(
                    type='RandomChoice',
                    transforms=[[resize((640, 480))], [dict(type='Pad', size=(1000, 1000))]],
                    prob=[0.75, 0.25],
                )
            ],
            0.75 * 640 * 480 + 0.25 * 1e6,
        ),
        ([dict(type='ProposalBroadcaster', transforms=[resize((1280, 960))])], 1280 * 960),
        ([dict(type='RandomFlip', prob=0.5)], 640 * 480),
    ],
)
def test_pixels(steps, pixels):
    assert training_pixels(steps, image_sizes=VGA) == pytest.approx(pixels, rel=1e-3)


def test_random_ranges():
    step = dict(type='RandomResize', scale=[(1333, 480), (1333, 960)], keep_ratio=True)
    # Short sides of 480 to 960: a mean square of 720^2 + 480^2 / 12.
    assert training_pixels([step], image_sizes=VGA) == pytest.approx(
        (720**2 + 480**2 / 12) * 4 / 3, rel=0.01
    )
    step = dict(type='RandomResize', scale=(640, 480), ratio_range=(0.5, 1.5), keep_ratio=True)
    assert training_pixels([step], image_sizes=VGA) == pytest.approx(
        (1 + 1 / 12) * 640 * 480, rel=0.01
    )


def test_what_the_preprocessor_does_to_batches():
    pad = dict(type='BatchFixedSizePad', size=(1024, 900))
    assert training_pixels([], [pad], VGA) == 900 * 1024
    assert training_pixels([], [dict(type='BatchResize', scale=(1280, 960))], VGA) == 1280 * 960


def test_images_of_coco_have_what_the_design_says():
    assert training_pixels([resize((1333, 800))]) == pytest.approx(0.894e6, rel=0.01)


def test_fixed_sizes():
    assert has_fixed_size([dict(type='Resize', scale=(300, 300))])
    assert has_fixed_size([dict(type='RandomCenterCropPad', crop_size=(511, 511))])
    assert not has_fixed_size([resize((640, 640))])
    assert not has_fixed_size([])
