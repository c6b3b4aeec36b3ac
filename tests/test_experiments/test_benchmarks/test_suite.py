"""Suites: those that come with the project, and what is wrong with others."""

import dataclasses
import json

import pytest
import torch
from command_line import TOOLS
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.config import Config
from mmengine.structures import InstanceData
from small_suite import write_suite
from web_server import served

from mmsniper.errors import InputError
from mmsniper.experiments.benchmarks.dataloaders import training_pyramid
from mmsniper.experiments.benchmarks.run import Run
from mmsniper.experiments.benchmarks.run_config import (
    proposal_config,
    test_config,
    train_config,
)
from mmsniper.experiments.benchmarks.suite import read_suite, sub_pyramid, with_weights

FOLDER = TOOLS / 'benchmarks'
SUITES = sorted(path.stem for path in (FOLDER / 'suites').glob('*.py'))
# Without 'rates', which has the recipes of 'rivals' three times.
DIFFERENT = [name for name in SUITES if name != 'rates']
DATA = sorted(path.stem for path in (FOLDER / 'data_sets').glob('*.py'))

test_config.__test__ = False  # it is no test


def load(name, size='tiny', data='shapes'):
    return read_suite(FOLDER / f'suites/{name}.py', size, FOLDER / 'data_sets', data=data)


def test_all_suites_are_there():
    assert SUITES == [
        'autofocus',
        'batches',
        'detectors',
        'fine_tuning',
        'inference',
        'levels',
        'negatives',
        'norms',
        'out_of_range',
        'proposals',
        'rates',
        'rivals',
        'scales',
    ]
    assert DATA == [
        'bccd',
        'cells',
        'coco_sample',
        'licence_plates',
        'photographs',
        'scenes',
        'shapes',
    ]


def test_each_way_has_three_rates_to_choose_from(tmp_path):
    rates, rivals = load('rates'), load('rivals')
    assert len(rates.recipes) == 3 * len(rivals.recipes)
    found = {}
    for speed in ('slow', 'usual', 'fast'):
        recipe = rates.recipes[f'yolox_tiles_{speed}']
        config = train_config(rates, recipe, 0, tmp_path, tmp_path)
        found[speed] = round(config.optim_wrapper.optimizer.lr, 6)
        assert recipe.method == rivals.recipes['yolox_tiles'].method
    assert found == dict(slow=0.0003, usual=0.001, fast=0.003)
    assert rates.budget.mpx == pytest.approx(rivals.budget.mpx / 4, rel=0.05)


def test_larger_steps_are_fewer(tmp_path):
    suite = load('batches', data='licence_plates')
    configs = {
        name: train_config(suite, recipe, 0, tmp_path, tmp_path)
        for name, recipe in suite.recipes.items()
    }
    small, large = configs['small'], configs['large']
    ends = [each.param_scheduler[1].end for each in (small, large)]
    pixels = [each.train_dataloader.batch_sampler.step_pixels for each in (small, large)]
    assert ends[0] == 8 * ends[1] and pixels[1] == pytest.approx(8 * pixels[0])
    assert 100 < pixels[1] / suite.data.chip_size**2 < 130
    assert not small.model.backbone.get('norm_eval')
    for name in ('small', 'large'):
        frozen = configs[f'{name}_frozen']
        assert frozen.model.backbone.pop('norm_eval')
        for part in ('model', 'optim_wrapper', 'param_scheduler', 'train_dataloader'):
            assert frozen[part] == configs[name][part]
    large.train_dataloader.batch_sampler = small.train_dataloader.batch_sampler
    assert large.train_dataloader == small.train_dataloader
    recipe = dataclasses.replace(suite.recipes['large'], step_factor=30)
    with pytest.raises(InputError, match='steps of 30 times their pixels: give a larger budget'):
        train_config(suite, recipe, 0, tmp_path, tmp_path)


def architecture(recipe):
    return recipe.model, recipe.focus_head


@pytest.mark.parametrize('size', ['tiny', 'full'])
@pytest.mark.parametrize('name', sorted({*DIFFERENT} - {'batches'}))
def test_recipes_differ_in_nothing_but_what_they_are_about(name, size, tmp_path):
    suite = load(name, size)
    configs = {
        key: train_config(suite, recipe, 1, tmp_path, tmp_path / 'record.json')
        for key, recipe in suite.recipes.items()
    }
    for key, config in configs.items():
        # Whoever asks for another rate wants it to differ.
        rate = suite.optim_wrapper['optimizer']['lr']
        assert config.optim_wrapper.optimizer.lr == pytest.approx(rate * suite.recipes[key].rate)
        config.optim_wrapper.optimizer.lr = rate
        if 'model.backbone.norm_eval' in suite.recipes[key].overrides:
            assert config.model.backbone.pop('norm_eval')
    firsts = {}
    for key, config in configs.items():
        rival = firsts.setdefault(architecture(suite.recipes[key]), config)
        for part in ('model', 'optim_wrapper', 'param_scheduler', 'train_cfg', 'val_evaluator'):
            assert config[part] == rival[part]
        loader, other = config.train_dataloader, rival.train_dataloader
        # Negative chips on top of the budget are what a recipe may be about.
        counts = loader.batch_sampler.pop('count_negatives', True)
        assert counts != suite.recipes[key].extra_negatives
        assert loader.batch_sampler == other.batch_sampler
        steps, others = (
            [step['type'] for step in each.dataset.pipeline] for each in (loader, other)
        )
        assert steps == others


def test_tiles_are_all_of_the_finest_level_in_training_and_in_testing(tmp_path):
    suite = load('rivals', data='licence_plates')
    config = train_config(suite, suite.recipes['yolox_tiles'], 1, tmp_path, tmp_path / 'r.json')
    dataset = config.train_dataloader.dataset
    assert dataset.test_mode and dataset.tile_size == suite.data.chip_size == 256
    assert dataset.levels == [1.0] and dataset.valid_ranges == [(-1, -1)]
    for name in ('yolox_single', 'yolox_sniper'):
        config = train_config(suite, suite.recipes[name], 1, tmp_path, tmp_path / 'r.json')
        assert config.train_dataloader.dataset.get('tile_size') is None
    for name, tile_size in (('sliced', 256), ('pyramid', None)):
        tested = test_config(config, suite, suite.tests[name], tmp_path, tmp_path / 'r.json')
        assert tested.test_dataloader.dataset.tile_size == tile_size


def test_a_backbone_begins_with_its_part_of_a_detectors_weights(tmp_path):
    suite = load('rivals', data='licence_plates')
    recipe = suite.recipes['atss_sniper']
    model = MODELS.build(train_config(suite, recipe, 1, tmp_path, tmp_path / 'r.json').model)
    threes = {key: torch.full_like(value, 3) for key, value in model.backbone.state_dict().items()}
    detector = {f'backbone.{key}': value for key, value in threes.items()}
    torch.save(dict(state_dict=detector), tmp_path / 'yolox_nano_coco.pth')
    torch.save(threes, tmp_path / 'mobilenet_v2_imagenet.pth')
    chosen = ['atss_sniper', 'faster_rcnn_sniper', 'yolox_sniper']
    begun = with_weights(suite, chosen, tmp_path)
    config = train_config(begun, begun.recipes['atss_sniper'], 1, tmp_path, tmp_path / 'r.json')
    model = MODELS.build(config.model)
    model.init_weights()
    assert all((value == 3).all() for value in model.backbone.parameters())
    assert not any((value == 3).all() for value in model.neck.parameters())
    start = begun.recipes['faster_rcnn_sniper'].overrides['model.backbone.init_cfg']
    assert start['prefix'] is None and start['checkpoint'].endswith('mobilenet_v2_imagenet.pth')
    assert 'load_from' in begun.recipes['yolox_sniper'].overrides


def test_detectors_and_what_becomes_of_objects_out_of_range():
    recipes = load('out_of_range').recipes
    assert len(recipes) == 20
    found = {(recipe.model, recipe.out_of_range) for recipe in recipes.values()}
    modes = ('ignore', 'erase', 'drop', 'keep')
    detectors = ('atss', 'fcos', 'yolox', 'centernet', 'dino')
    assert found == {(model, mode) for model in detectors for mode in modes}


def test_weights_to_begin_with(tmp_path):
    suite = load('out_of_range')
    chosen = ['fcos_keep', 'yolox_keep']
    with pytest.raises(InputError, match='recipe yolox_keep begins with the weights .*nano_coco'):
        with_weights(suite, chosen, tmp_path)
    (tmp_path / 'yolox_nano_coco.pth').touch()
    found = with_weights(suite, chosen, tmp_path).recipes
    configs = {
        name: train_config(suite, found[name], 0, tmp_path, tmp_path / 'record.json')
        for name in (*chosen, 'yolox_erase')
    }
    assert configs['yolox_keep'].load_from == str(tmp_path / 'yolox_nano_coco.pth')
    assert configs['fcos_keep'].load_from is configs['yolox_erase'].load_from is None
    assert with_weights(load('out_of_range', 'full'), chosen, tmp_path / 'none')


def test_negative_chips_are_looked_for_at_all_levels(tmp_path):
    suite = load('rivals', data='licence_plates')
    found = {
        name: train_config(suite, suite.recipes[name], 0, tmp_path, tmp_path / 'record.json')
        for name in ('yolox_sniper', 'yolox_sniper_online')
    }
    config = found['yolox_sniper_online']
    assert config.custom_hooks[-1]['type'] == 'OnlineNegativesHook'
    looked_at = config[config.custom_hooks[-1]['dataloader']].dataset
    assert looked_at.levels == suite.data.test_levels and len(looked_at.levels) == 3
    assert config.val_dataloader == found['yolox_sniper'].val_dataloader
    assert config.val_dataloader.dataset.levels == [suite.data.single_level]
    tests = [
        test_config(each, suite, suite.tests['finest'], tmp_path, tmp_path).test_dataloader
        for each in found.values()
    ]
    assert tests[0] == tests[1]


def test_weights_from_a_server(tmp_path, monkeypatch):
    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'home'))
    torch.save(dict(state_dict={'backbone.a': torch.zeros(1)}), tmp_path / 'weights.pth')
    suite = load('rivals')
    with served(tmp_path) as server:
        address = f'{server}/weights.pth'
        recipes = {
            name: dataclasses.replace(suite.recipes[name], weights=dict(tiny=address))
            for name in ('yolox_single', 'atss_single')
        }
        suite = dataclasses.replace(suite, recipes=recipes)
        found = with_weights(suite, list(recipes), tmp_path / 'none').recipes
    path = found['yolox_single'].overrides['load_from']
    assert torch.load(path)['state_dict'].keys() == {'backbone.a'}
    start = found['atss_single'].overrides['model.backbone.init_cfg']
    assert start == dict(type='Pretrained', checkpoint=path, prefix='backbone.')
    run = Run(suite, 'yolox_single', 0, tmp_path, tmp_path, TOOLS)
    assert run.settings()['training']['weights'] == dict(tiny='weights.pth')


@pytest.mark.parametrize('data', DATA)
def test_a_config_survives_being_written(data, tmp_path):
    suite = load('scales', data=data)
    config = train_config(suite, suite.recipes['snip'], 1, tmp_path, tmp_path / 'record.json')
    config.dump(tmp_path / 'config.py')
    assert Config.fromfile(tmp_path / 'config.py').to_dict() == config.to_dict()


@pytest.mark.parametrize('name', DIFFERENT)
def test_all_recipes_are_tested_alike(name, tmp_path):
    suite = load(name)
    trained = [
        (recipe, train_config(suite, recipe, 0, tmp_path, tmp_path))
        for recipe in suite.recipes.values()
    ]
    for way in suite.tests.values():
        found = [
            test_config(config, suite, way, tmp_path, tmp_path)
            for recipe, config in trained
            if way.is_for(recipe)
        ]
        for config in found:
            assert config.test_dataloader == found[0].test_dataloader
            assert config.test_evaluator == found[0].test_evaluator
            assert config.custom_hooks[0] == found[0].custom_hooks[0]


@pytest.mark.parametrize('size', ['tiny', 'full'])
def test_models_build_with_the_classes_of_the_data(size, tmp_path):
    seen = set()
    for name in SUITES:
        suite = load(name, size, 'bccd')
        for recipe in suite.recipes.values():
            if suite.models[recipe.model] in seen:
                continue
            seen.add(suite.models[recipe.model])
            model = MODELS.build(train_config(suite, recipe, 0, tmp_path, tmp_path).model)
            classes = {m.num_classes for m in model.modules() if hasattr(m, 'num_classes')}
            assert classes <= {3, 1} and (classes == {1}) == (recipe.model == 'rpn')
            if size == 'tiny':
                assert_learns(model)
    assert len(seen) == dict(tiny=10, full=9)[size]


def test_a_recipe_with_a_focus_head_is_the_other_one_with_a_focus_head(tmp_path):
    suite = load('autofocus', data='licence_plates')
    recipes = suite.recipes['plain'], suite.recipes['head']
    plain, head = (train_config(suite, recipe, 0, tmp_path, tmp_path) for recipe in recipes)
    assert plain.optim_wrapper.optimizer == dict(type='AdamW', lr=0.001, weight_decay=0.05)
    model = dict(head.model)
    assert (model.pop('type'), model.pop('detector')) == ('FocusDetector', plain.model.type)
    # What the test ranges (40 and 95 pixels) leave to finer levels than those of 0.5 and 0.25.
    settings = dict(feature=0, stride=8, in_channels=64, feat_channels=64, sizes=(1.9, 24.0, 34.0))
    assert model.pop('focus_head') == dict(type='FocusHead', **settings)
    assert model == {key: value for key, value in plain.model.items() if key != 'type'}
    assert {**head.to_dict(), 'model': None} == {**plain.to_dict(), 'model': None}
    assert_learns(MODELS.build(head.model))


def test_only_a_focus_head_is_tested_with_what_it_says(tmp_path):
    suite = load('autofocus', data='licence_plates')
    plain, head = suite.tests_of('plain'), suite.tests_of('head')
    assert head == suite.tests
    assert head.keys() - plain.keys() == {'head_few', 'head_some', 'head_many', 'head_close'}
    for name, way in head.items():
        trained = train_config(suite, suite.recipes['head'], 0, tmp_path, tmp_path)
        merging = test_config(trained, suite, way, tmp_path, tmp_path).custom_hooks[0]
        assert merging.type == 'ChipMergeHook' and merging.get('focus') == way.focus
        assert (way.focus is None) == (name in ('single', 'finest', 'pyramid'))


def assert_learns(model):
    """A loss comes out for a chip with an object, and moves the weights of the backbone."""
    model.init_weights()
    shapes = dict.fromkeys(('img_shape', 'pad_shape', 'batch_input_shape'), (160, 128))
    sample = DetDataSample(metainfo=shapes)
    boxes, nothing = torch.tensor([[8.0, 8.0, 60.0, 60.0]]), torch.zeros(0, 4)
    sample.gt_instances = InstanceData(bboxes=boxes, labels=torch.tensor([0]))
    sample.ignored_instances = InstanceData(bboxes=nothing, labels=torch.zeros(0, dtype=int))
    for instances in (sample.gt_instances, sample.ignored_instances):
        instances.set_metainfo(dict(input_valid_range=(-1.0, -1.0)))
    losses = model.loss(torch.rand(2, 3, 160, 128), [sample, sample.clone()])
    model.parse_losses(losses)[0].backward()
    assert next(model.backbone.parameters()).grad.abs().sum() > 0


def test_the_rpn_stage_sees_chips_without_negatives(tmp_path):
    suite = load('negatives')
    config = proposal_config(suite, suite.recipes['rpn'], 3, tmp_path, tmp_path)
    assert config.model.type == 'RPN'
    assert 'proposal_file' not in config.train_dataloader.dataset
    assert config.randomness.seed != 3
    assert config.train_cfg.val_interval > config.train_cfg.max_epochs
    assert suite.proposal_budget.mpx == pytest.approx(suite.budget.mpx * 2 / 7, rel=0.01)


def test_single_scale_trains_on_whole_images_with_every_box(tmp_path):
    suite = load('scales')
    found = {k: train_config(suite, r, 0, tmp_path, tmp_path) for k, r in suite.recipes.items()}
    datasets = {key: config.train_dataloader.dataset for key, config in found.items()}
    assert datasets['single_scale'].levels == [1.0] and datasets['single_scale'].test_mode
    assert datasets['multi_scale'].valid_ranges == [(-1, -1)] * 3
    assert datasets['narrow_scales'].levels == [1.2, 1.0, 0.7]
    assert datasets['narrow_scales'].valid_ranges == [(-1, -1)] * 3
    assert datasets['snip'].valid_ranges == datasets['sniper'].valid_ranges
    assert datasets['snip'].levels == datasets['multi_scale'].levels == datasets['sniper'].levels
    assert not datasets['sniper'].get('test_mode')


def test_factors_are_of_the_single_level(tmp_path):
    suite = load('scales')
    data = dataclasses.replace(suite.data, single_level=(800, -1))
    suite = dataclasses.replace(suite, data=data)
    assert training_pyramid(suite, suite.recipes['narrow_scales'])[0] == [
        (960, -1),
        (800, -1),
        (560, -1),
    ]
    # A step, which has room for one image of the single scale, has room for one of these.
    assert sum(f * f for f in suite.recipes['narrow_scales'].factors) / 3 <= 1


def test_ranges_open_where_levels_are_left_out():
    levels, ranges = [1.4, 0.6, 0.25], [(-1, 56), (40, 150), (110, -1)]
    assert sub_pyramid(levels, ranges, (1, 2)) == ([0.6, 0.25], [(-1, 150), (110, -1)])
    assert sub_pyramid(levels, ranges, (1,)) == ([0.6], [(-1, -1)])
    with pytest.raises(InputError, match='3 of the data set'):
        sub_pyramid(levels, ranges, (3,))


@pytest.mark.parametrize(
    ('suite', 'sentence'),
    [
        ("recipes['single']['method'] = 'magic'", 'method must be one of single-scale'),
        ("recipes['single']['negatives'] = 'rpn'", 'its method must be sniper'),
        ("recipes['chips']['factors'] = (1, 2)", 'its method must be multi-scale'),
        ("recipes['single']['step_factor'] = 0", 'with a step_factor of 0 it would learn nothing'),
        ("recipes['single']['colour'] = 1", 'unknown key colour'),
        ("recipes['single']['model'] = 'big'", 'have no big'),
        ("del sizes['tiny']['models']", 'lacks models'),
        ("sizes['tiny']['rounds'] = 3", 'cannot be tested 2 times'),
        ("curve_test = 'none'", 'curve_test none is not one of its tests'),
        ("recipes['single']['focus_head'] = True", 'its method must be sniper'),
        ("tests['pyramid']['focus'] = dict(colour=1)", 'focus has no setting colour'),
        ("tests['pyramid']['focus'] = dict(source='head')", 'pyramid needs a focus head'),
        ("whole_test = 'none'", 'whole_test none is not one of its tests'),
        ("data = 'none'", 'there is no data set none'),
    ],
)
def test_a_wrong_suite_is_named(suite, sentence, tmp_path):
    path = write_suite(tmp_path, suite=suite)
    with pytest.raises(InputError, match=sentence):
        read_suite(path, 'tiny', FOLDER / 'data_sets')


@pytest.mark.parametrize('mpx, words', [(2, '2.00 trained Mpx'), (1200, '1200 trained Mpx')])
def test_the_extent_is_readable(mpx, words, tmp_path):
    suite = read_suite(write_suite(tmp_path), 'tiny', FOLDER / 'data_sets', budget_mpx=mpx)
    assert suite.extent == words


def test_settings_are_json(tmp_path):
    suite = read_suite(write_suite(tmp_path), 'tiny', FOLDER / 'data_sets')
    figures = json.loads(json.dumps(suite.figures()))
    assert figures['data']['chip_size'] == 64
    # Folders that were begun before there was a focus are gone on with.
    assert figures['tests'] == dict(pyramid=dict(levels='all', ranges='valid'))
    assert 'whole_test' not in figures
