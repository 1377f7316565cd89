// Becomes another program, for which there is more in /usr/share than this host has: what a package brings there that was
// unpacked and not installed. To be run in a mount namespace of its own:
//
//   unshare --mount node scripts/with-share.mjs FOLDER PROGRAM [ARGUMENT…]

import { execFileSync } from 'node:child_process'

const [share, program, ...args] = process.argv.slice(2)
const layers = `ro,lowerdir=${share}:/usr/share`
execFileSync('mount', ['-t', 'overlay', 'overlay', '-o', layers, '/usr/share'], {
  stdio: 'inherit',
})
process.execve(program, [program, ...args], process.env)
