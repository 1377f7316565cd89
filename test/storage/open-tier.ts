// Opens a tier, prints it, and waits to be killed: a kvmio that comes to a bad end.
import { silentLog } from '../../src/lib/log.ts'
import { openTier } from '../../src/storage/tiers.ts'

const { name, config, context } = JSON.parse(process.argv[2] ?? '')
const { tier, disk } = await openTier(name, config, { ...context, log: silentLog })
process.stdout.write(JSON.stringify({ tier, record: disk?.record }))
setInterval(() => {}, 60_000)
