"""What all formats have in common: interruptions, files that are there, damaged pictures."""

import os

import pytest
from foreign_data import Converted, write_picture, write_text

from mmsniper.errors import InputError
from mmsniper.foreign_formats import visdrone_source
from mmsniper.foreign_formats.journal import Journal
from mmsniper.utils.claim import claim_file

NUM_PICTURES = 12


@pytest.fixture
def folder(tmp_path):
    for number in range(NUM_PICTURES):
        write_picture(tmp_path / f'data/images/{number:02d}.jpg', 60 + number, 50)
        lines = (f'{x},{number},5.25,6,1,{x % 10 + 1},0,0' for x in range(number))
        write_text(tmp_path / f'data/annotations/{number:02d}.txt', *lines)
    return tmp_path


def converted(folder, name='out.json', **options):
    return Converted(visdrone_source(folder / 'data'), folder / name, **options)


def stop_after(count):
    def tell(items):
        for number, item in enumerate(items):
            if number == count:
                raise KeyboardInterrupt
            yield item

    return tell


@pytest.mark.parametrize('count', [0, 1, 5, NUM_PICTURES - 1])
def test_an_interruption_changes_nothing(folder, count):
    expected = converted(folder, 'whole.json').file.read_bytes()
    with pytest.raises(KeyboardInterrupt):
        converted(folder, tell=stop_after(count))
    assert not (folder / 'out.json').exists()
    found = converted(folder)
    assert found.result.num_resumed == count
    assert found.file.read_bytes() == expected
    assert {path.name for path in folder.iterdir()} == {'data', 'out.json', 'whole.json'}


def test_a_power_cut_changes_nothing(folder):
    """Wherever the end of the journal is lost."""
    expected = converted(folder, 'whole.json')
    with pytest.raises(KeyboardInterrupt):
        converted(folder, tell=stop_after(4))
    journal = folder / '.out.json.part'
    content = journal.read_bytes()
    for length in [*range(0, len(content), 37), len(content) - 1]:
        journal.write_bytes(content[:length])
        found = converted(folder, overwrite=True)
        assert found.content == expected.content
        whole_lines = content[:length].count(b'\n')
        assert found.result.num_resumed == max(whole_lines - 1, 0)


def test_what_has_changed_is_read_again(folder):
    with pytest.raises(KeyboardInterrupt):
        converted(folder, tell=stop_after(8))
    write_text(folder / 'data/annotations/03.txt', '1,2,3,4,1,1,0,0')
    picture = write_picture(folder / 'data/images/05.jpg', 99, 50)
    os.utime(picture, ns=(0, 0))
    found = converted(folder)
    assert found.result.num_resumed == 6
    assert found.objects('03.jpg') == [('pedestrian', 1, 2, 3, 4)]
    assert found.sizes()['05.jpg'] == (99, 50)


def test_other_settings_begin_anew(folder):
    with pytest.raises(KeyboardInterrupt):
        converted(folder, tell=stop_after(8))
    source = visdrone_source(folder / 'data', merge_people=True)
    found = Converted(source, folder / 'out.json')
    assert found.result.num_resumed == 0
    assert 'pedestrian' not in found.classes


def test_a_fault_can_be_mended(folder):
    good = (folder / 'data/annotations/06.txt').read_text()
    write_text(folder / 'data/annotations/06.txt', 'bad')
    with pytest.raises(InputError, match=r'06\.txt, line 1'):
        converted(folder)
    write_text(folder / 'data/annotations/06.txt', good)
    assert converted(folder).result.num_resumed == 6


def test_nothing_is_overwritten_unasked(folder):
    (folder / 'out.json').write_text('precious')
    with pytest.raises(InputError, match=r'out\.json is there already: .* --overwrite'):
        converted(folder)
    assert (folder / 'out.json').read_text() == 'precious'
    assert converted(folder, overwrite=True).result.num_images == NUM_PICTURES
    with pytest.raises(InputError, match='is a folder'):
        converted(folder, 'data')


def test_two_processes_do_not_write_one_file(folder):
    with claim_file(folder / 'out.json') as claimed:
        assert claimed is not None
        with pytest.raises(InputError, match='another process is writing'):
            converted(folder)


def test_pictures_that_cannot_be_read(folder):
    (folder / 'data/images/02.jpg').write_bytes(b'')
    (folder / 'data/images/03.jpg').write_bytes(b'no picture')
    found = converted(folder)
    assert found.result.num_images == NUM_PICTURES - 2
    assert found.counts()['pictures that cannot be read'] == 2
    assert [image['id'] for image in found.content['images']] == list(range(1, NUM_PICTURES - 1))


def test_boxes_of_less_than_a_pixel(folder):
    lines = '1,1,0.5,9,1,1,0,0', '1,1,9,1,1,1,0,0', '59.5,1,9,9,1,1,0,0'
    write_text(folder / 'data/annotations/00.txt', *lines)
    found = converted(folder)
    assert found.objects('00.jpg') == [('pedestrian', 1, 1, 9, 1)]
    assert found.counts()['boxes of less than a pixel across'] == 2


def test_classes_that_are_asked_for(folder):
    found = converted(folder, classes=['bicycle', 'people'])
    assert found.classes == ['bicycle', 'people']
    assert found.result.objects == dict(bicycle=NUM_PICTURES - 3, people=NUM_PICTURES - 2 + 1 - 1)
    with pytest.raises(InputError, match="the class 'car' is named more than once"):
        converted(folder, 'more.json', classes=['car', 'car'])
    for number in range(NUM_PICTURES):
        write_text(folder / f'data/annotations/{number:02d}.txt', '1,1,9,9,1,1,0,0')
    with pytest.raises(InputError, match="of the classes bus: its own are 'pedestrian'"):
        converted(folder, 'more.json', classes=['bus'])


def test_a_journal_without_an_entry_does_not_stay(tmp_path):
    path = tmp_path / 'journal'
    with pytest.raises(KeyboardInterrupt), Journal(path, {}):
        raise KeyboardInterrupt
    assert not path.exists()
