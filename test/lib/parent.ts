// Starts a process that waits, prints its pid, and waits itself.
import { openSync } from 'node:fs'
import { startDetached, startProcess } from '../../src/lib/process.ts'

const sleeping = { file: 'sleep', args: ['60'] }
const { pid } =
  process.argv[2] === 'detached'
    ? await startDetached({ ...sleeping, cwd: '/', output: openSync('/dev/null', 'w') })
    : startProcess(sleeping)
process.stdout.write(`${pid}\n`)
process.on('SIGTERM', () => process.exit())
setInterval(() => {}, 1000)
