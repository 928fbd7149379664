"""Files of a workspace that an import of Java, C#, Ruby, Lua or Bash refers to: by the names of folders and files.

None of these languages says in a file where another one is; each has a convention that nearly all projects keep.
"""

from __future__ import annotations

import posixpath
from collections.abc import Sequence

from nano_lsp.code.workspace import Workspace

_MAX_FOLDERS = 3  # of one namespace of C#, such as that of a project and that of its tests


def find_java(module: str, importer: str, workspace: Workspace) -> list[str]:
    """The file of a class, or of the class of a member; the files of a package."""
    path = module.replace(".", "/")
    files = [f"{each}.java" for each in (path, posixpath.dirname(path)) if each]
    found = _anywhere(files, workspace)
    if not found:
        folders = [each for each in workspace.folders(".java") if f"/{each}".endswith(f"/{path}")]
        found = workspace.files_in(min(folders, key=len), ".java") if folders else []
    return [name for name in found if name != importer]


def find_csharp(module: str, importer: str, workspace: Workspace) -> list[str]:
    """The files of a namespace, or of a class in one: of folders named as its last part, within those of the others.

    The folder `src/Shop.Core/Carts` may hold the namespaces `Shop.Carts` and `Shop.Core.Carts`.
    """
    names = module.split(".")
    folders = sorted(workspace.folders(".cs"), key=lambda folder: (len(folder), folder))
    parts = {folder: [workspace.root.name, *folder.replace(".", "/").split("/")] for folder in folders}
    found = [folder for folder in folders if parts[folder][-1] == names[-1] and _is_within(names, parts[folder])]
    if found:
        files = [name for folder in found[:_MAX_FOLDERS] for name in workspace.files_in(folder, ".cs")]
    else:
        files = [f"{folder}/{names[-1]}.cs" for folder in folders if _is_within(names[:-1], parts[folder])]
        files = workspace.first_file(files)
    return [name for name in files if name != importer]


def find_ruby(module: str, importer: str, workspace: Workspace) -> list[str]:
    """A file beside the importer (`./`), else below a folder `lib`."""
    name = f"{module.removesuffix('.rb')}.rb"
    if module.startswith("."):
        return workspace.first_file([posixpath.normpath(posixpath.join(posixpath.dirname(importer), name))])
    return workspace.first_file([f"lib/{name}", f"%/lib/{name}"])


def find_lua(module: str, importer: str, workspace: Workspace) -> list[str]:
    """A file or the `init.lua` of a folder: below a folder `lua`, as Neovim has it, else wherever the path fits."""
    path = module.replace(".", "/")
    files = [f"{path}.lua", f"{path}/init.lua"]
    found = _anywhere([f"lua/{name}" for name in files], workspace) or _anywhere(files, workspace)
    return [name for name in found if name != importer]


def find_script(module: str, importer: str, workspace: Workspace) -> list[str]:
    """A script beside the importer, else from the root on, else the nearest to the root whose path ends so."""
    beside = posixpath.normpath(posixpath.join(posixpath.dirname(importer), module))
    path = posixpath.normpath(module).lstrip("./")
    return [name for name in workspace.first_file([beside, path, f"%/{path}"]) if name != importer]


def _anywhere(files: Sequence[str], workspace: Workspace) -> list[str]:
    return workspace.first_file([*files, *(f"%/{name}" for name in files)])


def _is_within(names: Sequence[str], parts: Sequence[str]) -> bool:
    """Whether names occur in a path in this order."""
    left = iter(parts)
    return all(name in left for name in names)
