# PASCAL VOC 2007 and 2012 on chips and on the pyramid.
_base_ = './coco_sniper.py'

data_root = 'data/VOCdevkit/'
metainfo = dict(
    classes=(
        *('aeroplane', 'bicycle', 'bird', 'boat', 'bottle', 'bus', 'car', 'cat', 'chair'),
        *('cow', 'diningtable', 'dog', 'horse', 'motorbike', 'person', 'pottedplant'),
        *('sheep', 'sofa', 'train', 'tvmonitor'),
    )
)

# Reckoned: objects are large, so the small ones are seen enlarged and the others as they are.
train_dataloader = dict(
    dataset=dict(
        levels=[(610, 810), (-1, 512)],
        valid_ranges=[(-1, 150), (86, -1)],
        dataset=dict(
            data_root=data_root,
            ann_file='annotations/trainval0712.json',
            data_prefix=dict(img=''),
            metainfo=metainfo,
        ),
    )
)
val_dataloader = dict(
    dataset=dict(
        levels=[(610, 810), (-1, 512)],
        valid_ranges=[(-1, 173), (74, -1)],
        dataset=dict(
            data_root=data_root,
            ann_file='annotations/test2007.json',
            data_prefix=dict(img=''),
            metainfo=metainfo,
        ),
    )
)
test_dataloader = val_dataloader

val_evaluator = dict(ann_file=data_root + 'annotations/test2007.json')
test_evaluator = val_evaluator
