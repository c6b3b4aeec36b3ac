# xView on chips and on the pyramid.
_base_ = './coco_sniper.py'

data_root = 'data/xview/'
metainfo = dict(
    classes=(
        *('Fixed-wing Aircraft', 'Small Aircraft', 'Cargo Plane', 'Helicopter'),
        *('Passenger Vehicle', 'Small Car', 'Bus', 'Pickup Truck', 'Utility Truck', 'Truck'),
        *('Cargo Truck', 'Truck w/Box', 'Truck Tractor', 'Trailer', 'Truck w/Flatbed'),
        *('Truck w/Liquid', 'Crane Truck', 'Railway Vehicle', 'Passenger Car', 'Cargo Car'),
        *('Flat Car', 'Tank car', 'Locomotive', 'Maritime Vessel', 'Motorboat', 'Sailboat'),
        *('Tugboat', 'Barge', 'Fishing Vessel', 'Ferry', 'Yacht', 'Container Ship'),
        *('Oil Tanker', 'Engineering Vehicle', 'Tower crane', 'Container Crane'),
        *('Reach Stacker', 'Straddle Carrier', 'Mobile Crane', 'Dump Truck', 'Haul Truck'),
        *('Scraper/Tractor', 'Front loader/Bulldozer', 'Excavator', 'Cement Mixer'),
        *('Ground Grader', 'Hut/Tent', 'Shed', 'Building', 'Aircraft Hangar'),
        *('Damaged Building', 'Facility', 'Construction Site', 'Vehicle Lot', 'Helipad'),
        *('Storage Tank', 'Shipping container lot', 'Shipping Container', 'Pylon', 'Tower'),
    )
)

# Reckoned: a pixel is 0.3 m, so a car has 15 by 7 px; it is seen at twice its size.
train_dataloader = dict(
    dataset=dict(
        levels=[2.0, 1.0, 0.5],
        valid_ranges=[(-1, 120), (69, 240), (140, -1)],
        dataset=dict(
            data_root=data_root,
            ann_file='annotations/train.json',
            data_prefix=dict(img='train_images/'),
            metainfo=metainfo,
        ),
    )
)
val_dataloader = dict(
    dataset=dict(
        levels=[2.0, 1.0, 0.5],
        valid_ranges=[(-1, 138), (60, 276), (121, -1)],
        # At the finest level images are too large to be seen at once.
        tile_size=2048,
        dataset=dict(
            data_root=data_root,
            ann_file='annotations/val.json',
            data_prefix=dict(img='train_images/'),
            metainfo=metainfo,
        ),
    )
)
test_dataloader = val_dataloader

val_evaluator = dict(ann_file=data_root + 'annotations/val.json', proposal_nums=(100, 300, 3000))
test_evaluator = val_evaluator

# A picture of a square kilometre has 700 objects in the mean.
custom_hooks = [
    dict(type='ChipEpochHook'),
    dict(type='ChipMergeHook', max_per_image=3000),
    dict(type='NumClassCheckHook'),
]
