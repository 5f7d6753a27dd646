"""Documents the public names of a module by kind, and leads references to them.

``.. public-names:: MODULE`` with the option ``:kind:`` (``errors``, ``classes``, ``functions``; all of them without it)
documents what the module lists in ``__all__``, in that order; ``:except:`` names those that have a place elsewhere.
"""

from __future__ import annotations

import importlib
import inspect
from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar

from sphinx.util.docutils import SphinxDirective

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from docutils import nodes
    from sphinx.addnodes import pending_xref
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

KINDS: dict[str, tuple[str, Callable[[object], bool]]] = {
    "errors": ("autoexception", lambda value: inspect.isclass(value) and issubclass(value, BaseException)),
    "classes": ("autoclass", lambda value: inspect.isclass(value) and not issubclass(value, BaseException)),
    "functions": ("autofunction", inspect.isroutine),
}


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("public-names", PublicNames)
    app.connect("missing-reference", find_public_name)
    return {"parallel_read_safe": True}


class PublicNames(SphinxDirective):
    """The directive ``public-names``."""

    required_arguments = 1
    option_spec: ClassVar[dict[str, Callable[[str], Any]] | None] = {"kind": str, "except": str.split}

    def run(self) -> list[nodes.Node]:
        module = importlib.import_module(self.arguments[0])
        self.env.note_dependency(str(module.__file__))
        kinds = [self.options["kind"]] if "kind" in self.options else list(KINDS)
        lines = [
            line
            for kind in kinds
            for name in module.__all__
            if KINDS[kind][1](getattr(module, name)) and name not in self.options.get("except", [])
            for line in directive(KINDS[kind][0], module, name)
        ]
        return self.parse_text_to_nodes("\n".join(lines))


def directive(kind: str, module: ModuleType, name: str) -> list[str]:
    value = getattr(module, name)
    options = ["   :undoc-members:"] if inspect.isclass(value) and issubclass(value, Enum) else []
    return [f".. {kind}:: {module.__name__}.{name}", *options, ""]


def find_public_name(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, contnode: nodes.TextElement
) -> nodes.reference | None:
    """Lead from the name that a signature was written with to the public one."""
    target = str(node.get("reftarget", ""))
    if node.get("refdomain") != "py" or not target:
        return None
    domain = env.domains.python_domain
    found = [name for name in domain.objects if name.rpartition(".")[2] == target.rpartition(".")[2]]
    if len(found) != 1 or ("." in target and not target.startswith("casare_rpa")):
        return None
    document = node.get("refdoc", env.docname)
    reference: nodes.reference | None = domain.resolve_xref(env, document, app.builder, "obj", found[0], node, contnode)
    return reference
