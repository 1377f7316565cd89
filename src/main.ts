import './lib/threads.ts'
import { Command, CommanderError, Option } from 'commander'
import { calibrateTier } from './cli/calibrate.ts'
import { check } from './cli/check.ts'
import { clean } from './cli/clean.ts'
import { rampDensity } from './cli/density.ts'
import { addDensityOptions, densityOptions } from './cli/density-options.ts'
import { doctor } from './cli/doctor.ts'
import { init } from './cli/init.ts'
import { exportJournal } from './cli/journal-export.ts'
import {
  addCommonOptions,
  addServeOptions,
  commonOptions,
  duration,
  serveOptions,
} from './cli/options.ts'
import { pause, resume } from './cli/pause.ts'
import { plan } from './cli/plan.ts'
import { predictDensity } from './cli/predict.ts'
import { addPredictOptions, predictOptions } from './cli/predict-options.ts'
import { runStudies } from './cli/run.ts'
import { serve } from './cli/serve.ts'
import { version } from './cli/version.ts'
import { ConfigError, codeOf, KvmioError, UsageError } from './lib/errors.ts'
import { createLog } from './lib/log.ts'
import { CLASSES } from './study/calibration/classes.ts'

// The command line. Exit codes: 0 good, 1 a run failed, 2 bad usage or config.
const FAILED = 1
const BAD_USAGE = 2
// Nothing is left to do then.
const END_MS = 5_000

const SUITES = 'a suite, such as paper or studies/paper.yaml#buses'
const STUDIES = `a study of the config, or ${SUITES}`

const ending = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    if (ending.signal.aborted && signal === 'SIGINT') process.exit(FAILED) // who presses Ctrl-C twice does not wait
    process.stderr.write(`${signal}: ending the vms and giving back what is theirs\n`)
    ending.abort(signal)
  })
}

// A service that is started again, as after an upgrade: the next kvmio adopts the vms, as it does after a kill.
process.on('SIGUSR2', () => {
  process.stderr.write('SIGUSR2: leaving the vms to the next kvmio\n')
  process.exit(0)
})

process.stdout.on('error', (error) => {
  if (codeOf(error) === 'EPIPE') process.exit(0) // whoever reads it has enough, as head(1)
  throw error
})

const program = new Command('kvmio')
  .description(
    'Launches qemu-kvm benchmark guests and counts each disk transaction at every layer.',
  )
  .version(version, '--version')
  .exitOverride()
  .showSuggestionAfterError()

addServeOptions(
  program.command('serve').description('serve metrics and run the studies that have a schedule'),
).action(async (flags) => {
  const options = serveOptions(flags)
  await serve(options, createLog(options.log), ending.signal)
})

addServeOptions(program.command('run').description('run studies and print what they came to'))
  .argument('<study...>', STUDIES)
  .option('--once', 'one block: each case once')
  .option('--only <pattern>', 'only cases of this name, in which * stands for any characters')
  .option('--fail-fast', 'end with the first run that fails')
  .action(async (studies, flags) => {
    const options = {
      ...serveOptions(flags),
      studies,
      blocks: flags.once ? 1 : undefined,
      only: flags.only as string | undefined,
      failFast: flags.failFast === true,
      command: ['kvmio', ...process.argv.slice(2)].join(' '),
    }
    const passed = await runStudies(options, createLog(options.log), ending.signal)
    if (!passed) process.exitCode = FAILED
  })

addPredictOptions(
  addDensityOptions(
    addServeOptions(
      program
        .command('density')
        .description('find out by trying how many vms of a guest a tier serves, or predict it'),
    ),
  ),
)
  .argument('<tier>', 'a tier of the config')
  .action(async (tier, flags) => {
    if (flags.predict === true) return await predictDensity(predictOptions(tier, flags))
    const options = densityOptions(tier, flags)
    const measured = await rampDensity(options, createLog(options.log), ending.signal)
    if (!measured) process.exitCode = FAILED
  })

addServeOptions(
  program
    .command('calibrate')
    .description('measure what a tier serves, with fio on a file of its own'),
)
  .argument('<tier>')
  .option('--quick', 'fewer depths and fewer seconds, and no checks')
  .option('--time-limit <duration>', 'when it is given up: 30m, 2h', duration)
  .addOption(new Option('--class <class...>', 'only these classes of operations').choices(CLASSES))
  .action(async (tier, flags) => {
    const options = {
      ...serveOptions(flags),
      tier,
      quick: flags.quick === true,
      classes: flags.class,
      timeLimit: flags.timeLimit,
    }
    await calibrateTier(options, createLog(options.log), ending.signal)
  })

addCommonOptions(program.command('pause').description('let studies wait before their next run'))
  .argument('<study...>')
  .action((studies, flags) => pause({ ...commonOptions(flags), studies }))

addCommonOptions(program.command('resume').description('let paused studies go on'))
  .argument('<study...>')
  .action((studies, flags) => resume({ ...commonOptions(flags), studies }))

const journal = program.command('journal').description('what the studies have come to')
addCommonOptions(journal.command('export').description('print the runs of studies'))
  .argument('[study...]', 'all that the journal has by default')
  .addOption(
    new Option('--format <format>', 'jsonl has everything, csv a row for each run')
      .choices(['jsonl', 'csv'])
      .default('jsonl'),
  )
  .option('--samples', 'with the seconds of each run (jsonl)')
  .action((studies, flags) =>
    exportJournal(
      {
        ...commonOptions(flags),
        studies,
        format: flags.format,
        samples: flags.samples === true,
      },
      process.stdout,
    ),
  )

addCommonOptions(
  program.command('plan').description('print the cases of studies, without starting anything'),
)
  .argument('[study...]', `${STUDIES}; all of the config by default`)
  .action((studies, flags) => plan({ ...commonOptions(flags), studies }))

addCommonOptions(
  program
    .command('report')
    .description('write what a study came to, or two beside each other, as one page'),
)
  .argument('<study...>', 'a study or suite that has run, or a file that --format json wrote')
  .addOption(new Option('--format <format>').choices(['html', 'json', 'csv']).default('html'))
  .option('--output <file>', '- for standard output; report-STUDY.FORMAT here by default')
  .action(async (studies, flags) => {
    const { report } = await import('./cli/report.ts') // the drawing of figures is of no use to others
    await report({ ...commonOptions(flags), studies, format: flags.format, output: flags.output })
  })

addCommonOptions(program.command('check').description('check the config, and suites beside it'))
  .argument('[suite...]', SUITES)
  .option('--web.config.file <file>', 'check the file of that flag of serve too')
  .action((studies, flags) =>
    check({ ...commonOptions(flags), webConfigFile: flags['web.config.file'], studies }),
  )

addCommonOptions(program.command('doctor').description('list what this host can and cannot do'))
  .option('--json', 'as JSON')
  .action((flags) => doctor({ ...commonOptions(flags), json: flags.json === true }))

addCommonOptions(
  program.command('init').description('write a config for this host from what is found of it'),
)
  .argument('[file]', '- for standard output; the config file by default')
  .option('--force', 'overwrite a file that is there')
  .action((target, flags) => init({ ...commonOptions(flags), target, force: flags.force === true }))

addCommonOptions(
  program.command('clean').description('end and remove what a killed kvmio left on this host'),
).action((flags) => clean(commonOptions(flags)))

/** What hangs in the kernel, as a file on a server that has gone does, holds one of libuv's threads and the process with it. */
function endDespiteHanging(): void {
  const kill = () => {
    process.stderr.write('ending without a file that does not answer\n')
    process.kill(process.pid, 'SIGKILL')
  }
  setTimeout(kill, END_MS).unref()
}

try {
  await program.parseAsync()
} catch (error) {
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? 0 : BAD_USAGE
  } else if (error instanceof KvmioError) {
    process.stderr.write(`${error.message}\n`)
    const isUsage = error instanceof ConfigError || error instanceof UsageError
    process.exitCode = isUsage ? BAD_USAGE : FAILED
  } else if (ending.signal.aborted && error === ending.signal.reason) {
    process.exitCode = FAILED // what was waited for was given up; the handler has said so
  } else {
    throw error
  }
} finally {
  endDespiteHanging()
}
