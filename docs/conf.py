"""The documentation site: Sphinx with MyST. `make docs` builds it into docs/_build."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE / '_ext'), str(HERE.parent)]

from mmsniper import __version__  # noqa: E402

project = 'mmsniper'
author = 'the authors of mmsniper'
copyright = 'Apache-2.0'
release = version = __version__

extensions = [
    'myst_nb',
    'sphinx.ext.autodoc',
    'sphinx.ext.napoleon',
    'sphinx.ext.viewcode',
    'sphinx_copybutton',
    'command_lines',
    'config_pages',
]
exclude_patterns = ['_build', '_ext']
suppress_warnings = ['config.cache']  # an extension's own settings

myst_enable_extensions = ['colon_fence', 'deflist', 'fieldlist']
myst_heading_anchors = 4
# Notebooks are shown as they are; a test runs them.
nb_execution_mode = 'off'

autodoc_member_order = 'bysource'
autodoc_typehints = 'signature'
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True

html_theme = 'furo'
html_title = f'mmsniper {release}'
html_static_path = ['_static']
html_css_files = ['site.css']
copybutton_prompt_text = r'\$ |>>> '
copybutton_prompt_is_regexp = True
