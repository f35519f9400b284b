/**
 * `npm run soak [-- --kills N] [--json FILE]`: a server is killed with SIGKILL in the middle of a reply, N times, by
 * default 1000, and another takes its place after 10 ms to 1.5 s. Fails unless its client learns of each loss by a typed
 * error in the time that its options allow, has the next reply in one round trip nine times of ten, and holds at the end what it held
 * after a tenth of them.
 */
import { writeFileSync } from "node:fs"
import { parseArgs } from "node:util"
import { quantiles } from "../bench/system.ts"
import { type Kill, type Kills, kills } from "./kills.ts"
import { IDLE_MILLIS, KEEP_ALIVE_MILLIS, RETRY_MILLIS } from "./sides.ts"

/** The idle timeout begins again with the first packet the client sends into the silence. RFC 9000 §10.1 */
const BOUND_MILLIS = IDLE_MILLIS + KEEP_ALIVE_MILLIS
/** For a machine that has other things to do. */
const LATE_MILLIS = 250
/** What the JIT and the allocator may do with a heap of 40 MB; a connection left behind is 30 kB. */
const GROWN_BYTES = 2_000_000

/** Each attempt at a server that is away spends a session ticket, and without one the request waits for the handshake. */
const EARLY_SHARE = 0.9

const { values } = parseArgs({
  options: { kills: { type: "string", default: "1000" }, json: { type: "string" } }
})

const spread = (name: string, samples: Array<number>): void => {
  const { p50, p99 } = quantiles(samples)
  const [a, b, c] = [p50, p99, samples[samples.length - 1]].map((each) => each.toFixed(0).padStart(6))
  console.log(`${name.padEnd(58)}${String(samples.length).padStart(5)} ${a} ${b} ${c} ms`)
}

const report = ({ kills: all, before, after }: Kills): void => {
  console.log(`${"".padEnd(58)}times    p50    p99    max`)
  for (const reason of new Set(all.map((each) => each.reason)))
    spread(
      `from the kill to ${reason}`,
      all.filter((each) => each.reason === reason).map(({ lossMillis }) => lossMillis)
    )
  const back = (knew: boolean): Array<number> =>
    all.filter((each) => each.knew === knew).map(({ backMillis }) => backMillis)
  for (const [knew, when] of [
    [true, `a packet each ${RETRY_MILLIS} ms until then`],
    [false, "loss not yet known"]
  ] as const)
    if (back(knew).length > 0) spread(`from the return to the next byte, ${when}`, back(knew))
  const early = all.filter(({ isEarly }) => isEarly).length
  console.log(`the next request came with the first flight ${early} times of ${all.length}`)
  console.log("what the client holds   ", JSON.stringify(before))
  console.log("and after the last kill ", JSON.stringify(after))
}

/** What did not hold. */
const failures = ({ kills: all, before, after }: Kills): ReadonlyArray<string> => {
  const wrong: Array<string> = []
  const expect = (holds: boolean, what: string): void => {
    if (!holds) wrong.push(what)
  }
  const isLate = ({ lossMillis }: Kill): boolean => lossMillis > BOUND_MILLIS + LATE_MILLIS
  expect(
    !all.some(isLate),
    `${all.filter(isLate).length} losses were seen after more than ${BOUND_MILLIS + LATE_MILLIS} ms`
  )
  const untyped = all.filter(({ reason }) => reason !== "IdleTimeout" && reason !== "StatelessReset")
  expect(untyped.length === 0, `other reasons: ${untyped.map(({ reason }) => reason)}`)
  const early = all.filter(({ isEarly }) => isEarly).length
  expect(early >= EARLY_SHARE * all.length, `the next request was early only ${early} times`)
  for (const key of ["handlers", "fibers", "connections", "streams", "waiting"] as const)
    expect(before[key] === after[key], `${key}: ${before[key]} before, ${after[key]} after`)
  const grown = after.heapBytes - before.heapBytes
  expect(grown < GROWN_BYTES, `the client's heap has grown by ${grown} bytes`)
  return wrong
}

const result = await kills(Number(values.kills), (_, n) => {
  if ((n + 1) % 100 === 0) console.log(`${n + 1} kills`)
})
report(result)
const wrong = failures(result)
for (const each of wrong) console.log(each)
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(result, null, 2)}\n`)
process.exit(wrong.length > 0 ? 1 : 0)
