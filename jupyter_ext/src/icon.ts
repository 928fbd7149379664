import { LabIcon } from "@jupyterlab/ui-components";

const shape = (inner: string) =>
  `<svg xmlns="http://www.w3.org/2000/svg" width="16" height="16" viewBox="0 0 16 16"><g class="jp-icon3" fill="none" stroke="#616161" stroke-width="1.5" stroke-linecap="round" stroke-linejoin="round">${inner}</g></svg>`;

export const icon = new LabIcon({
  name: "neuro-nano:nano",
  svgstr: shape('<path d="M3 13V3l10 10V3"/>'),
});
export const explainIcon = new LabIcon({
  name: "neuro-nano:explain",
  svgstr: shape('<path d="M2.5 3h11v7.5H8L5 13.5v-3H2.5z"/><path d="M5 5.8h6M5 8h4"/>'),
});
export const docstringIcon = new LabIcon({
  name: "neuro-nano:docstring",
  svgstr: shape('<path d="M4 4v3M6.5 4v3M9 4v3"/><path d="M4 10h8M4 12.8h5"/>'),
});
export const fixIcon = new LabIcon({
  name: "neuro-nano:fix",
  svgstr: shape(
    '<path d="M10 2.5a3.5 3.5 0 0 0-3.4 4.6L2.8 11a1.6 1.6 0 0 0 2.3 2.3l3.8-3.9A3.5 3.5 0 0 0 13.4 6l-2 .9-1.8-1.8.9-2z"/>',
  ),
});
