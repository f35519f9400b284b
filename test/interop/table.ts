/** The matrix for people: a row for each peer and role, a column for each case. */
import { stripVTControlCharacters, styleText } from "node:util"
import { cases } from "./cases.ts"
import type { Row } from "./matrix.ts"
import type { Peer } from "./Peer.ts"

const cell = (row: Row | undefined): string => {
  if (row === undefined) return ""
  if (row.result === "unsupported") return styleText("dim", "–")
  return row.result === "fail" ? styleText("red", "FAIL") : styleText("green", row.reason)
}

const pad = (text: string, width: number): string =>
  text + " ".repeat(width - stripVTControlCharacters(text).length)

export const formatTable = (rows: ReadonlyArray<Row>, peers: ReadonlyArray<Peer>): string => {
  const ran = cases.filter(({ name }) => rows.some((row) => row.case === name))
  const lines = [["peer", "we are", ...ran.map(({ title }) => title)]]
  for (const peer of peers) {
    for (const role of ["client", "server"] as const) {
      const mine = rows.filter((row) => row.peer === peer.name && row.role === role)
      if (mine.length === 0) continue
      lines.push([
        peer.description,
        role,
        ...ran.map(({ name }) => cell(mine.find((row) => row.case === name)))
      ])
    }
  }
  const widths = lines[0].map((_, column) =>
    Math.max(...lines.map((line) => stripVTControlCharacters(line[column]).length))
  )
  const formatted = lines.map((line) =>
    line
      .map((text, i) => pad(text, widths[i]))
      .join("   ")
      .trimEnd()
  )
  formatted.splice(1, 0, widths.map((width) => "─".repeat(width)).join("   "))
  return formatted.join("\n")
}

/** Everything that did not pass, with what there is to go by. */
export const formatRemarks = (rows: ReadonlyArray<Row>): string => {
  const parts: Array<string> = []
  const told = new Set<string>()
  for (const row of rows) {
    if (row.result === "pass") continue
    const where = `${row.peer}/${row.role}/${row.case}`
    if (row.result === "unsupported") {
      const line = `${row.peer}: ${row.reason}`
      if (!told.has(line)) parts.push(`– ${line}`)
      told.add(line)
      continue
    }
    const detail = row.detail?.replace(/^/gm, "    ")
    parts.push(
      `${styleText("red", "FAIL")} ${where}: ${row.reason}${detail ? `\n${detail}` : ""}\n    again: node test/interop/main.ts --only ${where}`
    )
  }
  return parts.join("\n")
}
