"""What a person types, held against what there is: tools, options, configs, targets, extras."""

import configparser
import functools
import importlib
import re
from collections.abc import Sequence
from pathlib import Path

import mmdet
import tool_parsers
from documents import ROOT
from mmengine.config import Config
from tool_parsers import BadCommandLine

from mmsniper import InputError, config_path, zoo_config

# Programs of others, which are not looked into.
FOREIGN = {'cd', 'ffmpeg', 'git', 'pre-commit', 'export', 'ogr2ogr'}
CHECKPOINT = re.compile(r'work_dirs/([^/]+)/epoch_(\d+)\.pth')
VARIABLE = re.compile(r'[A-Z_]+=\S*')


def check(words: Sequence[str]) -> None:
    """See that a command can be typed.

    Raises:
        BadCommandLine: It cannot; the message says why.
    """
    words = list(words)
    while words and VARIABLE.fullmatch(words[0]):
        words.pop(0)
    program, *arguments = words or ['']
    for word in arguments:
        check_name(word)
    if program in ('python', '.venv/bin/python'):
        check_python(arguments)
    elif program == 'torchrun':
        script = next((i for i, word in enumerate(arguments) if word.endswith('.py')), None)
        if script is None:
            raise BadCommandLine('torchrun starts no tool')
        check_python(arguments[script:])
    elif program == 'mim':
        check_mim(arguments)
    elif program == 'make':
        check_make(arguments)
    elif program == 'pip':
        check_pip(arguments)
    elif program == 'wget':
        check_download(arguments)
    elif program.endswith('.sh') or program == '.ci/run':
        check_script(program, arguments)
    elif program not in FOREIGN:
        raise BadCommandLine(f'nobody knows the program {program!r}')


def check_name(word: str) -> None:
    """Configs that are named exist, and checkpoints are of their last epoch."""
    path = word.split('=')[-1]
    if path.startswith('configs/') and not (ROOT / path).exists():
        raise BadCommandLine(f'{path} does not exist')
    try:
        if path.startswith('mmsniper::'):
            config_path(path.removeprefix('mmsniper::'))
        elif path.startswith('mmdet::'):
            zoo_config(path.removeprefix('mmdet::'))
    except InputError as error:
        raise BadCommandLine(str(error)) from error
    if found := CHECKPOINT.search(word):
        name, epoch = found.groups()
        for config in (ROOT / 'configs').rglob(f'{name}.py'):
            if last_epoch(config) != int(epoch):
                raise BadCommandLine(f'{name} ends with epoch {last_epoch(config)}, not {epoch}')


@functools.cache
def last_epoch(config: Path) -> int:
    return Config.fromfile(config).train_cfg.max_epochs


def check_python(arguments: Sequence[str]) -> None:
    if arguments[0] == '-m' and arguments[1] == 'mmsniper':
        if arguments[2:]:
            check_tool(tool_parsers.tool_named(arguments[2]), arguments[3:])
    elif arguments[0] == '-m' and arguments[1] == 'pytest':
        for word in arguments[2:]:
            if word.startswith('tests/') and not (ROOT / word).exists():
                raise BadCommandLine(f'{word} does not exist')
    elif arguments[0].startswith('tools/') and (ROOT / arguments[0]).is_file():
        check_tool(arguments[0].removeprefix('tools/'), arguments[1:])
    else:
        raise BadCommandLine(f'there is no {arguments[0]}')


def check_tool(tool: str, arguments: Sequence[str]) -> None:
    if list(arguments) != ['-h']:
        parse(tool, tuple(arguments))


parse = functools.cache(tool_parsers.parse)


def check_mim(arguments: Sequence[str]) -> None:
    command, *rest = arguments
    if command == 'run':
        package, tool, *rest = rest
        if rest[:1] == ['--']:
            rest = rest[1:]
        elif '-h' in rest:
            raise BadCommandLine('mim takes -h itself, but for behind --')
        expect_package(package)
        check_tool(tool_parsers.tool_named(tool), rest)
    elif command in ('train', 'test'):
        found = mim_parameters(command, rest)
        expect_package(found['package'])
        checkpoint = [found['checkpoint']] if found.get('checkpoint') else []
        parse(f'{command}.py', (found['config'], *checkpoint, *found['other_args']))
    elif command == 'search':
        found = mim_parameters(command, rest)
        expect_package(*found['packages'])
    elif command != 'install':
        raise BadCommandLine(f'mim has no command {command}')


def mim_parameters(command: str, arguments: Sequence[str]) -> dict:
    import click

    module = importlib.import_module(f'mim.commands.{command}')
    try:
        return module.cli.make_context(command, list(arguments)).params
    except click.ClickException as error:
        raise BadCommandLine(error.format_message()) from error


def expect_package(package: str) -> None:
    if package not in ('mmsniper', 'mmdet'):
        raise BadCommandLine(f'mim is to look for {package}')


def check_make(arguments: Sequence[str]) -> None:
    targets = re.findall(r'^([a-z][\w-]*):', (ROOT / 'Makefile').read_text(), re.MULTILINE)
    for word in arguments:
        if '=' not in word and word not in targets:
            raise BadCommandLine(f'make knows no target {word}')


def check_pip(arguments: Sequence[str]) -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / 'setup.cfg')
    for extra in re.findall(r'(?:(?<!\S)\.|mmsniper)\[(\w+)\]', ' '.join(arguments)):
        if extra not in setup['options.extras_require']:
            raise BadCommandLine(f'the package has no extra {extra}')


def check_download(arguments: Sequence[str]) -> None:
    """What is downloaded is a checkpoint of MMDetection, by the address in its model cards."""
    cards = (Path(mmdet.__file__).parent / '.mim' / 'configs').glob('*/metafile.yml')
    address = next((word for word in arguments if '://' in word), '')
    if not any(address in card.read_text().split() for card in cards):
        raise BadCommandLine(f'no model card of MMDetection has the checkpoint {address}')


def check_script(program: str, arguments: Sequence[str]) -> None:
    if not (ROOT / program).is_file():
        raise BadCommandLine(f'there is no {program}')
    positional = {'dist_train': 2, 'dist_test': 3, 'slurm_train': 4, 'slurm_test': 4}
    name = Path(program).stem
    if name == 'train_sniper':
        parse('train_sniper.py', tuple(arguments))
    elif name in positional:
        if len(arguments) < positional[name]:
            raise BadCommandLine(f'{program} needs {positional[name]} arguments')
        tool = 'test.py' if name.endswith('test') else 'train.py'
        first = ('CONFIG', 'CHECKPOINT') if tool == 'test.py' else ('CONFIG',)
        parse(tool, (*first, *arguments[positional[name] :]))
