// What is put into a system with an init of its own so that it does what kvmio tells it.
import type { RootFile } from './root-tree.ts'
import { readScript } from './scripts.ts'

const LIBRARY = 'usr/local/lib/kvmio'
const UNIT = 'kvmio.service'

/** The scripts and the unit that starts them, for a root filesystem or for cloud-init. */
export async function agentFiles(): Promise<RootFile[]> {
  const shutdown = await readScript('shutdown')
  return [
    { path: `${LIBRARY}/workload.sh`, content: await readScript('workload') },
    { path: `${LIBRARY}/agent.sh`, content: await readScript('agent'), mode: 0o755 },
    { path: `${LIBRARY}/shutdown.sh`, content: shutdown },
    { path: 'usr/lib/systemd/system-shutdown/kvmio', content: shutdown, mode: 0o755 },
    { path: 'usr/local/bin/kvmio-phase', content: await readScript('kvmio-phase'), mode: 0o755 },
    { path: `etc/systemd/system/${UNIT}`, content: SERVICE },
  ]
}

/** The built-in image has the agent started by its unit, and lets it fill the drive with its filesystem. */
export async function builtInAgentFiles(): Promise<RootFile[]> {
  return [
    ...(await agentFiles()),
    { path: `${LIBRARY}/grow`, content: '' },
    {
      path: `etc/systemd/system/multi-user.target.wants/${UNIT}`,
      target: `/etc/systemd/system/${UNIT}`,
    },
  ]
}

// After a target that it also is part of: systemd then leaves out the order that it would add.
const SERVICE = `[Unit]
Description=kvmio's workload
After=multi-user.target

[Service]
ExecStart=/bin/sh /${LIBRARY}/agent.sh
StandardOutput=journal+console
`
