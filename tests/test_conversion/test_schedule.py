"""Schedules of the same number of trained pixels, by hand."""

import pytest
from mmengine.config import Config

from mmsniper.conversion import Changes
from mmsniper.conversion.cost import Cost
from mmsniper.conversion.schedule import convert_batch_size, convert_schedule, scale_epoch

# 0.9 Mpx per image before, 1.2 after: three quarters of the epochs.
COST = Cost(image_pixels=0.9e6, chips_per_image=4.8, chip_pixels=1.2e6, basis='counted')


def converted(times=1, cost=COST, **settings):
    config = dict(settings)
    convert_schedule(config, cost, times, Changes())
    return Config(config)


def test_1x():
    config = converted(
        train_cfg=dict(type='EpochBasedTrainLoop', max_epochs=12, val_interval=1),
        param_scheduler=[
            dict(type='LinearLR', start_factor=0.001, by_epoch=False, begin=0, end=500),
            dict(type='MultiStepLR', begin=0, end=12, by_epoch=True, milestones=[8, 11], gamma=0.1),
        ],
        default_hooks=dict(checkpoint=dict(type='CheckpointHook', interval=1)),
    )
    assert config.train_cfg == dict(type='EpochBasedTrainLoop', max_epochs=9, val_interval=1)
    warm_up, steps = config.param_scheduler
    assert warm_up.end == 500, 'iterations stay'
    assert (steps.begin, steps.end, steps.milestones, steps.gamma) == (0, 9, [6, 8], 0.1)
    assert config.default_hooks.checkpoint.interval == 1


def test_2x():
    config = converted(
        train_cfg=dict(max_epochs=24, val_interval=24),
        param_scheduler=[dict(type='MultiStepLR', end=24, milestones=[16, 22])],
    )
    assert config.train_cfg == dict(max_epochs=18, val_interval=18)
    assert config.param_scheduler[0].milestones == [12, 17]
    assert config.param_scheduler[0].end == 18


def test_repeated_three_times():
    config = converted(
        times=3,
        train_cfg=dict(max_epochs=12, val_interval=2),
        param_scheduler=[dict(type='MultiStepLR', end=12, by_epoch=True, milestones=[9, 11])],
        default_hooks=dict(checkpoint=dict(type='CheckpointHook', interval=4)),
        custom_hooks=[dict(type='EMAHook', begin_epoch=4), dict(type='Other', interval=50)],
    )
    # 12 x 3 x 0.75 = 27 epochs, 2.25 for each of before.
    assert config.train_cfg == dict(max_epochs=27, val_interval=5)
    assert config.param_scheduler[0].milestones == [20, 25]
    assert config.default_hooks.checkpoint.interval == 9
    assert config.custom_hooks == [
        dict(type='EMAHook', begin_epoch=9),
        dict(type='Other', interval=50),
    ]


def test_iterations_stay():
    given = dict(
        train_cfg=dict(type='IterBasedTrainLoop', max_iters=90000, val_interval=10000),
        param_scheduler=[dict(type='MultiStepLR', by_epoch=False, milestones=[60000, 80000])],
        default_hooks=dict(checkpoint=dict(interval=10000, by_epoch=False)),
    )
    assert converted(times=3, **given).to_dict() == given


def test_phases_that_follow_each_other():
    """YOLOX: 300 epochs, of which 5 warm up and 15 end with a constant rate."""
    cost = Cost(640 * 640, 4.7, 4.7 * 512 * 512 * 0.95, 'assumed')
    config = converted(
        cost=cost,
        train_cfg=dict(max_epochs=300, val_interval=10),
        param_scheduler=[
            dict(type='QuadraticWarmupLR', by_epoch=True, begin=0, end=5),
            dict(type='CosineAnnealingLR', begin=5, T_max=285, end=285, by_epoch=True),
            dict(type='ConstantLR', by_epoch=True, factor=1, begin=285, end=300),
        ],
        default_hooks=dict(checkpoint=dict(interval=10)),
    )
    # 300 x 0.4096 / 1.1705 = 105
    assert config.train_cfg == dict(max_epochs=105, val_interval=4)
    warm_up, cosine, constant = config.param_scheduler
    assert (warm_up.begin, warm_up.end) == (0, 2)
    assert (cosine.begin, cosine.end, cosine.T_max) == (2, 100, 100)
    assert (constant.begin, constant.end) == (100, 105)


def test_a_period_still_fills_its_time():
    config = converted(
        train_cfg=dict(max_epochs=30, dynamic_intervals=[(28, 1)]),
        param_scheduler=[dict(type='CosineAnnealingLR', begin=15, T_max=15, end=30)],
    )
    scheduler = config.param_scheduler[0]
    assert scheduler.T_max == scheduler.end - scheduler.begin
    assert config.train_cfg.max_epochs == 22
    assert config.train_cfg.dynamic_intervals == [(21, 1)]


def test_very_short():
    config = converted(
        cost=Cost(0.09e6, 4.7, 1.2e6, ''),
        train_cfg=dict(max_epochs=12, val_interval=12),
        param_scheduler=dict(type='MultiStepLR', begin=0, end=12, milestones=[8, 11]),
    )
    assert config.train_cfg == dict(max_epochs=1, val_interval=1)
    assert config.param_scheduler.end == 1


def test_milestones_are_reached_if_they_were():
    config = converted(
        cost=Cost(1.0, 1, 1.9, ''),
        train_cfg=dict(max_epochs=12),
        param_scheduler=[dict(type='MultiStepLR', end=12, milestones=[8, 11.8, 16])],
    )
    assert config.train_cfg.max_epochs == 6
    assert config.param_scheduler[0].milestones == [4, 5, 8], 'the last one never was'


def test_several_optimisers():
    config = converted(
        train_cfg=dict(max_epochs=12),
        param_scheduler=dict(
            a=[dict(type='StepLR', step_size=4)], b=dict(type='StepLR', step_size=8)
        ),
    )
    assert config.param_scheduler == dict(
        a=[dict(type='StepLR', step_size=3)], b=dict(type='StepLR', step_size=6)
    )


def test_epochs():
    assert [scale_epoch(epoch, 0.75) for epoch in (0, 1, 2, 8, 12)] == [0, 1, 2, 6, 9]
    assert scale_epoch(1, 0.01) == 1


@pytest.mark.parametrize('images, base, chips, new_base', [(2, 16, 7, 56), (8, 64, 27, 216)])
def test_batches_of_as_many_pixels(images, base, chips, new_base):
    config = dict(
        train_dataloader=dict(batch_size=images),
        auto_scale_lr=dict(enable=False, base_batch_size=base),
        optim_wrapper=dict(optimizer=dict(lr=0.02)),
    )
    convert_batch_size(config, COST, 512, Changes())
    assert config['train_dataloader']['batch_size'] == chips
    assert config['auto_scale_lr'] == dict(enable=False, base_batch_size=new_base)
    assert config['optim_wrapper']['optimizer']['lr'] == 0.02


def test_at_least_one_chip():
    config = dict(train_dataloader=dict(batch_size=1))
    convert_batch_size(config, Cost(9e4, 4.7, 1e6, ''), 512, Changes())
    assert config == dict(train_dataloader=dict(batch_size=1))
