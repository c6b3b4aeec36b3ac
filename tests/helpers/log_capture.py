"""What mmengine's current logger is told."""

from mmengine.logging import MMLogger


def log_of(caplog, build):
    """Call ``build``; what it returns, and the text of the log until then."""
    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    try:
        return build(), caplog.text
    finally:
        logger.removeHandler(caplog.handler)
