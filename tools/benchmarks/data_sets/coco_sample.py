title = 'a sample of COCO'
classes = __import__('mmdet.datasets').datasets.CocoDataset.METAINFO['classes']
root = '{sources}/coco_sample'
train = dict(ann_file='annotations/instances_train2017.json', images='train2017/')
val = dict(ann_file='annotations/instances_val2017.json', images='val2017/')

# Photographs of 640 pixels' side, which are enlarged for small objects as in the paper.
levels = [2.0, 1.0, 0.5]
train_ranges = [(-1, 64), (48, 144), (110, -1)]
test_levels = [2.0, 1.0, 0.5]
test_ranges = [(-1, 72), (40, 160), (95, -1)]
single_level = 1.0
chip_size = 256
stride = 16

sizes = dict(
    # A step is three images as they are, or twelve chips.
    tiny=dict(step_mpx=0.81),
    full=dict(step_mpx=6.48),
)
