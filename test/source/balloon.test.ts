import { readFile } from 'node:fs/promises'
import fc from 'fast-check'
import t from 'tap'
import { KvmioError } from '../../src/lib/errors.ts'
import { parseBalloon, parseGuestStats, readBalloon } from '../../src/source/balloon.ts'
import { answering, recordedBalloon } from '../collector/host.ts'
import { fixture } from './fixtures.ts'

t.test('a recorded balloon of 128 MiB', async (t) => {
  const said = await recordedBalloon('balloon')
  t.strictSame(await readBalloon(answering(async (command) => said[command])), {
    actualBytes: 128 * 2 ** 20,
    guest: {
      updatedTime: 1795618178,
      totalBytes: 148_701_184,
      freeBytes: 3_833_856,
      availableBytes: 38_760_448,
      diskCachesBytes: 44_232_704,
      majorFaults: 0,
    },
  })
})

t.test('a guest that never answered has no figures, not zeros', async (t) => {
  const file = fixture('pvm-debian12/qmp/balloon-silent.json')
  t.match(await readFile(file, 'utf8'), '"stat-free-memory": 18446744073709551615')
  const said = await recordedBalloon('balloon-silent')
  t.strictSame(await readBalloon(answering(async (command) => said[command])), {
    actualBytes: 192 * 2 ** 20,
  })
})

t.test('a figure that the driver does not give is absent beside those that it gives', async (t) => {
  const text = `{ "last-update": 7, "stats": {
    "stat-free-memory": 4096, "stat-available-memory": 18446744073709551615, "stat-major-faults": 0 } }`
  t.strictSame(parseGuestStats(JSON.parse(text)), {
    updatedTime: 7,
    freeBytes: 4096,
    majorFaults: 0,
  })
})

t.test('what is not an answer', async (t) => {
  t.throws(() => parseBalloon({}), {
    message: 'query-balloon: actual: expected a number of bytes, got nothing',
  })
  t.throws(() => parseBalloon({ actual: '1' }), {
    message: 'query-balloon: actual: expected a number of bytes, got "1"',
  })
  t.throws(() => parseGuestStats([]), {
    message: 'qom-get guest-stats: expected stats and last-update, got []',
  })
  t.throws(() => parseGuestStats(undefined), {
    message: 'qom-get guest-stats: expected stats and last-update, got nothing',
  })
})

t.test('any answer is parsed, or told why not', async () => {
  fc.assert(
    fc.property(fc.jsonValue(), (answer) => {
      for (const parse of [parseBalloon, parseGuestStats]) {
        try {
          parse(answer)
        } catch (error) {
          if (!(error instanceof KvmioError)) throw error
        }
      }
    }),
  )
})
