import { KvmioError, messageOf } from '../../lib/errors.ts'
import type { Analysis } from './analysis.ts'
import type { StudyResults } from './record.ts'
import { resultsSchema } from './results-schema.ts'

/** The version of what is written; a reader takes its own. */
const FORMAT = 'kvmio report 1'

/** What the report was made from, and what it says. The same file is read again to be compared with another host's. */
export function reportJson(results: StudyResults, analysis: Analysis): string {
  return `${JSON.stringify({ format: FORMAT, results, analysis })}\n`
}

/** The results in a file that `report --format json` wrote. */
export function parseReportJson(file: string, text: string): StudyResults {
  let content: { format?: unknown; results?: unknown } | null
  try {
    content = JSON.parse(text)
  } catch (error) {
    throw new KvmioError(`${file}: not JSON: ${messageOf(error)}`, { cause: error })
  }
  if (content?.format !== FORMAT) {
    const found = JSON.stringify(content?.format) ?? 'none'
    throw new KvmioError(
      `${file}: expected the format "${FORMAT}" that kvmio report --format json writes, found ${found}`,
    )
  }
  const { data, error } = resultsSchema.safeParse(content.results)
  if (data) return data
  const [issue] = error.issues
  const place = ['results', ...issue!.path].join('.')
  throw new KvmioError(`${file}: ${place}: expected ${issue!.message}`)
}
