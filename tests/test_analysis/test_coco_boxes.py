import json

import numpy as np
import pytest

from mmsniper.analysis.coco_boxes import load_annotations, pool_annotations, sample_images
from mmsniper.errors import InputError

IMAGE = dict(id=1, file_name='a.jpg', height=100, width=200)


def write(path, boxes, images=(IMAGE,), **keys):
    annotations = [
        dict(id=index, image_id=1, category_id=1, bbox=box, **keys)
        for index, box in enumerate(boxes)
    ]
    path.write_text(json.dumps(dict(images=list(images), annotations=annotations)))
    return str(path)


def test_files_are_pooled(tmp_path):
    images = [dict(id=5, height=10, width=20), dict(IMAGE)]
    first = write(tmp_path / 'a.json', [[10, 20, 30, 40], [0, 0, 5, 6]], images)
    second = write(tmp_path / 'b.json', [[-5, 90, 20, 30]])
    pooled = pool_annotations([first, second])
    boxes, starts, heights, widths = pooled.annotations
    assert heights.tolist() == [10, 100, 100] and widths.tolist() == [20, 200, 200]
    assert starts.tolist() == [0, 0, 2, 3]
    # Clipped to the image, as in training.
    assert boxes.tolist() == [[10, 20, 40, 60], [0, 0, 5, 6], [0, 90, 15, 100]]
    assert (pooled.num_crowds, pooled.unusable) == (0, {})


def test_what_is_not_trained_on_is_counted(tmp_path):
    nan = float('nan')
    boxes = [[10, 10, 20, 20], [10, 10, 0.5, 9], [5, 5, -4, 9], [nan, 1, 2, 3], [300, 5, 20, 20]]
    kept = write(tmp_path / 'a.json', boxes)
    crowds = write(tmp_path / 'b.json', [[0, 0, 9, 9], [0, 0, 9, 9]], iscrowd=1)
    pooled = pool_annotations([kept, crowds])
    assert pooled.annotations.boxes.tolist() == [[10, 10, 30, 30]]
    assert pooled.num_crowds == 2
    expected = {'not finite': 1, 'with a side below 1 px': 2, 'outside their image': 1}
    assert pooled.unusable == expected


def test_no_usable_object(tmp_path):
    paths = [
        write(tmp_path / 'empty.json', []),
        write(tmp_path / 'crowd.json', [[0, 0, 9, 9]], iscrowd=1),
        write(tmp_path / 'flat.json', [[0, 0, 9, 0]]),
    ]
    with pytest.raises(InputError, match='no object that can be trained on') as error:
        pool_annotations(paths)
    for part in (*paths, 'crowds: 1', 'with a side below 1 px: 1'):
        assert part in str(error.value)


@pytest.mark.parametrize('missing', ['height', 'width'])
@pytest.mark.parametrize('value', ['absent', None])
def test_images_without_sizes(tmp_path, missing, value):
    image = dict(IMAGE, **{missing: value})
    if value == 'absent':
        del image[missing]
    path = write(tmp_path / 'a.json', [[0, 0, 9, 9]], [dict(IMAGE, id=2), image])
    with pytest.raises(InputError, match='no height and width for 1 of its 2 .*a.jpg'):
        load_annotations(path)


@pytest.mark.parametrize(
    'text', ['', '{"images": [{"id": 1, "hei', '[]', 'null', '{"images": 3, "annotations": []}']
)
def test_files_that_are_no_coco_file(tmp_path, text):
    path = tmp_path / 'broken.json'
    path.write_text(text)
    with pytest.raises(InputError, match='broken.json is no COCO annotation file'):
        pool_annotations([str(path)])


def test_sampled_images_keep_their_boxes(tmp_path):
    images = [dict(id=i, height=100 + i, width=200) for i in range(20)]
    annotations = [dict(image_id=i, bbox=[j, i, 5, 5]) for i in range(20) for j in range(i % 4)]
    path = tmp_path / 'a.json'
    path.write_text(json.dumps(dict(images=images, annotations=annotations)))
    everything = load_annotations(str(path))
    assert sample_images(everything, 20, 0) is everything
    boxes, starts, heights, widths = sample_images(everything, 8, 0)
    assert len(heights) == len(widths) == len(starts) - 1 == 8
    for index, height in enumerate(heights):
        of_image = boxes[starts[index] : starts[index + 1]]
        assert len(of_image) == (height - 100) % 4
        assert (of_image[:, 1] == height - 100).all()
    again = sample_images(everything, 8, 0)
    assert np.array_equal(again.heights, heights)
    others = [sample_images(everything, 8, seed).heights.tolist() for seed in range(5)]
    assert len({tuple(drawn) for drawn in others}) > 1


@pytest.mark.parametrize(
    'images, annotation, message',
    [
        ([IMAGE, IMAGE], {}, r'images\[0\] \(a.jpg\) and images\[1\] .* have the same id 1'),
        ([IMAGE], dict(bbox=[1, 2, 3]), r'annotations\[0\] .*a.json has the bbox \[1, 2, 3\]'),
        ([IMAGE], dict(bbox=['1', '2', '3', '4']), r'annotations\[0\] .*a.json has the bbox'),
        ([IMAGE], dict(image_id='1'), "1 annotations of images .*first is of image '1'"),
        ([IMAGE], dict(iscrowd='0'), r"annotations\[0\] .*a.json has the 'iscrowd' '0'"),
        ([dict(IMAGE, width='200')], {}, r"images\[0\] \(a.jpg\) .*a.json .*the width '200'"),
    ],
)
def test_contradictions_are_named(tmp_path, images, annotation, message):
    path = tmp_path / 'a.json'
    annotations = [dict(dict(image_id=1, bbox=[1, 2, 3, 4]), **annotation)]
    path.write_text(json.dumps(dict(images=images, annotations=annotations)))
    with pytest.raises(InputError, match=message):
        load_annotations(str(path))
