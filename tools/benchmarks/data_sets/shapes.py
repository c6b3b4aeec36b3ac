title = 'drawn shapes'
classes = ('disc', 'ring', 'triangle', 'square', 'cross')
script = 'dataset_converters/draw_shapes.py'
train = dict(ann_file='annotations/train.json', images='train/')
val = dict(ann_file='annotations/val.json', images='val/')

# Images of 640x480 with objects of 8 to 380 px. The levels are those of the demonstration.
levels = [1.4, 0.6, 0.25]
train_ranges = [(-1, 56), (40, 150), (110, -1)]
test_levels = [1.4, 0.6, 0.25]
test_ranges = [(-1, 64), (34, 170), (95, -1)]
# Single-scale training sees images as they are.
single_level = 1.0
chip_size = 160
stride = 16

sizes = dict(
    # A step is one image of 640x480, the least that single-scale training can have.
    tiny=dict(
        step_mpx=0.308,
        arguments=('--train', '150', '--val', '60', '--max-size', '380', '--seed', '0'),
    ),
    full=dict(
        step_mpx=2.46,
        arguments=('--train', '3000', '--val', '300', '--max-size', '380', '--seed', '0'),
    ),
)
