/** The languages that the server completes: those of `nano_lsp/code/languages.py`. */

export const LANGUAGES: readonly string[] = [
  "python",
  "javascript",
  "typescript",
  "c",
  "cpp",
  "csharp",
  "go",
  "java",
  "kotlin",
  "rust",
  "swift",
  "lua",
  "sql",
  "ruby",
  "shellscript",
  "yaml",
  "toml",
];

/** Documents that are synchronised: files, untitled documents, and notebook cells. */
export const SELECTOR = LANGUAGES.flatMap((language) => [
  { scheme: "file", language },
  { scheme: "untitled", language },
  { notebook: "jupyter-notebook", language },
]);
