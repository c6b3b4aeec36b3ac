title = 'BCCD'
classes = ('RBC', 'WBC', 'Platelets')
root = '{sources}/bccd'
train = dict(ann_file='annotations/train.json', images='images/')
val = dict(ann_file='annotations/val.json', images='images/')

# As in configs/_base_/datasets/bccd_sniper.py.
levels = [1.0, 0.5, 0.25]
train_ranges = [(-1, 64), (48, 144), (120, -1)]
test_levels = [1.0, 0.5, 0.25]
test_ranges = [(-1, 72), (40, 160), (100, -1)]
single_level = 1.0
chip_size = 160
stride = 16

sizes = dict(
    # A step is one image of 640x480, the least that single-scale training can have.
    tiny=dict(step_mpx=0.308),
    full=dict(step_mpx=2.46),
)
