// Builds dist/, which the published package runs: the types are stripped by tsc, and what the program reads beside its
// code (scripts for guests, the JSON schema) is copied. The sources themselves need no build: Node 24 runs them.

import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, rmSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const dist = join(root, 'dist')

rmSync(dist, { recursive: true, force: true })
const tsc = join(root, 'node_modules/.bin/tsc')
if (!existsSync(tsc)) {
  console.error('build: node_modules is missing; run: npm ci')
  process.exit(1)
}
execFileSync(tsc, ['-p', 'tsconfig.build.json'], { cwd: root, stdio: 'inherit' })
cpSync(join(root, 'src'), dist, {
  recursive: true,
  filter: (file) => statSync(file).isDirectory() || !file.endsWith('.ts'),
})
