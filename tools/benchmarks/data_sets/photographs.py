title = 'large pictures of licence plates'
classes = ('license_plate',)
script = 'dataset_converters/compose_scenes.py'
train = dict(ann_file='annotations/train.json', images='train/')
val = dict(ann_file='annotations/val.json', images='val/')

# Canvases of 4000x3000 with plates of 4 to 700 px, few on much that is none.
levels = [1.0, 0.5, 0.25, 0.125]
train_ranges = [(-1, 72), (48, 144), (110, 288), (220, -1)]
test_levels = [1.0, 0.5, 0.25, 0.125]
test_ranges = [(-1, 84), (40, 160), (95, 320), (190, -1)]
single_level = 0.25
chip_size = 256
stride = 16

_plates = '{sources}/licence_plates'
_arguments = (
    *('--train-source', f'{_plates}/annotations/instances_train.json', f'{_plates}/images'),
    *('--val-source', f'{_plates}/annotations/instances_val.json', f'{_plates}/images'),
    *('--width', '4000', '--height', '3000', '--scales', '0.2', '2', '--sizes', '8', '128'),
    *('--max-photographs', '24', '--seed', '0'),
)
sizes = dict(
    # A step has room for the mean of an image's levels.
    tiny=dict(step_mpx=4.0, arguments=(*_arguments, '--train', '60', '--val', '16')),
    full=dict(step_mpx=32.0, arguments=(*_arguments, '--train', '600', '--val', '100')),
)
