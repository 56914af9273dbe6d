// Writes the page's bundle and the licences of what is in it to app/static.
import { build } from "esbuild";
import { existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";

const STATIC = "../app/static";

for (const name of readdirSync(STATIC)) if (name.startsWith("page-")) rmSync(`${STATIC}/${name}`);

const { metafile } = await build({
  entryPoints: { page: "src/main.tsx" },
  outdir: STATIC,
  bundle: true,
  minify: true,
  format: "esm",
  splitting: true,
  chunkNames: "page-[name]-[hash]",
  target: "es2022",
  jsx: "automatic",
  jsxImportSource: "preact",
  legalComments: "none",
  charset: "utf8",
  metafile: true,
  logLevel: "info",
});

const packages = new Set(
  Object.values(metafile.outputs)
    .flatMap((output) => Object.entries(output.inputs))
    .filter(([, { bytesInOutput }]) => bytesInOutput > 0)
    .map(([path]) => /^node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1])
    .filter(Boolean),
);

const notices = [...packages].sort().map((name) => {
  const folder = `node_modules/${name}`;
  const { version, license } = JSON.parse(readFileSync(`${folder}/package.json`, "utf8"));
  const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
  if (!file || !existsSync(`${folder}/${file}`)) throw new Error(`${name} has no licence file`);
  return `${name} ${version} (${license})\n\n${readFileSync(`${folder}/${file}`, "utf8").trim()}\n`;
});
writeFileSync(
  `${STATIC}/THIRD_PARTY.txt`,
  `The page's script holds parts of these packages.\n\n${notices.join(`\n${"-".repeat(80)}\n\n`)}`,
);
