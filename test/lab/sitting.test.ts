import t from 'tap'
import { parseSitting, type Sitting } from './sitting.ts'

const PARTS = ['virtio-optimizations', 'filesystems', 'lvm'] as const

const ROWS: [words: string, sitting: Sitting | string][] = [
  ['', { parts: PARTS, minutes: 60 }],
  [
    'parts=lvm only=lvm blocks=1 minutes=22',
    { parts: ['lvm'], only: 'lvm', blocks: 1, minutes: 22 },
  ],
  ['parts=lvm,filesystems blocks=6', { parts: ['filesystems', 'lvm'], blocks: 6, minutes: 60 }],
  ['only=ext*', { parts: PARTS, only: 'ext*', minutes: 60 }],
  ['part=lvm lvm', 'unknown word part, lvm; there is parts, only, blocks, minutes'],
  ['parts=lvm,buses', 'parts: expected of virtio-optimizations, filesystems, lvm, got buses'],
  ['parts=', 'parts: expected of virtio-optimizations, filesystems, lvm, got '],
  ['blocks=0', 'blocks: expected a whole number from 1 to 9999, got "0"'],
  ['minutes=', 'minutes: expected a whole number from 1 to 9999, got ""'],
  ['minutes=1.5', 'minutes: expected a whole number from 1 to 9999, got "1.5"'],
  [
    'only=a,b',
    'only: expected the name of a case, in which * stands for any characters, got "a,b"',
  ],
  ['only=lvm blocks=2', 'blocks: only some cases run in one block alone'],
]

t.test('what a sitting of the paper is asked to do', async (t) => {
  for (const [words, sitting] of ROWS)
    t.strictSame(parseSitting(words === '' ? [] : words.split(' ')), sitting, words)
})
