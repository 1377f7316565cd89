// What a test asks of a page, inside the browser.
globalThis.inBrowser = {
  /** Texts whose contrast with what is behind them is less than WCAG asks for at level AA. */
  lowContrasts() {
    return [...document.querySelectorAll('body *')].flatMap((element) => {
      const hasText = [...element.childNodes].some(
        (node) => node.nodeType === Node.TEXT_NODE && node.textContent.trim(),
      )
      if (!hasText) return []
      const luminances = [luminance(getComputedStyle(element).color), luminance(behind(element))]
      const [light, dark] = luminances.sort((a, b) => b - a)
      const contrast = (light + 0.05) / (dark + 0.05)
      return contrast < 4.5 ? [`${element.textContent.trim()}: ${contrast.toFixed(2)}`] : []
    })
  },

  /** The present rates by vm and tier, as exact as the page has them. */
  rates() {
    return [...document.querySelectorAll('[data-vm], [data-tier="slow"]')].map((card) => {
      const value = card.querySelector('[data-figure="now"] data')?.getAttribute('value')
      return [card.dataset.vm ?? card.dataset.tier, value ?? '']
    })
  },

  focused: () => document.activeElement.textContent,
  background: () => getComputedStyle(document.body).backgroundColor,
  width: () => document.documentElement.scrollWidth,
}

function channels(colour) {
  return colour.match(/[\d.]+/g).map(Number)
}

/** https://www.w3.org/TR/WCAG22/#dfn-relative-luminance */
function luminance(colour) {
  const [r, g, b] = channels(colour).map((value) => {
    const share = value / 255
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4
  })
  return 0.2126 * r + 0.7152 * g + 0.0722 * b
}

function behind(element) {
  const colour = getComputedStyle(element).backgroundColor
  const isClear = channels(colour)[3] === 0
  return isClear && element.parentElement ? behind(element.parentElement) : colour
}
