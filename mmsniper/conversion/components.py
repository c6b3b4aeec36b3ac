"""Classes behind the ``type`` in configs, so that subclasses are known as what they are."""

from __future__ import annotations

from mmengine.registry import Registry

from mmsniper.models.focus_detector import build_focus_detector, focus_detector_class
from mmsniper.models.ignoring import build_ignore_aware_head, ignore_aware_class

# What is no class but makes one of another: the key of that one, and how.
_MAKERS = {
    build_focus_detector: ('detector', focus_detector_class),
    build_ignore_aware_head: ('head', ignore_aware_class),
}


def component_class(registry: Registry, config: dict | str | type | None) -> type | None:
    """The class that a config is about.

    Args:
        registry (Registry): Where its name is registered.
        config (dict | str | type, optional): A config with a ``type``, or the type itself.

    Returns:
        type, optional: The class, or None if there is no such name. That of an ``IgnoreAwareHead``
        or a ``FocusDetector`` derives from the one that it is made of.
    """
    kind = config.get('type') if isinstance(config, dict) else config
    if kind is None or isinstance(kind, type):
        return kind
    try:
        found = registry.get(str(kind))
        if found in _MAKERS:
            key, make = _MAKERS[found]
            inner = component_class(registry, config[key])
            return inner and make(inner)
    except Exception:  # a dotted name is imported, which can fail in any way
        return None
    return found if isinstance(found, type) else None


def component_name(config: dict | str | type) -> str:
    """The name of a component without its scope or module, as a person would call it."""
    kind = config.get('type') if isinstance(config, dict) else config
    return kind.__name__ if isinstance(kind, type) else str(kind).rsplit('.', 1)[-1]


def is_component(registry: Registry, config: object, *classes: type) -> bool:
    """Whether a config is about one of some classes or a subclass of them."""
    found = component_class(registry, config) if isinstance(config, dict) else None
    return found is not None and issubclass(found, classes)
