/**
 * Interoperability with third-party implementations, as a table.
 *
 *     node test/interop/main.ts [--only PEER[/ROLE[/CASE]]] [--as PEER] [--json FILE]
 *
 * ROLE is ours. `--as quic-go` puts quic-go in our place, to tell a peer's problems from our own. With `SSLKEYLOGFILE`
 * both sides log their secrets there, for Wireshark.
 */
import { writeFileSync } from "node:fs"
import { parseArgs } from "node:util"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Effect from "effect/Effect"
import { decodesInTshark } from "./capture.ts"
import * as material from "./material.ts"
import { matches, type Row, runMatrix } from "./matrix.ts"
import { ours } from "./ours.ts"
import { ngtcp2 } from "./peers/ngtcp2.ts"
import { dialedPeer, dialsStrangers } from "./dialed.ts"
import { noq } from "./peers/noq.ts"
import { quicGo } from "./peers/quicGo.ts"
import { quiche } from "./peers/quiche.ts"
import { quinn } from "./peers/quinn.ts"
import { relayPeer, relaysStrangers } from "./relay.ts"
import { formatRemarks, formatTable } from "./table.ts"

const peers = [quiche, quinn, quicGo, ngtcp2, noq]

const { values } = parseArgs({
  options: { only: { type: "string" }, as: { type: "string" }, json: { type: "string" } }
})

const program = Effect.gen(function* () {
  const us = values.as === undefined ? ours : peers.find(({ name }) => name === values.as)
  if (us === undefined) return yield* Effect.die(`--as: one of ${peers.map(({ name }) => name).join(", ")}`)
  const rows: Array<Row> = yield* runMatrix({
    us,
    peers,
    material: yield* material.make,
    only: values.only,
    requireAll: process.env.CI === "true",
    onRow: ({ peer, role, case: name, result, reason }) =>
      process.stderr.write(`${result.padEnd(11)} ${peer}/${role}/${name}  ${reason}\n`)
  })
  const remarks = formatRemarks(rows)
  process.stdout.write(`\n${formatTable(rows, peers)}\n${remarks && `\n${remarks}\n`}`)
  if (us === ours && matches(values.only, dialedPeer)) {
    const dialed = yield* dialsStrangers
    rows.push(...dialed)
    for (const { role, result, reason } of dialed)
      process.stdout.write(
        `\nDialed by key through our relay, iroh and us as the ${role}: ${result}, ${reason}\n`
      )
  }
  if (us === ours && matches(values.only, relayPeer)) {
    const relayed = yield* relaysStrangers
    rows.push(...relayed)
    for (const { case: name, result, reason } of relayed)
      process.stdout.write(`\nTwo of iroh's endpoints through our relay, ${name}: ${result}, ${reason}\n`)
  }
  if (us === ours && matches(values.only, "tshark")) {
    const captured = yield* decodesInTshark(process.env.CI === "true")
    rows.push(captured)
    process.stdout.write(`\nCapture of the demo in tshark: ${captured.result}, ${captured.reason}\n`)
  }
  if (values.json !== undefined) {
    const plain = rows.map(({ detail: _, ...row }) => row)
    writeFileSync(values.json, `${JSON.stringify(plain, null, 2)}\n`)
  }
  process.exitCode = rows.some(({ result }) => result === "fail") ? 1 : 0
})

program.pipe(Effect.scoped, Effect.provide(NodeServices.layer), NodeRuntime.runMain())
