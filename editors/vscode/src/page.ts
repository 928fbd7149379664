/** A page for text that a model has written: it loads nothing, from nowhere. */

/** How the page shows text. */
const STYLE = `
  body { max-width: 50em; padding: 1em 1.5em 2em; line-height: 1.5; color: var(--vscode-editor-foreground); }
  pre { padding: 0.8em; overflow-x: auto; background: var(--vscode-textCodeBlock-background); }
  code { font-family: var(--vscode-editor-font-family); font-size: var(--vscode-editor-font-size); }
  table { border-collapse: collapse; }
  td, th { padding: 0.2em 1em 0.2em 0; text-align: left; }
  h1 { font-size: 1.3em; }
`;

/**
 * The page that `{html}` messages fill.
 *
 * Whatever the text says, no image, frame, script or style of it is loaded: its policy allows only what is written here.
 *
 * @param nonce unguessable, new for each page
 */
export function buildPage(nonce: string): string {
  const policy = `default-src 'none'; style-src 'nonce-${nonce}'; script-src 'nonce-${nonce}'`;
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<style nonce="${nonce}">${STYLE}</style>
</head>
<body>
<main aria-live="polite"></main>
<script nonce="${nonce}">
  const main = document.querySelector("main");
  window.addEventListener("message", (event) => { main.innerHTML = event.data.html; });
  acquireVsCodeApi().postMessage("ready");
</script>
</body>
</html>`;
}

/** A table of counters, as Markdown. */
export function statisticsTable(counters: Readonly<Record<string, unknown>>): string {
  const rows = Object.entries(counters).map(([name, value]) => `| ${name.replaceAll("_", " ")} | ${String(value)} |`);
  return ["| | |", "|---|---|", ...rows].join("\n");
}
