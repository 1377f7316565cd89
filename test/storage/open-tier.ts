// Opens a tier, makes a drive on it if told to, prints both, and waits to be killed: a kvmio that comes to a bad end.
import { silentLog } from '../../src/lib/log.ts'
import { createImage } from '../../src/storage/image.ts'
import { openTier } from '../../src/storage/tiers.ts'
import { imageOn } from './image-options.ts'

const { name, config, context, drive } = JSON.parse(process.argv[2] ?? '')
const open = await openTier(name, config, { ...context, log: silentLog })
const { tier, disk } = open
const backend = open.locate('demo-1', 'root', 'raw')
if (drive !== undefined) await createImage(open, imageOn(backend, { sizeBytes: drive }))
process.stdout.write(JSON.stringify({ tier, record: disk?.record, backend }))
setInterval(() => {}, 60_000)
