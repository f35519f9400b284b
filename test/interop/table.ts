/** Formats the matrix: a row per case, two columns per peer. */
import type { Role } from "../../src/wire/Role.ts"
import { stripVTControlCharacters, styleText } from "node:util"
import { cases } from "./cases/index.ts"
import type { Row } from "./matrix.ts"
import type { Peer } from "./Peer.ts"

const roles = ["client", "server"] as const

const cell = (row: Row | undefined): string => {
  if (row === undefined) return ""
  if (row.result === "unsupported") return styleText("dim", "–")
  return row.result === "fail" ? styleText("red", "FAIL") : styleText("green", row.reason)
}

const pad = (text: string, width: number): string =>
  text + " ".repeat(width - stripVTControlCharacters(text).length)

const gap = "  "

export const formatTable = (rows: ReadonlyArray<Row>, peers: ReadonlyArray<Peer>): string => {
  const took = peers.filter(({ name }) => rows.some(({ peer }) => peer === name))
  const ran = cases.filter(({ name }) => rows.some((row) => row.case === name))
  const find = (name: string, peer: Peer, role: Role) =>
    cell(rows.find((row) => row.case === name && row.peer === peer.name && row.role === role))
  const lines = [
    ["", ...took.flatMap(({ description }) => [description.split(",")[0], ""])],
    ["we are the", ...took.flatMap(() => roles)],
    ...ran.map(({ name, title }) => [
      title,
      ...took.flatMap((peer) => roles.map((role) => find(name, peer, role)))
    ])
  ]
  // each peer name spans two columns
  const widths = lines[1].map((_, column) =>
    Math.max(...lines.slice(1).map((line) => stripVTControlCharacters(line[column]).length))
  )
  const [names, ...body] = lines
  const heading = names
    .map((name, column) =>
      column % 2 === 1 ? pad(name, widths[column] + gap.length + widths[column + 1]) : ""
    )
    .filter((name) => name !== "")
  const formatted = body.map((line) =>
    line
      .map((text, i) => pad(text, widths[i]))
      .join(gap)
      .trimEnd()
  )
  formatted.splice(1, 0, widths.map((width) => "─".repeat(width)).join(gap))
  return [[" ".repeat(widths[0]), ...heading].join(gap).trimEnd(), ...formatted].join("\n")
}

/** A peer's limits: each reason once, with the cases it applies to. */
const formatLimits = (rows: ReadonlyArray<Row>): ReadonlyArray<string> => {
  const limits = new Map<string, Array<string>>()
  for (const { result, peer, role, case: name, reason } of rows) {
    if (result !== "unsupported") continue
    const line = `– ${peer} as ${role === "client" ? "server" : "client"}: ${reason}`
    limits.set(line, [...(limits.get(line) ?? []), name])
  }
  const one = (names: ReadonlyArray<string>) =>
    names.length === cases.length ? "everything" : names.join(", ")
  return [...limits].map(([line, names]) => `${line} (${one(names)})`)
}

/** Everything that did not pass, with its details. */
export const formatRemarks = (rows: ReadonlyArray<Row>): string => {
  const failures = rows
    .filter(({ result }) => result === "fail")
    .map(({ peer, role, case: name, reason, detail }) => {
      const where = `${peer}/${role}/${name}`
      const more = detail === undefined ? "" : `\n${detail.replace(/^/gm, "    ")}`
      return `${styleText("red", "FAIL")} ${where}: ${reason}${more}\n    to repeat: node test/interop/main.ts --only ${where}`
    })
  return [...formatLimits(rows), ...failures].join("\n")
}
