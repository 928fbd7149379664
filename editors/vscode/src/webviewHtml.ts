/** HTML of the webview that shows text written by the model: it loads no external resource. */

const STYLE = `
  body { max-width: 50em; padding: 1em 1.5em 2em; line-height: 1.5; color: var(--vscode-editor-foreground); }
  pre { padding: 0.8em; overflow-x: auto; background: var(--vscode-textCodeBlock-background); }
  code { font-family: var(--vscode-editor-font-family); font-size: var(--vscode-editor-font-size); }
  table { border-collapse: collapse; }
  td, th { padding: 0.2em 1em 0.2em 0; text-align: left; }
  h1 { font-size: 1.3em; }
`;

/**
 * Build the webview's HTML document; its body is replaced by each `{html}` message.
 *
 * The content security policy allows only the style and script below: no image, frame, script or style of the text is loaded.
 *
 * @param nonce random value, new for each document
 */
export function buildWebviewHtml(nonce: string): string {
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

/** The counters as a Markdown table. */
export function statisticsTable(counters: Readonly<Record<string, unknown>>): string {
  const rows = Object.entries(counters).map(([name, value]) => `| ${name.replaceAll("_", " ")} | ${String(value)} |`);
  return ["| | |", "|---|---|", ...rows].join("\n");
}
