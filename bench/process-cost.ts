// What a process costs: https://docs.kernel.org/scheduler/sched-stats.html (/proc/PID/task/TID/schedstat)
import { readdir, readFile } from 'node:fs/promises'
import { readProcStatus } from '../src/source/proc.ts'

/** CPU time of all its threads until now, seconds: to the nanosecond, where /proc/PID/stat has hundredths. */
export async function cpuSecondsOf(pid: number): Promise<number> {
  const tasks = await readdir(`/proc/${pid}/task`)
  const times = await Promise.all(
    tasks.map(async (task) => {
      const text = await readFile(`/proc/${pid}/task/${task}/schedstat`, 'utf8').catch(() => '0')
      return Number(text.split(' ')[0]) / 1e9
    }),
  )
  return times.reduce((sum, seconds) => sum + seconds, 0)
}

/** Resident memory, bytes. */
export async function residentBytesOf(pid: number): Promise<number> {
  return (await readProcStatus('/proc', pid)).residentBytes ?? 0
}
