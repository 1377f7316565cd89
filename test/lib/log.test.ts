import t from 'tap'
import { createLog, type LogOptions, silentLog } from '../../src/lib/log.ts'

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/

function logging(options: Partial<LogOptions>) {
  const lines: string[] = []
  const destination = { write: (line: string) => void lines.push(line) }
  return { lines, log: createLog({ level: 'info', format: 'text', ...options, destination }) }
}

t.test('text, for people', async (t) => {
  const { lines, log } = logging({ format: 'text' })
  log.info('tier local is open')
  log.warn({ vm: 'demo-1', seconds: 2.5, path: '/a/b.img', why: 'two words' }, 'vm is slow')
  log.error({ err: new Error('no space left'), tier: 'local' }, 'image not made')
  log.error({ err: new Error('alone') })
  t.ok(lines.every((line) => TIME.test(line)))
  t.strictSame(
    lines.map((line) => line.replace(TIME, 'TIME')),
    [
      'TIME INFO  tier local is open\n',
      'TIME WARN  vm is slow vm=demo-1 seconds=2.5 path=/a/b.img why="two words"\n',
      'TIME ERROR image not made: no space left tier=local\n',
      'TIME ERROR alone: alone\n',
    ],
  )
})

t.test('a line stays one line', async (t) => {
  const { lines, log } = logging({ format: 'text' })
  log.info({ vm: 'a\nb' }, 'named')
  t.match(lines[0], / named vm="a\\nb"\n$/)
})

t.test('json, for machines', async (t) => {
  const { lines, log } = logging({ format: 'json' })
  log.warn({ vm: 'demo-1', err: new Error('gone') }, 'vm is slow')
  const { time, err, ...rest } = JSON.parse(lines[0]!)
  t.strictSame(rest, { level: 40, vm: 'demo-1', msg: 'vm is slow' })
  t.match(time, TIME)
  t.match(err, { type: 'Error', message: 'gone', stack: /^Error: gone\n/ })
})

t.test('levels', async (t) => {
  const said = (level: LogOptions['level']) => {
    const { lines, log } = logging({ level })
    for (const each of ['debug', 'info', 'warn', 'error'] as const) log[each](each)
    return lines.map((line) => line.trim().split(' ').at(-1))
  }
  t.strictSame(said('debug'), ['debug', 'info', 'warn', 'error'])
  t.strictSame(said('info'), ['info', 'warn', 'error'])
  t.strictSame(said('error'), ['error'])
  t.equal(silentLog.isLevelEnabled('error'), false)
})
