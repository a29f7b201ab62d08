"""Links of the guides to files of the repository: they work on GitHub, and on the site too."""

import os
from pathlib import Path

from docutils import nodes
from reference_pages import CONFIGS, FOLDER, PACKAGE, ROOT, SKIPPED, config_label
from sphinx.addnodes import download_reference, pending_xref
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform

INCLUDED = {
    "README.md": "start",
    "CONTRIBUTING.md": "contributing",
    "CHANGELOG.md": "changelog",
}
"""Files at the repository's top -> the page that includes them."""


class RepositoryLinks(SphinxTransform):
    """Turn each link to a file into a link to the page that shows it.

    A link that leads nowhere stays as it is, and MyST warns of it. What exists and has no page is
    offered for download if it is a file, and is plain text if it is a folder.
    """

    default_priority = 5  # before Sphinx collects downloads and MyST looks for targets

    def apply(self, **kwargs: object) -> None:
        """Rewrite the document's links and the paths of its images."""
        for node in list(self.document.findall(pending_xref)):
            if node.get("reftype") == "myst":
                self._rewrite(node)
        for link in list(self.document.findall(download_reference)):
            if link.get("reftype") == "myst":
                self._rewrite(link)
        for image in self.document.findall(nodes.image):
            path = self._path(image["uri"]) if "://" not in image["uri"] else None
            if path is not None:
                image["uri"] = os.path.relpath(path, self._folder())

    def _rewrite(self, node: nodes.Element) -> None:
        is_page = node.get("refdomain") == "doc"
        target, _, anchor = node["reftarget"].partition("#")
        path = self._path(f"/{target}.md" if is_page else target)
        if path is None:
            return
        new = self._page(path, node.get("reftargetid") or anchor) or self._other(path)
        if new is None:
            node.replace_self(node.children)
            return
        new["refdoc"], new["refexplicit"] = self.env.docname, True
        new += node.children
        node.replace_self(new)

    def _folder(self) -> Path:
        """Return the folder of the page, where its links start."""
        return (Path(self.env.srcdir) / self.env.docname).parent

    def _path(self, target: str) -> Path | None:
        """Return the file or folder that a link names; None if there is none."""
        docs = Path(self.env.srcdir)
        if target.startswith("/"):
            return docs / target[1:]
        folders = [self._folder()]
        # An included file's links start where that file lies.
        if self.env.docname in INCLUDED.values():
            folders.append(ROOT)
        paths = [Path(os.path.normpath(folder / target)) for folder in folders if target]
        return next((path for path in paths if path.exists()), None)

    def _page(self, path: Path, anchor: str) -> nodes.Element | None:
        """Return the link to the page that shows a file, if one does."""
        docs = Path(self.env.srcdir)
        page = INCLUDED.get(path.name) if path.parent == ROOT else None
        if path.is_relative_to(docs) and path.suffix == ".md":
            page = path.relative_to(docs).with_suffix("").as_posix()
        if path == docs:
            page = "index"
        if path.is_relative_to(CONFIGS) and path.is_dir():
            page = f"{FOLDER}/configs"
        if page is not None:
            return pending_xref(
                refdomain="doc", reftype="myst", reftarget=page, reftargetid=anchor or None
            )
        if path.is_relative_to(CONFIGS) and path.suffix == ".yaml":
            label = config_label(path.relative_to(CONFIGS))
            return pending_xref(refdomain="std", reftype="ref", reftarget=label)
        return None

    def _other(self, path: Path) -> nodes.Element | None:
        """Return the link to a module's reference, or to a file for download."""
        if path.is_relative_to(PACKAGE):
            parts = path.relative_to(ROOT).with_suffix("").parts
            module = ".".join(parts).removesuffix(".__init__")
            is_module = path.is_dir() or path.suffix == ".py"
            if is_module and not module.startswith(SKIPPED):
                return pending_xref(refdomain="py", reftype="mod", reftarget=module)
        if path.is_file():
            target = os.path.relpath(path, self._folder())
            return download_reference(refdomain=None, reftype="myst", reftarget=target)
        return None


def setup(app: Sphinx) -> dict[str, bool]:
    """Rewrite links after a page is parsed."""
    app.add_transform(RepositoryLinks)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
