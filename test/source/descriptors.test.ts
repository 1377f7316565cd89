import t from 'tap'
import { parseDescriptorLimit } from '../../src/source/descriptors.ts'

t.test('the soft limit, as the kernel prints it', async (t) => {
  const text = (soft: string) =>
    `Limit                     Soft Limit           Hard Limit           Units     \nMax processes             96365                96365                processes \nMax open files            ${soft.padEnd(20)} 1048576              files     \n`
  t.equal(parseDescriptorLimit(text('1024')), 1024)
  t.equal(parseDescriptorLimit(text('unlimited')), undefined)
  for (const [said, message] of [
    ['', '/proc/PID/limits:1: expected a line "Max open files ...", found none'],
    [
      text('-1'),
      '/proc/PID/limits:3: Max open files (soft limit): expected a whole number, got "-1"',
    ],
  ] as const) {
    t.throws(() => parseDescriptorLimit(said), { name: 'ParseError', message })
  }
})
