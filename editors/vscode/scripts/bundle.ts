/** Bundles the extension into dist/, with the licenses of the bundled packages. */

import { copyFile, readFile, writeFile } from "node:fs/promises";
import { build } from "esbuild";

const { metafile } = await build({
  entryPoints: ["src/extension.ts"],
  outfile: "dist/extension.cjs",
  bundle: true,
  platform: "node",
  format: "cjs",
  target: "node20",
  external: ["vscode"],
  minify: true,
  sourcemap: false,
  metafile: true,
  logLevel: "warning",
});

const packages = new Set(
  Object.keys(metafile.inputs).flatMap((file) => /^(node_modules\/(?:@[^/]+\/)?[^/]+)/.exec(file)?.[1] ?? []),
);
const licenses: string[] = [];
for (const folder of [...packages].sort()) {
  const { name, version, license } = JSON.parse(await readFile(`${folder}/package.json`, "utf8"));
  const text = await readLicense(folder);
  licenses.push(`${name} ${version}, ${license}\n\n${text.trim()}\n`);
}
await writeFile("dist/LICENSES.txt", licenses.join(`\n${"-".repeat(80)}\n\n`));
await copyFile("../../LICENSE", "LICENSE");

async function readLicense(folder: string): Promise<string> {
  for (const name of ["LICENSE", "License.txt", "LICENSE.md", "LICENSE.txt"]) {
    const text = await readFile(`${folder}/${name}`, "utf8").catch(() => "");
    if (text) {
      return text;
    }
  }
  throw new Error(`${folder} has no license.`);
}
