// Keeps the page as the events have it: each brings all that changes, as the page itself has it, and what differs is
// changed in place, so that focus, selection and scrolling stay where they are.

const live = document.getElementById('live')
const connection = document.getElementById('connection')
const button = document.getElementById('pause')
const news = document.createElement('p')

const STALE_MS = 5_000
const RETRY_MS = 30_000

let source
let staleTimer
let paused = false

news.className = 'unseen'
news.setAttribute('role', 'status')
connection.parentElement.append(news)
button.hidden = false
button.addEventListener('click', () => {
  paused = !paused
  button.setAttribute('aria-pressed', String(paused))
  if (paused) say('Paused.')
  follow()
})
// A page that nobody sees costs nothing.
document.addEventListener('visibilitychange', follow)
follow()

/** Listens, or does not. */
function follow() {
  const wanted = !paused && !document.hidden
  if (wanted === (source !== undefined)) return
  if (!wanted) {
    source.close()
    source = undefined
    clearTimeout(staleTimer)
    return
  }
  source = new EventSource('/live/events')
  source.addEventListener('version', ({ data }) => {
    if (data !== live.dataset.version) location.reload()
  })
  source.addEventListener('state', ({ data }) => {
    show(data)
    say('Live.')
    clearTimeout(staleTimer)
    staleTimer = setTimeout(() => say('No news for five seconds.'), STALE_MS)
  })
  source.addEventListener('error', () => {
    clearTimeout(staleTimer)
    say('The connection is lost; trying again.')
    // It tries by itself, unless the answer was a refusal.
    if (source?.readyState !== EventSource.CLOSED) return
    source = undefined
    setTimeout(follow, RETRY_MS)
  })
}

/** For eyes and ears, once. */
function say(text) {
  if (connection.textContent !== text) connection.textContent = text
}

function show(markup) {
  const before = newestRun()
  const template = document.createElement('template')
  template.innerHTML = markup // all of it was escaped where it was made
  adaptChildren(live, template.content)
  const after = newestRun()
  if (before !== undefined && after !== undefined && after.id !== before.id) {
    news.textContent = `Run ${after.id} has ended: ${after.outcome}.`
  }
}

function newestRun() {
  const row = live.querySelector('[data-run]')
  if (!row) return undefined
  return {
    id: row.dataset.run,
    outcome: row.querySelector('[data-figure="outcome"]').textContent,
  }
}

function adapt(node, wanted) {
  if (node.nodeType === Node.TEXT_NODE) {
    if (node.data !== wanted.data) node.data = wanted.data
    return
  }
  for (const { name } of [...node.attributes]) {
    if (!wanted.hasAttribute(name)) node.removeAttribute(name)
  }
  for (const { name, value } of wanted.attributes) {
    if (node.getAttribute(name) !== value) node.setAttribute(name, value)
  }
  adaptChildren(node, wanted)
}

/** What has a key is found by it; the rest by its place. */
function adaptChildren(parent, wanted) {
  const keyed = new Map([...parent.children].map((child) => [keyOf(child), child]))
  let place = parent.firstChild
  for (const next of [...wanted.childNodes]) {
    const key = keyOf(next)
    const match = key === undefined ? place : keyed.get(key)
    if (match && isSame(match, next)) {
      if (match === place) place = place.nextSibling
      else parent.insertBefore(match, place)
      adapt(match, next)
    } else {
      parent.insertBefore(next, place)
    }
  }
  while (place) {
    const next = place.nextSibling
    place.remove()
    place = next
  }
}

function isSame(node, wanted) {
  return node.nodeName === wanted.nodeName && keyOf(node) === keyOf(wanted)
}

function keyOf(node) {
  return node.dataset?.key ?? (node.id || undefined)
}
