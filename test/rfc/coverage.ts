/**
 * `node test/rfc/coverage.ts [--missing] [--markdown]` lists every MUST, SHALL, SHOULD and RECOMMENDED of the RFCs with
 * the line that implements it and the test that proves it, or the reason for having neither. Exits with 1 if a
 * requirement has neither.
 *
 * Code and tests cite a MUST as `RFC 9000 §8.1 #2`, the second of its section in `requirements.json`, or without a
 * number if the section has only one; a SHOULD as `§8.1.3 #S2`, the second of its section in `recommendations.json`.
 * `--missing` lists only requirements without citation or reason, `--markdown` prints a table.
 */
import { accountFor, type Entry, isAccountedFor } from "./account.ts"
import { citationsOf } from "./citations.ts"
import { loadExceptions, loadRequirements, rfcs } from "./requirements.ts"

const SHOWN = 3
const onlyMissing = process.argv.includes("--missing")
const asMarkdown = process.argv.includes("--markdown")

const few = (places: ReadonlyArray<string>): string =>
  places.length === 0
    ? "missing"
    : places.slice(0, SHOWN).join(", ") + (places.length > SHOWN ? ` and ${places.length - SHOWN} more` : "")

const asText = (shown: ReadonlyArray<Entry>): string => {
  const lines: Array<string> = []
  let section = ""
  for (const entry of shown) {
    if (entry.section !== section) lines.push(`\nRFC ${entry.section}`)
    section = entry.section
    lines.push(`  #${entry.label} ${entry.sentence}`)
    if (entry.reason !== undefined) lines.push(`    not needed: ${entry.reason}`)
    else lines.push(`    code: ${few(entry.code)}`, `    test: ${few(entry.tests)}`)
  }
  return lines.join("\n")
}

const row = (...cells: ReadonlyArray<string>): string =>
  `| ${cells.map((cell) => cell.replaceAll("|", "\\|").replaceAll("<", "&lt;")).join(" | ")} |`

const asTable = (shown: ReadonlyArray<Entry>): string =>
  [
    row("RFC", "requirement", "code", "test"),
    row("---", "---", "---", "---"),
    ...shown.map((entry) =>
      row(
        `${entry.section} #${entry.label}`,
        entry.sentence,
        entry.reason ?? few(entry.code),
        entry.reason === undefined ? few(entry.tests) : ""
      )
    )
  ].join("\n")

const kinds = [
  ["MUST", (label: string) => !label.startsWith("S")],
  ["SHOULD", (label: string) => label.startsWith("S")]
] as const

const totals = (entries: ReadonlyArray<Entry>): ReadonlyArray<ReadonlyArray<string>> =>
  rfcs.flatMap((rfc) =>
    kinds.map(([kind, isOfKind]) => {
      const all = entries.filter((each) => each.rfc === rfc && isOfKind(each.label))
      const excepted = all.filter(({ reason }) => reason !== undefined).length
      const missing = all.filter((each) => !isAccountedFor(each)).length
      return [`${rfc} ${kind}`, all.length, all.length - excepted - missing, excepted, missing].map(String)
    })
  )

const entries = accountFor(
  loadRequirements(),
  loadExceptions(),
  citationsOf("src", "layers"),
  citationsOf("test")
)
const shown = onlyMissing ? entries.filter((each) => !isAccountedFor(each)) : entries
const headings = ["RFC", "sentences", "in code and test", "with a reason", "missing"]
if (asMarkdown)
  console.log(
    `${asTable(shown)}\n\n${[headings, headings.map(() => "---"), ...totals(entries)].map((each) => row(...each)).join("\n")}`
  )
else {
  const aligned = (cells: ReadonlyArray<string>) =>
    cells.map((cell, column) => cell.padStart((column === 0 ? 11 : headings[column].length) + 2)).join("")
  console.log(`${asText(shown)}\n\n${[headings, ...totals(entries)].map(aligned).join("\n")}`)
}
process.exitCode = entries.every(isAccountedFor) ? 0 : 1
