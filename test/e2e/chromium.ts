// A real browser, which looks at the pages of a real kvmio.
import { join } from 'node:path'
import { type Browser, chromium, type Page } from 'playwright-core'
import type { Test } from 'tap'
import { findTool } from '../tools.ts'

/** A guest boots in 3 s here, and in 15 s beside three others. */
const PATIENCE_MS = 60_000

/** Why there is none on this host. */
export function chromiumLack(): string | false {
  return findTool('chromium') === undefined && 'chromium is not installed'
}

export async function openBrowser(t: Pick<Test, 'teardown'>): Promise<Browser> {
  const root = process.geteuid?.() === 0
  const browser = await chromium.launch({
    executablePath: findTool('chromium'),
    args: root ? ['--no-sandbox'] : [], // its sandbox is not for root
  })
  t.teardown(() => browser.close())
  return browser
}

/** A page of which in-browser.mjs can be asked. */
export async function openPage(browser: Browser): Promise<Page> {
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 } })
  page.setDefaultTimeout(PATIENCE_MS)
  await page.addInitScript({ path: join(import.meta.dirname, 'in-browser.mjs') })
  return page
}

/** All that a page should not say and not ask for, from now on. */
export function complaints(page: Page, origin: string): string[] {
  const found: string[] = []
  page.on('console', (message) => found.push(`console: ${message.text()}`))
  page.on('pageerror', (error) => found.push(`error: ${error.message}`))
  page.on('request', (request) => {
    if (!request.url().startsWith(`${origin}/`)) found.push(`asked for ${request.url()}`)
  })
  page.on('response', (response) => {
    if (response.status() >= 400) found.push(`${response.status()} ${response.url()}`)
  })
  return found
}

/** What a function of in-browser.mjs says of the page. */
export function ask<T>(page: Page, name: string): Promise<T> {
  return page.evaluate(`inBrowser.${name}()`)
}
