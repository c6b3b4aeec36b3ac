"""Whole numbers on the command lines of all tools: a bad one is refused in one sentence."""

import argparse
import runpy
import sys

import pytest
from command_line import TOOLS

from mmsniper.utils.arguments import non_negative_int, positive_int

SCRIPTS = sorted(
    str(path.relative_to(TOOLS))
    for path in TOOLS.rglob('*.py')
    if 'ArgumentParser(' in path.read_text()
)
#: Options that the script checks itself, with a sentence that its own tests know.
CHECKED_LATER = {
    'infer.py': {'--tile-size'},  # where -1 means none
    'dataset_converters/compose_scenes.py': {
        *('--train', '--val', '--seed', '--width', '--height', '--max-photographs'),
    },
    'dataset_converters/draw_shapes.py': {
        *('--train', '--val', '--seed', '--width', '--height', '--objects'),
    },
    'misc/browse_chips.py': {'--num-images', '--epoch'},
    'sniperize.py': {'--chip-size', '--stride', '--tile-size'},
}
EXPECTED = {
    ('analysis_tools/analyze_scales.py', '--seed', '-1'),
    ('analysis_tools/zoo_matrix.py', '--jobs', '0'),
    ('benchmarks/chip_generation.py', '--seed', '-1'),
    ('benchmarks/compare.py', '--jobs', '0'),
    ('benchmarks/mask_merging.py', '--seed', '-1'),
    ('extract_proposals.py', '--num-workers', '-1'),
    ('misc/browse_chips.py', '--max-width', '0'),
    ('train_sniper.py', '--gpus', '-1'),
}


class Caught(BaseException):
    """Carries the parser of a script out of it."""


def parser_of(script: str) -> argparse.ArgumentParser:
    def catch(parser, *args, **kwargs):
        raise Caught(parser)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(argparse.ArgumentParser, 'parse_args', catch)
        patch.setattr(sys, 'argv', [script])
        with pytest.raises(Caught) as caught:
            runpy.run_path(str(TOOLS / script), run_name='__main__')
    return caught.value.args[0]


@pytest.mark.parametrize('script', SCRIPTS)
def test_every_whole_number(script, capsys):
    parser = parser_of(script)
    later = CHECKED_LATER.get(script, set())
    tried = set()
    for action in parser._actions:
        option = (action.option_strings or [action.dest])[-1]
        if action.type is int:
            assert option in later, f'{option} of {script} takes any whole number'
        if action.type not in (positive_int, non_negative_int):
            continue
        num_values = action.nargs if isinstance(action.nargs, int) else 1
        lowest = 1 if action.type is positive_int else 0
        assert action.type(str(lowest)) == lowest
        for value, reason in (
            (str(lowest - 1), f'must be {lowest} or more'),
            ('-7', f'must be {lowest} or more'),
            ('1.5', 'is no whole number'),
            ('many', 'is no whole number'),
        ):
            with pytest.raises(SystemExit) as stopped:
                parser.parse_args([option] + [value] * num_values)
            assert stopped.value.code == 2
            sentence = capsys.readouterr().err.splitlines()[-1]
            names = '/'.join(action.option_strings)
            assert sentence.endswith(f'error: argument {names}: {value} {reason}')
            tried.add((script, option, value))
    assert {case for case in EXPECTED if case[0] == script} <= tried
