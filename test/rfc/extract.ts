/**
 * Generates `requirements.json` and `recommendations.json` from the RFCs' Markdown sources: `node test/rfc/extract.ts
 * DIRECTORY`, which contains rfc9000.md and so on. Only needed when an RFC is added.
 */
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { rfcs, type Sentence } from "./requirements.ts"

// a sentence with both keywords is in both files
const keywords = {
  requirements: /\b(MUST|SHALL)\b/,
  recommendations: /\b(SHOULD|RECOMMENDED)\b/
}

/** The text of each section by number, without figures, tables and layout markup. */
const sections = (source: string): ReadonlyArray<readonly [string, string]> => {
  const found: Array<[string, string]> = []
  const counters: Array<number> = []
  let inAppendix = false
  let inFigure = false
  const body = source.slice(source.indexOf("--- middle"))
  for (const line of body.split("\n")) {
    if (line.startsWith("--- back")) {
      inAppendix = true
      counters.length = 0
    }
    if (line.startsWith("~~~")) inFigure = !inFigure
    if (inFigure || line.startsWith("~~~") || line.startsWith("|") || line.startsWith("{:")) continue
    const heading = /^(#+) /.exec(line)
    if (heading !== null) {
      const depth = heading[1].length
      while (counters.length < depth) counters.push(0)
      counters.length = depth
      counters[depth - 1]++
      const [first, ...rest] = counters
      const top = inAppendix ? String.fromCharCode(64 + first) : String(first)
      found.push([[top, ...rest].join("."), ""])
    } else if (found.length > 0) {
      const last = found[found.length - 1]
      // a list item is a sentence of its own
      last[1] +=
        /^\s*([-*:]|\d+\.)\s/.test(line) || line.trim() === "" ? `\n\n${line.trim()}` : ` ${line.trim()}`
    }
  }
  return found
}

const plain = (text: string): string =>
  text
    .replace(
      /\{\{([^}]*)\}\}(\{[^}]*\})?/g,
      (_, reference: string) => `[${reference.replace(/^[!?]/, "").split("=").at(-1)}]`
    )
    .replace(/\{:[^}]*\}/g, "")
    .replace(/[*`]{1,2}([^*`]+)[*`]{1,2}/g, "$1")
    .replace(/^[-*:]\s+/, "")
    .replace(/\s+/g, " ")
    .trim()

const sentences: Array<Sentence> = []
for (const rfc of rfcs) {
  const source = readFileSync(join(process.argv[2], `rfc${rfc}.md`), "utf8")
  for (const [section, text] of sections(source))
    for (const paragraph of text.split("\n\n"))
      for (const sentence of plain(paragraph).split(/(?<=[.!?])\s+(?=[A-Z"([])/))
        sentences.push([rfc, section, sentence])
}

for (const [name, keyword] of Object.entries(keywords)) {
  const lines = sentences
    .filter(([, , sentence]) => keyword.test(sentence))
    .map((each) => `  ${JSON.stringify(each)}`)
  writeFileSync(new URL(`${name}.json`, import.meta.url), `[\n${lines.join(",\n")}\n]\n`)
  console.log(`${lines.length} ${name}`)
}
