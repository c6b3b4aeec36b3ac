"""Starting from a detector of MMDetection's model zoo: every weight finds its place.

Nothing is downloaded. A checkpoint of the zoo is MMDetection's own model, built from its own config
here, with random weights.
"""

from pathlib import Path

import pytest
import torch
from coco_files import write_coco
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner, load_checkpoint
from small_detectors import SMALL, zoo_partner

from mmsniper import config_path

OURS = Path(config_path('sniper/faster-rcnn_r50_fpn_sniper-7e_coco.py')).parents[1]
OTHERS = ('snip', 'multiscale', 'rpn', 'demo', 'bccd')  # tiny ones, or models that these have too
PATHS = {
    path.stem: path for path in OURS.glob('*/*_sniper*_coco.py') if path.parent.name not in OTHERS
}
NAMES = sorted(PATHS)
TRAINED = ['faster-rcnn_r50_fpn_sniper-7e_coco', 'retinanet_r50_fpn_sniper-7e_coco']


def without_download(config):
    config.model.backbone.init_cfg = None
    return config


def zoo_config(name):
    return without_download(zoo_partner(name))


def our_config(name):
    return without_download(Config.fromfile(PATHS[name]))


def zoo_checkpoint(name, folder):
    """A detector of MMDetection and its file as the zoo publishes it."""
    torch.manual_seed(0)
    model = MODELS.build(zoo_config(name).model)
    model.init_weights()
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            # Random heads are unsure of everything; these detect something.
            if key.endswith('cls.weight'):
                parameter.mul_(100)
            elif 'cls_convs' in key:
                parameter.mul_(3)
    meta = dict(mmdet_version='3.3.0', epoch=12, iter=87960, dataset_meta=dict(CLASSES=('a', 'b')))
    path = folder / f'{name}.pth'
    torch.save(dict(meta=meta, state_dict=model.state_dict()), path)
    return model.eval(), path


def assert_same_state(state, expected):
    assert state.keys() == expected.keys()
    for key, value in expected.items():
        assert torch.equal(state[key], value), key


def test_all_detectors_are_compared():
    assert set(SMALL) < set(NAMES)


@pytest.mark.parametrize('name', NAMES)
def test_every_key_matches_in_both_directions(name):
    ours, zoo = (MODELS.build(config(name).model) for config in (our_config, zoo_config))
    shapes = {key: value.shape for key, value in ours.state_dict().items()}
    assert shapes == {key: value.shape for key, value in zoo.state_dict().items()}
    zoo.init_weights()  # some have parameters that are nothing yet, not even numbers
    ours.load_state_dict(zoo.state_dict(), strict=True)
    assert_same_state(ours.state_dict(), zoo.state_dict())


class KeepLoaded(Hook):
    """Keeps the weights with which a training starts."""

    def before_train(self, runner):
        self.state = {key: value.clone() for key, value in runner.model.state_dict().items()}


@pytest.mark.parametrize('name', TRAINED)
def test_training_on_chips_starts_from_the_checkpoint(name, tmp_path):
    zoo, checkpoint = zoo_checkpoint(name, tmp_path)
    data = write_coco(tmp_path, [(64, 64)], [[(5, 5, 30, 30), (40, 40, 16, 20)]])
    data = {key: data[key] for key in ('data_root', 'ann_file', 'data_prefix', 'metainfo')}

    config = our_config(name)
    config.work_dir = str(tmp_path / 'work')
    config.load_from = str(checkpoint)
    config.train_dataloader.update(batch_size=2, num_workers=0, persistent_workers=False)
    config.train_dataloader.dataset.update(
        levels=[2.0, 1.0], valid_ranges=[(-1, 25), (20, -1)], chip_size=64
    )
    config.train_dataloader.dataset.dataset.update(data)
    config.val_cfg = config.val_dataloader = config.val_evaluator = None
    config.train_cfg.max_epochs = 1
    config.optim_wrapper.type = 'OptimWrapper'  # mixed precision needs a GPU
    config.default_hooks.checkpoint = None
    # The classes of the zoo's checkpoint are kept, whatever the data have.
    config.custom_hooks = [hook for hook in config.custom_hooks if hook.type == 'ChipEpochHook']
    runner = Runner.from_cfg(config)
    keeper = KeepLoaded()
    runner.register_hook(keeper)
    model = runner.train()
    assert runner.iter >= 1
    assert_same_state(keeper.state, zoo.state_dict())
    assert any(
        not torch.equal(value, keeper.state[key]) for key, value in model.state_dict().items()
    )
    (log,) = Path(config.work_dir).glob('*/*.log')
    log = log.read_text()
    assert f'Load checkpoint from {checkpoint}' in log
    assert 'do not match' not in log
    checkpoint.unlink()  # they are large


@pytest.mark.parametrize('name', TRAINED)
def test_the_same_weights_detect_the_same(name, tmp_path):
    zoo, checkpoint = zoo_checkpoint(name, tmp_path)
    ours = MODELS.build(our_config(name).model).eval()
    load_checkpoint(ours, str(checkpoint), map_location='cpu', strict=True)
    checkpoint.unlink()
    assert_same_state(ours.state_dict(), zoo.state_dict())
    image = torch.randint(0, 256, (3, 128, 160), dtype=torch.uint8)
    meta = dict(img_shape=(128, 160), ori_shape=(128, 160), scale_factor=(1.0, 1.0))
    results = []
    with torch.no_grad():
        for model in (ours, zoo):
            sample = DetDataSample(metainfo=meta)
            (result,) = model.test_step(dict(inputs=[image], data_samples=[sample]))
            results.append(result.pred_instances)
    assert len(results[0]) > 10
    for key in ('bboxes', 'scores', 'labels'):
        assert torch.equal(results[0][key], results[1][key])


def test_other_classes_leave_out_nothing_but_the_last_layers(tmp_path):
    name = TRAINED[0]
    zoo, checkpoint = zoo_checkpoint(name, tmp_path)
    config = our_config(name)
    config.model.roi_head.bbox_head.num_classes = 2
    model = MODELS.build(config.model)
    load_checkpoint(model, str(checkpoint), map_location='cpu')
    checkpoint.unlink()
    state = model.state_dict()
    expected = zoo.state_dict()
    assert state.keys() == expected.keys()
    last = {f'roi_head.bbox_head.fc_{part}' for part in ('cls', 'reg')}
    for key, value in expected.items():
        if key.rsplit('.', 1)[0] in last:
            assert state[key].shape != value.shape
        else:
            assert torch.equal(state[key], value), key
