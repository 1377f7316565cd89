import { execFile, execFileSync } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { parse } from 'yaml'
import { findTool, lacking } from '../tools.ts'

const exec = promisify(execFile)
const root = join(import.meta.dirname, '../..')
const read = async (file: string) => parse(await readFile(join(root, file), 'utf8'))

t.test('promtool accepts the config', { skip: lacking('promtool') }, async (t) => {
  const args = ['check', 'config', join(root, 'prometheus/prometheus.yml')]
  t.match(execFileSync(findTool('promtool')!, args).toString(), 'is valid prometheus config')
})

t.test('promtool would refuse a wrong one', { skip: lacking('promtool') }, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'kvmio-promtool-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const good = await readFile(join(root, 'prometheus/prometheus.yml'), 'utf8')
  const file = join(folder, 'prometheus.yml')
  await writeFile(file, good.replace('scrape_interval', 'scrap_interval'))
  const error = await exec(findTool('promtool')!, ['check', 'config', file]).catch((error) => error)
  t.match(error.stderr, /field scrap_interval not found/)
})

t.test('the target is where kvmio listens by default', async (t) => {
  const { scrape_configs } = await read('prometheus/prometheus.yml')
  t.equal(scrape_configs[0].job_name, 'kvmio')
  t.strictSame(scrape_configs[0].file_sd_configs, [{ files: ['targets/*.yml'] }])
  t.strictSame(await read('prometheus/targets/local.yml'), [{ targets: ['127.0.0.1:10177'] }])
})
