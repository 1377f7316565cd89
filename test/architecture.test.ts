import { glob, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { checkSource } from './architecture.ts'

const root = join(import.meta.dirname, '..')

t.test('the sources keep to the arrows, and each package to its home', async (t) => {
  const problems: string[] = []
  let files = 0
  for await (const file of glob(['src/**/*.ts', 'grafana/src/**/*.ts'], { cwd: root })) {
    files++
    problems.push(...checkSource(file, await readFile(join(root, file), 'utf8')))
  }
  t.ok(files > 30, `${files} files were looked at`)
  t.strictSame(problems, [])
})

const GOOD: [file: string, source: string][] = [
  ['src/main.ts', "import { serve } from './cli/serve.ts'"],
  ['src/cli/serve.ts', "import { listen } from '../web/server.ts'"],
  ['src/study/runner.ts', "import { launch } from '../guest/launch.ts'"],
  ['src/guest/systems/appliance.ts', "import { run } from '../../lib/process.ts'"],
  [
    'src/source/qmp.ts',
    "import { connect } from 'node:net'\nimport { ParseError } from '../lib/errors.ts'",
  ],
  ['src/web/control.ts', "import * as m from '../metrics/catalog.ts'"],
  ['src/storage/tier.ts', "import type { Tier } from '../attribution/records.ts'"],
  ['src/config/json-schema.ts', "import schema from './kvmio.schema.json' with { type: 'json' }"],
  ['src/config/schema.ts', "import { z } from 'zod'"],
  ['src/lib/process.ts', "import { execa } from 'execa'"],
  ['src/source/text.ts', "const text = `\n  import { x } from '../cli/serve.ts'\n`"],
  ['grafana/src/panels.ts', "import { drive } from '../../src/metrics/catalog.ts'"],
  [
    'grafana/src/build.ts',
    "import { PanelBuilder } from '@grafana/grafana-foundation-sdk/dashboard'",
  ],
]

t.test('what may be', async (t) => {
  for (const [file, source] of GOOD) t.strictSame(checkSource(file, source), [], source)
})

const BAD: [file: string, source: string, problem: string][] = [
  [
    'src/source/qmp.ts',
    "import { load } from '../config/load.ts'",
    "src/source/qmp.ts:1: imports '../config/load.ts': source may import lib",
  ],
  [
    'src/guest/plan.ts',
    "\nimport {\n  type Case,\n  cases,\n} from '../study/plan.ts'",
    "src/guest/plan.ts:2: imports '../study/plan.ts': guest may import lib, source, journal, config",
  ],
  [
    'src/guest/plan.ts',
    "import { tier } from '../attribution/records.ts'",
    "src/guest/plan.ts:1: imports '../attribution/records.ts': guest may import lib, source, journal, config; of src/attribution/records.ts the types (import type)",
  ],
  [
    'src/density/model.ts',
    "const { run } = await import('../study/runner.ts')",
    "src/density/model.ts:1: imports '../study/runner.ts': density may import lib",
  ],
  [
    'src/web/server.ts',
    "import '../metrics/render.ts'",
    "src/web/server.ts:1: imports '../metrics/render.ts': web may import lib",
  ],
  [
    'src/lib/log.ts',
    "import { catalog } from '../metrics/catalog.ts'",
    "src/lib/log.ts:1: imports '../metrics/catalog.ts': lib imports nothing but itself",
  ],
  [
    'src/host/kvm.ts',
    "import { serve } from '../main.ts'",
    "src/host/kvm.ts:1: imports '../main.ts': host may import lib, source, guest",
  ],
  [
    'src/extra/thing.ts',
    "import { run } from '../lib/process.ts'",
    "src/extra/thing.ts:1: imports '../lib/process.ts': src/extra has no place in the arrows of test/architecture.ts",
  ],
  [
    'grafana/src/build.ts',
    "import { renderSamples } from '../../src/metrics/render.ts'",
    "grafana/src/build.ts:1: imports '../../src/metrics/render.ts': grafana may import src/metrics/catalog.ts only",
  ],
  [
    'src/source/iostat.ts',
    "import { execa } from 'execa'",
    "src/source/iostat.ts:1: imports 'execa': the home of execa is src/lib/process.ts",
  ],
  [
    'src/guest/launch.ts',
    "import { spawn } from 'node:child_process'",
    "src/guest/launch.ts:1: imports 'node:child_process': the home of node:child_process is src/lib/process.ts",
  ],
  [
    'src/cli/report.ts',
    "import { DatabaseSync } from 'node:sqlite'",
    "src/cli/report.ts:1: imports 'node:sqlite': the home of node:sqlite is src/journal/",
  ],
  [
    'src/web/page.ts',
    "import { PanelBuilder } from '@grafana/grafana-foundation-sdk/table'",
    "src/web/page.ts:1: imports '@grafana/grafana-foundation-sdk/table': the home of @grafana/grafana-foundation-sdk is grafana/src/",
  ],
  [
    'grafana/src/vm.ts',
    "import { z } from 'zod'",
    "grafana/src/vm.ts:1: imports 'zod': the home of zod is src/config/, src/storage/disk-record.ts, src/study/report/results-schema.ts",
  ],
  [
    'src/web/page.ts',
    "import mustache from 'mustache'",
    "src/web/page.ts:1: imports 'mustache': mustache has no home; give it one in test/architecture.ts",
  ],
  [
    'src/source/proc.ts',
    "import { readFile } from 'fs/promises'",
    "src/source/proc.ts:1: imports 'fs/promises': a module of Node's is written node:fs/promises",
  ],
  [
    'src/source/proc.ts',
    "import { sysfs } from './sysfs'",
    "src/source/proc.ts:1: imports './sysfs': an import ends in .ts",
  ],
  [
    'src/source/proc.ts',
    "export { sysfs } from './sysfs.ts'",
    "src/source/proc.ts:1: imports './sysfs.ts': a re-export; import the file that has the thing",
  ],
  [
    'src/source/index.ts',
    'export const a = 1',
    'src/source/index.ts: is a barrel file; import the file that has the thing',
  ],
  [
    'src/source/proc.ts',
    'const a = 1\nexport default a',
    'src/source/proc.ts:2: has a default export; export by name',
  ],
]

t.test('what may not be', async (t) => {
  for (const [file, source, problem] of BAD) t.strictSame(checkSource(file, source), [problem])
})
