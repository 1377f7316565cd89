// Whether qemu has a block driver. `qemu-img --help` lists those of the network also where their modules are not
// installed, so it is asked for the driver itself.
import { messageOf } from '../lib/errors.ts'
import { run } from '../lib/process.ts'

/** The package of Debian's and Ubuntu's that has the drivers which qemu-utils has not. */
export const EXTRA_DRIVERS = 'qemu-block-extra'

/** Asks this host's qemu-img, which finds the same modules as qemu, for the driver without a server: nothing is reached. */
export async function qemuHasDriver(driver: string): Promise<boolean> {
  const node = `json:${JSON.stringify({ driver })}`
  return await run('qemu-img', ['info', node], { timeoutMs: 10_000 }).then(
    () => true,
    (error) => !messageOf(error).includes(`Unknown driver '${driver}'`),
  )
}
