// Rewrites every generated file of the repository. Each scripts/generate/NAME.mjs exports `generate()`, which resolves
// to the file's address and its text, or to a list of them; a test calls the same and compares.
import { readdir, writeFile } from 'node:fs/promises'

const folder = new URL('generate/', import.meta.url)
const names = (await readdir(folder)).filter((name) => name.endsWith('.mjs')).sort()
for (const name of names) {
  const { generate } = await import(new URL(name, folder).href)
  for (const { file, text } of [await generate()].flat()) {
    await writeFile(file, text)
    console.log(`wrote ${file.pathname ?? file}`)
  }
}
