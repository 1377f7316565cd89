import { type Command, InvalidArgumentError, Option } from 'commander'
import { commonOptions } from './options.ts'
import type { PredictOptions } from './predict.ts'

/** The flags of a prediction. */
export function addPredictOptions(command: Command): Command {
  return command
    .option('--predict', 'say how many would fit by what is known, without starting anything')
    .option('--vms <n>', 'with --predict: say whether so many fit', wholeNumber)
    .addOption(
      new Option(
        '--source <source>',
        'with --predict: where the demand is taken from; the first of these that has it by default',
      ).choices(['stated', 'journal', 'live']),
    )
}

export function predictOptions(tier: string, flags: Record<string, unknown>): PredictOptions {
  const { guest, vms, target, source, json } = flags as unknown as PredictOptions
  return { ...commonOptions(flags), tier, guest, vms, target, source, json: json === true }
}

function wholeNumber(text: string): number {
  if (/^\d{1,6}$/.test(text)) return Number(text)
  throw new InvalidArgumentError(`expected a whole number, got "${text}"`)
}
