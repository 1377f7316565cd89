#!/usr/bin/env node
// Plain JavaScript that older versions of Node can read, so that they can say what is wrong.
const major = Number(process.versions.node.split('.')[0])
if (major < 24) {
  console.error(
    `kvmio needs Node 24 or newer, this is ${process.version}; install it from nodejs.org or your distribution, or run it with: npx -p node@24 -p kvmio kvmio`,
  )
  process.exitCode = 2
} else {
  import('../dist/main.js')
}
