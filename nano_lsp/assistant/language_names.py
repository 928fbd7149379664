"""The names of languages as a model knows them, by the language ids of editors."""

from __future__ import annotations

_TITLES = {
    "javascript": "JavaScript",
    "javascriptreact": "JSX",
    "typescript": "TypeScript",
    "typescriptreact": "TSX",
    "cpp": "C++",
    "csharp": "C#",
    "shellscript": "Bash",
    "html": "HTML",
    "css": "CSS",
    "sql": "SQL",
    "json": "JSON",
    "yaml": "YAML",
    "toml": "TOML",
}


def title_of(language: str) -> str:
    """The name of a language in a sentence; empty for none."""
    return _TITLES.get(language, language.capitalize())
