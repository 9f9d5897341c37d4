// Bundles app/ into a directory: index.html and assets/ with content-hashed names.
//
//   node bundle.mjs DIRECTORY
//
// A page that is large and that not everyone opens is a file of its own (`import()`).
//
// The page needs no inline script and no inline style, so the strict content
// security policy of src/lib.rs holds. Hashed names let the server say "immutable".

import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const here = dirname(fileURLToPath(import.meta.url));

/** Bundles once and returns the size in bytes of each file written. */
export async function bundle(directory) {
  const out = resolve(directory);
  rmSync(out, { recursive: true, force: true });
  const result = await build({
    absWorkingDir: here,
    entryPoints: { app: 'app/main.tsx' },
    bundle: true,
    minify: true,
    format: 'esm',
    splitting: true,
    target: ['es2022'],
    jsx: 'automatic',
    jsxImportSource: 'preact',
    entryNames: 'assets/[name]-[hash]',
    assetNames: 'assets/[name]-[hash]',
    chunkNames: 'assets/[name]-[hash]',
    outdir: out,
    metafile: true,
    legalComments: 'none',
    logLevel: 'warning',
  });
  const written = Object.entries(result.metafile.outputs).map(([path, { bytes }]) => [
    resolve(here, path).slice(out.length + 1).replaceAll('\\', '/'),
    bytes,
  ]);
  const entry = written.find(([name]) => /^assets\/app-.*\.js$/.test(name))[0];
  const style = written.find(([name]) => name.endsWith('.css'))[0];
  const icon = readFileSync(join(here, 'app/icon.svg'));
  const iconName = `assets/icon-${createHash('sha256').update(icon).digest('hex').slice(0, 8).toUpperCase()}.svg`;
  mkdirSync(join(out, 'assets'), { recursive: true });
  writeFileSync(join(out, iconName), icon);
  const page = readFileSync(join(here, 'app/index.html'), 'utf8')
    .replace('{{script}}', '/' + entry)
    .replace('{{preload}}', preloads(result.metafile, entry))
    .replace('{{style}}', '/' + style)
    .replace('{{icon}}', '/' + iconName);
  writeFileSync(join(out, 'index.html'), page);
  return Object.fromEntries(written);
}

/** Links to what the entry cannot do without, so that it is not asked for only then. */
function preloads({ outputs }, entry) {
  const own = Object.keys(outputs).find((path) => path.endsWith(entry));
  return outputs[own].imports
    .filter(({ kind }) => kind === 'import-statement')
    .map(({ path }) => `<link rel="modulepreload" href="/assets/${basename(path)}">`)
    .join('\n    ');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const directory = process.argv[2];
  if (!directory) {
    console.error('usage: node bundle.mjs DIRECTORY');
    process.exit(2);
  }
  for (const [name, bytes] of Object.entries(await bundle(directory))) console.log(`${name} ${bytes}`);
}
