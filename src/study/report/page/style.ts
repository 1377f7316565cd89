import { Html } from '../../../lib/html.ts'

/** The page's style: light and dark, a phone's width, and paper. */
export const STYLE = new Html(`
:root {
  color-scheme: light dark;
  --page: #fcfcfa; --card: #fff; --text: #1d2126; --soft: #565f69; --line: #d9dce0; --grid: #e6e8eb; --band: #f0f1f3;
  --bar: #7fa6d6; --reference: #b9bec6; --interval: #9a1f2b; --good: #1c6b3a; --bad: #9a1f2b; --open: #7a5600;
  --layer-1: #3b6fb6; --layer-2: #c7701a; --layer-3: #3a8a56; --layer-4: #8460b0; --layer-5: #b5404c;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #14171a; --card: #1b1f23; --text: #e8eaed; --soft: #a3abb4; --line: #3a4047; --grid: #2d3238; --band: #22272c;
    --bar: #3f6ba3; --reference: #5b626b; --interval: #ff9aa2; --good: #7fd39b; --bad: #ff9aa2; --open: #e5bb5c;
    --layer-1: #74a4e0; --layer-2: #eda052; --layer-3: #72c48e; --layer-4: #b699df; --layer-5: #e77f89;
  }
}
* { box-sizing: border-box }
body { margin: 0; background: var(--page); color: var(--text); font: 16px/1.55 system-ui, sans-serif; overflow-wrap: anywhere }
header, main, footer { max-width: 54rem; margin: 0 auto; padding: 0 1.25rem }
header { padding-top: 2rem }
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0 0 .4rem }
h2 { font-size: 1.3rem; margin: 2.75rem 0 .6rem; padding-top: 1rem; border-top: 1px solid var(--line) }
h3 { font-size: 1.05rem; margin: 1.6rem 0 .4rem }
h4 { font-size: .95rem; margin: 1.1rem 0 .2rem }
p, ul, ol, figure { margin: .5rem 0 }
.soft, figcaption, small { color: var(--soft) }
figcaption, small { font-size: .86rem }
.banner { border-left: 4px solid var(--open); background: var(--card); padding: .5rem .9rem; margin: 1rem 0 }
.verdicts { list-style: none; padding: 0 }
.verdicts li { background: var(--card); border: 1px solid var(--line); border-left: 4px solid var(--good); border-radius: 4px; padding: .55rem .9rem; margin: .5rem 0 }
.verdicts li.same { border-left-color: var(--soft) }
.verdicts li.none { border-left-color: var(--open) }
nav ul { display: flex; flex-wrap: wrap; gap: .2rem 1.1rem; list-style: none; padding: 0; font-size: .92rem }
a { color: inherit }
figure { overflow-x: auto }
svg { display: block; width: 100%; height: auto; max-width: 47rem; overflow: visible }
svg.narrow { display: none }
.table { overflow-x: auto }
table { border-collapse: collapse; font-size: .88rem; font-variant-numeric: tabular-nums; min-width: 100% }
th, td { text-align: left; vertical-align: top; padding: .3rem .9rem .3rem 0; border-bottom: 1px solid var(--line); overflow-wrap: normal }
th { font-weight: 600 }
td.n, th.n { text-align: right }
td.n { white-space: nowrap }
th { vertical-align: bottom }
td.name { min-width: 9rem; overflow-wrap: anywhere }
td.words { min-width: 15rem }
.agrees, .good { color: var(--good) }
.disagrees, .bad { color: var(--bad) }
.open { color: var(--open) }
details summary { cursor: pointer }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1rem; font-size: .9rem }
dt { color: var(--soft) }
dd { margin: 0 }
dl.stack { grid-template-columns: 1fr }
dl.stack dt { color: var(--text); font-weight: 600 }
dl.stack dd { margin-bottom: .5rem }
code, pre { font-size: .85em }
pre { overflow-x: auto; white-space: pre-wrap }
footer { padding: 2.5rem 1.25rem; font-size: .86rem; color: var(--soft) }
@media (max-width: 640px) {
  header, main, footer { padding-left: .9rem; padding-right: .9rem }
  svg.wide { display: none }
  svg.narrow { display: block; max-width: 30rem }
  td.words { min-width: 11rem }
  td.name { min-width: 7rem }
  dl { grid-template-columns: 1fr }
  dd { margin-bottom: .4rem }
}
@media print {
  :root {
    color-scheme: light;
    --page: #fff; --card: #fff; --text: #000; --soft: #444; --line: #bbb; --grid: #ddd; --band: #f0f0f0;
    --bar: #7fa6d6; --reference: #b9bec6; --interval: #9a1f2b; --good: #1c6b3a; --bad: #9a1f2b; --open: #7a5600;
    --layer-1: #3b6fb6; --layer-2: #c7701a; --layer-3: #3a8a56; --layer-4: #8460b0; --layer-5: #b5404c;
  }
  body { font-size: 10.5pt }
  nav, .download { display: none }
  svg.wide { display: block }
  svg.narrow { display: none }
  .table, figure { overflow: visible }
  table { font-size: 8pt }
  th, td { padding-right: .5rem }
  td.words, td.name { min-width: 0 }
  figure, .verdicts li, tr { break-inside: avoid }
  h2, h3, h4 { break-after: avoid }
}
`)
