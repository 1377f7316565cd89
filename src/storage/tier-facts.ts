import type { TierConfig } from '../config/schema.ts'
import { filesystemOf, readMounts } from '../source/mounts.ts'
import type { OpenTier } from './tiers.ts'

/** What a run's figures depend on of a tier; its manifest keeps that. */
export interface TierFacts {
  /** As the config has it, without consents and files of passwords. */
  config: Omit<TierConfig, 'overwrite' | 'passwordFile'>
  filesystem?: string
  /** As the kernel has them, its own defaults included. */
  mountOptions?: readonly string[]
  device?: string
}

/** What is true of an open tier now. */
export async function readTierFacts({ tier, config, context }: OpenTier): Promise<TierFacts> {
  const { overwrite: _, passwordFile: __, ...plain } = config
  const { filesystem, device, directory } = tier
  const facts: TierFacts = { config: plain }
  if (filesystem !== undefined) facts.filesystem = filesystem
  if (device !== undefined) facts.device = device
  if (directory !== undefined && tier.unavailable === undefined) {
    const { mount } = await filesystemOf(directory, await readMounts(context.procRoot))
    facts.mountOptions = mount.options
  }
  return facts
}
