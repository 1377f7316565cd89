// Takes the pictures of README and docs from real runs: `npm run screenshots`, as root, with Chromium. Six blocks of a small
// study run on an emulated disk under /tmp, four minutes on an idle machine: the live page is taken while
// its vms write, the report when all have run. node_modules must be there (npm test).

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { chromium } from 'playwright-core'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const work = join(tmpdir(), 'kvmio-screenshots')
const images = join(root, 'docs/images')

const CONFIG = {
  state: 'state',
  tiers: {
    'sata-7200': {
      filesystem: { type: 'ext4', size: '1GiB' },
      emulate: { serviceTime: '10ms' },
      target: { latency: '50ms' },
      capacity: { transactionsPerSecond: 95 },
    },
  },
  guests: {
    student: {
      memory: '104MiB',
      accel: 'tcg',
      drives: { root: { tier: 'sata-7200', format: 'raw', size: '64MiB' } },
    },
  },
  studies: {
    formats: {
      guest: 'student',
      vms: 3,
      pause: '1s',
      blocks: 6,
      workload: {
        'boot-write-shutdown': {
          write: '16MiB',
          blockSize: '64KiB',
          to: 'device',
          direct: true,
          settle: '2s',
        },
      },
      factors: { 'drives.root.format': ['raw', 'qcow2'] },
    },
  },
}

// Down to the end of a section: what comes after it is the same on all.
const VIEWS = [
  { name: 'live-light', width: 1280, colorScheme: 'light', last: 'runs' },
  { name: 'live-dark', width: 1280, colorScheme: 'dark', last: 'runs' },
  { name: 'live-phone', width: 390, colorScheme: 'light', last: 'vms' },
]
/** So that a page with pictures stays quick to load. */
const MAX_BYTES = 200 * 1024
const RUN_LIMIT_MS = 3_600_000

rmSync(work, { recursive: true, force: true })
mkdirSync(join(work, 'state'), { recursive: true })
mkdirSync(join(root, '.kvmio/systems'), { recursive: true })
symlinkSync(join(root, '.kvmio/systems'), join(work, 'state/systems'))
mkdirSync(images, { recursive: true })
writeFileSync(join(work, 'kvmio.yaml'), JSON.stringify(CONFIG, null, 2))

const serving = kvmio('serve', '--web.listen-address', '127.0.0.1:0')
try {
  const url = await served(serving)
  const run = kvmio('run', 'formats')
  const ran = once(run, 'exit')
  run.stderr.pipe(process.stdout)
  const browser = await chromium.launch({
    executablePath: '/usr/bin/chromium',
    // Its sandbox is not for root; coloured edges of letters would make the pictures a third larger.
    args: ['--no-sandbox', '--disable-lcd-text'],
  })
  try {
    await takeLive(browser, url)
    await ran
    const [code] = await once(kvmio('report', 'formats', '--output', 'report.html'), 'exit')
    if (code !== 0) throw new Error('there is no report; see what kvmio said above')
    await takeReport(browser)
  } finally {
    await browser.close()
  }
} finally {
  serving.kill('SIGTERM')
  if (serving.exitCode === null) await once(serving, 'exit')
  rmSync(work, { recursive: true, force: true })
}

function kvmio(command, ...args) {
  const node = join(root, 'node_modules/.bin/node')
  const words = [join(root, 'src/main.ts'), command, '--config.file', 'kvmio.yaml', ...args]
  return spawn(node, words, { cwd: work, stdio: ['ignore', 'inherit', 'pipe'] })
}

async function served({ stderr }) {
  for await (const line of createInterface({ input: stderr })) {
    console.log(line)
    const url = /metrics are served at (http:\S+)\/metrics/.exec(line)?.[1]
    if (url !== undefined) {
      stderr.resume()
      return url
    }
  }
  throw new Error('kvmio did not serve; see what it said above')
}

/** All at one moment: when runs have ended, and the disk has been busy for a while. */
async function takeLive(browser, url) {
  const pages = await Promise.all(
    VIEWS.map(async ({ width, colorScheme }) => {
      const page = await browser.newPage({ viewport: { width, height: 900 }, colorScheme })
      page.setDefaultTimeout(RUN_LIMIT_MS)
      await page.goto(url)
      return page
    }),
  )
  const [first] = pages
  await first.locator('[data-run="4"]').waitFor()
  const isBusy = () => {
    const mean = document.querySelector('[data-tier] [data-figure="mean"] data')
    const phases = [...document.querySelectorAll('[data-vm] [data-figure="phase"]')]
    const allWrite =
      phases.length === 3 && phases.every(({ textContent }) => textContent === 'write')
    return allWrite && Number(mean?.getAttribute('value')) > 60
  }
  while (!(await first.evaluate(isBusy))) await first.waitForTimeout(200)
  await Promise.all(
    pages.map(async (page, index) => {
      const { name, width, last } = VIEWS[index]
      const { y, height } = await page.locator(`#${last}`).boundingBox()
      const clip = { x: 0, y: 0, width, height: Math.round(y + height + 16) }
      await take(page, name, { fullPage: true, clip })
    }),
  )
  for (const page of pages) await page.close()
}

async function takeReport(browser) {
  const page = await browser.newPage({ viewport: { width: 1280, height: 1300 } })
  await page.goto(pathToFileURL(join(work, 'report.html')).href)
  await take(page, 'report', {})
}

async function take(page, name, options) {
  const path = join(images, `${name}.png`)
  await page.screenshot({ path, ...options })
  const { size } = statSync(path)
  console.log(`wrote docs/images/${name}.png, ${Math.round(size / 1024)} KiB`)
  if (size > MAX_BYTES) {
    console.error(`docs/images/${name}.png is larger than 200 KiB`)
    process.exitCode = 1
  }
}
