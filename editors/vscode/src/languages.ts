/** The languages that the server completes, by VS Code's ids: those of `nano_lsp/code/languages.py` and their aliases. */

export const LANGUAGES: readonly string[] = [
  "python",
  "javascript",
  "javascriptreact",
  "typescript",
  "typescriptreact",
  "c",
  "cpp",
  "csharp",
  "go",
  "java",
  "kotlin",
  "rust",
  "swift",
  "lua",
  "ruby",
  "shellscript",
  "sql",
  "html",
  "vue",
  "svelte",
  "css",
  "scss",
  "less",
  "json",
  "jsonc",
  "yaml",
  "toml",
  "markdown",
  "dockerfile",
];

/** Documents that are synchronised: files, untitled documents, and notebook cells. */
export const SELECTOR = LANGUAGES.flatMap((language) => [
  { scheme: "file", language },
  { scheme: "untitled", language },
  { notebook: "jupyter-notebook", language },
]);
