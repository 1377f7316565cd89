import { html } from '../../../lib/html.ts'
import { formatBytes, formatSeconds } from '../../../lib/quantities.ts'
import type { Analysis } from '../analysis.ts'
import { LARGEST_REQUEST } from '../arithmetic.ts'
import { formatFigure } from '../format.ts'
import type { Section } from './document.ts'
import { tableOf } from './table.ts'

/** The paper's own figures, with the request limit of its kernels: 512 KiB (max_sectors_kb). */
const PAPER = {
  name: 'the paper, ext4',
  bytes: 2 * 2 ** 30,
  seconds: 150,
  transactionsPerSecond: 5,
  largestRequestBytes: 512 * 1024,
}

/** Whether the transactions that were counted can hold the bytes that were written. */
export function arithmeticSection({ arithmetic }: Analysis): Section {
  const done = PAPER.transactionsPerSecond * PAPER.seconds
  const least = PAPER.bytes / PAPER.largestRequestBytes / PAPER.seconds
  return {
    id: 'arithmetic',
    title: 'Can the transactions hold the bytes?',
    body: html`<p>The paper’s mean of 5 transactions a second over 150 s makes 750. Its guest wrote 2 GiB meanwhile, which would be 2.7 MiB in each, and its kernels made no request above 512 KiB: at least 27 a second were needed. Most of what was written must have been in the host’s memory still. Here a run ends when its data is on the device, and this table does the same sum for each case.</p>
${tableOf(
  [
    { title: 'case', kind: 'name' },
    { title: 'guests wrote', kind: 'figure' },
    { title: 'device got', kind: 'figure' },
    { title: 'transactions', kind: 'figure' },
    { title: 'time', kind: 'figure' },
    { title: 'per second', kind: 'figure' },
    { title: 'least', kind: 'figure' },
    { title: 'in each', kind: 'figure' },
    { title: 'enough' },
    { title: 'arrived' },
  ],
  [
    [
      PAPER.name,
      formatBytes(PAPER.bytes),
      undefined,
      `${done}`,
      formatSeconds(PAPER.seconds),
      formatFigure(PAPER.transactionsPerSecond),
      formatFigure(least),
      formatBytes(PAPER.bytes / done),
      html`<span class="bad">no</span>`,
      html`<span class="bad">no</span>`,
    ],
    ...arithmetic.map((each) => [
      each.case,
      each.guestWrittenBytes === undefined ? undefined : formatBytes(each.guestWrittenBytes),
      formatBytes(each.deviceWrittenBytes),
      Math.round(each.deviceTransactions).toLocaleString('en-US'),
      formatSeconds(each.seconds),
      formatFigure(each.transactionsPerSecond),
      formatFigure(each.leastTransactionsPerSecond),
      formatBytes(each.bytesPerTransaction),
      yesOrNo(each.contains),
      each.conserved === undefined ? 'not known' : yesOrNo(each.conserved),
    ]),
  ],
)}
<p><small>Medians over runs. “Least”: the fewest transactions per second that can hold the device’s bytes, all in requests of ${formatBytes(LARGEST_REQUEST)}, the largest default of any Linux. “Arrived”: in every run the device was written at least what the guests wrote.</small></p>`,
  }
}

function yesOrNo(yes: boolean) {
  return yes ? html`<span class="good">yes</span>` : html`<span class="bad">no</span>`
}
