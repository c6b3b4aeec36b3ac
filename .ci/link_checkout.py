"""Make this checkout visible at site-packages/mmsniper, where mim and mmengine look for a package.

Run by `make setup` after `pip install -e .`. The link is added to the list of installed files, so
that `pip uninstall mmsniper` and a later `pip install .` take it away instead of writing through
it.
"""

import sysconfig
from importlib.metadata import distribution
from pathlib import Path

link = Path(sysconfig.get_paths()['purelib']) / 'mmsniper'
package = Path(__file__).resolve().parent.parent / 'mmsniper'

if link.is_dir() and not link.is_symlink():
    raise SystemExit(f'error: {link} is a folder, remove it and run make setup again')
if link.is_symlink():
    link.unlink()
link.symlink_to(package, target_is_directory=True)

record = Path(distribution('mmsniper').locate_file('')) / (
    f'mmsniper-{distribution("mmsniper").version}.dist-info/RECORD'
)
lines = record.read_text().splitlines()
if 'mmsniper,,' not in lines:
    record.write_text('\n'.join([*lines, 'mmsniper,,']) + '\n')
