"""Empty child registries of scope ``mmsniper``, one below each of MMDetection's.

The components of mmsniper are registered in MMDetection's own registries. A config that inherits
from ``mmsniper::folder/name.py`` however carries ``_scope_='mmsniper'`` in the inherited dicts, and
mmengine then looks for a child registry of that scope: these send it on to the parent without a
warning.
"""

import mmdet.registry
from mmengine.registry import Registry

REGISTRIES = {
    name: Registry(parent.name, parent=parent, scope='mmsniper', locations=['mmsniper'])
    for name, parent in vars(mmdet.registry).items()
    if isinstance(parent, Registry) and parent.scope == 'mmdet'
}
