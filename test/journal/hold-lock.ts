// Locks a state directory, says so, and waits to be killed.
import { lockState } from '../../src/journal/lock.ts'

const lock = lockState(process.argv[2]!)
process.stdout.write('locked\n')
setInterval(() => lock, 1000)
