title = 'licence plates'
classes = ('license_plate',)
root = '{sources}/licence_plates'
train = dict(ann_file='annotations/instances_train.json', images='images/')
val = dict(ann_file='annotations/instances_val.json', images='images/')

# Photographs of 1024 pixels' side with plates of 9 to 785 px, half of them below 65 px.
levels = [1.0, 0.5, 0.25]
train_ranges = [(-1, 72), (48, 144), (110, -1)]
test_levels = [1.0, 0.5, 0.25]
test_ranges = [(-1, 84), (40, 160), (95, -1)]
single_level = 0.5
chip_size = 256
stride = 16

sizes = dict(
    # A step has room for one image at full resolution, and is 14 chips.
    tiny=dict(step_mpx=0.93),
    full=dict(step_mpx=7.44),
)
