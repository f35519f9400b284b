/**
 * `npm run hostile` carries out every known attack at the core and over real sockets, and prints what a thousand packets
 * of it made the victim hold and compute. `-- WORD…` runs only those whose name contains one of the words; `-- --json FILE` writes
 * an array of `{ attack, reference, where, result, bytesHeld, cpuMicrosPerPacket, reason }`.
 */
import { writeFileSync } from "node:fs"
import { parseArgs } from "node:util"
import { type Attack, judge, type Measured, type Row } from "./Attack.ts"
import { attacks } from "./attacks.ts"
import { runAtCore } from "./core.ts"
import { EARLY_REPLAY, earlyReplay } from "./earlyReplay.ts"
import { FORGED_TOO_BIG, forgedTooBig } from "./forgedTooBig.ts"
import { strangers } from "./strangers.ts"
import { runLive, startVictim, type Victim } from "./live.ts"

const { values, positionals } = parseArgs({ options: { json: { type: "string" } }, allowPositionals: true })
const words = positionals.length === 0 ? [""] : positionals
const rows: Array<Row> = []

const attempt = async (attack: Attack, where: Row["where"], run: () => Measured | Promise<Measured>) => {
  try {
    return judge(attack, where, await run())
  } catch (error) {
    const { name, reference } = attack
    const reason = String(error)
    return {
      attack: name,
      reference,
      where,
      result: "fail",
      bytesHeld: 0,
      cpuMicrosPerPacket: 0,
      reason
    } as const
  }
}

const width = Math.max(...attacks.map(({ name }) => name.length))
const report = (row: Row): void => {
  rows.push(row)
  const cells = [`${Math.round(row.bytesHeld / 1000)} kB`, `${row.cpuMicrosPerPacket} µs`]
  const columns = [row.where, row.result, ...cells.map((cell) => cell.padStart(9)), row.reason]
  console.log([row.attack.padEnd(width), ...columns].join("  "))
}

/** Strangers leave handshakes behind, and peers nothing: one victim can serve all of them. */
let shared: Promise<Victim> | undefined
const victimOf = (attack: Attack): Promise<Victim> => {
  if (strangers.includes(attack) || attack.trusts !== undefined || attack.isWatched)
    return startVictim(attack)
  shared ??= startVictim(attack)
  return shared
}

for (const attack of attacks.filter(({ name }) => words.some((word) => name.includes(word)))) {
  const started = victimOf(attack)
  report(await attempt(attack, "core", () => runAtCore(attack)))
  const victim = await started
  report(await attempt(attack, "live", () => runLive(attack, victim)))
  if (started !== shared) await victim.worker.terminate()
}
if (words.some((word) => EARLY_REPLAY.includes(word))) for await (const row of earlyReplay()) report(row)
if (words.some((word) => FORGED_TOO_BIG.includes(word))) for await (const row of forgedTooBig()) report(row)
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(rows, null, 2)}\n`)
const failures = rows.filter(({ result }) => result === "fail").length
console.log(`${rows.length - failures} passed, ${failures} failed`)
process.exit(failures === 0 && rows.length > 0 ? 0 : 1)
