"""The calls of the HTTP interface: where callers and features meet."""

from starlette.convertors import PathConvertor, register_url_convertor


class _AnyText(PathConvertor):
    """Line breaks too, which Starlette's own leaves out: a source id may have one."""

    regex = "(?s:.*)"


register_url_convertor("path", _AnyText())
