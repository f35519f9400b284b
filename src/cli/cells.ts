/** Text in the cells of a terminal: widths, cutting, padding. */

/** Takes two cells: East Asian wide and fullwidth characters, and emoji. UAX #11 */
const wide =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Emoji_Presentation}\u3000-\u303e\uff01-\uff60\uffe0-\uffe6]/u
/** Drawn over the character before it. */
const combining = /\p{M}/u

const cellsOf = (character: string): number => (combining.test(character) ? 0 : wide.test(character) ? 2 : 1)

/** How many cells `text` takes. */
export const width = (text: string): number => {
  let cells = 0
  for (const character of text) cells += cellsOf(character)
  return cells
}

/** At most `cells` cells of `text`; what is cut off is shown by `…`. */
export const cut = (text: string, cells: number): string => {
  if (width(text) <= cells) return text
  let kept = ""
  let left = cells - 1
  for (const character of text) {
    left -= cellsOf(character)
    if (left < 0) break
    kept += character
  }
  return cells < 1 ? "" : `${kept}…`
}

/** Exactly `cells` cells. */
export const padEnd = (text: string, cells: number): string => {
  const fits = cut(text, cells)
  return fits + " ".repeat(cells - width(fits))
}

/** Exactly `cells` cells, aligned right. */
export const padStart = (text: string, cells: number): string => {
  const fits = cut(text, cells)
  return " ".repeat(cells - width(fits)) + fits
}

/** The first of `parts` that fit into `cells`, with `separator` between them; the first one is cut if it must. */
export const join = (parts: ReadonlyArray<string>, separator: string, cells: number): string => {
  let line = cut(parts[0] ?? "", cells)
  for (const part of parts.slice(1)) {
    if (width(line) + width(separator) + width(part) > cells) return line
    line += separator + part
  }
  return line
}

/** `parts` on as many lines of `cells` cells as they need, with `separator` between those on the same line. */
export const flow = (
  parts: ReadonlyArray<string>,
  separator: string,
  cells: number
): ReadonlyArray<string> => {
  const lines: Array<string> = []
  for (const part of parts) {
    const joined = `${lines.at(-1)}${separator}${part}`
    if (lines.length > 0 && width(joined) <= cells) lines[lines.length - 1] = joined
    else lines.push(cut(part, cells))
  }
  return lines
}
