title = 'scenes of photographs'
# Of 80 classes and cells there are too few objects each to tell them apart from scratch.
classes = ('object',)
script = 'dataset_converters/compose_scenes.py'
train = dict(ann_file='annotations/train.json', images='train/')
val = dict(ann_file='annotations/val.json', images='val/')

# Canvases of 1600x1200 with objects of 8 to 800 px. At its level an object has 20 to 80 px.
levels = [0.8, 0.3, 0.1]
train_ranges = [(-1, 96), (72, 280), (220, -1)]
test_levels = [0.8, 0.3, 0.1]
test_ranges = [(-1, 110), (60, 320), (190, -1)]
# The same pixels as the mean of the levels.
single_level = 0.5
chip_size = 160
stride = 16

_coco = '{sources}/coco_sample'
_bccd = '{sources}/bccd'
_arguments = (
    *('--train-source', f'{_coco}/annotations/instances_train2017.json', f'{_coco}/train2017'),
    *('--train-source', f'{_bccd}/annotations/train.json', f'{_bccd}/images'),
    *('--val-source', f'{_coco}/annotations/instances_val2017.json', f'{_coco}/val2017'),
    *('--val-source', f'{_bccd}/annotations/val.json', f'{_bccd}/images'),
    *('--categories', 'single', '--seed', '0'),
)
sizes = dict(
    # A step is one image at the single level, the least that single-scale training can have.
    tiny=dict(step_mpx=0.48, arguments=(*_arguments, '--train', '200', '--val', '40')),
    full=dict(step_mpx=3.84, arguments=(*_arguments, '--train', '2000', '--val', '200')),
)
