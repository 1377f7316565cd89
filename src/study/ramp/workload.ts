import type { GuestConfig, StudyConfig } from '../../config/schema.ts'
import { studySchema } from '../../config/study-schema.ts'

// What the vms of a ramp do unless a study's workload is wanted: bursts whose times are a Poisson process, as people and
// their cron jobs come, once a second on average and whatever the last one has met with.

const BURST = 4
const BLOCK_BYTES = 4096
const MEAN_SECONDS = 1

/** Transactions per second that one vm asks for on average. */
export const DEFAULT_TRANSACTIONS_PER_SECOND = BURST / MEAN_SECONDS

export const DEFAULT_WORKLOAD = `bursts of ${BURST} direct writes of ${BLOCK_BYTES / 1024} KiB, one a second on average`

// Uptime has two decimals, so without its point it is in hundredths. awk tells all times from the beginning on, so that
// what a burst or a new process takes does not make the next one later. busybox' awk is built without log(): it is had from
// ln u = ln m - k ln 2, with m = 2^k u from 1 to 2, and the series of ln m, to six digits. Of one guest and the next only the
// seed differs.
const SCRIPT = `
disk=\${KVMIO_DISK##*/}
read -r sectors <"/sys/class/block/$disk/size"
read -r uuid </proc/sys/kernel/random/uuid
read -r uptime idle </proc/uptime
burst=/run/kvmio/burst
dd if=/dev/urandom of=$burst bs=${BLOCK_BYTES} count=${BURST} iflag=fullblock status=none || exit
awk -v seed="$((0x\${uuid%%-*}))" -v at="$uptime" -v places="$((sectors * 512 / ${BLOCK_BYTES} - ${BURST}))" '
function ln(u,  k, s) {
  for (k = 0; u < 1; k++) u *= 2
  s = (u - 1) / (u + 1)
  return 2 * s * (1 + s * s * (1 / 3 + s * s * (1 / 5 + s * s * (1 / 7 + s * s / 9)))) - k * 0.693147
}
BEGIN {
  srand(seed)
  for (;;) {
    at -= ln(1 - rand()) * ${MEAN_SECONDS}
    printf "%d %d\\n", at * 100, int(rand() * places)
  }
}' | while read -r at place; do
  read -r uptime idle </proc/uptime
  wait=$((at - \${uptime%.*}\${uptime#*.}))
  hundredths=$((100 + wait % 100))
  [ $wait -le 0 ] || sleep "$((wait / 100)).\${hundredths#1}"
  dd if=$burst of="$KVMIO_DISK" bs=${BLOCK_BYTES} count=${BURST} seek="$place" conv=notrunc oflag=direct \\
    status=none || exit
done
exit 1
`

/** Longer than any step: a workload goes on as long as its step does. */
const WORKLOAD_TIME = '23d'
const PHASE_SECONDS = 24 * 24 * 3600

/** The guest of a ramp, whose phases may take as long as a step does; the step itself sees to those that do not begin. */
export function rampGuest(guest: GuestConfig): GuestConfig {
  return { ...guest, deadlines: { ...guest.deadlines, phase: PHASE_SECONDS } }
}

/** The study that a ramp's vms are planned as: of this guest, and with a study's workload or the ramp's own. */
export function rampStudy(guest: string, study?: StudyConfig): StudyConfig {
  const workload = { script: { run: SCRIPT, to: 'device', timeout: WORKLOAD_TIME } }
  const own = studySchema.parse({ guest, workload })
  return study ? { ...own, workload: study.workload, hostCache: study.hostCache } : own
}
