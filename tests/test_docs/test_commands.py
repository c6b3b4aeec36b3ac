"""Every command of README, site and READMEs of configs can be typed as it stands there."""

import pytest
from documents import ROOT, Block, blocks, pages
from typed_commands import BadCommandLine, check

SHELLS = 'bash', 'console', 'sh', 'shell'


@pytest.mark.parametrize('page', pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_commands(page):
    faults = []
    for block in blocks(page, *SHELLS):
        for words in block.commands():
            try:
                check(words)
            except BadCommandLine as fault:
                faults.append(f'{block.place}: {" ".join(words)}\n    {fault}')
    assert not faults, '\n'.join(faults)


def test_there_are_commands():
    """The test above would be content with none."""
    readme = [c for b in blocks(ROOT / 'README.md', *SHELLS) for c in b.commands()]
    assert len(readme) >= 8
    assert sum(len(b.commands()) for page in pages() for b in blocks(page, *SHELLS)) > 100


def words(text):
    (command,) = Block(ROOT / 'README.md', 1, 'bash', text).commands()
    return command


@pytest.mark.parametrize(
    ('command', 'told'),
    [
        ('python tools/infre.py CONFIG', 'there is no tools/infre.py'),
        ('python tools/infer.py CONFIG CHECKPOINT x --out-dir d --levles 1', 'unrecognized'),
        ('python tools/infer.py CONFIG CHECKPOINT x', 'required: --out-dir'),
        ('python tools/infer.py C C x --out-dir d --format cocoo', 'invalid choice'),
        ('python tools/train.py configs/sniper/gone.py', 'configs/sniper/gone.py does not exist'),
        ('python tools/train.py mmsniper::sniper/gone.py', 'no config sniper/gone.py'),
        ('python tools/sniperize.py mmdet::gone/gone.py', 'MMDetection has no config'),
        ('python -m mmsniper infre -h', 'no tools named|0 tools named infre'),
        ('mim train mmsniper CONFIG --gpu 8 --resum', 'unrecognized|ambiguous'),
        ('mim run mmsniper gone', '0 tools named gone'),
        ('mim run mmsniper infer -h', 'mim takes -h itself'),
        ('make demmo', 'no target demmo'),
        ('pip install ".[imges]"', 'no extra imges'),
        ('tools/dist_train.sh CONFIG', 'needs 2 arguments'),
        ('tools/train_sniper.sh CONFIG --gpus=-1', 'must be 0 or more'),
        (
            'python tools/test.py C work_dirs/faster-rcnn_r50_fpn_sniper-7e_coco/epoch_12.pth',
            'ends with epoch 7',
        ),
        ('wget -O a.pth https://download.openmmlab.com/gone.pth', 'no model card'),
        ('pyhton tools/train.py', "the program 'pyhton'"),
    ],
)
def test_a_broken_command_is_found(command, told):
    with pytest.raises(BadCommandLine, match=told):
        check(words(command))


def test_words_of_a_command():
    text = "A=1 tool 'a b' -x \\\n  --y  # a comment\n\n# all of it\none && two; three\n"
    found = Block(ROOT / 'README.md', 1, 'bash', text).commands()
    assert found == [['A=1', 'tool', 'a b', '-x', '--y'], ['one'], ['two'], ['three']]
